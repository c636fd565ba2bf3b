"""Events as this dialect's stream.

What is the same in every chunk is built once; a delta is then a concatenation around one JSON string.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omniroute_hooks import (
    Audio,
    Image,
    Opaque,
    Refusal,
    Reply,
    Text,
    Thinking,
    ToolCall,
)
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

from ..hosted_tools import shown_words
from ..line_safety import line_safe
from .answer_out import (
    annotation_of,
    call_input,
    finish_word,
    image_of,
    is_legacy,
    seal_field,
    tools_of,
)
from .errors_out import render_error
from .thoughts import GAP, detail_of
from .usage import render_usage

DONE = b"data: [DONE]\n\n"


class ChatEncoder:
    """One answer's stream. `encode` takes events in order and gives the bytes that say them."""

    def __init__(self, reply: Reply) -> None:
        conversation, began = reply.conversation, reply.began
        head = dumps(
            {
                "id": (began and began.id) or f"chatcmpl-{reply.reply_id}",
                "object": "chat.completion.chunk",
                "created": (began and began.created_s) or reply.created_s,
                "model": (began and began.model) or reply.model,
            }
        )[:-1]
        self._head = b"data: " + head
        self._open = self._head + b',"choices":[{"index":0,"delta":'
        self._usage_wanted = conversation.include_usage
        self._tail = (b',"usage":null}' if self._usage_wanted else b"}") + b"\n\n"
        self._close = b',"finish_reason":null}]' + self._tail
        self._text = self._open + b'{"content":'
        self._thought = self._open + b'{"reasoning_content":'
        self._refusal = self._open + b'{"refusal":'
        self._end = b"}" + self._close
        self._tools = tools_of(conversation)
        self._legacy = is_legacy(conversation)
        self._calls = -1  # index of the last call: calls only, from 0
        self._call_head = b""
        self._call_end = b""
        self._held: list[str] | None = None  # arguments of a call that can only be shown whole
        self._sealed_at_open = False
        self._text_seal_sent = False
        self._details = 0
        self._images = 0
        self._call_empty = False
        self._shown = 0  # characters of visible text so far
        self._block_start = 0
        self._last_kind = ""
        self._any_thought = False
        self._annotations: list[dict[str, Any]] = []

    def encode(self, events: Iterable[Event]) -> bytes:
        """The bytes for these events; b"" where they say nothing here."""
        out: list[bytes] = []
        for event in events:
            if type(event) is BlockDelta:
                kind = event.kind
                if kind == "text":
                    self._shown += len(event.text)
                    out.append(self._text + dumps_text(event.text) + self._end)
                elif kind == "tool":
                    if self._held is not None:
                        self._held.append(event.text)
                    else:
                        self._call_empty = False
                        out.append(self._call_head + dumps_text(event.text) + self._call_end)
                elif kind == "thinking":
                    out.append(self._thought + dumps_text(event.text) + self._end)
                    self._any_thought = True
                elif kind == "refusal":
                    out.append(self._refusal + dumps_text(event.text) + self._end)
            elif type(event) is BlockRun:
                self._shown += sum(map(len, event.texts))
                out += (self._text, (self._end + self._text).join(event.literals), self._end)
            else:
                self._rest(event, out)
        return line_safe(b"".join(out))

    def _rest(self, event: Event, out: list[bytes]) -> None:
        if isinstance(event, BlockOpened):
            self._opened(event, out)
        elif isinstance(event, BlockClosed):
            self._closed(event, out)
        elif isinstance(event, BlockCited):
            return  # citations go out together, before the end
        elif isinstance(event, Started):
            self._delta({"role": "assistant", "content": ""}, out)
        elif isinstance(event, Finished):
            self._finished(event, out)
        elif isinstance(event, Failed):
            _, body = render_error(event.error, "")
            out.append(b"data: " + dumps(body) + b"\n\n")

    def _delta(self, delta: dict[str, Any], out: list[bytes]) -> None:
        out.append(self._open + dumps(delta) + self._close)

    def _opened(self, event: BlockOpened, out: list[bytes]) -> None:
        part = event.part
        if isinstance(part, Text):
            if self._shown and self._last_kind != "text":
                self._say(GAP, out)
            self._block_start = self._shown
        elif isinstance(part, Thinking) and event.kind == "thinking":
            if self._any_thought:
                self._delta({"reasoning_content": GAP}, out)
                self._any_thought = False  # one gap, however many blocks without words follow
        elif isinstance(part, ToolCall):
            self._call_opened(part, out)
        self._last_kind = event.kind

    def _say(self, text: str, out: list[bytes]) -> None:
        self._shown += len(text)
        out.append(self._text + dumps_text(text) + self._end)

    def _call_opened(self, part: ToolCall, out: list[bytes]) -> None:
        self._calls += 1
        index = self._calls
        self._held = None
        self._call_empty = True
        self._sealed_at_open = part.seal is not None
        name = self._tools.name(part.name)
        if self._legacy:
            self._call_head = self._open + b'{"function_call":{"arguments":'
            self._call_end = b"}}" + self._close
            if index == 0:
                self._delta({"function_call": {"name": name, "arguments": ""}}, out)
            else:
                self._held = []  # this form holds one call
            return
        call: dict[str, Any] = {"index": index, "id": part.id}
        custom = part.kind == "custom" or name in self._tools.freeform
        if custom:
            call |= {"type": "custom", "custom": {"name": name, "input": ""}}
            if part.kind != "custom":
                self._held = []
        else:
            call |= {"type": "function", "function": {"name": name, "arguments": ""}}
        if part.seal is not None:
            call["extra_content"] = seal_field(part.seal)
        self._delta({"tool_calls": [call]}, out)
        where = b'"custom":{"input":' if custom else b'"function":{"arguments":'
        self._call_head = self._open + b'{"tool_calls":[{"index":%d,' % index + where
        self._call_end = b"}}]}" + self._close

    def _closed(self, event: BlockClosed, out: list[bytes]) -> None:
        part = event.part
        if isinstance(part, Text):
            if part.seal is not None and not self._text_seal_sent:
                self._text_seal_sent = True
                self._delta({"extra_content": seal_field(part.seal)}, out)
            for citation in part.citations:
                found = annotation_of(citation, self._block_start, self._shown)
                if found is not None:
                    self._annotations.append(found)
        elif isinstance(part, Thinking):
            detail = detail_of(part, self._details)
            if detail is not None:
                self._details += 1
                self._delta({"reasoning_details": [detail]}, out)
        elif isinstance(part, ToolCall):
            if self._held is not None and not (self._legacy and self._calls):
                out.append(self._call_head + dumps(call_input("".join(self._held))) + self._call_end)
            elif self._held is None and self._call_empty and part.kind == "function":
                out.append(self._call_head + b'"{}"' + self._call_end)  # clients parse what they joined
            self._held = None
            if part.seal is not None and not self._sealed_at_open and not self._legacy:
                self._delta({"tool_calls": [{"index": self._calls, "extra_content": seal_field(part.seal)}]}, out)
        elif isinstance(part, Image):
            self._delta({"images": [image_of(part, self._images)]}, out)
            self._images += 1
        elif isinstance(part, Opaque):
            words = shown_words(part)
            if words:
                self._say((GAP if self._shown else "") + words, out)
        elif isinstance(part, Audio | Refusal):
            pass  # audio is only passed through; refusals went out as they came

    def _finished(self, event: Finished, out: list[bytes]) -> None:
        answer = event.answer
        if self._annotations:
            self._delta({"annotations": self._annotations}, out)
        reason = finish_word(answer.stop, self._legacy)
        out.append(self._open + b'{},"finish_reason":' + dumps(reason) + b"}]" + self._tail)
        if self._usage_wanted and answer.usage is not None:
            out.append(self._head + b',"choices":[],"usage":' + dumps(render_usage(answer.usage)) + b"}\n\n")
        out.append(DONE)


def encoder(reply: Reply) -> ChatEncoder:
    """A new encoder for one answer."""
    return ChatEncoder(reply)
