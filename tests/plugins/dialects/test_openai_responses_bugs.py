"""Translation bugs that other gateways had, and that need both ends of a pair to show."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from omniroute_dialects.openai_chat import DIALECT as CHAT
from omniroute_dialects.openai_responses import DIALECT
from omniroute_hooks.blocks import BlockMachine
from openai_responses_kit import events_of, reply


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + orjson.dumps({"id": "c1", "object": "chat.completion.chunk", "choices": choices}) + b"\n\n"


def call(index: int, arguments: str, **first: Any) -> bytes:
    """A piece of a call; ``first`` is what only its first piece has, beside the name."""
    name = {"name": f"tool{index}"} if first else {}
    return chunk({"tool_calls": [{"index": index, **first, "function": {"arguments": arguments, **name}}]})


SWITCHING = {
    "text-between-pieces-of-a-call": [
        chunk({"role": "assistant", "content": "I "}),
        call(0, '{"a"', id="c_0", type="function"),
        chunk({"content": "look."}),
        call(0, ":1}"),
        chunk({"content": " Done."}),
        chunk({}, "tool_calls"),
    ],
    "calls-that-alternate": [
        call(0, '{"a"', id="c_0", type="function"),
        call(1, '{"b"', id="c_1", type="function"),
        call(0, ":1}"),
        call(1, ":2}"),
        chunk({}, "tool_calls"),
    ],
    "thoughts-that-go-on-after-the-text": [
        chunk({"role": "assistant", "reasoning_content": "Hm"}),
        chunk({"content": "Yes"}),
        chunk({"reasoning_content": ", well"}),
        chunk({"content": "."}),
        chunk({}, "stop"),
    ],
}


@pytest.mark.parametrize("chunks", SWITCHING.values(), ids=SWITCHING)
def test_b27_an_item_is_done_after_its_last_delta_and_hears_nothing_more(chunks):
    machine, encoder, decoder = BlockMachine("r1"), DIALECT.encoder(reply()), CHAT.decoder(False)
    stream = b"".join(encoder.encode(machine.feed(decoder.feed(piece))) for piece in (*chunks, b"data: [DONE]\n\n"))
    stream += encoder.encode(machine.end())

    open_: dict[int, str] = {}
    done: dict[int, dict[str, Any]] = {}
    said: dict[int, str] = {}
    for event in events_of(stream):
        index = event.get("output_index")
        if index is None:
            continue
        assert index not in done, f"{event['type']} for an item that is done"
        if event["type"] == "response.output_item.added":
            open_[index] = event["item"]["id"]
        elif event["type"] == "response.output_item.done":
            done[index] = event["item"]
        else:
            assert event["item_id"] == open_[index]
            if event["type"].endswith(".delta"):
                said[index] = said.get(index, "") + event["delta"]
    assert done.keys() == open_.keys()
    for index, item in done.items():
        parts = item.get("content") or item.get("summary") or [{"text": item.get("arguments", "")}]
        assert said[index] == "".join(part["text"] for part in parts)
