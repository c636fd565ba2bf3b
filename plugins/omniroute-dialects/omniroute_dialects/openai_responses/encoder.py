"""An answer as this dialect's stream, and, since its last event holds everything, as a whole.

Neighbouring texts are parts of one message. A call is streamed unless its item shows it in another form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omniroute_hooks import Answer, Image, Opaque, Part, Refusal, Reply, Seal, Text, Thinking, ToolCall
from omniroute_hooks.events import (
    BlockClosed,
    BlockDelta,
    BlockKind,
    BlockOpened,
    Event,
    Failed,
    Finished,
    Started,
)
from omniroute_hooks.jsonio import dumps

from ..blobs import data_url
from ..hosted_tools import shown_words
from ..line_safety import line_safe
from .calls_out import CallPlan, CallPlans, empty_item, function_plan, native_item, unwrapped
from .citations import write_annotation
from .envelope import Envelope, ending_of
from .errors import failed_error
from .item_stream import ItemStream, delta_prefix
from .slots import Owner, write_slot
from .vocabulary import ID, own

Json = dict[str, Any]
_STREAMED: dict[type, BlockKind] = {Text: "text", Refusal: "refusal", Thinking: "thinking", ToolCall: "tool"}
_MALFORMED = {"code": "server_error", "message": "The model made a tool call that cannot be read."}


class Encoder:
    """Encoder of one answer. ``response`` is the last response object, once the answer is over."""

    def __init__(self, reply: Reply) -> None:
        self.response: Json | None = None
        self._reply = reply
        self._plans = CallPlans(reply.conversation.tools)
        self._items = ItemStream(reply.reply_id)
        self._envelope: Envelope | None = None
        self._prefix: bytes | None = None  # of a delta event for the open block; None: not streamed
        self._plan: CallPlan | None = None
        self._open: int | None = None  # index of the open block
        self._wanted: str | None = None  # the provider's id of the open reasoning item

    def encode(self, events: Iterable[Event]) -> bytes:
        """The bytes of these events."""
        items = self._items
        for event in events:
            self._event(event)
        data = line_safe(b"".join(items.out))
        items.out.clear()
        return data

    def _event(self, event: Event) -> None:
        kind = type(event)
        if kind is BlockDelta:
            if self._prefix is not None:
                self._items.delta(self._prefix, event.text)  # type: ignore[union-attr]
            else:
                self._first_delta(event)  # type: ignore[arg-type]
        elif kind is BlockOpened:
            self._opened(event)  # type: ignore[arg-type]
        elif kind is BlockClosed:
            self._closed(event)  # type: ignore[arg-type]
        elif kind is Started:
            self._started(event.id)  # type: ignore[union-attr]
        elif kind is Finished:
            self._finished(event.answer)  # type: ignore[union-attr]
        elif kind is Failed:
            self._failed(event)  # type: ignore[arg-type]

    # the answer ------------------------------------------------------------------

    def _started(self, answer_id: str | None) -> Envelope:
        if self._envelope is None:
            self._envelope = Envelope(self._reply, answer_id)
            raw = dumps(self._envelope.response("in_progress", [], None, None, None))
            items = self._items
            for kind in (b"response.created", b"response.in_progress"):
                head = b'event: %b\ndata: {"type":"%b"' % (kind, kind)
                items.out.append(b'%b,"response":%b,"sequence_number":%d}\n\n' % (head, raw, items.number))
                items.number += 1
        return self._envelope

    def _finished(self, answer: Answer) -> None:
        envelope = self._started(answer.id)
        status, reason = ending_of(answer.stop)
        self._items.settle("incomplete" if reason == "max_output_tokens" else "completed")
        error = _MALFORMED if status == "failed" else None
        self._last(envelope.response(status, self._items.output, answer, error, reason))

    def _failed(self, event: Failed) -> None:
        items, error = self._items, failed_error(event.error)
        if self._envelope is None:
            # Nothing of the answer has been said, so there is none to tell the end of.
            items.event("error", {**error, "param": None, "error": {"type": "server_error", **error}})
            return
        item, parts = items.item, event.partial.parts
        if item is not None:
            # Not done, and nobody may act on it: it is only shown.
            if self._open is not None and self._open < len(parts):
                _fill(item, parts[self._open])
            if "status" in item:
                item["status"] = "incomplete"
            items.output.append(item)
            items.item = None
        self._last(self._envelope.response("failed", items.output, event.partial, error, None))

    def _last(self, response: Json) -> None:
        self.response = response
        self._items.event("response." + response["status"], {"response": response})

    # blocks ----------------------------------------------------------------------

    def _opened(self, event: BlockOpened) -> None:
        self._prefix = None
        self._open = event.index
        part, kind = event.part, event.kind
        if kind == "text" or kind == "refusal":
            self._open_words(kind)
        elif kind == "tool" and isinstance(part, ToolCall):
            self._open_call(part)
        elif kind == "thinking":
            self._items.settle()
            self._wanted = part.id if isinstance(part, Thinking) else None
        elif kind == "whole":
            self._whole(part)

    def _first_delta(self, event: BlockDelta) -> None:
        if event.kind != "thinking":
            return  # a call whose arguments are shown when they are complete
        items = self._items
        items.begin({"type": "reasoning", "id": items.new_id("rs", self._wanted), "summary": []})
        empty = {"type": "summary_text", "text": ""}
        items.event("response.reasoning_summary_part.added", items.at(summary_index=0, part=empty))
        self._prefix = delta_prefix("response.reasoning_summary_text.delta", items.at(summary_index=0))
        items.delta(self._prefix, event.text)

    def _closed(self, event: BlockClosed) -> None:
        part = event.part
        if event.kind == "whole":
            pass  # it was shown when it came
        elif isinstance(part, Text | Refusal):
            self._close_words(part)
        elif isinstance(part, Thinking):
            self._close_thoughts(part)
        elif isinstance(part, ToolCall):
            self._close_call(part)
        self._prefix = None
        self._open = None

    # words

    def _open_words(self, kind: str) -> None:
        items = self._items
        if items.item is None or items.item["type"] != "message":
            shared = {"status": "in_progress", "role": "assistant", "content": []}
            items.begin({"type": "message", "id": items.new_id("msg"), **shared})
        assert items.item is not None  # it has just begun
        place = items.at(content_index=len(items.item["content"]))
        if kind == "text":
            empty: Json = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            self._prefix = delta_prefix("response.output_text.delta", {**place, "logprobs": []})
        else:
            empty = {"type": "refusal", "refusal": ""}
            self._prefix = delta_prefix("response.refusal.delta", place)
        items.event("response.content_part.added", {**place, "part": empty})

    def _close_words(self, part: Text | Refusal) -> None:
        items = self._items
        assert items.item is not None  # opened with the block
        content = items.item["content"]
        place = items.at(content_index=len(content))
        whole = _words(part)
        if isinstance(part, Refusal):
            items.event("response.refusal.done", {**place, "refusal": part.text})
        else:
            for number, annotation in enumerate(whole["annotations"]):
                fields = {**place, "annotation_index": number, "annotation": annotation}
                items.event("response.output_text.annotation.added", fields)
            items.event("response.output_text.done", {**place, "text": part.text, "logprobs": []})
        items.event("response.content_part.done", {**place, "part": whole})
        content.append(whole)
        if isinstance(part, Text) and part.seal is not None:
            self._carry(part.seal, "text")

    # thoughts

    def _close_thoughts(self, part: Thinking) -> None:
        items = self._items
        if items.item is None:  # not a word came
            if part.seal is not None:
                self._carry(part.seal, "redacted" if part.redacted else "", part.id)
            return
        whole = {"type": "summary_text", "text": part.text}
        items.event("response.reasoning_summary_text.done", items.at(summary_index=0, text=part.text))
        items.event("response.reasoning_summary_part.done", items.at(summary_index=0, part=whole))
        items.item["summary"] = [whole]
        if part.seal is not None:
            items.item["encrypted_content"] = write_slot(part.seal)

    def _carry(self, seal: Seal, owner: Owner, wanted: str | None = None, call_id: str = "") -> None:
        """A reasoning item without words, for a seal that has no other slot."""
        item: Json = {"type": "reasoning", "id": self._items.new_id("rs", wanted), "summary": []}
        self._items.begin({**item, "encrypted_content": write_slot(seal, owner, call_id)}, item)

    # calls

    def _open_call(self, call: ToolCall) -> None:
        self._plan = plan = self._plans.plan(call)
        if plan.typed is None:
            self._show_call(plan, self._items.call_id(call.id))
        else:
            self._items.settle()

    def _show_call(self, plan: CallPlan, call_id: str) -> None:
        items = self._items
        item = empty_item(plan, items.new_id(plan.prefix), call_id)
        items.begin(item, dict(item))
        if not plan.wrapped:
            kind = "function_call_arguments" if plan.kind == "function_call" else "custom_tool_call_input"
            self._prefix = delta_prefix(f"response.{kind}.delta", items.at())

    def _close_call(self, call: ToolCall) -> None:
        plan, items = self._plan, self._items
        if plan is None:
            return
        if plan.typed is not None:
            call_id = items.call_id(call.id)
            item = native_item(plan, call, items.new_id(plan.prefix), call_id)
            if item is not None:
                items.begin(item)
            else:
                plan = function_plan(plan.name)
                self._show_call(plan, call_id)
                if call.arguments:
                    items.event("response.function_call_arguments.delta", items.at(delta=call.arguments))
        if plan.kind == "function_call":
            self._arguments_done(plan, call)
        elif plan.kind == "custom_tool_call":
            self._input_done(plan, call)
        self._plan = None
        if call.seal is not None and items.item is not None:
            self._carry(call.seal, "call", call_id=items.item["call_id"])

    def _arguments_done(self, plan: CallPlan, call: ToolCall) -> None:
        items = self._items
        assert items.item is not None  # shown before
        arguments = call.arguments or "{}"  # clients parse it, and nothing is not JSON
        if not call.arguments:
            items.event("response.function_call_arguments.delta", items.at(delta=arguments))
        items.event("response.function_call_arguments.done", items.at(name=plan.name, arguments=arguments))
        items.item["arguments"] = arguments

    def _input_done(self, plan: CallPlan, call: ToolCall) -> None:
        items = self._items
        assert items.item is not None  # shown before
        given = unwrapped(call.arguments) if plan.wrapped else call.arguments
        if plan.wrapped and given:
            items.event("response.custom_tool_call_input.delta", items.at(delta=given))
        items.event("response.custom_tool_call_input.done", items.at(input=given))
        items.item["input"] = given

    # parts in one piece

    def _whole(self, part: Part) -> None:
        kind = _STREAMED.get(type(part))
        if kind is not None and not (isinstance(part, Thinking) and not part.text):
            self._at_once(kind, part)
        elif isinstance(part, Thinking) and part.seal is not None:
            self._carry(part.seal, "redacted" if part.redacted else "", part.id)
        elif isinstance(part, Opaque) and part.dialect == ID and isinstance(part.raw, dict):
            self._items.native(dict(part.raw))
        elif isinstance(part, Image) and part.source.data is not None:
            item = dict(own(part.ext).get("item") or {"type": "image_generation_call", "status": "completed"})
            form = (part.source.mime or "image/png").removeprefix("image/")
            self._items.native({"output_format": form, **item, "result": part.source.data})
        elif isinstance(part, Image) and (url := data_url(part.source)) is not None:
            self._at_once("text", Text(f"![image]({url})"))
        elif isinstance(part, Opaque) and (words := shown_words(part)):
            self._at_once("text", Text(words))

    def _at_once(self, kind: BlockKind, part: Part) -> None:
        """A part that is usually streamed, as a stream of one piece."""
        index = self._open or 0
        text = part.arguments if isinstance(part, ToolCall) else getattr(part, "text", "")
        self._event(BlockOpened(index, kind, part))
        if text:
            self._event(BlockDelta(index, kind, text))
        self._event(BlockClosed(index, kind, part))


def _words(part: Text | Refusal) -> Json:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    annotations = [write_annotation(c, part.text) for c in part.citations]
    return {"type": "output_text", "text": part.text, "annotations": annotations, "logprobs": []}


def _fill(item: Json, part: Part) -> None:
    """What had come of the open item when the answer broke."""
    if item["type"] == "message" and isinstance(part, Text | Refusal):
        item["content"] = [*item["content"], _words(part)]
    elif item["type"] == "reasoning" and isinstance(part, Thinking) and part.text:
        item["summary"] = [{"type": "summary_text", "text": part.text}]
    elif item["type"] == "function_call" and isinstance(part, ToolCall):
        item["arguments"] = part.arguments
    elif item["type"] == "custom_tool_call" and isinstance(part, ToolCall):
        item["input"] = part.arguments
