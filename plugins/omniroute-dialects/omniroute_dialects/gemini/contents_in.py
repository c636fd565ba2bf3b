"""A caller's ``contents`` as turns.

Some normal forms, because clients send an answer back as they got it, one content for each piece of the stream:
neighbouring contents of the model are one turn, and unsigned text or thought that goes on is one part. Empty
text without a signature is none.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from typing import Any

import orjson
from attrs import evolve
from omniroute_hooks import (
    GEMINI,
    Audio,
    Blob,
    Document,
    Image,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from omniroute_hooks.conversation import Role
from omniroute_hooks.jsonio import dumps

from ..blobs import blob_of_base64
from . import slots
from .body import Body
from .calls import Pairing
from .opaque import SERVER_PARTS, words_of

_ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "user", "tool": "user"}
_FILES_API = re.compile(r"gs://|files/|https://generativelanguage\.googleapis\.com/")
_YOUTUBE = re.compile(r"https?://(?:www\.|m\.)?(?:youtube\.com|youtu\.be)/")
_BACK = "partsBack"  # marks a thought that a call carried
_MODIFIERS = ("thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata")


def read_contents(body: Body, name: str = "contents") -> tuple[Turn, ...]:
    """The turns of ``contents``. Problems are noted in ``body``."""
    value = body.raw(name)
    pairing = Pairing(value if isinstance(value, list) else ())
    turns: list[Turn] = []
    for number, content in enumerate(body.objects(name, required=True, filled=True)):
        role = (content.text("role") or "user").lower()
        if role not in _ROLES:
            content.wrong("role", 'must be "user" or "model"')
            continue
        parts = _parts(content, number, pairing)
        if _ROLES[role] == "user":
            turns.append(Turn("user", parts))
            continue
        goes_on = bool(turns) and turns[-1].role == "assistant"
        answer = list(turns.pop().parts) if goes_on else []
        for part in parts:
            _add(answer, part)
        turns.append(Turn("assistant", tuple(answer)))
    return tuple(turns)


def read_system(body: Body) -> tuple[Turn, ...]:
    """``systemInstruction``: an object with parts, or a string as some SDKs let people write."""
    value = body.raw("systemInstruction")
    if value is None:
        return ()
    if isinstance(value, str):
        return (Turn("system", (Text(value),)),) if value else ()
    if isinstance(value, list):  # bare parts
        content = Body({"parts": value}, body.at("systemInstruction"), body.problems)
    else:
        found = body.object("systemInstruction")
        if found is None:
            return ()
        content = found
        content.raw("role")
    parts = _parts(content, 0, Pairing(()))
    return (Turn("system", parts),) if parts else ()


def _parts(content: Body, turn: int, pairing: Pairing) -> tuple[Part, ...]:
    value = content.raw("parts")
    if isinstance(value, str):
        return (Text(value),)
    return tuple(
        made for position, part in enumerate(content.objects("parts")) for made in _part(part, turn, position, pairing)
    )


def _part(part: Body, turn: int, position: int, pairing: Pairing) -> list[Part]:
    """One part. A call may bring the reasoning that led to it (see `slots`), so there may be several."""
    signature = part.text("thoughtSignature")
    slot = slots.read(signature) if signature else slots.Slot(None)
    thought = part.flag("thought") or False
    extra = {name: value for name in _MODIFIERS[2:] if (value := part.raw(name)) is not None}
    ext = {GEMINI: extra} if extra else {}
    text = part.text("text") if part.has("text") else None
    if part.has("functionCall"):
        return _call(part, turn, position, pairing, slot, ext)
    if part.has("functionResponse"):
        return _result(part, turn, position, pairing)
    if part.has("inlineData"):
        return _inline(part, _signed(ext, signature))
    if part.has("fileData"):
        return _file(part, _signed(ext, signature))
    if text is None and part.has("text"):
        return []  # not a string, and noted as such
    if text is not None or (slot.seal is not None and not _other_data(part)):
        if thought:
            return [Thinking(text or "", slot.seal, slot.redacted, slot.id, ext=ext)]
        return [Text(text or "", seal=slot.seal, ext=ext)]
    for kind in (*SERVER_PARTS, *_other_data(part)):
        if part.has(kind):
            raw = dict(part.body)
            return [Opaque(GEMINI, kind, raw, words_of(kind, part.raw(kind)))]
    part.wrong("", "has no data: one of text, inlineData, fileData, functionCall, functionResponse is needed")
    return []


def _other_data(part: Body) -> list[str]:
    return [name for name, value in part.rest(_MODIFIERS).items() if value is not None]


def _signed(ext: dict[str, Any], signature: str | None) -> dict[str, Any]:
    """Media have no seal of their own in the conversation: the signature of a generated image rides along."""
    if signature is None or signature.startswith(slots.MARK):
        return ext
    return {GEMINI: {**ext.get(GEMINI, {}), "thoughtSignature": signature}}


def _call(part: Body, turn: int, position: int, pairing: Pairing, slot: slots.Slot, ext: dict[str, Any]) -> list[Part]:
    call = part.object("functionCall")
    if call is None:
        return []
    name = call.text("name", required=True) or ""
    if call.has("name") and not name:
        call.wrong("name", "must not be empty")
    args = call.mapping("args")
    id = pairing.call(call.text("id"), name, turn, position)
    arguments = "" if args is None else dumps(args).decode()
    led = [evolve(thought, ext={GEMINI: {_BACK: back}}) for thought, back in slot.thoughts]
    return [*led, ToolCall(id, name, arguments, seal=slot.seal, ext=ext)]


def _result(part: Body, turn: int, position: int, pairing: Pairing) -> list[Part]:
    result = part.object("functionResponse")
    if result is None:
        return []
    name = result.text("name") or ""
    raw = result.mapping("response")
    call_id = pairing.result(result.text("id"), name, turn, position)
    text, is_error = _words(raw)
    parts: list[Part] = [Text(text)] if text else []
    for media in result.objects("parts"):
        if media.has("inlineData"):
            parts.extend(_inline(media, {}))
        elif media.has("fileData"):
            parts.extend(_file(media, {}))
    extra: dict[str, Any] = dict(result.rest())
    if raw is not None:
        extra["response"] = raw
    ext = {GEMINI: extra} if extra else {}
    return [ToolResult(call_id, tuple(parts), is_error, name=name or None, ext=ext)]


def _words(response: Mapping[str, Any] | None) -> tuple[str, bool]:
    """A response as text, and whether it reports an error. By convention the text is under one of these names."""
    if not response:
        return "", False
    if len(response) == 1:
        (name, value), *_ = response.items()
        if name in ("output", "result", "error"):
            return value if isinstance(value, str) else dumps(value).decode(), name == "error"
    return dumps(response).decode(), False


def _inline(part: Body, ext: dict[str, Any]) -> list[Part]:
    inline = part.object("inlineData")
    if inline is None:
        return []
    mime = inline.text("mimeType")
    data = inline.text("data", required=True)
    if data is None:
        return []
    blob = blob_of_base64(data.translate(_STANDARD), mime)
    return [media_part(blob, blob.mime, inline.text("displayName"), ext)]


def _file(part: Body, ext: dict[str, Any]) -> list[Part]:
    file = part.object("fileData")
    if file is None:
        return []
    uri = file.text("fileUri", required=True)
    mime = file.text("mimeType")
    if uri is None:
        return []
    # Files that live at the vendor are read with the vendor's key: a name there, not an address for others.
    blob = Blob(mime, file_id=uri) if _FILES_API.match(uri) else Blob(mime, url=uri)
    kind = mime or ("video/mp4" if _YOUTUBE.match(uri) else mimetypes.guess_type(uri.partition("?")[0])[0])
    return [media_part(blob, kind, file.text("displayName"), ext)]


_STANDARD = str.maketrans("-_", "+/")  # SDKs write base64 in either alphabet; others read only this one


def media_part(blob: Blob, mime: str | None, title: str | None, ext: Mapping[str, Any]) -> Part:
    """Media, by the family of its mime type."""
    family = (mime or "").partition("/")[0]
    if family == "image":
        return Image(blob, ext=ext)
    if family == "audio":
        return Audio(blob, ext=ext)
    if family == "video":
        return Video(blob, ext=ext)
    return Document(blob, title=title, ext=ext)


def _add(out: list[Part], part: Part) -> None:
    """The next part of an answer. Pieces that a stream cut apart grow together again.

    A signed part stays as it came, but the seal that another vendor put under reasoning holds for all of it,
    and had to come in a piece of its own behind it.
    """
    last = out[-1] if out else None
    if isinstance(part, Text):
        if not (part.text or part.seal or part.ext):
            return  # how a stream's last piece looks
        if isinstance(last, Text) and last.seal is None and part.seal is None and not (last.ext or part.ext):
            out[-1] = Text(last.text + part.text)
            return
        if not part.text and part.seal is not None:  # only a signature: nothing that anybody else should read
            part = Thinking("", part.seal, ext={GEMINI: {**part.ext.get(GEMINI, {}), "thought": False}})
    elif isinstance(part, Thinking):
        if part.seal is not None and any(isinstance(p, Thinking) and p.seal == part.seal for p in out):
            return  # a call carried it along, and the thought itself came back too
        back = (part.ext.get(GEMINI) or {}).get(_BACK)
        if back is not None:
            out.insert(_place(out, back), evolve(part, ext={}))
            return
        own = part.seal is not None and part.seal.dialect == GEMINI
        if isinstance(last, Thinking) and last.seal is None and not own and not (last.ext or part.ext):
            out[-1] = evolve(part, text=last.text + part.text)
            return
    out.append(part)


def _place(out: list[Part], back: int) -> int:
    """Where a thought stood that a call carried: ``back`` other parts ago, but behind the call before."""
    place = len(out)
    while place > 0 and back > 0 and not isinstance(out[place - 1], ToolCall):
        place -= 1
        back -= not isinstance(out[place], Thinking)
    return place


def arguments_object(text: str) -> dict[str, Any]:
    """A call's arguments as the object that this dialect wants. Text that is no object is kept under "_raw"."""
    if not text.strip():
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"_raw": text}
    return value if isinstance(value, dict) else {"_raw": text}
