"""Heartbeats keep a silent stream alive; and answers in the other shape than the one asked for are turned into it."""

import asyncio
import json

import pytest
from gateway_kit import DIALECTS, add_node, ask, calling, each_dialect, last_records, request_in
from omniroute_hooks.testing import SPEAKERS, Reply, Say, ScriptedUpstream, Tokens, serving

import core.gateway.intake.exchange

SAY = Say(text="Nothing is lost in between.", usage=Tokens(input=12, output=5))
BEATS = {
    "openai-chat": b": keep-alive\n\n",
    "openai-responses": b": keep-alive\n\n",
    "anthropic": b'event: ping\ndata: {"type": "ping"}\n\n',
}
SSE = {"content-type": "text/event-stream"}


@pytest.fixture(autouse=True)
def quick_heart(monkeypatch):
    monkeypatch.setattr(core.gateway.intake.exchange, "HEARTBEAT_S", 0.05)


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


@pytest.mark.parametrize("dialect", BEATS)
async def test_a_late_first_word_is_waited_for_with_heartbeats(gateway, upstream, dialect):
    await add_node(gateway, dialect, upstream.url)
    go_on = asyncio.Event()
    upstream.stream([go_on, *SPEAKERS[dialect].chunks(SAY)])

    async with calling(gateway) as caller:
        await caller.ask("POST", *request_in(dialect, stream=True))
        assert (await caller.head()).status == 200
        seen = await caller.until(BEATS[dialect] * 2)
        go_on.set()
        seen += await caller.rest()

    assert seen.startswith(BEATS[dialect])
    assert SPEAKERS[dialect].read_stream(seen).text == SAY.text
    assert seen.replace(BEATS[dialect], b"") == b"".join(SPEAKERS[dialect].chunks(SAY))


@pytest.mark.parametrize("provider", DIALECTS)
async def test_a_silence_in_mid_stream_is_filled_with_heartbeats(gateway, upstream, provider):
    await add_node(gateway, provider, upstream.url)
    chunks = SPEAKERS[provider].chunks(SAY)
    for dialect, beat in BEATS.items():
        go_on = asyncio.Event()
        upstream.stream([*chunks[:-1], go_on, chunks[-1]])

        async with calling(gateway) as caller:
            await caller.ask("POST", *request_in(dialect, stream=True))
            await caller.head()
            seen = await caller.until(beat)
            go_on.set()
            seen += await caller.rest()

        assert SPEAKERS[dialect].read_stream(seen).text == SAY.text


@pytest.mark.parametrize("dialect", BEATS)
async def test_no_heartbeat_splits_an_event(gateway, upstream, dialect):
    """A provider's silence may come in the middle of an event: two halves with something between are no event."""
    await add_node(gateway, dialect, upstream.url)
    wire = b"".join(SPEAKERS[dialect].chunks(SAY))
    middle = wire.index(b"lost") + 2
    go_on = asyncio.Event()
    upstream.stream([wire[:middle], go_on, wire[middle:]])

    async with calling(gateway) as caller:
        await caller.ask("POST", *request_in(dialect, stream=True))
        await caller.head()
        seen = await caller.until(BEATS[dialect])
        go_on.set()
        seen += await caller.rest()

    assert SPEAKERS[dialect].read_stream(seen).text == SAY.text
    assert seen.replace(BEATS[dialect], b"") == wire


async def test_callers_who_cannot_read_heartbeats_get_none(gateway, upstream):
    await add_node(gateway, "openai-chat", upstream.url)
    go_on = asyncio.Event()
    upstream.stream([go_on, *SPEAKERS["openai-chat"].chunks(SAY)])

    async with calling(gateway) as caller:
        await caller.ask("POST", *request_in("gemini", stream=True))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await caller.head()
        go_on.set()


