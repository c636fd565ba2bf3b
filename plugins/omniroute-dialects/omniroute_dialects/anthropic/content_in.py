"""A caller's content blocks as parts.

Kinds that this gateway has no part for stay whole in an `Opaque`, with the gist in plain words for the
other dialects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omniroute_hooks import (
    ANTHROPIC,
    Blob,
    Citation,
    Document,
    Image,
    Opaque,
    Part,
    Seal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from omniroute_hooks.conversation import NO_EXT, Ext
from omniroute_hooks.jsonio import dumps
from omniroute_hooks.sealing import ENVELOPE, unwrap

from ..blobs import blob_of_base64, blob_of_url
from ..fields import Fields
from .cache import read_mark
from .words import plain_words


def read_content(owner: Fields, name: str = "content", *, required: bool = False) -> tuple[Part, ...]:
    """The field ``name``: a string, or a list of blocks."""
    value = owner.raw(name)
    if isinstance(value, str):
        return (Text(value),)
    if value is not None and not isinstance(value, list):
        owner.wrong(name, "must be a string or an array of content blocks")
        return ()
    parts = (read_block(block) for block in owner.objects(name, required=required))
    return tuple(part for part in parts if part is not None)


def read_block(block: Fields) -> Part | None:
    """One block; None where it is wrong, which has been noted."""
    kind = block.text("type", required=True)
    if kind is None:
        return None
    read = _READERS.get(kind)
    return _opaque(block, kind) if read is None else read(block)


def read_citation(raw: Any) -> Citation | None:
    """A citation as the vendor writes it, kept whole for its own dialect."""
    if not isinstance(raw, dict):
        return None
    index = raw.get("encrypted_index")
    made_up = isinstance(index, str) and (not index or index.startswith(ENVELOPE))  # see `answer_out`
    return Citation(
        url=string_or_none(raw.get("url")) or string_or_none(raw.get("source")),
        title=string_or_none(raw.get("title")) or string_or_none(raw.get("document_title")),
        cited_text=string_or_none(raw.get("cited_text")),
        ext=NO_EXT if made_up else {ANTHROPIC: raw},
    )


def ext_of(fields: dict[str, Any]) -> Ext:
    """Fields that ride along, under this dialect's id."""
    return {ANTHROPIC: fields} if fields else NO_EXT


def _text(block: Fields) -> Part:
    ext: dict[str, Any] = {}
    citations = tuple(found for raw in block.array("citations") or () if (found := read_citation(raw)))
    cache = read_mark(block, ext)
    text = block.text("text", required=True) or ""
    return Text(text, citations, cache, ext=ext_of({**block.rest(), **ext}))


def _image(block: Fields) -> Part:
    source = block.object("source", required=True)
    if source is None:
        return Text("")
    blob = _blob(source)
    if blob is None:
        return _opaque(block, "image")
    ext: dict[str, Any] = {}
    cache = read_mark(block, ext)
    return Image(blob, cache=cache, ext=ext_of({**block.rest(), **ext}))


def _document(block: Fields) -> Part:
    source = block.object("source", required=True)
    if source is None:
        return Text("")
    ext: dict[str, Any] = {}
    blob: Blob | None
    if source.body.get("type") == "content":
        # Blocks within a document: other dialects get their words, this one gets them as they are.
        ext["source"] = source.body
        blob = Blob("text/plain", text=plain_words({"content": source.raw("content")}))
    else:
        blob = _blob(source)
    if blob is None:
        return _opaque(block, "document")
    cites = block.object("citations")
    cache = read_mark(block, ext)
    return Document(
        blob,
        title=block.text("title"),
        context=block.text("context"),
        citations=bool(cites and cites.flag("enabled")),
        cache=cache,
        ext=ext_of({**block.rest(), **ext}),
    )


def _search_result(block: Fields) -> Part:
    content = block.array("content", required=True) or []
    words = plain_words({"content": content})
    source = block.text("source", required=True)
    title = block.text("title", required=True)
    ext: dict[str, Any] = {"type": "search_result", "source": source, "content": content}
    cites = block.object("citations")
    cache = read_mark(block, ext)
    shown = f"{source}\n{words}" if source else words
    return Document(
        Blob("text/plain", text=shown),
        title=title,
        citations=bool(cites and cites.flag("enabled")),
        cache=cache,
        ext=ext_of({**block.rest(), **ext}),
    )


def _blob(source: Fields) -> Blob | None:
    """A media source; None for kinds that are not known."""
    kind = source.text("type", required=True)
    if kind == "base64":
        mime = source.text("media_type")
        return blob_of_base64(source.text("data", required=True) or "", mime)
    if kind == "text":
        return Blob(source.text("media_type") or "text/plain", text=source.text("data", required=True) or "")
    if kind == "url":
        return blob_of_url(source.text("url", required=True) or "")
    if kind == "file":
        return Blob(file_id=source.text("file_id", required=True) or "")
    return None


def _thinking(block: Fields) -> Part:
    seal = _returned(block.text("signature"))
    return Thinking(block.text("thinking") or "", seal, ext=ext_of(block.rest()))


def _redacted(block: Fields) -> Part:
    seal = _returned(block.text("data", required=True))
    return Thinking("", seal, redacted=True, ext=ext_of(block.rest()))


def _returned(token: str | None) -> Seal | None:
    """The sealed value that a caller brings back; None for an envelope around nothing, or a damaged one."""
    seal = unwrap(token, ANTHROPIC) if token else None
    return seal if seal is not None and seal.value and not seal.value.startswith(ENVELOPE) else None


def _tool_use(block: Fields) -> Part:
    ext: dict[str, Any] = {}
    value = block.mapping("input")
    return ToolCall(
        block.text("id", required=True) or "",
        block.text("name", required=True) or "",
        "{}" if value is None else dumps(value).decode(),
        cache=read_mark(block, ext),
        ext=ext_of({**block.rest(), **ext}),
    )


def _tool_result(block: Fields) -> Part:
    ext: dict[str, Any] = {}
    return ToolResult(
        block.text("tool_use_id", required=True) or "",
        read_content(block),
        block.flag("is_error") or False,
        cache=read_mark(block, ext),
        ext=ext_of({**block.rest(), **ext}),
    )


def _opaque(block: Fields, kind: str) -> Part:
    return Opaque(ANTHROPIC, kind, block.body, plain_words(block.body))


def string_or_none(value: Any) -> str | None:
    """The value if it is a string."""
    return value if isinstance(value, str) else None


_READERS: dict[str, Callable[[Fields], Part]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}


def plain_seal(value: Any) -> Seal | None:
    """A signature as a provider sent it; None where it sent none."""
    if not isinstance(value, str) or not value:
        return None
    return Seal(value if value.isascii() else value.encode("utf-8", "replace").decode(), ANTHROPIC)
