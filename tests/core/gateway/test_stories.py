"""Stories: what a user reads of a request that went through many hands, and what a caller reads who got no answer."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from attrs import frozen
from gateway_kit import DIALECTS, add_node, ask, request_in, words_of_error
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, serving
from routing_kit import enter
from running import Running, running

SAY = Say(text="The quick brown fox jumps over the lazy dog.")
HALF = "The quick brown"


@frozen
class Layers:
    """A gateway, and an upstream for each of its nodes, by prefix."""

    gateway: Running
    upstreams: dict[str, ScriptedUpstream]

    async def story(self, request_id: str) -> dict[str, Any]:
        await enter(self.gateway)
        answer = await self.gateway.http.get(f"/api/usage/call-logs/{request_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture
async def layers(tmp_path: Any) -> AsyncIterator[Layers]:
    """Four combos, each in the one before: ``one`` asks aa, then ``two``; ``two`` asks bb, then ``three``, and so on.
    The fifth layer is a fallback chain that leads to ee. Nobody listens where the node dd is."""
    upstreams = {prefix: ScriptedUpstream() for prefix in ("aa", "bb", "cc", "ee")}
    async with AsyncExitStack() as stack:
        urls = {"dd": f"http://127.0.0.1:{closed_port()}"}
        for prefix, upstream in upstreams.items():
            urls[prefix] = (await stack.enter_async_context(serving(upstream))).url
        gateway = await stack.enter_async_context(running(tmp_path / "data", initial_password=None))
        for prefix, url in urls.items():
            node = await gateway.add_node(url + "/v1", "openai-compatible", prefix, "chat", None)
            await gateway.add_connection(node, {"api_key": "k"}, name=f"{prefix} account")
        store = gateway.kernel.store
        for name, prefix, inner in (("one", "aa", "two"), ("two", "bb", "three"), ("three", "cc", "four")):
            config = {"maxRetries": 1, "retryDelayMs": 0}
            await store.create_combo(name=name, models=[f"{prefix}/m", {"comboName": inner}], config=config)
        await store.create_combo(name="four", models=["dd/m"])
        await store.set_value("fallback-chains", "last", {"models": ["one", "ee/m"], "enabled": True})
        await gateway.kernel.reload()
        yield Layers(gateway, upstreams)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_five_layers_of_which_four_fail_answer_and_tell_how(layers: Layers, stream: bool) -> None:
    speaker = SPEAKERS["openai-chat"]
    up = layers.upstreams
    up["aa"].reply(429, json=speaker.error_body(429, "Too many requests."), headers={"Retry-After": "12"})
    up["bb"].always(500, json=speaker.error_body(500, "Out of memory."))
    if stream:
        begun = speaker.chunks(SAY)
        up["cc"].cut(b"".join(begun[: len(begun) // 2]), headers={"content-type": "text/event-stream"})
    else:
        up["cc"].cut(b'{"choices": [', headers={"content-type": "application/json", "content-length": "999"})
        up["cc"].always(503, json=speaker.error_body(503, "Busy."))
    speaker.play(up["ee"], SAY, stream)

    answer = await ask(layers.gateway, "POST", *request_in("openai-chat", model="one", stream=stream))

    heard = speaker.read_stream(answer.body) if stream else speaker.read_answer(answer.json)
    assert heard.text == SAY.text
    assert (answer.headers["x-omniroute-model"], len(up["bb"].requests)) == ("m", 2)
    told = await layers.story(answer.headers["x-request-id"])
    story = told["story"]
    print("\n".join(story))
    expected = [
        r"'one' was asked for, which is the combo 'one'\.",
        r"one › 1: aa/m on 'aa account' failed after \d+ ms \(HTTP 429, rate limited\): Too many requests\. "
        r"It may be asked again in 1[12] s \(\S+Z\); the next one was tried\.",
        r"one › 2 › two › 1: bb/m on 'bb account' failed after \d+ ms \(HTTP 500, provider error\): Out of memory; "
        r"it was asked once more\.",
        r"one › 2 › two › 1: bb/m on 'bb account' failed after \d+ ms \(HTTP 500, provider error\): Out of memory\. "
        r"It may be asked again in \d s \(\S+Z\); the next one was tried\.",
        r"one › 2 › two › 2 › three › 1: cc/m on 'cc account' failed after \d+ ms \(its answer broke off\): .*; "
        r"(the next one was tried|it was asked once more)\.",
        *([] if stream else [r"one › 2 › two › 2 › three › 1: cc/m .* \(HTTP 503, overloaded\): Busy.*"]),
        r"one › 2 › two › 2 › three › 2 › four › 1: dd/m on 'dd account' failed after \d+ ms \(provider error\): "
        r"The provider cannot be reached\. The server refuses the connection; it was asked once more\.",
        r"one › 2 › two › 2 › three › 2 › four › 1: dd/m on 'dd account' failed after .*; the next one was tried\.",
        *([r"The answer had broken off in the middle; ee/m went on with it\."] if stream else []),
        r"last › \d: ee/m on 'ee account' answered in \d+ ms\.",
    ]
    for line, pattern in zip(story, expected, strict=True):
        assert re.fullmatch(pattern, line), (pattern, line)
    assert told["comboName"] == "one"
    assert [a["final"] for a in told["attempts"]].count(True) == 1
    assert {a["account"] for a in told["attempts"]} == {f"{p} account" for p in ("aa", "bb", "cc", "dd", "ee")}
    by_account = {a["account"]: a for a in told["attempts"] if a["outcome"] == "answered"}
    assert list(by_account) == ["ee account"]
    assert told["trace"]["attempts"][0]["retryAt"]
    assert "hi" not in str(told).split()  # nothing of what the caller wrote


# The final error ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_final_error_tells_of_every_attempt(tmp_path: Any, dialect: str, stream: bool) -> None:
    speaker = SPEAKERS["openai-chat"]
    async with serving(ScriptedUpstream()) as upstream, running(tmp_path / "data", initial_password=None) as gateway:
        await add_node(gateway, "openai-chat", upstream.url, prefix="aa")
        await add_node(gateway, "openai-chat", upstream.url, prefix="bb")
        await add_node(gateway, "openai-chat", f"http://127.0.0.1:{closed_port()}", prefix="cc")
        await gateway.kernel.store.create_combo(name="all", models=["aa/m", "bb/m", "cc/m"], config={"maxRetries": 0})
        await gateway.kernel.reload()
        upstream.reply(429, json=speaker.error_body(429, "Too many requests."), headers={"Retry-After": "40"})
        upstream.reply(500, json=speaker.error_body(500, "Out of memory."))

        answers = [
            await ask(gateway, "POST", *request_in(dialect, model="all", stream=stream)),
            await ask(gateway, "POST", *request_in(dialect, model="all", stream=stream)),  # all rest now
        ]

    first, second = (words_of_error(dialect, answer.status, answer.body) for answer in answers)
    patterns = [
        r"all › 1: aa/m failed after \d+ ms \(HTTP 429, rate limited\): Too many requests\. "
        r"It may be asked again in (39|40) s \(\d{4}-\d\d-\d\dT[\d:.]+Z\)\.",
        r"all › 2: bb/m failed after \d+ ms \(HTTP 500, provider error\): Out of memory\. "
        r"It may be asked again in \d s \(\S+Z\)\.",
        r"all › 3: cc/m failed after \d+ ms \(provider error\): The provider cannot be reached\. .*"
        r"It may be asked again in \d s \(\S+Z\)\.",
    ]
    assert re.search(r" \| ".join(patterns), first), first
    resting = [
        rf"all › {n}: {p}/m was passed over: It rests for \d+ s more\." for n, p in ((1, "aa"), (2, "bb"), (3, "cc"))
    ]
    assert re.search(".*".join(resting), second), second
    for answer in answers:
        assert answer.status in (503, 529)
        assert 1 <= int(answer.headers["retry-after"]) <= 3  # of the first that will be back
        assert "key 1" not in answer.body.decode()  # the user's names of accounts are not for callers


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_request_too_long_for_all_says_so(tmp_path: Any, dialect: str) -> None:
    """Programs shorten a conversation when they hear this; from anything else they would go on trying."""
    too_long = {
        "error": {"message": "This model's maximum context length is 10 tokens.", "code": "context_length_exceeded"}
    }
    async with serving(ScriptedUpstream()) as upstream, running(tmp_path / "data", initial_password=None) as gateway:
        await add_node(gateway, "openai-chat", upstream.url, prefix="aa")
        await add_node(gateway, "openai-chat", upstream.url, prefix="bb")
        await gateway.kernel.store.create_combo(name="all", models=["aa/m", "bb/m"])
        await gateway.kernel.reload()
        upstream.always(400, json=too_long)

        answer = await ask(gateway, "POST", *request_in(dialect, model="all"))

    assert answer.status == 400
    words = words_of_error(dialect, answer.status, answer.body)
    assert "aa/m" in words
    assert "bb/m" in words
    assert len(upstream.requests) == 2
