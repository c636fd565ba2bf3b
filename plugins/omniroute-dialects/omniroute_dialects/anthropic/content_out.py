"""Parts as the content blocks of a request, within what the vendor accepts there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, field, frozen
from omniroute_hooks import (
    ANTHROPIC,
    Audio,
    Blob,
    Document,
    FieldProblem,
    Image,
    Loss,
    Opaque,
    Part,
    Refusal,
    Target,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Unsupported,
    Video,
)
from omniroute_hooks.sealing import opens_for

from ..attribution import MARK
from ..blobs import text_of
from ..names import fit
from .cache import mark_fields
from .tools_out import NAME_CHARS, call_input, flat_name

LONGEST_ID = 128
_TEXTUAL = ("application/json", "application/xml", "application/yaml", "application/javascript", "application/x-sh")
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")


@frozen
class Page:
    """What rendering a part needs beside it. ``own`` tells that the caller speaks this dialect too."""

    target: Target
    names: Mapping[str, str]
    own: bool
    losses: list[Loss] = field(factory=list)

    def lost(self, where: str, policy: Any, note: str = "") -> None:
        """Notes a loss, once."""
        loss = Loss(where, policy, note)
        if loss not in self.losses:
            self.losses.append(loss)


def render_parts(parts: Iterable[Part], page: Page, path: str) -> list[dict[str, Any]]:
    """The blocks of these parts, in their order. Errors: `Unsupported` naming ``path``."""
    out: list[dict[str, Any]] = []
    for position, part in enumerate(parts):
        block = _render(part, page, f"{path}[{position}]")
        if block is not None:
            out.append(block)
    return out


def collapsed(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A single plain text as a string, which every server takes; anything else as it is."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        text: str = blocks[0]["text"]
        return text
    return blocks


def _render(part: Part, page: Page, path: str) -> dict[str, Any] | None:
    if isinstance(part, Text):
        return _text(part)
    if isinstance(part, ToolCall):
        return {
            "type": "tool_use",
            "id": fit(part.id, NAME_CHARS, LONGEST_ID),
            "name": _called(part, page),
            "input": call_input(part.arguments, part.kind),
            **mark_fields(part.cache),
            **_ext(part),
        }
    if isinstance(part, ToolResult):
        return _result(part, page, path)
    if isinstance(part, Thinking):
        return _thinking(part, page)
    if isinstance(part, Image):
        spec = page.target.spec
        if spec is not None and "image" not in spec.input:
            raise unsupported(path, "this model does not take images")
        return {"type": "image", "source": _image(part.source, page, path), **mark_fields(part.cache), **_ext(part)}
    if isinstance(part, Document):
        return _document(part, page, path)
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text} if part.text.strip() else None
    if isinstance(part, Opaque):
        if part.dialect == ANTHROPIC:
            return dict(part.raw)
        page.lost(part.kind, "emulate", "told in words")
        return {"type": "text", "text": part.text} if part.text.strip() else None
    kind = "audio" if isinstance(part, Audio) else "video" if isinstance(part, Video) else type(part).__name__
    raise unsupported(path, f"this provider does not take {kind}")


def _text(part: Text) -> dict[str, Any] | None:
    if not part.text.strip():
        return None  # refused by the vendor, with or without a cache mark
    if not (part.citations or part.cache or part.ext):
        return {"type": "text", "text": part.text}
    out: dict[str, Any] = {"type": "text", "text": part.text}
    cited = [citation.ext[ANTHROPIC] for citation in part.citations if ANTHROPIC in citation.ext]
    if cited:
        out["citations"] = cited
    return {**out, **mark_fields(part.cache), **_ext(part)}


def _called(part: ToolCall, page: Page) -> str:
    flat = flat_name(part.name, part.namespace)
    return page.names.get(flat, flat)


def _result(part: ToolResult, page: Page, path: str) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "tool_result", "tool_use_id": fit(part.call_id, NAME_CHARS, LONGEST_ID)}
    blocks = render_parts(part.parts, page, f"{path}.content")
    if not blocks and part.is_error:
        blocks = [{"type": "text", "text": "Error"}]  # an error without words is refused
    if blocks:
        out["content"] = collapsed(blocks)
    if part.is_error:
        out["is_error"] = True
    return {**out, **mark_fields(part.cache), **_ext(part)}


def _thinking(part: Thinking, page: Page) -> dict[str, Any] | None:
    target = page.target
    if part.seal is None or not opens_for(part.seal, ANTHROPIC, target.provider.id, target.model):
        page.lost("thinking", "drop", "reasoning of another maker")
        return None
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.seal.value, **_ext(part)}
    return {"type": "thinking", "thinking": part.text, "signature": part.seal.value, **_ext(part)}


def _image(blob: Blob, page: Page, path: str) -> dict[str, Any]:
    if blob.data is not None:
        if blob.mime not in _IMAGES:
            raise unsupported(path, f"this provider takes no {blob.mime or 'image of unknown type'}")
        return {"type": "base64", "media_type": blob.mime, "data": blob.data}
    return _reference(blob, page, path)


def _reference(blob: Blob, page: Page, path: str) -> dict[str, Any]:
    if blob.url is not None:
        return {"type": "url", "url": blob.url}
    if blob.file_id is not None and page.own:
        return {"type": "file", "file_id": blob.file_id}
    raise unsupported(path, "the file is kept by another provider" if blob.file_id else "its content cannot be sent")


def _document(part: Document, page: Page, path: str) -> dict[str, Any]:
    ext = _ext(part)
    out: dict[str, Any] = {"type": "document"}
    if "source" not in ext:
        out["source"] = _document_source(part.source, page, path)
    if part.title is not None:
        out["title"] = part.title
    if part.context is not None:
        out["context"] = part.context
    if part.citations:
        out["citations"] = {"enabled": True}
    return {**out, **mark_fields(part.cache), **ext}  # a search result's type and source are in ext


def _document_source(blob: Blob, page: Page, path: str) -> dict[str, Any]:
    text = text_of(evolve(blob, mime="text/plain") if blob.mime in _TEXTUAL else blob)
    if text is not None:
        return {"type": "text", "media_type": "text/plain", "data": text}
    if blob.data is not None:
        if blob.mime != "application/pdf":
            raise unsupported(path, f"this provider takes no {blob.mime or 'file of unknown type'}")
        return {"type": "base64", "media_type": "application/pdf", "data": blob.data}
    return _reference(blob, page, path)


def _ext(part: Any) -> dict[str, Any]:
    if not part.ext:
        return {}
    return {name: value for name, value in (part.ext.get(ANTHROPIC) or {}).items() if name != MARK}


def unsupported(path: str, problem: str) -> Unsupported:
    return Unsupported(f"{path}: {problem}", details=[FieldProblem(path, problem)])
