"""Content parts of a caller's message: this dialect's own, and those of the two neighbours.

Some clients send the parts of the Responses or the Messages format to this address, so a part is read by its
type, whoever invented it. Unknown types stay as they are, for providers of this dialect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omniroute_hooks import (
    ANTHROPIC,
    OPENAI_CHAT,
    Audio,
    Blob,
    CacheMark,
    Document,
    FieldProblem,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from omniroute_hooks.conversation import NO_EXT, Ext
from omniroute_hooks.jsonio import dumps, json_type
from omniroute_hooks.sealing import unwrap

from ..blobs import blob_of_base64, blob_of_url
from ..fields import Fields

_AUDIO_MIME = {"mp3": "audio/mp3", "wav": "audio/wav"}
_NOT_EXT = ("annotations", "logprobs", "citations", "id", "status", "phase")  # leftovers of other formats


def read_content(holder: Fields, name: str = "content") -> list[Part]:
    """The parts of a ``content`` field: a string, an array of parts, one part, or nothing."""
    value = holder.raw(name)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [Text(value)]
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        holder.wrong(name, f"must be a string or an array, not {json_type(value)}")
        return []
    parts: list[Part] = []
    for position, item in enumerate(value):
        path = f"{holder.at(name)}[{position}]"
        if isinstance(item, str):
            parts.append(Text(item))
        elif isinstance(item, dict):
            parts.extend(_read_part(Fields(item, path, holder.problems)))
        else:
            holder.problems.append(FieldProblem(path, f"must be an object, not {json_type(item)}"))
    return parts


def tool_input(value: Any) -> str:
    """A call's arguments as JSON text: as it came, or printed where a client sent the object itself."""
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value).decode()


def _read_part(part: Fields) -> list[Part]:
    kind = part.raw("type")
    if kind is None and part.has("text"):
        kind = "text"
    if not isinstance(kind, str):
        part.wrong("type", "is required and must be a string")
        return []
    reader = _READERS.get(kind)
    if reader is None:
        return [Opaque(OPENAI_CHAT, kind, dict(part.body))]
    found = reader(part)
    return [] if found is None else [found]


def _text(part: Fields) -> Part | None:
    text = part.text("text", required=True)
    if text is None:
        return None
    return Text(text, cache=_cache(part), ext=_ext(part))


def _refusal(part: Fields) -> Part | None:
    text = part.text("refusal", required=True)
    return None if text is None else Refusal(text)


def _image_url(part: Fields) -> Part | None:
    """{image_url: {url, detail}}; the Responses form has the URL itself, and ``detail`` beside it."""
    if isinstance(part.body.get("image_url"), str):
        url, detail = part.text("image_url"), part.text("detail")
    elif part.has("file_id") and not part.has("image_url"):
        return Image(Blob(file_id=part.text("file_id")), part.text("detail"), _cache(part), _ext(part))
    else:
        inner = part.object("image_url", required=True)
        if inner is None:
            return None
        url, detail = inner.text("url", required=True), inner.text("detail")
    return None if url is None else Image(blob_of_url(url), detail, _cache(part), _ext(part))


def _audio(part: Fields) -> Part | None:
    inner = part.object("input_audio", required=True)
    if inner is None:
        return None
    data, form = inner.text("data", required=True), inner.text("format")
    mime = _AUDIO_MIME.get(form or "", f"audio/{form}") if form else None
    if data is None:
        return None
    blob = blob_of_url(data) if data.startswith("data:") else Blob(mime=mime, data=data)
    return Audio(blob, ext=_ext(part))


def _audio_url(part: Fields) -> Part | None:
    url = _nested_url(part, "audio_url")
    return None if url is None else Audio(blob_of_url(url), ext=_ext(part))


def _video_url(part: Fields) -> Part | None:
    url = _nested_url(part, "video_url")
    return None if url is None else Video(blob_of_url(url), ext=_ext(part))


def _nested_url(part: Fields, name: str) -> str | None:
    if isinstance(part.body.get(name), str):
        return part.text(name)
    inner = part.object(name, required=True)
    return None if inner is None else inner.text("url", required=True)


