"""Signatures survive clients that keep only the fields they know."""

from __future__ import annotations

from typing import Any

import pytest
from omniroute_hooks import Answer, Conversation, Seal, Stop, Text, Thinking, ToolCall, Turn
from omniroute_hooks.testing import ScriptedUpstream, serving
from running import Running

from core.gateway.answering.seals import Seals

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
THOUGHT = {"type": "thinking", "thinking": "I should look.", "signature": "c2lnbmVk"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
EVENTS = (
    '{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],'
    '"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":5,"output_tokens":1}}}',
    '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"I should look."}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2lnbmVk"}}',
    '{"type":"content_block_stop","index":0}',
    '{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}',
    '{"type":"content_block_stop","index":1}',
    '{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":9}}',
    '{"type":"message_stop"}',
)


def message(*content: dict[str, Any], stop: str) -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 9}
    shape = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    return {**shape, "content": list(content), "stop_reason": stop, "usage": usage}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_chat_client_that_drops_the_signature_can_still_go_on(gateway: Running, stream: bool) -> None:
    async with serving(ScriptedUpstream()) as upstream:
        await gateway.add_node(upstream.url + "/v1", "anthropic-compatible", "up")
        if stream:
            names = [event.split('"')[3] for event in EVENTS]
            frames = [f"event: {n}\ndata: {e}\n\n".encode() for n, e in zip(names, EVENTS, strict=True)]
            upstream.stream(frames, headers={"content-type": "text/event-stream"})
        else:
            upstream.reply(200, json=message(THOUGHT, CALL, stop="tool_use"))
        upstream.reply(200, json=message({"type": "text", "text": "Done."}, stop="end_turn"))
        body: dict[str, Any] = {"model": "up/m", "tools": [TOOL], "reasoning_effort": "low", "stream": stream}
        turns: list[dict[str, Any]] = [{"role": "user", "content": "Look!"}]
        first = await gateway.http.post("/v1/chat/completions", json={**body, "messages": turns})
        assert first.status_code == 200, first.text

        call = {"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        turns += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "a cat"},
        ]
        second = await gateway.http.post("/v1/chat/completions", json={**body, "stream": False, "messages": turns})

        assert second.json()["choices"][0]["message"]["content"] == "Done."
        assert upstream.requests[1].json["messages"][1]["content"][0] == THOUGHT


def test_what_another_key_was_told_stays_its_own() -> None:
    seals = Seals()
    thought = Thinking("hm", seal=Seal("s", "anthropic", "p", "m"))
    seals.remember("key-1", Answer((thought, ToolCall("c-1", "f")), Stop("tool")))
    asked = Conversation("m", (Turn("assistant", (ToolCall("c-1", "f"),)),), "openai-chat")

    assert seals.restored("key-2", asked) is asked
    assert seals.restored("key-1", asked).turns[0].parts[0] == thought


def test_what_the_caller_sent_back_counts() -> None:
    seals = Seals(most=1)
    seals.remember(None, Answer((ToolCall("c-1", "f", seal=Seal("old", "gemini")),), Stop("tool")))
    own = Conversation("m", (Turn("assistant", (ToolCall("c-1", "f", seal=Seal("own", "gemini")),)),), "openai-chat")
    assert seals.restored(None, own) is own

    seals.remember(None, Answer((Text("x"), ToolCall("c-2", "f", seal=Seal("new", "gemini"))), Stop("tool")))
    gone = Conversation("m", (Turn("assistant", (ToolCall("c-1", "f"),)),), "openai-chat")
    assert seals.restored(None, gone) is gone  # bounded: the older one was forgotten
