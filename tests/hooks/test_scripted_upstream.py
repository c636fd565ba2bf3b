"""The scripted provider does over a real socket what its script says."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from omniroute_hooks.testing import Request, ScriptedUpstream, serving
from omniroute_hooks.testing.scripted import streamed, whole


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


@pytest.fixture
async def http():
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        yield client


async def test_replies_are_played_in_order_and_requests_recorded(upstream, http):
    upstream.reply(429, headers={"Retry-After": "30"})
    upstream.reply(200, json={"ok": "ü"})
    upstream.reply(404, text="no")
    upstream.reply(201, body=b"\x00\x01", headers={"Content-Type": "image/png"})

    first = await http.post(f"{upstream.url}/v1/x%2Fy?a=1&b=", json={"n": 1}, headers={"X-Key": "k"})
    others = [await http.get(upstream.url) for _ in range(3)]

    assert (first.status_code, first.headers["retry-after"], first.content) == (429, "30", b"")
    assert others[0].json() == {"ok": "ü"}
    assert (others[1].status_code, others[1].text) == (404, "no")
    assert (others[2].content, others[2].headers["content-type"]) == (b"\x00\x01", "image/png")
    asked = upstream.requests[0]
    assert (asked.method, asked.path, asked.query) == ("POST", "/v1/x/y", {"a": "1", "b": ""})
    assert (asked.headers["x-key"], asked.json, asked.body) == ("k", {"n": 1}, b'{"n":1}')
    assert upstream.unplayed == 0


async def test_what_nobody_scripted_says_so(upstream, http):
    answer = await http.get(f"{upstream.url}/v1/models")

    assert answer.status_code == 599
    assert "nothing is scripted for GET /v1/models" in answer.text


async def test_the_default_comes_when_the_script_is_over(upstream, http):
    upstream.always(200, json={"n": 0})
    upstream.reply(200, json={"n": 1})

    assert [(await http.get(upstream.url)).json()["n"] for _ in range(3)] == [1, 0, 0]


async def test_a_function_may_answer(upstream, http):
    def answer(request: Request):
        return whole(200, {"you": request.path}) if request.method == "GET" else streamed([b"a", b"b"])

    upstream.otherwise(answer)

    assert (await http.get(f"{upstream.url}/me")).json() == {"you": "/me"}
    assert (await http.post(upstream.url)).text == "ab"


async def test_replies_for_a_path_wait_for_it(upstream, http):
    upstream.reply(200, text="models", path="/models")
    upstream.reply(200, text="chat")

    assert (await http.get(f"{upstream.url}/v1/chat")).text == "chat"
    assert (await http.get(f"{upstream.url}/v1/models")).text == "models"


async def test_a_stream_comes_in_pieces_and_waits_where_it_is_told_to(upstream, http):
    gate = asyncio.Event()
    upstream.stream([b"data: 1\n\n", gate, b"data: 2\n\n"], headers={"X-Id": "7"})

    async with http.stream("POST", upstream.url) as answer:
        pieces = answer.aiter_raw()
        assert await anext(pieces) == b"data: 1\n\n"
        gate.set()
        assert await anext(pieces) == b"data: 2\n\n"
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)
    assert (answer.headers["content-type"], answer.headers["x-id"]) == ("text/event-stream", "7")


async def test_pieces_are_apart_by_the_pause(upstream, http):
    upstream.stream([b"1", b"2", b"3"], pause_s=0.05)

    before = time.monotonic()
    assert (await http.get(upstream.url)).text == "123"

    assert time.monotonic() - before >= 0.1


async def test_it_hangs_before_the_status_line(upstream, http):
    upstream.hang()

    with pytest.raises(httpx.ReadTimeout):
        await http.get(upstream.url, timeout=0.2)
    async with asyncio.timeout(5):
        await upstream.requests[0].gone.wait()


async def test_it_hangs_in_the_middle_and_notices_that_the_client_goes(upstream, http):
    upstream.hang([b"data: 1\n\n"])

    async with http.stream("GET", upstream.url) as answer:
        assert await anext(answer.aiter_raw()) == b"data: 1\n\n"
        assert not upstream.requests[0].gone.is_set()
    async with asyncio.timeout(5):
        await upstream.requests[0].gone.wait()


@pytest.mark.parametrize("after", [b"data: 1\n\ndat", b""])
async def test_it_cuts_the_connection_after_so_many_bytes(upstream, http, after):
    upstream.cut(after)
    got = b""

    with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012
        async with http.stream("GET", upstream.url) as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_raw():
                got += piece

    assert got == after


async def test_a_reply_that_was_played_whole_leaves_nobody_gone(upstream, http):
    upstream.reply(200, text="x")
    await http.get(upstream.url)

    assert not upstream.requests[0].gone.is_set()


async def test_a_test_can_wait_for_requests(upstream, http):
    upstream.always(200)

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(upstream.arrived(3))
        for n in range(3):
            group.create_task(http.get(f"{upstream.url}/{n}"))

    assert waiting.result() is upstream.requests[2]


# Serving -----------------------------------------------------------------------------------------


async def test_the_end_is_quick_though_streams_hang(http):
    async with serving(ScriptedUpstream()) as upstream:
        upstream.hang()
        upstream.hang([b"x"])
        asking = [asyncio.create_task(http.get(upstream.url)) for _ in range(2)]
        await upstream.arrived(2)
        before = time.monotonic()

    assert time.monotonic() - before < 3
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(r, httpx.HTTPError | httpx.Response) for r in results)


class Lived:
    """An app that notes its life, and hangs for ever on requests."""

    def __init__(self, startup: str = "complete") -> None:
        self.life: list[str] = []
        self.startup = startup

    async def __call__(self, scope, receive, send):
        if scope["type"] != "lifespan":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.Event().wait()
        self.life.append((await receive())["type"])
        await send({"type": f"lifespan.startup.{self.startup}", "message": "no database"})
        self.life.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})


async def test_an_apps_lifespan_runs_around_it_though_a_request_hangs(http):
    app = Lived()

    async with serving(app) as served:
        assert served.app is app
        async with http.stream("GET", served.url) as answer:
            assert await anext(answer.aiter_raw()) == b"x"
            assert app.life == ["lifespan.startup"]
            before = time.monotonic()

    assert app.life == ["lifespan.startup", "lifespan.shutdown"]
    assert time.monotonic() - before < 3


async def test_an_app_that_cannot_start_says_why():
    with pytest.raises(RuntimeError, match="no database"):
        async with serving(Lived(startup="failed")):
            pytest.fail("it is not served")


async def test_many_are_served_at_once_on_different_ports():
    async with serving(ScriptedUpstream()) as one, serving(ScriptedUpstream()) as other:
        assert one.url != other.url
