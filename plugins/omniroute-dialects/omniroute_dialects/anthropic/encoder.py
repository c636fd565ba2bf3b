"""An answer as a stream for a caller of this dialect.

Blocks are counted here, apart from the events' own numbers: hidden thinking has no number, and carried
seals have one of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omniroute_hooks import Reply, Text, Thinking, ToolCall
from omniroute_hooks.conversation import Part
from omniroute_hooks.events import (
    BlockCited,
    BlockClosed,
    BlockDelta,
    BlockOpened,
    BlockRun,
    Event,
    Failed,
    Finished,
    Started,
)
from omniroute_hooks.jsonio import dumps, dumps_text

from ..line_safety import line_safe
from .answer_out import (
    answer_id,
    call_block,
    caller_names,
    citation_fields,
    part_blocks,
    shows_thinking,
    signature_of,
)
from .carriers import call_carrier, text_carrier
from .errors import error_event
from .stops import stop_fields
from .tools_out import call_input
from .usage import usage_fields

MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_END = b"}}\n\n"
_FIELDS = {
    "text": ("text_delta", "text"),
    "refusal": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
}
_CALL = ("input_json_delta", "partial_json")


class Encoder:
    """One answer."""

    __slots__ = ("_fresh", "_held", "_index", "_names", "_open", "_prefix", "_reply", "_shown", "_started", "_thought")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._names = caller_names(reply.conversation)
        self._shown = shows_thinking(reply.conversation)
        self._started = False
        self._index = 0
        self._open = False  # whether a block of ours is open
        self._held = False  # whether the open block's content waits for its end
        self._fresh = False  # whether the open event block has had no content yet
        self._thought = False  # whether that block is thinking, which opens with its first words
        self._prefix = b""  # of a delta of the open block

    def encode(self, events: Iterable[Event]) -> bytes:
        """The frames of these events."""
        out: list[bytes] = []
        for event in events:
            if type(event) is BlockDelta:
                if self._fresh:
                    self._first(event.text, out)
                if not self._held:
                    out += (self._prefix, dumps_text(event.text), _END)
            elif type(event) is BlockRun:
                if not self._held:
                    out += (self._prefix, (_END + self._prefix).join(event.literals), _END)
            elif isinstance(event, BlockOpened):
                self._block_opened(event, out)
            elif isinstance(event, BlockClosed):
                self._block_closed(event, out)
            elif isinstance(event, Started):
                self._begin(event, out)
            elif isinstance(event, BlockCited):
                fields = citation_fields(event.citation)
                if fields is not None and self._open:
                    self._delta({"type": "citations_delta", "citation": fields}, out)
            elif isinstance(event, Finished):
                self._finish(event, out)
            elif isinstance(event, Failed):
                out.append(frame("error", error_event(event.error, self._reply.reply_id)))
        return line_safe(b"".join(out))

    def _begin(self, event: Started, out: list[bytes]) -> None:
        self._started = True
        message: dict[str, Any] = {
            "id": answer_id(event.id, self._reply),
            "type": "message",
            "role": "assistant",
            "model": self._reply.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_fields(event.usage, self._reply.input_estimate),
        }
        out.append(frame("message_start", {"type": "message_start", "message": message}))

    def _finish(self, event: Finished, out: list[bytes]) -> None:
        if not self._started:
            answer = event.answer
            self._begin(Started(answer.id, answer.model, answer.created_s, answer.usage), out)
        usage = event.answer.usage
        counts = {"output_tokens": 0} if usage is None else usage_fields(usage)
        delta = {"type": "message_delta", "delta": stop_fields(event.answer), "usage": counts}
        out += (frame("message_delta", delta), MESSAGE_STOP)

    # blocks ------------------------------------------------------------------

    def _block_opened(self, event: BlockOpened, out: list[bytes]) -> None:
        part, kind = event.part, event.kind
        self._held = True  # what is not opened here comes whole at its end, or never
        if kind in ("text", "refusal"):
            self._start({"type": "text", "text": ""}, out)
            self._ready(_FIELDS[kind])
        elif isinstance(part, ToolCall) and kind == "tool":
            if part.kind == "function" and part.seal is None:
                self._start(call_block(part, self._names), out)
                self._ready(_CALL)
                self._fresh = True
        elif kind == "thinking" and self._shown:
            self._fresh = self._thought = True

    def _first(self, text: str, out: list[bytes]) -> None:
        """The first content of a block. Arguments that are no object are held, to be wrapped as a whole."""
        if self._thought:
            self._fresh = False
            self._start({"type": "thinking", "thinking": "", "signature": ""}, out)
            self._ready(_FIELDS["thinking"])
        elif text.strip():
            self._fresh = False
            self._held = not text.lstrip().startswith("{")

    def _block_closed(self, event: BlockClosed, out: list[bytes]) -> None:
        part, was_open = event.part, self._open
        if not was_open:
            self._whole(part, out)
        elif isinstance(part, Thinking):
            self._delta({"type": "signature_delta", "signature": signature_of(part)}, out)
            self._stop(out)
        elif isinstance(part, ToolCall):
            if self._held:
                self._arguments(part, out)
            self._stop(out)
            if part.seal is not None:
                self._whole_block(call_carrier(part.seal, call_block(part, self._names)["id"]), out)
        else:
            self._stop(out)
            if isinstance(part, Text) and part.seal is not None and self._shown:
                self._whole_block(text_carrier(part.seal, not part.text), out)
        self._held = self._fresh = self._thought = False

    def _whole(self, part: Part, out: list[bytes]) -> None:
        """A part of which nothing has been said yet."""
        for block in part_blocks(part, self._names, self._shown):
            self._whole_block(block, out)

    def _whole_block(self, block: dict[str, Any], out: list[bytes]) -> None:
        kind = block["type"]
        if kind == "text":
            self._start({"type": "text", "text": ""}, out)
            self._delta({"type": "text_delta", "text": block["text"]}, out)
            for citation in block.get("citations", ()):
                self._delta({"type": "citations_delta", "citation": citation}, out)
        elif kind == "thinking":
            self._start({"type": "thinking", "thinking": "", "signature": ""}, out)
            if block["thinking"]:
                self._delta({"type": "thinking_delta", "thinking": block["thinking"]}, out)
            self._delta({"type": "signature_delta", "signature": block["signature"]}, out)
        elif isinstance(kind, str) and kind.endswith("tool_use"):
            self._start({**block, "input": {}}, out)
            self._delta({"type": "input_json_delta", "partial_json": dumps(block.get("input") or {}).decode()}, out)
        else:
            self._start(block, out)
        self._stop(out)

    def _arguments(self, part: ToolCall, out: list[bytes]) -> None:
        text = dumps(call_input(part.arguments, part.kind)).decode()
        self._delta({"type": "input_json_delta", "partial_json": text}, out)

    # frames ------------------------------------------------------------------

    def _start(self, block: dict[str, Any], out: list[bytes]) -> None:
        self._open = True
        value = {"type": "content_block_start", "index": self._index, "content_block": block}
        out.append(frame("content_block_start", value))

    def _ready(self, names: tuple[str, str]) -> None:
        """From here on deltas go out as they come."""
        self._held = False
        kind, name = names
        text = f'{{"type":"content_block_delta","index":{self._index},"delta":{{"type":"{kind}","{name}":'
        self._prefix = b"event: content_block_delta\ndata: " + text.encode()

    def _delta(self, delta: dict[str, Any], out: list[bytes]) -> None:
        value = {"type": "content_block_delta", "index": self._index, "delta": delta}
        out.append(frame("content_block_delta", value))

    def _stop(self, out: list[bytes]) -> None:
        value = {"type": "content_block_stop", "index": self._index}
        out.append(frame("content_block_stop", value))
        self._index += 1
        self._open = False


def frame(name: str, value: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), dumps(value))
