"""Connections that fail below HTTP, as a client sees them."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from omniroute_hooks.testing import raw_server
from omniroute_hooks.testing.rawserver import drops, goes_stale, resets, response, stalls


@pytest.fixture
async def http():
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("handler", "failure"),
    [
        pytest.param(drops(), httpx.RemoteProtocolError, id="closes-before-headers"),
        pytest.param(resets(), httpx.ReadError, id="resets-before-headers"),
        pytest.param(drops(b"HTTP/1.1 200 OK\r\ncontent-le"), httpx.RemoteProtocolError, id="closes-in-headers"),
        pytest.param(
            drops(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"), httpx.RemoteProtocolError, id="closes-in-body"
        ),
        pytest.param(drops(b"SSH-2.0-hello\r\n"), httpx.RemoteProtocolError, id="speaks-something-else"),
    ],
)
async def test_a_request_loses_its_connection(http, handler, failure):
    async with raw_server(handler) as server:
        with pytest.raises(failure):
            await http.post(server.url, content=b"x" * 100_000)

        assert server.connections == 1


async def test_silence_lasts_until_the_client_goes(http):
    async with raw_server(stalls(b"HTTP/1.1 200 OK\r\n")) as server:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(server.url, timeout=0.2)


async def test_a_kept_alive_connection_is_stale_when_it_is_used_again(http):
    async with raw_server(goes_stale(response(200, b"hi", {"X-Id": "1"}))) as server:
        answer = await http.get(server.url)
        assert (answer.text, answer.headers["x-id"]) == ("hi", "1")

        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(server.url)
        assert (await http.get(server.url)).text == "hi"
        assert server.connections == 2


async def test_a_handler_that_hangs_ends_with_the_server(http):
    hung = asyncio.Event()

    async def hang(reader, writer):
        hung.set()
        await asyncio.Event().wait()

    async with raw_server(hang) as server:
        asking = asyncio.create_task(http.get(server.url))
        await hung.wait()

    with pytest.raises(httpx.HTTPError):
        await asking
