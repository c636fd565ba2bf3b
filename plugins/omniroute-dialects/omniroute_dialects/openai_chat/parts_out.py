"""Parts of a message for a provider, and what rendering them needs to know."""

from __future__ import annotations

from typing import Any, TypeGuard

from attrs import define
from omniroute_hooks import (
    OPENAI_CHAT,
    Audio,
    Document,
    Image,
    Loss,
    Opaque,
    Part,
    Refusal,
    Seal,
    Target,
    Text,
    Unsupported,
    Video,
)
from omniroute_hooks.answers import stand_in
from omniroute_hooks.sealing import opens_for

from ..blobs import data_url, text_of

_TTL = {"prompt_cache_breakpoint": {"5m": "30m", "1h": "30m"}, "cache_control": {"30m": "1h"}}


@define
class Writer:
    """What rendering messages needs to know. ``same``: the caller speaks this dialect too."""

    target: Target
    same: bool
    losses: list[Loss]
    system_role: str
    string_content: bool
    reasoning_field: str
    replay: bool
    native_custom: bool
    cache_field: str | None
    sees: bool  # the model takes images

    def opens(self, seal: Seal | None) -> TypeGuard[Seal]:
        """Whether this provider may be sent the seal."""
        return opens_for(seal, OPENAI_CHAT, self.target.provider.id, self.target.model)

    def lose(self, field: str, policy: Any = "drop", note: str = "") -> None:
        """Notes a loss, once per field."""
        if not any(loss.field == field for loss in self.losses):
            self.losses.append(Loss(field, policy, note))


def signature(seal: Seal) -> dict[str, Any]:
    """The ``extra_content`` by which a maker gets its signature back."""
    return {"google": {"thought_signature": seal.value}}


def words_of(part: Part, writer: Writer) -> list[Text]:
    """A part as text, for places that hold nothing else."""
    if isinstance(part, Text):
        return [part]
    if isinstance(part, Refusal):
        return [Text(part.text)]
    if isinstance(part, Document):
        text = text_of(part.source)
        if text is not None:
            title = f"{part.title}\n" if part.title else ""
            context = f"{part.context}\n" if part.context else ""
            return [Text(f"{title}{context}{text}", cache=part.cache)]
    if isinstance(part, Opaque):
        words = stand_in(part)
        if words is None:
            writer.lose(f"messages.{part.kind}", "drop", "known to another dialect only")
        return [] if words is None else [words]
    writer.lose(f"messages.{type(part).__name__.lower()}", "drop", "only text can stand there")
    return []


def assistant_piece(part: Part, writer: Writer) -> list[dict[str, Any]]:
    """A part of an assistant's message, which holds text only; nothing for empty text."""
    if isinstance(part, Opaque) and writer.same and part.dialect == OPENAI_CHAT:
        return [part.raw]
    return [text_piece(words, writer) for words in words_of(part, writer) if words.text]


def user_piece(part: Part, writer: Writer) -> list[dict[str, Any]]:
    """A part of a user message."""
    extra = dict(part.ext.get(OPENAI_CHAT) or {}) if writer.same and hasattr(part, "ext") else {}
    if isinstance(part, Image):
        return [{**extra, **_image(part, writer), **_mark(part, writer)}]
    if isinstance(part, Document) and not is_text(part):
        return [{**extra, **_file(part, writer), **_mark(part, writer)}]
    if isinstance(part, Audio):
        return [{**extra, **_audio(part, writer)}]
    if isinstance(part, Video):
        url = data_url(part.source)
        if url is None or not writer.same:
            raise Unsupported("messages.content: this model's provider takes no video in this form.")
        return [{**extra, "type": "video_url", "video_url": {"url": url}}]
    if isinstance(part, Opaque) and writer.same and part.dialect == OPENAI_CHAT:
        return [part.raw]
    return [text_piece(words, writer) for words in words_of(part, writer)]


def text_piece(part: Text, writer: Writer) -> dict[str, Any]:
    """A text part, with the fields that a caller of this dialect put beside it."""
    extra = (part.ext.get(OPENAI_CHAT) or {}) if writer.same else {}
    return {**extra, "type": "text", "text": part.text, **_mark(part, writer)}


def _image(part: Image, writer: Writer) -> dict[str, Any]:
    url = data_url(part.source)
    if not writer.sees:
        raise Unsupported("messages.content: this model takes no images.")
    if url is None:
        raise Unsupported("messages.content: an image must come as a URL or as data here, not as a file id.")
    image: dict[str, Any] = {"url": url}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def _file(part: Document, writer: Writer) -> dict[str, Any]:
    blob = part.source
    if blob.file_id is not None and writer.same:
        file: dict[str, Any] = {"file_id": blob.file_id}
        if part.title is not None:
            file["filename"] = part.title
    elif blob.data is not None:
        ending = (blob.mime or "").rpartition("/")[2] or "bin"
        file = {"file_data": data_url(blob), "filename": part.title or f"file.{ending}"}
    else:
        raise Unsupported("messages.content: a file must come as data here, not as a URL or a file id.")
    return {"type": "file", "file": file}


def _audio(part: Audio, writer: Writer) -> dict[str, Any]:
    blob = part.source
    if blob.data is None:
        if writer.same and blob.url is not None:
            return {"type": "audio_url", "audio_url": {"url": blob.url}}
        raise Unsupported("messages.content: sound must come as data here.")
    form = (blob.mime or "audio/wav").partition("/")[2]
    form = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}.get(form, form)
    return {"type": "input_audio", "input_audio": {"data": blob.data, "format": form}}


def is_text(part: Document) -> bool:
    """Whether the file is text, which can stand among the words."""
    return text_of(part.source) is not None


def _mark(part: Text | Image | Document, writer: Writer) -> dict[str, Any]:
    """A cache breakpoint in the provider's spelling; callers of this dialect keep their own."""
    if part.cache is None or (writer.same and part.ext):
        return {}
    if writer.cache_field not in _TTL:
        writer.lose("cache_control", "drop", "the provider caches by itself")
        return {}
    ttl = _TTL[writer.cache_field].get(part.cache.ttl or "", part.cache.ttl)
    mark = {"mode": "explicit"} if writer.cache_field == "prompt_cache_breakpoint" else {"type": "ephemeral"}
    return {writer.cache_field: {**mark, "ttl": ttl} if ttl else mark}


# content --------------------------------------------------------------------


def text_content(texts: list[dict[str, Any]], separator: str, writer: Writer) -> Any:
    """Text alone. Most providers take only a string here, so only a caller's own parts stay apart."""
    if writer.string_content or not (writer.same or any(len(piece) > 2 for piece in texts)):
        return separator.join(piece["text"] for piece in texts if piece.get("type") == "text")
    return message_content(texts, separator, writer)


def message_content(pieces: list[dict[str, Any]], separator: str, writer: Writer) -> Any:
    """A string where that says it all, else the parts."""
    plain = all(piece.get("type") == "text" for piece in pieces)
    if not pieces:
        return ""
    if plain and (writer.string_content or (len(pieces) == 1 and len(pieces[0]) == 2)):
        return separator.join(piece["text"] for piece in pieces)
    return pieces