async def test_an_answer_that_is_not_streamed_gets_no_heartbeat(gateway, upstream):
    await add_node(gateway, "anthropic", upstream.url)
    upstream.hang()

    async with calling(gateway) as caller:
        await caller.ask("POST", *request_in("anthropic"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await caller.head()


@pytest.mark.parametrize("dialect", BEATS)
async def test_a_failure_after_a_heartbeat_is_an_error_event(gateway, upstream, dialect):
    """The status is out by then, so the failure can only be told in the stream."""
    await add_node(gateway, dialect, upstream.url)
    late = asyncio.Event()
    body = json.dumps(SPEAKERS[dialect].error_body(400, "Not like this.")).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    upstream.otherwise(lambda request: Reply(status=400, headers=headers, chunks=(body[:5], late, body[5:])))

    async with calling(gateway) as caller:
        await caller.ask("POST", *request_in(dialect, stream=True))
        assert (await caller.head()).status == 200
        seen = await caller.until(BEATS[dialect])
        late.set()
        seen += await caller.rest()

    heard = SPEAKERS[dialect].read_stream(seen)
    assert "Not like this." in heard.error
    [record] = await last_records(gateway)
    assert record.error_code == "invalid_request"
    assert record.blames == "caller"


async def test_a_candidate_may_still_change_after_a_heartbeat(gateway, upstream):
    node = await add_node(gateway, "anthropic", upstream.url, keys=("k-1", "k-2"))
    late = asyncio.Event()
    upstream.stream([late, SPEAKERS["anthropic"].chunks(Say(error=(503, "Overloaded.")))[-1]])
    SPEAKERS["anthropic"].play(upstream, SAY, stream=True)

    async with calling(gateway) as caller:
        await caller.ask("POST", *request_in("anthropic", stream=True))
        await caller.head()
        seen = await caller.until(BEATS["anthropic"])
        late.set()
        seen += await caller.rest()

    assert SPEAKERS["anthropic"].read_stream(seen).text == SAY.text
    [record] = await last_records(gateway)
    assert record.connection_id == node.connections[1]


# The other shape ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8"])
@pytest.mark.parametrize("provider", DIALECTS)
async def test_a_whole_answer_becomes_the_stream_that_was_asked_for(gateway, upstream, provider, media_type):
    await add_node(gateway, provider, upstream.url)
    for dialect in DIALECTS:
        upstream.reply(200, json=SPEAKERS[provider].answer(SAY), headers={"content-type": media_type})

        answer = await ask(gateway, "POST", *request_in(dialect, stream=True))

        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        heard = SPEAKERS[dialect].read_stream(answer.body)
        assert (heard.text, heard.stop, heard.usage) == (SAY.text, "end", SAY.usage)
        [record] = await last_records(gateway)
        assert record.request_id == answer.headers["x-request-id"]
        assert (record.input_fresh, record.output_visible) == (12, 5)


@pytest.mark.parametrize("headers", [SSE, {"content-type": "application/json"}], ids=["told", "untold"])
@pytest.mark.parametrize("provider", DIALECTS)
async def test_a_stream_becomes_the_whole_answer_that_was_asked_for(gateway, upstream, provider, headers):
    await add_node(gateway, provider, upstream.url)
    for dialect in DIALECTS:
        upstream.stream(SPEAKERS[provider].chunks(SAY), headers=headers)

        answer = await ask(gateway, "POST", *request_in(dialect))

        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/json"
        heard = SPEAKERS[dialect].read_answer(answer.json)
        assert (heard.text, heard.stop, heard.usage) == (SAY.text, "end", SAY.usage)


@each_dialect
async def test_half_a_stream_is_no_whole_answer(gateway, upstream, dialect):
    await add_node(gateway, dialect, upstream.url)
    chunks = SPEAKERS[dialect].chunks(SAY)
    upstream.stream(chunks[: len(chunks) // 2])

    answer = await ask(gateway, "POST", *request_in(dialect))

    assert answer.status in (500, 502)
    assert SPEAKERS[dialect].read_error(answer.status, answer.json)


async def test_a_stream_without_its_type_is_passed_on_as_one(gateway, upstream):
    await add_node(gateway, "openai-chat", upstream.url)
    for dialect in DIALECTS:
        upstream.stream(SPEAKERS["openai-chat"].chunks(SAY), headers={"content-type": "text/plain"})

        answer = await ask(gateway, "POST", *request_in(dialect, stream=True))

        assert SPEAKERS[dialect].read_stream(answer.body).text == SAY.text


async def test_a_stream_as_a_json_array_is_given_to_those_who_ask_for_one(gateway, upstream):
    """Where the address does not say alt=sse, this dialect's streams are one JSON array."""
    for provider in DIALECTS:
        await add_node(gateway, provider, upstream.url, prefix=provider)
        upstream.stream(SPEAKERS[provider].chunks(SAY))
        path, body = request_in("gemini", model=f"{provider}/m-1", stream=True)

        answer = await ask(gateway, "POST", path.partition("?")[0], body)

        assert answer.headers["content-type"].startswith("application/json")
        parts = [part for chunk in answer.json for part in chunk["candidates"][0].get("content", {}).get("parts", ())]
        assert "".join(part.get("text", "") for part in parts) == SAY.text
