"""An answer's parts for a caller of this dialect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omniroute_hooks import (
    GEMINI,
    Audio,
    Blob,
    Document,
    Image,
    Opaque,
    Part,
    Refusal,
    Reply,
    Seal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    Video,
)

from ..blobs import text_of
from ..hosted_tools import shown_words
from ..names import original_name
from . import slots
from .contents_in import arguments_object

Json = dict[str, Any]


class PartsWriter:
    """Writes the parts of one answer, in order.

    Thoughts are shown to callers who asked for them or asked for thinking, as the vendor does. Whether shown or
    not, reasoning that another model sealed also travels with the call behind it (see `slots`).
    """

    def __init__(self, reply: Reply) -> None:
        reasoning = reply.conversation.reasoning
        self.shows_thoughts = (
            reasoning.show != "none" if reasoning.show is not None else reasoning.mode in ("on", "auto")
        )
        self._led: list[tuple[Thinking, int]] = []  # reasoning for the next call, and how many parts came before it
        self._count = 0  # of parts other than thoughts, so far
        self._known = frozenset(tool.name for tool in reply.conversation.tools if isinstance(tool, Tool))

    def all(self, parts: Iterable[Part]) -> list[Json]:
        """All parts of a whole answer."""
        return [piece for part in parts for piece in self.part(part)]

    def part(self, part: Part) -> list[Json]:
        """One whole part."""
        if isinstance(part, Thinking):
            return self._thought(part, part.text)
        self._count += 1
        if isinstance(part, Text):
            if not part.text and part.seal is None:
                return []
            return [_signed({"text": part.text}, slots.fill(part.seal) if _own(part.seal) else None)]
        if isinstance(part, ToolCall):
            return [self._call(part)]
        if isinstance(part, Refusal):
            return [{"text": part.text}] if part.text else []
        if isinstance(part, Opaque):
            if part.dialect == GEMINI and isinstance(part.raw, dict):
                return [part.raw]
            words = shown_words(part)
            return [{"text": words}] if words else []
        if isinstance(part, Document) and (text := text_of(part.source)) is not None:
            return [{"text": text}]
        if isinstance(part, Image | Audio | Video | Document):
            return [_media(part.source) | (part.ext.get(GEMINI) or {})]
        return []

    def closing(self, part: Part) -> list[Json]:
        """What is still to say when a streamed text or thought ends: its signature, in an empty piece."""
        if isinstance(part, Thinking):
            return self._thought(part, "")
        self._count += 1
        if isinstance(part, Text) and part.seal is not None and _own(part.seal):
            return [_signed({"text": ""}, slots.fill(part.seal))]
        return []

    def _call(self, part: ToolCall) -> Json:
        """A call, with its own signature or with the reasoning that led to it."""
        args = {"input": part.arguments} if part.kind == "custom" else arguments_object(part.arguments)
        call: Json = {"id": part.id} if part.id else {}
        name = f"{part.namespace}__{part.name}" if part.namespace else part.name
        call |= {"name": original_name(name, self._known), "args": args}
        led = [(thought, self._count - 1 - before) for thought, before in self._led]
        self._led = []
        return _signed({"functionCall": call}, slots.fill(part.seal, thoughts=led))

    def _thought(self, part: Thinking, text: str) -> list[Json]:
        if part.seal is not None and not _own(part.seal):
            self._led.append((part, self._count))
        if not self.shows_thoughts and not _own(part.seal):
            return []
        if not self.shows_thoughts:
            return [_signed({"text": ""}, slots.fill(part.seal))]
        if not text and part.seal is None and part.id is None:
            return []
        slot = slots.fill(part.seal, thought=part) if part.seal is not None else None
        return [_signed({"text": text, "thought": True}, slot)] if text or slot else []


def _own(seal: Seal | None) -> bool:
    return seal is not None and seal.dialect == GEMINI


def _signed(piece: Json, slot: str | None) -> Json:
    if slot is not None:
        piece["thoughtSignature"] = slot
    return piece


def _media(blob: Blob) -> Json:
    mime = {"mimeType": blob.mime} if blob.mime else {}
    if blob.data is not None:
        return {"inlineData": {**mime, "data": blob.data}}
    return {"fileData": {**mime, "fileUri": blob.url or blob.file_id}}
