"""A caller's stream: one piece of an answer per event, as server-sent events or as a growing JSON array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omniroute_hooks import Asked, Reply
from omniroute_hooks.events import BlockClosed, BlockDelta, BlockOpened, BlockRun, Event, Failed, Finished, Started
from omniroute_hooks.jsonio import dumps, dumps_text

from ..line_safety import line_safe
from . import stops
from .answer import finished_candidate
from .errors import render_error
from .parts_out import PartsWriter
from .usage import write_usage

Json = dict[str, Any]

SSE = "text/event-stream; charset=utf-8"
ARRAY = "application/json; charset=utf-8"


def wants_events(asked: Asked) -> bool:
    """Whether the caller asked for server-sent events. The vendor's own default is an array."""
    return (asked.query.get("alt") or asked.query.get("$alt") or "").lower() == "sse"


def media_type(asked: Asked) -> str:
    """The stream's content type."""
    return SSE if wants_events(asked) else ARRAY


class GeminiEncoder:
    """Writes events. Nothing else may stand in this stream: no names, no comments, no end mark."""

    def __init__(self, reply: Reply) -> None:
        self._writer = PartsWriter(reply)
        self._reply = reply
        self._array = not wants_events(reply.asked)
        self._lead = b"[" if self._array else b"data: "
        tail = b"" if self._array else b"\n\n"
        began = reply.began
        names: Json = {
            "modelVersion": (began and began.model) or reply.model,
            "responseId": (began and began.id) or reply.reply_id,
        }
        ending = b"," + dumps(names)[1:] + tail
        self._ending = ending
        self._text = b'{"candidates":[{"content":{"parts":[{"text":'
        self._text_end = b'}],"role":"model"},"index":0}]' + ending
        self._thought_end = b',"thought":true}],"role":"model"},"index":0}]' + ending
        self._shows = self._writer.shows_thoughts

    def encode(self, events: Iterable[Event]) -> bytes:
        """The bytes for a batch of events."""
        out: list[bytes] = []
        for event in events:
            kind = type(event)
            if kind is BlockDelta:
                word = event.kind  # type: ignore[union-attr]
                if word == "text" or word == "refusal":
                    out += (self._begin(), self._text, dumps_text(event.text), self._text_end)  # type: ignore[union-attr]
                elif word == "thinking" and self._shows:
                    out += (self._begin(), self._text, dumps_text(event.text), self._thought_end)  # type: ignore[union-attr]
            elif type(event) is BlockRun:
                begin, between = self._begin(), self._text_end + self._lead + self._text
                out += (begin, self._text, between.join(event.literals), self._text_end)
            elif kind is not BlockOpened and kind is not Started:
                self._rest(event, out)
        return line_safe(b"".join(out))

    def _begin(self) -> bytes:
        lead = self._lead
        if self._array:
            self._lead = b",\r\n"
        return lead

    def _rest(self, event: Event, out: list[bytes]) -> None:
        if isinstance(event, BlockClosed):
            if event.kind in ("text", "thinking", "refusal"):
                parts = self._writer.closing(event.part)
            else:
                parts = self._writer.part(event.part)
            if parts:
                content = {"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}]}
                out += (self._begin(), dumps(content)[:-1], self._ending)
        elif isinstance(event, Finished):
            self._finish(event, out)
        elif isinstance(event, Failed):
            _, body = render_error(event.error, self._reply.reply_id)
            out += (self._begin(), dumps(body), b"]" if self._array else b"\n\n")

    def _finish(self, event: Finished, out: list[bytes]) -> None:
        answer = event.answer
        last: Json = {}
        if not answer.parts and answer.stop.reason == "filtered":
            last["promptFeedback"] = {"blockReason": stops.block_reason(answer.stop)}
        else:
            last["candidates"] = [finished_candidate(answer, [{"text": ""}])]
        if answer.usage is not None:
            last["usageMetadata"] = write_usage(answer.usage)
        out += (self._begin(), dumps(last)[:-1], self._ending)
        if self._array:
            out.append(b"]")