def _file(part: Fields) -> Part | None:
    """{file: {file_data, file_id, filename}}; the Responses form has the same fields without ``file``."""
    inner = part.object("file") if part.has("file") else part
    if inner is None:
        return None
    title, data, url, file_id = (inner.text(name) for name in ("filename", "file_data", "file_url", "file_id"))
    if data is not None:
        blob = blob_of_url(data) if data.startswith("data:") else blob_of_base64(data, None)
    elif file_id is not None:
        blob = Blob(file_id=file_id)
    elif url is not None:
        blob = Blob(url=url)
    else:
        inner.wrong("", "must have file_data or file_id")
        return None
    return Document(blob, title=title, cache=_cache(part), ext=_ext(part))


def _image_block(part: Fields) -> Part | None:
    blob = _source(part)
    return None if blob is None else Image(blob, cache=_cache(part))


def _document_block(part: Fields) -> Part | None:
    blob = _source(part)
    wanted = part.mapping("citations") or {}
    if blob is None:
        return None
    return Document(blob, part.text("title"), part.text("context"), wanted.get("enabled") is True, _cache(part))


def _search_result(part: Fields) -> Part | None:
    words = "\n".join(piece.text for piece in read_content(part) if isinstance(piece, Text))
    return Document(Blob(mime="text/plain", text=words), title=part.text("title"), cache=_cache(part))


def _source(part: Fields) -> Blob | None:
    source = part.object("source", required=True)
    if source is None:
        return None
    kind = source.one_of("type", ("base64", "url", "file", "text", "content"))
    if kind == "content":
        return Blob(mime="text/plain", text="\n".join(p.text for p in read_content(source) if isinstance(p, Text)))
    value = source.text({"base64": "data", "text": "data", "url": "url", "file": "file_id"}.get(kind or "", "data"))
    if kind is None or value is None:
        source.wrong("", "must have a type and what it calls for: data, url or file_id")
        return None
    if kind == "base64":
        return blob_of_base64(value, source.text("media_type"))
    if kind == "text":
        return Blob(mime=source.text("media_type") or "text/plain", text=value)
    return Blob(url=value) if kind == "url" else Blob(file_id=value)


def _tool_use(part: Fields) -> Part | None:
    call_id, name = part.text("id", required=True), part.text("name", required=True)
    if call_id is None or name is None:
        return None
    return ToolCall(call_id, name, tool_input(part.raw("input")), cache=_cache(part))


def _tool_result(part: Fields) -> Part | None:
    call_id = part.text("tool_use_id", required=True)
    parts = tuple(read_content(part))
    failed = part.flag("is_error") or False
    return None if call_id is None else ToolResult(call_id, parts, failed, cache=_cache(part))


def _thinking(part: Fields) -> Part | None:
    words = part.raw("thinking")
    if isinstance(words, list):  # Mistral: text parts inside
        inside = Fields({"content": words}, part.path, part.problems)
        text: str | None = "".join(p.text for p in read_content(inside) if isinstance(p, Text))
    else:
        text = part.text("thinking")
    token = part.text("signature")
    seal = unwrap(token, ANTHROPIC) if token else None
    return Thinking(text or "", seal) if text or seal else None


def _redacted(part: Fields) -> Part | None:
    token = part.text("data", required=True)
    return Thinking("", unwrap(token, ANTHROPIC), redacted=True) if token else None


def _cache(part: Fields) -> CacheMark | None:
    """A breakpoint in either spelling. The field itself stays in ``ext`` for providers of this dialect."""
    for name in ("prompt_cache_breakpoint", "cache_control"):
        mark = part.body.get(name)
        if isinstance(mark, dict):
            ttl = mark.get("ttl")
            return CacheMark(ttl if isinstance(ttl, str) else None)
    return None


def _ext(part: Fields) -> Ext:
    rest = part.rest(_NOT_EXT)
    return {OPENAI_CHAT: rest} if rest else NO_EXT


_READERS: dict[str, Callable[[Fields], Part | None]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "image_url": _image_url,
    "input_image": _image_url,
    "input_audio": _audio,
    "audio_url": _audio_url,
    "video_url": _video_url,
    "file": _file,
    "input_file": _file,
    "image": _image_block,
    "document": _document_block,
    "search_result": _search_result,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
}
