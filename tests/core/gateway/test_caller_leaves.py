"""A caller who leaves: the provider is told at once, and the books say why nothing came of it."""

import asyncio

import pytest
from gateway_kit import DIALECTS, PATIENCE_S, add_node, calling, each_dialect, last_records, request_in
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, raw_server, serving
from omniroute_hooks.testing.rawserver import read_request

SAY = Say(text="One two three four five.")
PROMPTLY_S = 2.0


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


async def is_gone(request):
    async with asyncio.timeout(PROMPTLY_S):
        await request.gone.wait()


async def record_of_leaving(gateway):
    [record] = await last_records(gateway)
    assert record.status == 499
    assert record.provider
    assert record.error_code is None
    return record


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_dialect
async def test_leaving_while_the_provider_thinks_cancels_its_work(gateway, upstream, dialect, stream):
    node = await add_node(gateway, dialect, upstream.url, keys=("k-1", "k-2"))
    upstream.hang()

    async with calling(gateway) as caller:
        await caller.ask("POST", *request_in(dialect, stream=stream))
        request = await upstream.arrived()
        caller.leave()
        await is_gone(request)

    record = await record_of_leaving(gateway)
    assert record.connection_id == node.connections[0]
    assert len(upstream.requests) == 1  # nobody else is asked for an answer that nobody wants


@pytest.mark.parametrize("provider", DIALECTS)
async def test_leaving_in_mid_stream_cancels_the_providers_work(gateway, upstream, provider):
    await add_node(gateway, provider, upstream.url)
    begun = SPEAKERS[provider].chunks(SAY)[:-1]
    for number, dialect in enumerate(DIALECTS, 1):
        upstream.hang(begun, headers={"content-type": "text/event-stream"})

        async with calling(gateway) as caller:
            await caller.ask("POST", *request_in(dialect, stream=True))
            assert (await caller.head()).status == 200
            await caller.until(b"One two")
            caller.leave()
            await is_gone(await upstream.arrived(number))

        record = await record_of_leaving(gateway)
        assert record.stream


async def test_the_providers_connection_is_closed_and_not_kept(gateway):
    """What is left of a half-read answer must not be taken for the beginning of the next one."""
    closed = asyncio.Event()

    async def endless(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = SPEAKERS["anthropic"].chunks(SAY)[0]
        writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await writer.drain()
        assert await reader.read() == b""
        closed.set()

    async with raw_server(endless) as server:
        await add_node(gateway, "anthropic", server.url)
        async with calling(gateway) as caller:
            await caller.ask("POST", *request_in("anthropic", stream=True))
            await caller.head()
            await caller.piece()
            caller.leave()
            async with asyncio.timeout(PROMPTLY_S):
                await closed.wait()


async def test_leaving_before_the_body_is_whole_disturbs_nobody(gateway, upstream, caplog):
    await add_node(gateway, "openai-chat", upstream.url)
    path, body = request_in("openai-chat")
    for sent in (b"", body[:10]):
        async with calling(gateway) as caller:
            head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
            await caller.send(head.encode() + sent)
            caller.leave()

    assert [record.status for record in await last_records(gateway, 2)] == [499, 499]
    assert not upstream.requests
    assert not [entry for entry in caplog.records if entry.levelname in ("ERROR", "CRITICAL")]


async def test_a_caller_who_reads_nothing_holds_up_nobody_else(gateway, upstream):
    """A stream that its caller does not read fills the buffers and waits; others go on, and leaving ends it."""
    await add_node(gateway, "anthropic", upstream.url)
    say = Say(text="x" * 4_000_000)
    upstream.hang(SPEAKERS["anthropic"].chunks(say) * 4, headers={"content-type": "text/event-stream"})
    SPEAKERS["anthropic"].play(upstream, SAY, stream=True)

    async with calling(gateway) as sleeper, calling(gateway) as reader:
        await sleeper.ask("POST", *request_in("anthropic", stream=True))
        await sleeper.head()
        async with asyncio.timeout(PATIENCE_S):
            await reader.ask("POST", *request_in("anthropic", stream=True))
            answer = await reader.answer()
        assert SPEAKERS["anthropic"].read_stream(answer.body).text == SAY.text
        sleeper.leave()
        await is_gone(upstream.requests[0])

    newest, _ = await last_records(gateway, 2)
    assert newest.status == 499


async def test_a_hundred_callers_who_leave_at_once_leave_nothing_behind(gateway, upstream):
    await add_node(gateway, "openai-chat", upstream.url)
    for _ in range(100):
        upstream.hang()

    async def one(number):
        async with calling(gateway) as caller:
            await caller.ask("POST", *request_in("openai-chat", stream=number % 2 == 0))
            await upstream.arrived(100)
            caller.leave()

    await asyncio.gather(*(one(number) for number in range(100)))
    await asyncio.gather(*(is_gone(request) for request in upstream.requests))

    records = await last_records(gateway, 100)
    assert {record.status for record in records} == {499}
    assert gateway.application.front.running == 0
