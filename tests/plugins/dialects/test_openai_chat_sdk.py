"""OpenAI chat answers and streams, read by the vendor's own SDK."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import orjson
import pytest
from attrs import evolve
from omniroute_dialects.openai_chat import DIALECT
from omniroute_hooks import (
    ANTHROPIC,
    GEMINI,
    OPENAI_CHAT,
    Answer,
    Asked,
    Citation,
    ContextTooLong,
    Conversation,
    GatewayError,
    Image,
    LoginExpired,
    ModelNotFound,
    Opaque,
    RateLimited,
    Refusal,
    Reply,
    Seal,
    Stop,
    Text,
    Thinking,
    ToolCall,
    Unavailable,
    Usage,
)
from omniroute_hooks.answers import signals_of
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.conversation import Blob
from omniroute_hooks.events import Failed
from openai.types.chat import ChatCompletion, ChatCompletionChunk

ASKED = Asked(DIALECT.endpoints[0])
CALLER = Conversation(model="ds/m", turns=(), dialect=OPENAI_CHAT, stream=True, include_usage=True)
REPLY = Reply(CALLER, "ds/m", "abc", 1_700_000_000, ASKED)
SEAL = Seal("S", ANTHROPIC, "p", "m")
ANSWERS = {
    "text": Answer((Text("Hello 🎈\n"),), Stop("end"), Usage(3, output_visible=2)),
    "empty": Answer((), Stop("end"), Usage(3)),
    "no-usage": Answer((Text("x"),), Stop("end")),
    "calls": Answer(
        (Text("Let me look."), ToolCall("a", "read", '{"p":"ü"}'), ToolCall("b", "list", "")), Stop("tool"), Usage(1)
    ),
    "thinking": Answer(
        (
            Thinking("a", SEAL),
            Text("b"),
            Thinking("c", SEAL),
            Thinking("", SEAL, redacted=True),
            ToolCall("x", "f", "{}"),
        ),
        Stop("tool"),
        Usage(1, output_visible=2, reasoning=4),
    ),
    "refusal": Answer((Refusal("No."),), Stop("filtered"), Usage(1)),
    "length": Answer((Text("cut"), ToolCall("x", "f", '{"a"')), Stop("length"), Usage(1)),
    "sealed": Answer(
        (Text("a", seal=Seal("x", GEMINI)), ToolCall("y", "f", "{}", seal=Seal("z", GEMINI))), Stop("tool"), Usage(1)
    ),
    "cited": Answer((Text("ab", (Citation("http://1", "one", start=0, end=1),)),), Stop("end"), Usage(1)),
    "picture": Answer((Text("see"), Image(Blob("image/png", "AA==")), Image(Blob("image/png", "BB=="))), Stop("end")),
    "server": Answer((Text("a"), Opaque(ANTHROPIC, "server_tool_use", {}, ""), Text("b")), Stop("end"), Usage(1)),
}


def streamed(answer: Answer) -> bytes:
    machine = BlockMachine("rid")
    return DIALECT.encoder(REPLY).encode(machine.feed(signals_of(answer)) + machine.end())


def client(status: int, data: bytes, kind: str) -> openai.OpenAI:
    def serve(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=data, headers={"content-type": kind})

    transport = httpx.Client(transport=httpx.MockTransport(serve))
    return openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=transport, max_retries=0)


def texts(answer: Answer) -> list[str]:
    return [part.text for part in answer.parts if isinstance(part, Text)]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_whole_answer_passes_the_sdks_strict_types(answer: Answer) -> None:
    sent = DIALECT.render_answer(answer, REPLY)
    found = ChatCompletion.model_validate(sent)

    assert found.choices[0].finish_reason is not None
    calls = found.choices[0].message.tool_calls or []
    assert len(calls) == sum(isinstance(part, ToolCall) for part in answer.parts)
    if answer.usage is not None:
        assert found.usage is not None
        assert found.usage.total_tokens == answer.usage.input_total + answer.usage.output_total


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_every_chunk_passes_the_sdks_strict_types(answer: Answer) -> None:
    frames = streamed(answer).split(b"\n\n")

    assert frames[-2:] == [b"data: [DONE]", b""]
    for frame in frames[:-2]:
        ChatCompletionChunk.model_validate(orjson.loads(frame.removeprefix(b"data: ")))


@pytest.mark.parametrize("name", ANSWERS)
def test_the_sdk_joins_a_stream_into_the_answer(name: str) -> None:
    answer = ANSWERS[name]
    with client(200, streamed(answer), "text/event-stream").chat.completions.stream(
        model="ds/m", messages=[{"role": "user", "content": "x"}], stream_options={"include_usage": True}
    ) as stream:
        try:
            for _ in stream:
                pass
        except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
            assert name in ("length", "refusal")  # the SDK's own word for these
        found = stream.current_completion_snapshot
    message = found.choices[0].message
    whole = DIALECT.render_answer(answer, REPLY)["choices"][0]

    assert (message.content or "") == (whole["message"]["content"] or "")
    assert (message.refusal or "") == (whole["message"]["refusal"] or "")
    assert found.choices[0].finish_reason == whole["finish_reason"]
    extra = message.model_extra or {}
    for field in ("reasoning_content", "reasoning_details", "images", "extra_content"):
        assert extra.get(field) == whole["message"].get(field)
    calls = [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or []]
    expected = [(c["id"], *c["function"].values()) for c in whole["message"].get("tool_calls", [])]
    assert calls == expected


def test_the_sdk_reads_plain_streams_and_answers() -> None:
    answer = ANSWERS["calls"]
    stream = client(200, streamed(answer), "text/event-stream").chat.completions.create(
        model="ds/m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    chunks = list(stream)
    assert [c.usage.total_tokens for c in chunks if c.usage] == [1]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Let me look."

    body = orjson.dumps(DIALECT.render_answer(answer, REPLY))
    found = client(200, body, "application/json").chat.completions.create(
        model="ds/m", messages=[{"role": "user", "content": "x"}]
    )
    assert found.choices[0].message.tool_calls is not None
    assert found.model == "ds/m"


def test_the_sdk_raises_what_broke_in_the_middle() -> None:
    machine = BlockMachine("rid")
    events = machine.feed(signals_of(ANSWERS["text"])[:-2])
    broken = Failed(RateLimited("slow down"), machine.answer())
    data = DIALECT.encoder(REPLY).encode([*events, broken])
    stream = client(200, data, "text/event-stream").chat.completions.create(
        model="ds/m", messages=[{"role": "user", "content": "x"}], stream=True
    )

    with pytest.raises(openai.APIError, match="slow down"):
        list(stream)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (ContextTooLong("prompt is too long"), openai.BadRequestError),
        (ModelNotFound("no such model"), openai.NotFoundError),
        (RateLimited("slow"), openai.RateLimitError),
        (LoginExpired("log in"), openai.InternalServerError),
        (Unavailable("nobody", attempts=("a", "b")), openai.InternalServerError),
    ],
)
def test_the_sdk_raises_its_own_class_for_each_failure(
    failure: GatewayError, kind: type[openai.APIStatusError]
) -> None:
    status, body = DIALECT.render_error(failure, "req")
    with pytest.raises(kind) as caught:
        client(status, orjson.dumps(body), "application/json").chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}]
        )

    assert failure.message in str(caught.value)
    assert caught.value.code == body["error"]["code"]
    assert caught.value.type == body["error"]["type"]


def test_the_sdk_lists_models() -> None:
    from omniroute_hooks import Listed

    assert DIALECT.list_models is not None
    body = orjson.dumps(DIALECT.list_models([Listed("ds/a", "deepseek", 7)], ASKED))

    assert [m.id for m in client(200, body, "application/json").models.list()] == ["ds/a"]


def test_what_the_sdk_sends_is_read() -> None:
    seen: list[dict[str, Any]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(orjson.loads(request.content))
        return httpx.Response(200, json=DIALECT.render_answer(ANSWERS["text"], REPLY))

    transport = httpx.Client(transport=httpx.MockTransport(serve))
    sdk = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=transport)
    message = sdk.chat.completions.create(
        model="ds/m", messages=[{"role": "user", "content": "x"}], reasoning_effort="low"
    ).choices[0].message  # fmt: skip
    sdk.chat.completions.create(
        model="ds/m",
        messages=[{"role": "user", "content": "x"}, message.model_dump(), {"role": "user", "content": "y"}],  # type: ignore[list-item]
    )
    found = DIALECT.parse_request(seen[1], ASKED)

    assert [turn.parts for turn in found.turns] == [(Text("x"),), (Text("Hello 🎈\n"),), (Text("y"),)]
    assert evolve(found, turns=()).ext == {}
