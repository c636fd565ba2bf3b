"""Turns as ``contents`` and ``systemInstruction``.

The target wants: a user's turn first, roles that alternate, every call answered in the turn behind it, no part
without data, and each signature in the part that it came with.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omniroute_hooks import (
    GEMINI,
    Audio,
    Conversation,
    Document,
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
    Turn,
    Unsupported,
    Video,
)
from omniroute_hooks.sealing import opens_for

from ..attribution import without_attribution
from ..blobs import text_of
from ..turns import leading_system, merged, paired, plain_text
from . import slots
from .contents_in import arguments_object
from .family import generation

Json = dict[str, Any]
CONTINUE = "Continue."
ATTACHED = "The result is attached."
_MIMES = {Image: "image/jpeg", Audio: "audio/wav", Video: "video/mp4", Document: "application/pdf"}


class ContentsWriter:
    """Writes the turns of one request. ``names``: a call's or tool's own name to the one that the target takes."""

    def __init__(self, conversation: Conversation, target: Target, names: Mapping[str, str]) -> None:
        self.own = conversation.dialect == GEMINI
        self.provider = target.provider.id
        self.model = target.model
        self.names = names
        self.ids = bool(target.option("function_ids", True))
        newer = generation(target) == "level"
        self.media_in_results = bool(target.option("function_media", newer))
        self.dummy = bool(target.option("dummy_signature", newer))
        self.losses: list[Loss] = []
        self._called: dict[str, str] = {}  # call id -> the name it goes by
        self._conversation = conversation

    def write(self) -> tuple[Json | None, list[Json]]:
        """``systemInstruction`` (None where there is none) and ``contents``."""
        system, turns = leading_system(self._conversation.turns)
        for turn in turns:
            for part in turn.parts:
                if isinstance(part, ToolCall):
                    self._called[part.id] = self.name_of(part.name, part.namespace)
        told = [{"text": part.text} for part in without_attribution(system) if isinstance(part, Text) and part.text]
        contents: list[Json] = []
        for turn in merged(paired([_as_user(turn) for turn in turns])):
            parts = self._answer(turn) if turn.role == "assistant" else self._question(turn)
            role = "model" if turn.role == "assistant" else "user"
            if parts and contents and contents[-1]["role"] == role:  # the turn between them came to nothing
                contents[-1]["parts"] += parts
            elif parts:
                contents.append({"role": role, "parts": parts})
        if contents and contents[0]["role"] == "model":
            contents.insert(0, {"role": "user", "parts": [{"text": CONTINUE}]})
        if not contents:  # only a system text: it is all there is to answer
            return None, [{"role": "user", "parts": told or [{"text": CONTINUE}]}]
        return ({"parts": told} if told else None), contents

    def name_of(self, name: str, namespace: str | None) -> str:
        """What the target calls this tool."""
        flat = flat_name(name, namespace)
        return self.names.get(flat, flat)

    # one turn ----------------------------------------------------------------

    def _answer(self, turn: Turn) -> list[Json]:
        out: list[Json] = []
        waiting: str | None = None  # a signature that came in a thought of its own, for the call behind it
        called = False
        for part in turn.parts:
            if isinstance(part, Thinking):
                if waiting is not None:
                    out.append({"text": "", "thoughtSignature": waiting})
                waiting = self._thought(part, out)
                continue
            if isinstance(part, ToolCall):
                signature = self._signature(part) or waiting
                if signature is None and self.dummy and not called:
                    signature = slots.DUMMY
                elif waiting is not None and signature is not waiting:
                    out.append({"text": "", "thoughtSignature": waiting})
                called = True
                out.append(self._call(part, signature))
                waiting = None
                continue
            if waiting is not None:
                out.append({"text": "", "thoughtSignature": waiting})
                waiting = None
            out.extend(self._shown(part))
        if waiting is not None:
            out.append({"text": "", "thoughtSignature": waiting})
        return out

    def _question(self, turn: Turn) -> list[Json]:
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        out: list[Json] = []
        attached: list[Json] = []
        many = sum(1 for result in results if self._media(result)) > 1
        for result in results:
            out.append(self._result(result))
            media = [] if self.media_in_results else self._media(result)
            if media and many:
                attached.append({"text": f"Attached to the result of {out[-1]['functionResponse']['name']}:"})
            attached += media
        for part in turn.parts:
            if not isinstance(part, ToolResult):
                attached.extend(self._shown(part))
        return out + attached

    # one part ----------------------------------------------------------------

    def _thought(self, part: Thinking, out: list[Json]) -> str | None:
        """Appends a thought of the target's own making; gives its signature where that belongs to what follows."""
        opens = part.seal is not None and opens_for(part.seal, GEMINI, self.provider, self.model)
        signature = part.seal.value if opens and part.seal is not None else None
        if not opens and (part.seal is not None or not self.own):
            if not any(loss.field == "thinking" for loss in self.losses):
                self.losses.append(Loss("thinking", "drop", "another model's reasoning"))
            return None
        if not self.own:
            # A caller of another dialect has one place for reasoning and for the signatures of calls.
            if part.text:
                out.append({"text": part.text, "thought": True})
            return signature
        piece: Json = {"text": part.text, "thought": True} | self._ext(part.ext)
        if piece["thought"] is False:
            del piece["thought"]
        if signature is not None:
            piece["thoughtSignature"] = signature
        if piece["text"] or signature is not None:
            out.append(piece)
        return None

    def _call(self, part: ToolCall, signature: str | None) -> Json:
        call: Json = {"name": self.name_of(part.name, part.namespace)}
        if self.ids and part.id:
            call = {"id": part.id, **call}
        call["args"] = {"input": part.arguments} if part.kind == "custom" else arguments_object(part.arguments)
        piece: Json = {"functionCall": call} | self._ext(part.ext)
        if signature is not None:
            piece["thoughtSignature"] = signature
        return piece

    def _result(self, part: ToolResult) -> Json:
        extra = self._ext(part.ext)
        media = self._media(part) if self.media_in_results else []
        text = plain_text(part.parts)
        if "response" in extra:
            response = extra.pop("response")
        elif part.is_error:
            response = {"error": text or "error"}
        else:
            response = {"output": text if text or not self._media(part) else ATTACHED}
        out: Json = {"name": self._called.get(part.call_id) or part.name or "unknown", "response": response}
        if self.ids and part.call_id:
            out = {"id": part.call_id, **out}
        if media:
            out["parts"] = media
        return {"functionResponse": out | extra}

    def _media(self, result: ToolResult) -> list[Json]:
        return [
            piece
            for part in result.parts
            if isinstance(part, Image | Audio | Video) or (isinstance(part, Document) and text_of(part.source) is None)
            for piece in self._shown(part)
        ]

    def _shown(self, part: Part) -> list[Json]:
        """Anything but calls, results and thoughts."""
        if isinstance(part, Text):
            signature = self._signature(part)
            if signature is not None:
                return [{"text": part.text, "thoughtSignature": signature} | self._ext(part.ext)]
            return [{"text": part.text} | self._ext(part.ext)] if part.text else []
        if isinstance(part, Refusal):
            return [{"text": part.text}] if part.text else []
        if isinstance(part, Opaque):
            if part.dialect == GEMINI:
                return [part.raw] if self._keeps(part.raw) else []
            return [{"text": part.text}] if part.text else []
        if isinstance(part, Document) and (text := _inline_text(part)) is not None:
            return [{"text": text}] if text else []
        if isinstance(part, Image | Audio | Video | Document):
            return [self._bytes(part) | self._ext(part.ext)]
        return []

    def _bytes(self, part: Image | Audio | Video | Document) -> Json:
        blob = part.source
        if blob.data is not None:
            return {"inlineData": {"mimeType": blob.mime or _MIMES[type(part)], "data": blob.data}}
        if blob.file_id is not None and not self.own:
            raise Unsupported(
                "file_id: a file that was uploaded to another provider cannot be read here. Send its content instead."
            )
        uri = blob.file_id if blob.file_id is not None else blob.url
        if blob.mime is None and self.own:
            return {"fileData": {"fileUri": uri}}
        return {"fileData": {"mimeType": blob.mime or _mime_of(uri, part), "fileUri": uri}}

    def _signature(self, part: Text | ToolCall) -> str | None:
        opens = part.seal is not None and opens_for(part.seal, GEMINI, self.provider, self.model)
        return part.seal.value if opens and part.seal is not None else None

    def _keeps(self, raw: Any) -> bool:
        """Opaque parts go back as they came, but for envelopes, which only the gateway can read."""
        signature = raw.get("thoughtSignature") if isinstance(raw, dict) else None
        return isinstance(raw, dict) and not (isinstance(signature, str) and signature.startswith(slots.MARK))

    def _ext(self, ext: Mapping[str, Any]) -> Json:
        return dict(ext.get(GEMINI) or {}) if self.own else {}


def flat_name(name: str, namespace: str | None) -> str:
    """One name for a tool in a namespace: this dialect has none."""
    return f"{namespace}__{name}" if namespace else name


def all_names(conversation: Conversation, declared: Iterable[str]) -> Sequence[str]:
    """Every tool name of a request: declared, called, chosen."""
    names = dict.fromkeys(declared)
    for turn in conversation.turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                names[flat_name(part.name, part.namespace)] = None
    if conversation.tool_choice is not None:
        names |= dict.fromkeys(conversation.tool_choice.names)
    return list(names)


def _as_user(turn: Turn) -> Turn:
    """A system text in mid-conversation stays where it is, in the user's role: this dialect has no other."""
    return Turn("user", turn.parts) if turn.role == "system" else turn


def _inline_text(part: Document) -> str | None:
    """A document that is given as text; text files in base64 go as files."""
    if part.source.text is None:
        return None
    return "\n".join(piece for piece in (part.title, part.context, part.source.text) if piece)


def _mime_of(uri: str | None, part: Image | Audio | Video | Document) -> str:
    return mimetypes.guess_type((uri or "").partition("?")[0])[0] or _MIMES[type(part)]
