"""One piece of an answer after another as signals: the same for streams and for whole answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from omniroute_hooks import GEMINI, Blob, BrokenStream, Opaque, Seal
from omniroute_hooks.conversation import Part
from omniroute_hooks.events import (
    Begin,
    Broke,
    Cited,
    Ended,
    Sealed,
    Signal,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UsageSeen,
    WholePart,
)
from omniroute_hooks.jsonio import dumps

from ..blobs import blob_of_base64
from . import stops
from .contents_in import media_part
from .errors import error_in_stream
from .grounding import citations
from .opaque import words_of
from .partial_args import PartialArgs
from .usage import read_usage

UNREADABLE = "The provider sent an event that cannot be read."

_EVERY = 16
_MODIFIERS = {"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"}


class ChunkReader:
    """Reads one ``GenerateContentResponse`` after another, whole answers included.

    ``content`` False looks at counts, the end and errors only.
    """

    def __init__(self, content: bool = True) -> None:
        self._content = content
        self._begun = False
        self._key = 0
        self._kind = ""  # of the open part: text, thought, or none
        self._text: list[str] = []  # of the last text part, for citations
        self._text_key = 0
        self._counts: dict[str, Any] = {}
        self._untold: list[dict[str, Any]] = []  # what has come since counts were last told
        self._stopped = False
        self._call: tuple[int, PartialArgs] | None = None  # a call that comes in pieces

    def chunk(self, value: Any, out: list[Signal]) -> None:
        """Appends what a piece says. Bad data becomes `Broke`."""
        try:
            if type(value) is dict:
                self._chunk(value, out)
            elif type(value) is list:  # an array in one event: errors come like this
                for item in value:
                    self._chunk(item, out)
            else:
                raise TypeError
        except (TypeError, ValueError, AttributeError, KeyError, RecursionError):
            self._tell_counts(out)
            out.append(Broke(BrokenStream(UNREADABLE)))

    def close(self, out: list[Signal]) -> None:
        """The stream is over: a call that never said so is complete as well, and the last counts hold."""
        if self._call is not None:
            self._end_call(self._call, out)
        self._tell_counts(out)

    def _chunk(self, chunk: dict[str, Any], out: list[Signal]) -> None:
        candidates = chunk.get("candidates")
        if candidates is None and type(inner := chunk.get("response")) is dict:
            chunk = inner  # the envelope of one of the vendor's own front ends
            candidates = chunk.get("candidates")
        if "error" in chunk and chunk["error"] is not None:
            self._tell_counts(out)
            out.append(Broke(error_in_stream(chunk)))
            return
        counts = chunk.get("usageMetadata")
        if not self._begun:
            self._begun = True
            if counts:  # before the beginning: some callers are told the input's size with their first event
                self._count(counts, out)
                counts = None
            id, model = chunk.get("responseId"), chunk.get("modelVersion")
            out.append(
                Begin(
                    id if isinstance(id, str) and id else None,
                    model if isinstance(model, str) else None,
                    _seconds(chunk.get("createTime")),
                )
            )
        if candidates:
            for candidate in candidates:
                if not candidate.get("index"):  # only the first of several answers can be told
                    self._candidate(candidate, out)
        else:
            feedback = chunk.get("promptFeedback")
            word = feedback.get("blockReason") if feedback else None
            if isinstance(word, str) and word != "BLOCKED_REASON_UNSPECIFIED":
                self._stopped = True
                out.append(Stopped(stops.blocked(word)))
        if counts:
            self._count(counts, out)
        elif self._stopped:
            self._tell_counts(out)

    def _count(self, counts: dict[str, Any], out: list[Signal]) -> None:
        """They come with every piece: the first, the last and some between are enough for everybody."""
        if type(counts) is not dict:
            raise TypeError
        self._untold.append(counts)
        if self._stopped or not self._counts or len(self._untold) == _EVERY:
            self._tell_counts(out)

    def _tell_counts(self, out: list[Signal]) -> None:
        """Counts are cumulative and the last ones hold, but what is left out is not taken back."""
        if self._untold:
            for counts in self._untold:
                self._counts.update((name, value) for name, value in counts.items() if value is not None)
            self._untold.clear()
            out.append(UsageSeen(read_usage(self._counts)))

    def _candidate(self, candidate: dict[str, Any], out: list[Signal]) -> None:
        content = candidate.get("content")
        if content and self._content:
            parts = content.get("parts")
            if parts:
                for part in parts:
                    self._part(part, out)
        sourced = "groundingMetadata" in candidate or "citationMetadata" in candidate
        if sourced and self._text:
            for citation in citations(candidate, "".join(self._text)):
                out.append(Cited(self._text_key, citation))
        reason = candidate.get("finishReason")
        if reason is not None and reason != "FINISH_REASON_UNSPECIFIED":
            self._stopped = True
            if self._call is not None:
                self._end_call(self._call, out)
            out.append(Stopped(stops.stop_of(reason) if isinstance(reason, str) else stops.stop_of("OTHER")))

    def _part(self, part: dict[str, Any], out: list[Signal]) -> None:
        signature = part.get("thoughtSignature")
        text = part.get("text")
        if text is not None:
            if type(text) is not str:
                raise TypeError
            if part.get("thought"):
                if text or signature:
                    if self._kind != "thought":
                        self._next("thought")
                    out.append(ThinkingDelta(self._key, text))
            elif text:
                if self._kind != "text":
                    self._next("text")
                    self._text_key = self._key
                    self._text = []
                self._text.append(text)
                out.append(TextDelta(self._key, text))
            if signature:
                self._seal(signature, out)
        elif (call := part.get("functionCall")) is not None:
            self._function(call, signature, out)
        elif part.keys() <= _MODIFIERS:
            if signature:
                self._seal(signature, out)
        else:
            self._next("")
            out.append(WholePart(self._key, _whole(part)))

    def _next(self, kind: str) -> None:
        self._key += 1
        self._kind = kind

    def _seal(self, signature: Any, out: list[Signal]) -> None:
        """A signature closes its part. Alone it belongs to the part before it, or is one of its own."""
        if type(signature) is not str:
            raise TypeError
        if not self._kind:
            self._key += 1
        out.append(Sealed(self._key, Seal(signature, GEMINI)))
        out.append(Ended(self._key))
        self._kind = ""

    def _function(self, call: dict[str, Any], signature: Any, out: list[Signal]) -> None:
        name = call.get("name")
        pieces = call.get("partialArgs")
        if self._call is not None and (name or not (pieces or "willContinue" in call or not call)):
            self._end_call(self._call, out)
        if self._call is None:
            self._next("")
            seal = Seal(signature, GEMINI) if type(signature) is str and signature else None
            id = call.get("id")
            args = call.get("args")
            whole = not (pieces or call.get("willContinue"))
            arguments = _arguments(args) if whole else ""
            out.append(
                ToolDelta(
                    self._key,
                    arguments,
                    id if type(id) is str else None,
                    name if type(name) is str else None,
                    seal=seal,
                )
            )
            if whole:
                out.append(Ended(self._key))
                return
            self._call = (self._key, PartialArgs())
            if isinstance(args, dict):
                self._call[1].args.update(args)
        for piece in pieces or ():
            if isinstance(piece, Mapping):
                self._call[1].add(piece)
        if not call.get("willContinue"):
            self._end_call(self._call, out)

    def _end_call(self, call: tuple[int, PartialArgs], out: list[Signal]) -> None:
        self._call = None
        out.append(ToolDelta(call[0], dumps(call[1].args).decode()))
        out.append(Ended(call[0]))


def _arguments(args: Any) -> str:
    if args is None:
        return ""
    if type(args) is str:  # some proxies write the object as text
        return args
    return dumps(args).decode()


def _whole(part: dict[str, Any]) -> Part:
    """A part that comes in one piece: media, the vendor's own tools, and whatever is new."""
    inline, file = part.get("inlineData"), part.get("fileData")
    signature = part.get("thoughtSignature")
    ext = {GEMINI: {"thoughtSignature": signature}} if signature else {}
    if inline is not None:
        mime, data = inline.get("mimeType"), inline["data"]
        if type(data) is not str:
            raise TypeError
        blob = blob_of_base64(data, mime if isinstance(mime, str) else None)
        return media_part(blob, blob.mime, None, ext)
    if file is not None:
        mime = file.get("mimeType")
        mime = mime if isinstance(mime, str) else None
        return media_part(Blob(mime, url=str(file["fileUri"])), mime, None, ext)
    kind = next(name for name in part if name not in _MODIFIERS)
    return Opaque(GEMINI, kind, part, words_of(kind, part[kind]))


def _seconds(value: Any) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        return int(datetime.fromisoformat(value).timestamp())
    except (ValueError, OverflowError):
        return None
