"""A stream that went through as it came and broke: what the gateway adds to it fits on to what was said."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from gateway_kit import add_node, request_in
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, serving
from omniroute_hooks.testing.wire import events

STREAM = {"content-type": "text/event-stream"}
RESPONSES = "openai-responses"
NUMBER = re.compile(rb'"sequence_number": ?(\d+)')


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


async def heard(gateway: Any, upstream: ScriptedUpstream, dialect: str, *pieces: bytes) -> bytes:
    """What a caller gets when the provider says these pieces and then closes the connection."""
    await add_node(gateway, dialect, upstream.url)
    upstream.stream(pieces, headers=STREAM)
    upstream.always(500, json={"error": {"message": "no more"}})
    path, body = request_in(dialect, stream=True)
    response = await gateway.http.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 200
    return response.content


def begun(dialect: str, **say: Any) -> list[bytes]:
    """The events of an answer before its text ends."""
    chunks = SPEAKERS[dialect].chunks(Say(text="One two three.", **say))
    ends = (b"output_text.done", b"content_block_stop", b'"finish_reason":"', b"finishReason", b"message_delta")
    return chunks[: next(n for n, chunk in enumerate(chunks) if any(end in chunk for end in ends))]


async def test_the_failure_takes_the_next_number_and_the_answers_own_id(gateway, upstream):
    chunks = begun(RESPONSES, thinking="Hm.")

    content = await heard(gateway, upstream, RESPONSES, *chunks)

    assert content.startswith(b"".join(chunks))
    found = [event.json for event in events(content)]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    last = found[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["id"] == found[0]["response"]["id"]
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["message"]
    done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
    assert last["response"]["output"] == done
    assert done


def half_event(share: float, size: int) -> bytes:
    """The beginning of an event with its number first, as some providers write it, and ``size`` bytes of text."""
    words = 'He said: "sequence_number": 99' + "x" * size
    half = {"sequence_number": 40, "type": "response.output_text.delta", "delta": words}
    data = json.dumps(half, separators=(",", ":")).encode()
    return b"data: " + data[: max(21, int(len(data) * share))]


@pytest.mark.parametrize("share", [0.3, 0.999])
async def test_half_an_event_is_held_back_and_uses_no_number(gateway, upstream, share):
    chunks = begun(RESPONSES)

    content = await heard(gateway, upstream, RESPONSES, b"".join(chunks) + half_event(share, 0))

    assert [event.json["sequence_number"] for event in events(content)] == list(range(len(chunks) + 1))


@pytest.mark.parametrize("share", [0.9, 0.999])
async def test_half_of_a_long_event_goes_out_and_has_used_its_number(gateway, upstream, share):
    whole = b"".join(begun(RESPONSES))

    content = await heard(gateway, upstream, RESPONSES, whole + half_event(share, 100_000))

    last = content.rpartition(b"event: ")[2]
    assert last.startswith(b"response.failed")
    assert NUMBER.findall(last) == [b"41"]


async def test_a_stream_too_long_to_be_remembered_goes_on_with_its_numbers_too(gateway, upstream):
    first = b"".join(begun(RESPONSES))
    place = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
    deltas = [
        b"event: response.output_text.delta\ndata: "
        + json.dumps(
            {"type": "response.output_text.delta", **place, "delta": "x" * 65_000, "sequence_number": n}
        ).encode()
        + b"\n\n"
        for n in range(20, 90)
    ]

    content = await heard(gateway, upstream, RESPONSES, first, *deltas)

    assert len(content) > 4_500_000
    last = events(content)[-1].json
    assert last["type"] == "error"
    assert last["sequence_number"] == 90


async def test_events_without_numbers_are_counted(gateway, upstream):
    chunks = [NUMBER.sub(b'"n":0', chunk) for chunk in begun(RESPONSES)]

    content = await heard(gateway, upstream, RESPONSES, *chunks)

    assert events(content)[-1].json["sequence_number"] == len(chunks)


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic", "gemini"])
async def test_other_dialects_tell_it_in_an_event_without_numbers(gateway, upstream, dialect):
    chunks = begun(dialect)

    content = await heard(gateway, upstream, dialect, *chunks)

    assert content.startswith(b"".join(chunks))
    assert SPEAKERS[dialect].read_stream(content).error
    added = content[len(b"".join(chunks)) :]
    assert b"index" not in added
    assert added.count(b"data: ") == 1
