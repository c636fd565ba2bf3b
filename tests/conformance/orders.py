"""The legal order of a stream's events in each dialect, and nothing else: what the events say may be nonsense.

Each checker takes a finished stream and tells whether it ends in an answer ("whole") or in an error ("error").
Errors: `AssertionError` on the first event that is out of order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing.wire import events

Json = Any


def chat(data: bytes) -> str:
    """Chunks, the first with the role, one reason to stop, perhaps usage, then [DONE]; or an error, and no more."""
    found = events(data)
    assert found, "nothing at all"
    assert not any(event.name for event in found)
    done = found[-1].data == "[DONE]"
    stopped = False
    calls: dict[int, str] = {}
    for place, event in enumerate(found[:-1] if done else found):
        chunk = event.json
        if "error" in chunk:
            assert not done, "[DONE] after an error"
            assert place == len(found) - 1, "something follows an error"
            assert isinstance(chunk["error"]["message"], str)
            return "error"
        assert chunk["object"] == "chat.completion.chunk"
        for choice in chunk["choices"]:
            assert not stopped, "a choice goes on after its reason to stop"
            delta = choice["delta"]
            assert place or delta.get("role") == "assistant", "no role at first"
            for call in delta.get("tool_calls", ()):
                if call["index"] in calls:
                    assert call["index"] == len(calls) - 1, "a call goes on after the next one has begun"
                    assert not call.get("id"), "a call begins twice"
                else:
                    assert call["index"] == len(calls), "calls are not numbered in order"
                    assert call["id"] not in calls.values(), "two calls have one id"
                    assert call["function"]["name"]
                    calls[call["index"]] = call["id"]
            stopped = choice["finish_reason"] is not None
    assert stopped, "no reason to stop"
    assert done, "no [DONE]"
    return "whole"


def responses(data: bytes) -> str:
    """Items one after another, each added and done, their parts within; one event that ends it all."""
    found = [event.json for event in events(data)]
    assert [event["sequence_number"] for event in found] == list(range(len(found))), "numbers are not in order"
    kinds = [event["type"] for event in found]
    if kinds == ["error"]:
        return "error"
    assert kinds[0] == "response.created"
    ends = {"response.completed", "response.incomplete", "response.failed", "error"}
    assert [kind for kind in kinds if kind in ends] == [kinds[-1]], "not one end, at the end"
    items = 0
    item: Json = None
    part: tuple[str, int] | None = None
    parts = 0
    for event, kind in zip(found, kinds, strict=True):
        word = kind.removeprefix("response.")
        if word == "output_item.added":
            assert item is None, "an item begins within another"
            assert event["output_index"] == items
            item, parts = event["item"], 0
        elif word == "output_item.done":
            assert item is not None
            assert part is None, "an item is done before its part is"
            assert (event["output_index"], event["item"]["id"]) == (items, item["id"])
            item, items = None, items + 1
        elif word in ("content_part.added", "reasoning_summary_part.added"):
            assert item is not None
            assert part is None
            part = (event["item_id"], event.get("content_index", event.get("summary_index")))
            assert part == (item["id"], parts), "parts are not numbered in order"
        elif word in ("content_part.done", "reasoning_summary_part.done"):
            assert part == (event["item_id"], event.get("content_index", event.get("summary_index")))
            part, parts = None, parts + 1
        elif "item_id" in event:
            assert item is not None, f"{kind} outside of an item"
            assert event["item_id"] == item["id"]
            if item["type"] == "message":
                assert part is not None, f"{kind} outside of a part"
    if kinds[-1] in ("response.failed", "error"):
        return "error"
    assert item is None, "an item is never done"
    assert len(found[-1]["response"]["output"]) == items
    return "whole"


_DELTAS = {
    "text": ("text_delta", "citations_delta"),
    "thinking": ("thinking_delta", "signature_delta"),
    "tool_use": ("input_json_delta",),
}


def messages(data: bytes) -> str:
    """message_start, blocks one after another, message_delta, message_stop; or an error, and no more."""
    found = events(data)
    kinds = [event.json["type"] for event in found]
    assert kinds == [event.name for event in found], "an event's name is not its type"
    if kinds[-1] == "error":
        assert kinds.count("error") == 1
        assert "message_delta" not in kinds, "an error after the end"
    else:
        assert kinds[-2:] == ["message_delta", "message_stop"]
        assert kinds.count("message_delta") == kinds.count("message_stop") == 1
    assert kinds == ["error"] or kinds[0] == "message_start", "no message_start at first"
    assert kinds.count("message_start") <= 1
    block: Json = None
    blocks = 0
    for event in found:
        body = event.json
        if event.name == "content_block_start":
            assert block is None, "a block begins within another"
            assert body["index"] == blocks
            block = body["content_block"]
        elif event.name == "content_block_delta":
            assert block is not None, "a delta outside of a block"
            assert body["index"] == blocks
            assert body["delta"]["type"] in _DELTAS[block["type"]], "a delta of another kind of block"
        elif event.name == "content_block_stop":
            assert block is not None
            assert body["index"] == blocks
            block, blocks = None, blocks + 1
    if kinds[-1] == "error":
        return "error"
    assert block is None, "a block is never closed"
    return "whole"


def contents(data: bytes) -> str:
    """Chunks, the last with the reason to stop; or an error, and no more."""
    found = events(data, comments=False)
    assert found, "nothing at all"
    for place, event in enumerate(found):
        body = event.json
        last = place == len(found) - 1
        if "error" in body:
            assert last, "something follows an error"
            assert isinstance(body["error"]["message"], str)
            return "error"
        for candidate in body.get("candidates", ()):
            assert ("finishReason" in candidate) <= last, "a chunk follows the reason to stop"
            for part in candidate.get("content", {}).get("parts", ()):
                assert isinstance(part.get("text", ""), str)
                assert isinstance(part.get("functionCall", {}).get("args", {}), dict)
    body = found[-1].json
    assert body.get("promptFeedback") or "finishReason" in body["candidates"][0], "no reason to stop"
    return "whole"


ORDERS: Mapping[str, Callable[[bytes], str]] = {
    OPENAI_CHAT: chat,
    OPENAI_RESPONSES: responses,
    ANTHROPIC: messages,
    GEMINI: contents,
}
