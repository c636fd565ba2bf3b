"""A provider's stream as signals."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import BrokenStream, Opaque, SseDecoder
from omniroute_hooks.events import (
    Begin,
    Broke,
    Cited,
    Ended,
    Sealed,
    Signal,
    Stopped,
    Terminal,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UsageSeen,
    WholePart,
)
from omniroute_hooks.jsonio import dumps, loads_upstream

from .answer_in import whole_part
from .content_in import plain_seal, read_citation, string_or_none
from .errors import stream_error
from .stops import read_stop
from .structured import ANSWER_TOOL
from .usage import merge, read_usage

_DELTA = b"event: content_block_delta\ndata: "
_GARBLED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Decoder(SseDecoder):
    """One answer. Blocks are known by their ``index``."""

    marks = (b"message_start", b"message_delta", b"message_stop", b'"error"', b"event: error", b"event:error")

    def __init__(self, watch: bool = False) -> None:
        super().__init__(watch)
        self._usage: dict[str, Any] = {}
        self._given: dict[Any, str] = {}  # calls that have had no arguments so far, and what their start held
        self._gathered: dict[Any, dict[str, Any]] = {}  # blocks that are passed on whole, in the making
        self._json: dict[Any, list[str]] = {}  # the pieces of their input
        self._answers: set[Any] = set()  # calls that are the answer itself (see `structured`)

    def _frames(self, raws: list[bytes]) -> list[Signal]:
        """As the base does, with a short cut for the frame that makes up nearly all of a stream."""
        out: list[Signal] = []
        for raw in raws:
            if not raw.startswith(_DELTA) or b"\n" in (data := raw[len(_DELTA) :]) or b"\r" in data:
                out += super()._frames([raw])
            elif not self._watch:
                self.frame("", data, out)
        return out

    def frame(self, event: str, data: bytes, out: list[Signal]) -> None:
        try:
            value = loads_upstream(data)
            kind = value.get("type") or event
            if kind == "content_block_delta":
                self._delta(value["index"], value["delta"], out)
            elif kind == "content_block_start":
                self._open(value["index"], value["content_block"], out)
            elif kind == "content_block_stop":
                self._close(value["index"], out)
            elif kind == "message_delta":
                self._count(value.get("usage"), out)
                delta = value.get("delta") or {}
                if delta.get("stop_reason") is not None:
                    out.append(Stopped(read_stop(delta["stop_reason"], delta.get("stop_sequence"))))
            elif kind == "message_start":
                message = value.get("message") or {}
                self._count(message.get("usage"), out)  # first, so that callers' streams begin with it too
                out.append(Begin(string_or_none(message.get("id")), string_or_none(message.get("model"))))
            elif kind == "message_stop":
                out.append(Terminal())
            elif kind == "error" or value.get("error"):
                out.append(Broke(stream_error(value)))
        except _GARBLED:
            if data.strip() != b"[DONE]":  # some servers add what other dialects end with
                out.append(Broke(BrokenStream("The provider's stream cannot be read.")))

    def _delta(self, index: Any, delta: dict[str, Any], out: list[Signal]) -> None:
        if index.__class__ is not int:
            raise TypeError
        kind = delta["type"]
        if kind == "text_delta":
            text = delta["text"]
            if text.__class__ is not str:
                raise TypeError
            out.append(TextDelta(index, text))
        elif kind == "input_json_delta":
            self._input(index, delta["partial_json"], out)
        elif kind == "thinking_delta":
            text = delta["thinking"]
            if text.__class__ is not str:
                raise TypeError
            out.append(ThinkingDelta(index, text))
        elif kind == "signature_delta":
            seal = plain_seal(delta.get("signature"))
            if seal is not None:
                out.append(Sealed(index, seal))
        elif kind == "citations_delta":
            citation = read_citation(delta.get("citation"))
            if citation is not None:
                out.append(Cited(index, citation))
        elif index in self._gathered:  # compaction_delta, and what is still to come
            block = self._gathered[index]
            for name, piece in delta.items():
                if name != "type":
                    had = block.get(name)
                    both = isinstance(had, str) and isinstance(piece, str)
                    block[name] = had + piece if both else piece

    def _input(self, index: Any, text: Any, out: list[Signal]) -> None:
        if text.__class__ is not str:
            raise TypeError
        if not text:
            return
        if index in self._json:
            self._json[index].append(text)
            return
        self._given.pop(index, None)
        out.append(TextDelta(index, text) if index in self._answers else ToolDelta(index, text))

    def _open(self, index: Any, block: dict[str, Any], out: list[Signal]) -> None:
        if index.__class__ is not int:
            raise TypeError
        kind = block["type"]
        if kind == "text":
            if string_or_none(block.get("text")):
                out.append(TextDelta(index, block["text"]))
        elif kind == "thinking":
            out.append(ThinkingDelta(index, string_or_none(block.get("thinking")) or ""))
            seal = plain_seal(block.get("signature"))
            if seal is not None:
                out.append(Sealed(index, seal))
        elif kind == "redacted_thinking":
            seal = plain_seal(block.get("data"))
            if seal is not None:
                out.append(Sealed(index, seal, redacted=True))
        elif kind == "tool_use":
            value = block.get("input")
            self._given[index] = value if isinstance(value, str) else dumps({} if value is None else value).decode()
            if block.get("name") == ANSWER_TOOL:
                self._answers.add(index)
            else:
                out.append(ToolDelta(index, id=string_or_none(block.get("id")), name=string_or_none(block.get("name"))))
        else:
            self._gathered[index] = dict(block)
            if kind.endswith("tool_use"):
                self._json[index] = []

    def _close(self, index: Any, out: list[Signal]) -> None:
        if index.__class__ is not int:
            raise TypeError
        if index in self._given:
            text = self._given.pop(index)
            out.append(TextDelta(index, text) if index in self._answers else ToolDelta(index, text or "{}"))
        elif index in self._gathered:
            block = self._gathered.pop(index)
            pieces = "".join(self._json.pop(index, ()))
            if pieces:
                block["input"] = loads_upstream(pieces)
            part = whole_part(block)
            if isinstance(part, Opaque):
                out.append(WholePart(index, part))
        out.append(Ended(index))

    def _count(self, news: Any, out: list[Signal]) -> None:
        if isinstance(news, dict):
            self._usage = merge(self._usage, news)
            out.append(UsageSeen(read_usage(self._usage)))
