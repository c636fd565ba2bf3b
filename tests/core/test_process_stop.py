"""Stopping: what runs is finished, what comes is refused, and neither takes for ever."""

import asyncio
import json
import signal
import time

import httpx
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, serving
from process_kit import PASSWORD, add_chat_node, administrator, starting

from core.ledger.usage_log import UsageLog

PORT = ("--port", "{port}", "--no-open")
BODY = {"model": "up/m-1", "messages": [{"role": "user", "content": "hi"}], "stream": True}
SAY = Say(text="One two three four five six seven eight nine ten.")


async def started(gateway, upstream):
    await gateway.line_with("listens on")
    async with administrator(gateway) as http:
        await add_chat_node(http, upstream.url)


async def raw_request(gateway, body):
    """A connection with this request on it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    await writer.drain()
    return reader, writer


async def refuses_connections(gateway):
    """Waits until nobody is let in any more."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            except OSError:
                return
            writer.close()
            await asyncio.sleep(0.02)


async def test_a_running_stream_is_finished_and_new_requests_are_refused(tmp_path):
    go_on = asyncio.Event()
    chunks = SPEAKERS["openai-chat"].chunks(SAY)
    async with (
        serving(ScriptedUpstream()) as upstream,
        starting(tmp_path, *PORT, INITIAL_PASSWORD=PASSWORD) as gateway,
        httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=20) as kept,
    ):
        await started(gateway, upstream)
        upstream.stream([*chunks[:2], go_on, *chunks[2:]])
        assert (await kept.get("/v1/models")).status_code == 200  # its connection stays open
        async with kept.stream("POST", "/v1/chat/completions", json=BODY) as stream:
            pieces = stream.aiter_bytes()
            seen = await anext(pieces)

            gateway.terminate()
            await refuses_connections(gateway)
            assert gateway.process.returncode is None
            go_on.set()
            async for piece in pieces:
                seen += piece

        assert seen.endswith(b"data: [DONE]\n\n")
        assert len(upstream.requests) == 1
        assert await gateway.exit_code() == 0
    assert "Traceback" not in gateway.text


async def test_an_idle_connection_is_closed_while_a_stream_still_runs(tmp_path):
    """Its client notices, and asks elsewhere, instead of waiting for a gateway that goes away."""
    go_on = asyncio.Event()
    chunks = SPEAKERS["openai-chat"].chunks(SAY)
    async with serving(ScriptedUpstream()) as upstream, starting(tmp_path, *PORT, INITIAL_PASSWORD=PASSWORD) as gateway:
        await started(gateway, upstream)
        upstream.stream([*chunks[:2], go_on, *chunks[2:]])
        reader, writer = await raw_request(gateway, BODY)
        await reader.readuntil(b"\r\n\r\n")
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        idle_writer.write(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await idle_reader.readuntil(b"\r\n\r\n")

        gateway.terminate()

        await asyncio.wait_for(idle_reader.read(), 5)
        assert gateway.process.returncode is None
        go_on.set()
        assert b"[DONE]" in await asyncio.wait_for(reader.read(), 10)
        assert await gateway.exit_code() == 0
        for each in (writer, idle_writer):
            each.close()


async def test_a_stream_that_never_ends_is_given_up_after_the_time_set(tmp_path):
    environ = {"INITIAL_PASSWORD": PASSWORD, "OMNIROUTE_DRAIN_SECONDS": "1"}
    async with serving(ScriptedUpstream()) as upstream, starting(tmp_path, *PORT, **environ) as gateway:
        await started(gateway, upstream)
        upstream.hang(SPEAKERS["openai-chat"].chunks(SAY)[:2], headers={"content-type": "text/event-stream"})
        reader, writer = await raw_request(gateway, BODY)
        await reader.readuntil(b"data: ")

        began = time.monotonic()
        gateway.terminate()
        rest = await asyncio.wait_for(reader.read(), 15)
        code = await gateway.exit_code()
        took_s = time.monotonic() - began

        assert 0.9 <= took_s < 8
        assert code == 0
        assert b"[DONE]" not in rest
        assert not rest.endswith(b"0\r\n\r\n")  # cut, and not closed as if it were whole
        async with asyncio.timeout(5):
            await upstream.requests[0].gone.wait()
        writer.close()


async def test_what_was_used_until_the_end_is_in_the_books_of_the_next_run(tmp_path):
    async with serving(ScriptedUpstream()) as upstream, starting(tmp_path, *PORT, INITIAL_PASSWORD=PASSWORD) as gateway:
        await started(gateway, upstream)
        SPEAKERS["openai-chat"].play(upstream, SAY, stream=True)
        reader, writer = await raw_request(gateway, BODY)
        await reader.readuntil(b"[DONE]")
        gateway.terminate()
        assert await gateway.exit_code() == 0
        writer.close()

    log = await UsageLog.open(tmp_path / ".omniroute" / "usage.db")
    try:
        [record] = await log.recent(5)
    finally:
        await log.aclose()
    assert (record.status, record.requested_model, record.output_visible) == (200, "up/m-1", 7)


async def test_ctrl_c_while_idle_ends_at_once(tmp_path):
    async with starting(tmp_path, *PORT, INITIAL_PASSWORD=PASSWORD) as gateway:
        await gateway.line_with("listens on")
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGINT)

        assert await gateway.exit_code() == 0
        assert time.monotonic() - began < 5
