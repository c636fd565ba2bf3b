"""A gateway that is about to stop: what runs goes on, and what comes is told to come back."""

import asyncio

import pytest
from gateway_kit import add_node, ask, calling, each_dialect, request_in, words_of_error
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, serving

SAY = Say(text="To the last word.")


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


@each_dialect
async def test_what_comes_while_it_drains_is_refused_and_what_runs_is_finished(gateway, upstream, dialect):
    await add_node(gateway, dialect, upstream.url)
    go_on = asyncio.Event()
    chunks = SPEAKERS[dialect].chunks(SAY)
    upstream.stream([*chunks[:-1], go_on, chunks[-1]])

    async with calling(gateway) as caller:
        await caller.ask("POST", *request_in(dialect, stream=True))
        await caller.head()
        seen = await caller.piece()
        gateway.kernel.draining = True

        refused = await ask(gateway, "POST", *request_in(dialect))
        go_on.set()
        seen += await caller.rest()

    assert SPEAKERS[dialect].read_stream(seen).text == SAY.text
    assert refused.status in (503, 529)
    assert int(refused.headers["retry-after"]) > 0
    assert "shutting down" in words_of_error(dialect, refused.status, refused.body)
    assert len(upstream.requests) == 1


async def test_a_recording_is_refused_too(gateway):
    gateway.kernel.draining = True

    form = {"files": {"file": ("a.wav", b"x")}, "data": {"model": "deepgram/nova-3"}}
    answer = await gateway.http.post("/v1/audio/transcriptions", **form)

    assert answer.status_code == 503
    assert "shutting down" in answer.json()["error"]["message"]
