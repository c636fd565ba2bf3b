"""Partial answers are handed over to candidates that go on with what another one has begun, and to nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from typing import Any

import pytest
from attrs import frozen
from gateway_kit import DIALECTS, each_dialect, request_in
from omniroute_hooks.testing import SPEAKERS, Heard, Say, ScriptedUpstream, serving
from omniroute_hooks.testing.neutral import ToolSpec, assistant, user
from omniroute_hooks.testing.wire import pieces
from running import Running, running

STREAM = {"content-type": "text/event-stream"}
SAID = "The quick brown"
REST = " fox jumps."
WRONG = {
    "error": b'data: {"error": {"message": "overloaded", "code": 503}}\n\n',
    "garbage": b"data: {no json at all}\n\n",
}
NODES = {
    "openai-chat": ("openai-compatible", "chat", "/v1"),
    "openai-responses": ("openai-compatible", "responses", "/v1"),
    "anthropic": ("anthropic-compatible", None, "/v1"),
    "gemini": ("gemini-compatible", None, "/v1beta"),
}
LOOK_UP = ToolSpec("look_up", "Looks something up.", {"type": "object", "properties": {"word": {"type": "string"}}})


def begun(text: str = SAID, dialect: str = "openai-chat", **more: Any) -> bytes:
    """The stream of an answer up to where it has said ``text``."""
    chunks = SPEAKERS[dialect].chunks(Say(text=text, **more))
    last = json.dumps(pieces(text)[-1])[1:-1].encode()
    count = next(n for n, chunk in enumerate(chunks) if last in chunk)
    return b"".join([*chunks[:count], re.sub(rb',?"finishReason":"STOP"', b"", chunks[count])])


@frozen
class Stage:
    """A gateway, and three upstreams that a combo asks in turn: ``one`` breaks, the others go on."""

    gateway: Running
    one: ScriptedUpstream
    two: ScriptedUpstream
    three: ScriptedUpstream

    async def node(self, prefix: str, dialect: str, **data: Any) -> None:
        kind, api_type, version = NODES[dialect]
        url = {"one": self.one, "two": self.two, "three": self.three}[prefix].url  # type: ignore[attr-defined]
        node = await self.gateway.kernel.store.create_node(
            type=kind,
            name=prefix,
            prefix=prefix,
            api_type=api_type,
            base_url=url + version,
            provider_specific_data=data,
        )
        await self.gateway.add_connection(node.id, {"api_key": f"k-{prefix}"})

    async def combo(self, *models: str) -> None:
        await self.gateway.kernel.store.create_combo(name="both", models=list(models), config={"maxRetries": 0})
        await self.gateway.kernel.reload()

    async def nodes(self, *dialects: str, **data: Any) -> None:
        """The first is an ordinary one; the others have ``data``."""
        names = ("one", "two", "three")[: len(dialects)]
        for name, dialect in zip(names, dialects, strict=True):
            await self.node(name, dialect, **(data if name != "one" else {}))
        await self.combo(*(f"{name}/m-1" for name in names))

    async def ask(self, dialect: str = "openai-chat", **more: Any) -> bytes:
        path, body = request_in(dialect, model="both", stream=True, **more)
        headers = {**SPEAKERS[dialect].headers("sk-any"), "content-type": "application/json"}
        answer = await self.gateway.http.post(path, content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    async def heard(self, dialect: str = "openai-chat", **more: Any) -> Heard:
        """What a strict client makes of the stream."""
        return SPEAKERS[dialect].read_stream(await self.ask(dialect, **more))


@pytest.fixture
async def stage(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        upstreams = []
        for _ in range(3):
            upstream = ScriptedUpstream()
            server = await stack.enter_async_context(serving(upstream))
            upstream.url = server.url
            upstreams.append(upstream)
        gateway = await stack.enter_async_context(running(tmp_path / "data", initial_password=None))
        yield Stage(gateway, *upstreams)


def go_on(upstream: ScriptedUpstream, dialect: str = "openai-chat", text: str = REST, **more: Any) -> None:
    SPEAKERS[dialect].play(upstream, Say(text=text, **more), stream=True)


def last_message(upstream: ScriptedUpstream) -> dict[str, Any]:
    return upstream.requests[-1].json["messages"][-1]


@pytest.mark.parametrize(
    ("dialect", "first", "second"),
    [
        (dialect, first, second)
        for first, second in [
            ("openai-chat", "openai-chat"),
            ("openai-chat", "anthropic"),
            ("anthropic", "gemini"),
            ("gemini", "openai-chat"),
            ("openai-responses", "anthropic"),
        ]
        for dialect in DIALECTS
        # Events that repeat ids go through as they are, and nobody else may go on with them.
        if not dialect == first == "openai-responses"
    ],
)
async def test_a_cut_stream_goes_on_where_it_stopped(stage, dialect, first, second):
    await stage.nodes(first, second, continues=True)
    stage.one.cut(begun(dialect=first), headers=STREAM)
    go_on(stage.two, second)

    heard = await stage.heard(dialect)

    assert heard.text == SAID + REST
    assert (heard.stop, heard.error) == ("end", None)
    assert len(stage.one.requests) == len(stage.two.requests) == 1
    asked = SPEAKERS[second].read_request(stage.two.requests[0].json)
    assert asked.turns == (user("Hello."), assistant(SAID))


@pytest.mark.parametrize("break_", ["cut", "end-without-mark", "error", "garbage"])
async def test_however_it_breaks(stage, break_):
    await stage.nodes("openai-chat", "openai-chat", continues=True)
    heard = asyncio.Event()  # before that, nothing has been said, and anybody may answer
    if break_ == "cut":
        stage.one.cut(begun(), headers=STREAM)
    elif break_ == "end-without-mark":
        stage.one.stream([begun()], headers=STREAM)
    else:
        stage.one.stream([begun(), heard, WRONG[break_]], headers=STREAM)
    go_on(stage.two)
    path, body = request_in("anthropic", model="both", stream=True)
    stream = b""

    async with stage.gateway.http.stream("POST", path, content=body) as answer:
        async for chunk in answer.aiter_raw():
            heard.set()
            stream += chunk

    assert SPEAKERS["anthropic"].read_stream(stream).text == SAID + REST


@pytest.mark.parametrize(
    ("way", "marks", "fields"),
    [
        pytest.param(True, {}, {}, id="no-mark"),
        pytest.param("prefix", {"prefix": True}, {}, id="prefix"),
        pytest.param("partial", {"partial": True}, {}, id="partial"),
        pytest.param(
            "continue_final_message", {}, {"continue_final_message": True, "add_generation_prompt": False}, id="fields"
        ),
    ],
)
async def test_each_server_is_asked_in_its_own_way(stage, way, marks, fields):
    await stage.nodes("openai-chat", "openai-chat", continues=way)
    stage.one.cut(begun(), headers=STREAM)
    go_on(stage.two)

    assert (await stage.heard()).text == SAID + REST

    assert last_message(stage.two) == {"role": "assistant", "content": SAID, **marks}
    asked = stage.two.requests[0].json
    assert {name: asked.get(name) for name in fields} == fields
    assert "prefix" not in json.dumps(stage.one.requests[0].json)


async def test_what_breaks_twice_is_handed_over_whole(stage):
    await stage.nodes("openai-chat", "openai-chat", "anthropic", continues=True)
    stage.one.cut(begun(), headers=STREAM)
    stage.two.cut(begun(" fox jumps over"), headers=STREAM)
    go_on(stage.three, "anthropic", " the lazy dog.")

    heard = await stage.heard("anthropic")

    assert heard.text == "The quick brown fox jumps over the lazy dog."
    asked = SPEAKERS["anthropic"].read_request(stage.three.requests[0].json)
    assert asked.turns[-1] == assistant("The quick brown fox jumps over")


async def test_what_breaks_again_before_a_word_is_handed_over_as_it_was(stage):
    await stage.nodes("openai-chat", "openai-chat", "openai-chat", continues=True)
    stage.one.cut(begun(), headers=STREAM)
    stage.two.cut(b'data: {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}\n\n', headers=STREAM)
    go_on(stage.three)

    assert (await stage.heard("gemini")).text == SAID + REST
    assert last_message(stage.three)["content"] == SAID


@each_dialect
async def test_white_space_at_the_break_is_neither_lost_nor_doubled(stage, dialect):
    await stage.nodes("openai-chat", "openai-chat", continues=True)
    stage.one.cut(begun("The quick brown \n"), headers=STREAM)
    go_on(stage.two, text=" \n- fox")

    assert (await stage.heard(dialect)).text == "The quick brown \n- fox"
    assert last_message(stage.two)["content"] == SAID


async def test_who_does_not_repeat_the_white_space_is_not_glued_on(stage):
    await stage.nodes("openai-chat", "openai-chat", continues=True)
    stage.one.cut(begun("The quick brown\n"), headers=STREAM)
    go_on(stage.two, text="Fox jumps.")

    heard = SPEAKERS["anthropic"].read_stream(await stage.ask("anthropic"))

    assert heard.text == "The quick brown\n"
    assert heard.error
    assert heard.stop is None


@each_dialect
async def test_a_provider_that_repeats_the_beginning_is_heard_from_where_it_goes_on(stage, dialect):
    await stage.nodes("openai-chat", "openai-chat", continues="prefix", repeatsBeginning=True)
    stage.one.cut(begun(), headers=STREAM)
    go_on(stage.two, text=SAID + REST)

    assert (await stage.heard(dialect)).text == SAID + REST


@each_dialect
async def test_a_tool_may_be_called_next(stage, dialect):
    await stage.nodes("openai-chat", "anthropic", continues=True)
    stage.one.cut(begun(), headers=STREAM)
    go_on(stage.two, "anthropic", "", tool_calls=(("call_1", "look_up", {"word": "fox"}),))

    heard = await stage.heard(dialect, tools=(LOOK_UP,))

    assert heard.text == SAID
    assert [(call.name, call.args) for call in heard.tool_calls] == [("look_up", {"word": "fox"})]
    assert heard.stop == "tool"


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic", "gemini"])
async def test_reasoning_that_was_heard_stays_and_is_not_done_again(stage, dialect):
    await stage.nodes("openai-chat", "anthropic", continues=True)
    stage.one.cut(begun(thinking="Animals, then."), headers=STREAM)
    go_on(stage.two, "anthropic")

    heard = await stage.heard(dialect, thinks=True, max_tokens=5000)

    assert (heard.thinking, heard.text) == ("Animals, then.", SAID + REST)
    sent = stage.two.requests[0].json
    assert sent["messages"][-1] == {"role": "assistant", "content": SAID}
    assert sent.get("thinking", {"type": "disabled"}) == {"type": "disabled"}
    assert sent["max_tokens"] == 5000 - len(SAID) // 4


@pytest.mark.parametrize(
    "wish",
    [
        pytest.param({"response_format": {"type": "json_object"}}, id="structured-output"),
        pytest.param({"tool_choice": "required"}, id="forced-call"),
        pytest.param(
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, id="mine"
        ),
    ],
)
async def test_what_would_begin_anew_is_not_handed_over_but_may_be_repeated(stage, wish):
    await stage.nodes("openai-chat", "openai-chat", continues="prefix")
    stage.one.cut(begun(), headers=STREAM)
    go_on(stage.two, text=SAID + REST)
    _, body = request_in("openai-chat", model="both", stream=True, tools=(LOOK_UP,))

    answer = await stage.gateway.http.post("/v1/chat/completions", json={**json.loads(body), **wish})

    assert SPEAKERS["openai-chat"].read_stream(answer.content).text == SAID + REST
    assert "prefix" not in last_message(stage.two)
    assert last_message(stage.two)["content"] != SAID


async def test_who_has_not_said_that_it_goes_on_gets_the_question_alone(stage):
    await stage.nodes("openai-chat", "openai-chat")
    stage.one.cut(begun(), headers=STREAM)
    go_on(stage.two, text="Another answer.")

    heard = await stage.heard("anthropic")

    assert heard.text == SAID
    assert heard.error
    assert last_message(stage.two)["role"] == "user"


@pytest.mark.parametrize("second", [d for d in DIALECTS if d == "anthropic"])
async def test_a_model_that_is_known_to_refuse_is_not_asked(stage, second):
    await stage.node("one", "openai-chat")
    await stage.node("two", second, continues=True)
    await stage.node("three", second, continues=True)
    await stage.combo("one/m-1", "two/claude-opus-4-7", "three/claude-sonnet-4-5")
    stage.one.cut(begun(), headers=STREAM)
    go_on(stage.three, second)

    assert (await stage.heard()).text == SAID + REST
    assert stage.two.requests == []


async def test_a_node_of_a_dialect_that_cannot_is_not_asked(stage):
    await stage.nodes("openai-chat", "openai-responses", continues=True)
    stage.one.cut(begun(), headers=STREAM)

    heard = await stage.heard("anthropic")

    assert (heard.text, heard.stop) == (SAID, None)
    assert stage.two.requests == []


async def test_deepseek_goes_on_at_its_beta_address_without_thinking_again(stage):
    await stage.node("one", "openai-chat")
    await stage.gateway.add_connection("deepseek", {"api_key": "k"}, provider_specific_data={"baseUrl": stage.two.url})
    await stage.combo("one/m-1", "ds/deepseek-v4-pro")
    stage.one.cut(begun(), headers=STREAM)
    go_on(stage.two)

    assert (await stage.heard("anthropic", thinks=True)).text == SAID + REST

    (asked,) = stage.two.requests
    assert asked.path == "/beta/chat/completions"
    assert asked.json["thinking"] == {"type": "disabled"}
    assert "reasoning_effort" not in asked.json
    assert last_message(stage.two) == {"role": "assistant", "content": SAID, "prefix": True}


@pytest.mark.parametrize(
    ("model", "asked"), [("claude-haiku-4-5", True), ("claude-sonnet-4-6", False), ("claude-haiku-5-5", False)]
)
async def test_claude_goes_on_where_its_generation_takes_a_prefill(stage, model, asked):
    await stage.node("one", "openai-chat")
    await stage.gateway.add_connection(
        "anthropic", {"api_key": "k"}, provider_specific_data={"baseUrl": stage.two.url + "/v1"}
    )
    await stage.combo("one/m-1", f"anthropic/{model}")
    stage.one.cut(begun(), headers=STREAM)
    go_on(stage.two, "anthropic", REST if asked else "Another answer.")

    heard = SPEAKERS["openai-responses"].read_stream(await stage.ask("openai-responses"))

    assert heard.text == (SAID + REST if asked else SAID)
    assert (last_message(stage.two)["role"] == "assistant") is asked
