"""Answers that break while they are read: gone on with where that is truthful, told as broken where it is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from omniroute_hooks.testing import ScriptedUpstream, serving
from running import Running, running

STREAM = {"content-type": "text/event-stream"}


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def words(*texts: str, whole: bool = True) -> list[bytes]:
    """A chat stream that says these, and ends or is cut."""
    out = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": text}) for text in texts)]
    return [*out, chunk({}, "stop"), b"data: [DONE]\n\n"] if whole else out


@pytest.fixture
async def two(tmp_path: Any) -> AsyncIterator[tuple[Running, ScriptedUpstream]]:
    """A gateway with one node of two connections."""
    async with serving(ScriptedUpstream()) as upstream, running(tmp_path / "data", initial_password=None) as gateway:
        node = await gateway.add_node(upstream.url + "/v1", "openai-compatible", "up", "chat", "k-1")
        await gateway.add_connection(node, {"api_key": "k-2"}, name="second")
        yield gateway, upstream


async def ask(gateway: Running, path: str = "/v1/chat/completions", **headers: str) -> str:
    body = {"model": "up/m", "max_tokens": 99, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    answer = await gateway.http.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def said(stream: str) -> str:
    """All the text of a chat stream, or of an Anthropic one."""
    out = ""
    for line in stream.splitlines():
        if line.startswith("data: {"):
            body = json.loads(line[6:])
            out += body.get("delta", {}).get("text", "")
            for choice in body.get("choices", ()):
                out += choice["delta"].get("content") or ""
    return out


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_the_same_answer_from_another_goes_on_where_the_first_broke(
    two: tuple[Running, ScriptedUpstream], path: str
) -> None:
    gateway, upstream = two
    upstream.stream(words("The quick ", "brown", whole=False), headers=STREAM)
    upstream.stream(words("The ", "quick brown", " fox", "."), headers=STREAM)

    stream = await ask(gateway, path)

    assert said(stream) == "The quick brown fox."
    assert "error" not in stream
    assert stream.count("[DONE]") + stream.count("event: message_stop") == 1
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_another_answer_is_not_glued_on(two: tuple[Running, ScriptedUpstream], path: str) -> None:
    gateway, upstream = two
    upstream.stream(words("The quick ", "brown", whole=False), headers=STREAM)
    upstream.stream(words("A slow ", "grey", " cat"), headers=STREAM)
    upstream.stream(words("Yet another"), headers=STREAM)

    stream = await ask(gateway, path)

    assert said(stream) == "The quick brown"
    assert "error" in stream
    assert "[DONE]" not in stream
    assert "message_stop" not in stream


async def test_a_stream_whose_events_repeat_ids_is_not_gone_on_with_by_another(tmp_path: Any) -> None:
    created = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events = [
        {"type": "response.created", "sequence_number": 0, "response": created},
        {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item},
        {"type": "response.content_part.added", "sequence_number": 2, **place, "part": part},
        {"type": "response.output_text.delta", "sequence_number": 3, **place, "delta": "Half an"},
    ]
    frames = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events]
    async with serving(ScriptedUpstream()) as upstream, running(tmp_path / "data", initial_password=None) as gateway:
        node = await gateway.add_node(upstream.url + "/v1", "openai-compatible", "up", "responses", "k-1")
        await gateway.add_connection(node, {"api_key": "k-2"}, name="second")
        upstream.stream(frames, headers=STREAM)
        body = {"model": "up/m", "stream": True, "input": "hi"}

        answer = await gateway.http.post("/v1/responses", json=body)

        assert answer.text.startswith(b"".join(frames).decode())
        assert "error" in answer.text
        assert "response.completed" not in answer.text
        assert len(upstream.requests) == 1


async def test_a_guarded_stream_says_nothing_before_it_is_whole(two: tuple[Running, ScriptedUpstream]) -> None:
    gateway, upstream = two
    upstream.stream(words("The quick ", "brown", whole=False), headers=STREAM)
    upstream.stream(words("A slow ", "grey cat"), headers=STREAM)

    stream = await ask(gateway, **{"X-OmniRoute-Stream": "guarded"})

    assert said(stream) == "A slow grey cat"
    assert "error" not in stream


async def test_a_dry_run_tells_the_plan_and_calls_nobody(tmp_path: Any) -> None:
    async with serving(ScriptedUpstream()) as upstream, running(tmp_path / "data") as gateway:
        node = await gateway.add_node(upstream.url + "/v1", "openai-compatible", "up", "chat", "k-1")
        await gateway.add_connection(node, {"api_key": "k-2"}, name="second")
        await gateway.login()
        upstream.reply(429, json={"error": {"message": "slow down"}}, headers={"Retry-After": "120"})
        upstream.reply(429, json={"error": {"message": "slow down"}}, headers={"Retry-After": "60"})
        body = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}
        refused = await gateway.http.post("/v1/chat/completions", json=body)
        asked = len(upstream.requests)

        plan = (await gateway.http.post("/api/route/explain", json=body)).json()

        assert refused.status_code == 503
        assert 50 <= int(refused.headers["retry-after"]) <= 61
        assert len(upstream.requests) == asked == 2
        assert plan["first"] is None
        candidates: Sequence[dict[str, Any]] = plan["candidates"]
        assert [c["usable"] for c in candidates] == [False, False]
        assert all("slow down" in c["reason"] for c in candidates)
        assert all(c["retryAt"] for c in candidates)


async def test_a_slow_candidate_is_joined_by_a_second_where_the_combo_says_so(
    two: tuple[Running, ScriptedUpstream],
) -> None:
    gateway, upstream = two
    upstream.hang()
    upstream.stream(words("The second ", "was quicker"), headers=STREAM)
    await gateway.kernel.store.create_combo(name="hurry", models=["up/m"], config={"hedgeAfterMs": 50})
    await gateway.kernel.reload()
    body = {"model": "hurry", "stream": True, "messages": [{"role": "user", "content": "hi"}]}

    answer = await gateway.http.post("/v1/chat/completions", json=body)

    assert said(answer.text) == "The second was quicker"
    assert len(upstream.requests) == 2
