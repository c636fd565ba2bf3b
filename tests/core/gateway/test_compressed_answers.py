"""Providers that compress although they were asked not to: callers get plain bytes, each as soon as it is there."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib

import pytest
from gateway_kit import add_node, calling, request_in, words_of_error
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, serving

PROVIDER = "openai-chat"
SAY = Say(text="One two three.")
callers = pytest.mark.parametrize("caller", ["openai-chat", "anthropic"], ids=["same-dialect", "another-dialect"])


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


@callers
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_b34_a_compressed_answer_is_read_and_passed_on_plain(gateway, upstream, caller, stream):
    await add_node(gateway, PROVIDER, upstream.url)
    speaker = SPEAKERS[PROVIDER]
    plain = b"".join(speaker.chunks(SAY)) if stream else json.dumps(speaker.answer(SAY)).encode()
    kind = "text/event-stream" if stream else "application/json"
    upstream.reply(200, body=gzip.compress(plain), headers={"content-type": kind, "content-encoding": "gzip"})

    path, body = request_in(caller, stream=stream)
    response = await gateway.http.post(path, content=body, headers={"content-type": "application/json"})

    assert response.status_code == 200, response.text
    assert "content-encoding" not in response.headers
    heard = SPEAKERS[caller].read_stream(response.content) if stream else SPEAKERS[caller].read_answer(response.json())
    assert heard.text == SAY.text


@callers
async def test_b34_a_compressed_error_keeps_its_words(gateway, upstream, caller):
    await add_node(gateway, PROVIDER, upstream.url)
    error = json.dumps(SPEAKERS[PROVIDER].error_body(400, "Too many cooks.")).encode()
    headers = {"content-type": "application/json", "content-encoding": "deflate"}
    upstream.reply(400, body=zlib.compress(error), headers=headers)

    path, body = request_in(caller)
    response = await gateway.http.post(path, content=body, headers={"content-type": "application/json"})

    assert response.status_code == 400
    assert "Too many cooks." in words_of_error(caller, 400, response.content)


@callers
async def test_b34_each_event_goes_out_before_the_next_one_is_there(gateway, upstream, caller):
    await add_node(gateway, PROVIDER, upstream.url)
    first, *rest = [chunk for chunk in SPEAKERS[PROVIDER].chunks(SAY) if chunk]
    words = next(n for n, chunk in enumerate(rest) if b'"content":"' in chunk and b'"content":""' not in chunk)
    more = asyncio.Event()
    pieces = (first, *rest[: words + 1], more, *rest[words + 1 :])
    upstream.stream(pieces, headers={"content-type": "text/event-stream"})

    async with calling(gateway) as client:
        await client.ask("POST", *request_in(caller, stream=True))
        assert (await client.head()).status == 200
        await client.until(SAY.text[:1].encode())
        more.set()
        await client.rest()
