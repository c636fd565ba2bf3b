"""What this dialect writes, read by the vendor's own library, strictly and through its stream classes."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import orjson
import pytest
from anthropic.types import Message, MessageTokensCount, ModelInfo, RawMessageStreamEvent
from anthropic_cases import LIST, events_of, frames, parse, reply
from omniroute_dialects.anthropic import DIALECT
from omniroute_hooks import (
    Answer,
    Asked,
    Citation,
    Listed,
    Opaque,
    Overloaded,
    RateLimited,
    Refusal,
    Seal,
    Stop,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from omniroute_hooks.answers import signals_of
from omniroute_hooks.errors import GatewayError
from omniroute_hooks.events import Broke
from pydantic import TypeAdapter

TOOLS = [{"name": "f", "input_schema": {"type": "object"}}]
REPLY = reply(parse(tools=TOOLS, thinking={"type": "adaptive"}), input_estimate=12)
SERVER = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "x", "page_age": None}
ANSWERS = [
    pytest.param(Answer((), Stop("end"), Usage()), id="empty"),
    pytest.param(Answer((Text("hello"),), Stop("end")), id="text-without-usage"),
    pytest.param(
        Answer(
            (Thinking("hm", Seal("s", "anthropic")), Text("a"), Thinking("", Seal("d", "anthropic"), redacted=True)),
            Stop("length"),
            Usage(1, 2, 3, 4, 0, 5, 6),
        ),
        id="thinking",
    ),
    pytest.param(
        Answer(
            (Thinking("hm"), ToolCall("c1", "f", '{"a": "é\\n"}', seal=Seal("s", "gemini")), ToolCall("c2", "f", "")),
            Stop("tool"),
            Usage(1),
        ),
        id="tools",
    ),
    pytest.param(
        Answer((Text("a", (Citation("https://h", None),)), Refusal("no")), Stop("end"), Usage(cache_write_other=3)),
        id="cited-refusal",
    ),
    pytest.param(
        Answer(
            (
                Opaque("anthropic", "server_tool_use", SERVER),
                Opaque(
                    "anthropic",
                    "web_search_tool_result",
                    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [FOUND]},
                ),
                Text("x"),
            ),
            Stop("stop_string", "s", "END"),
            Usage(ext={"anthropic": {"server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}}}),
        ),
        id="server-tools",
    ),
]
_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def client(status: int, body: bytes, kind: str = "application/json") -> anthropic.Anthropic:
    """The vendor's client over a canned answer."""
    answer = httpx2.Response(status, content=body, headers={"content-type": kind})
    transport = httpx2.MockTransport(lambda request: answer)
    return anthropic.Anthropic(
        api_key="k", base_url="http://gateway", max_retries=0, http_client=httpx2.Client(transport=transport)
    )


def stream_of(answer: Answer) -> bytes:
    return DIALECT.encoder(REPLY).encode(events_of(signals_of(answer)))


@pytest.mark.parametrize("answer", ANSWERS)
def test_whole_answers_are_strictly_legal(answer):
    Message.model_validate_json(orjson.dumps(DIALECT.render_answer(answer, REPLY)), strict=True)


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_event_is_strictly_legal(answer):
    for _, value in frames(stream_of(answer)):
        _EVENT.validate_json(orjson.dumps(value), strict=True)


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_library_reads_a_stream_as_the_whole_answer(answer):
    with client(200, stream_of(answer), "text/event-stream").messages.stream(
        model="m", max_tokens=10, messages=[{"role": "user", "content": "x"}]
    ) as stream:
        message = stream.get_final_message()
    whole = client(200, orjson.dumps(DIALECT.render_answer(answer, REPLY))).messages.create(
        model="m", max_tokens=10, messages=[{"role": "user", "content": "x"}]
    )
    assert [block.to_dict() for block in message.content] == [block.to_dict() for block in whole.content]
    assert (message.stop_reason, message.stop_sequence) == (whole.stop_reason, whole.stop_sequence)
    assert message.usage.output_tokens == whole.usage.output_tokens
    assert message.usage.input_tokens == whole.usage.input_tokens
    assert message.model == "caller-model"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Overloaded("busy"), anthropic._exceptions.OverloadedError),
        (RateLimited("slow", retry_after_s=3), anthropic.RateLimitError),
    ],
)
def test_the_library_raises_the_right_error(error: GatewayError, raised):
    status, body = DIALECT.render_error(error, "req_1")
    with pytest.raises(raised, match=error.message) as caught:
        client(status, orjson.dumps(body)).messages.create(model="m", max_tokens=1, messages=[])
    assert caught.value.body["request_id"] == "req_1"


def test_the_library_raises_on_an_error_in_mid_stream():
    found = [*signals_of(Answer((Text("a"),), Stop("end")))[:2], Broke(Overloaded("busy"))]
    data = DIALECT.encoder(REPLY).encode(events_of(found))
    with (
        client(200, data, "text/event-stream").messages.stream(model="m", max_tokens=1, messages=[]) as stream,
        pytest.raises(anthropic.APIStatusError, match="busy"),
    ):
        stream.get_final_message()


def test_a_heartbeat_is_passed_over():
    data = stream_of(Answer((Text("a"),), Stop("end")))
    first, rest = data.split(b"\n\n", 1)
    data = DIALECT.heartbeat + first + b"\n\n" + DIALECT.heartbeat + rest
    with client(200, data, "text/event-stream").messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        assert stream.get_final_text() == "a"


def test_models_and_counts_are_strictly_legal():
    listed = DIALECT.list_models([Listed("a/b", "a", 0), Listed("c", "c", 1_700_000_000)], Asked(LIST))
    for model in listed["data"]:
        ModelInfo.model_validate_json(orjson.dumps(model), strict=True)
    page = client(200, orjson.dumps(listed)).models.list(limit=1000)
    assert [model.id for model in page] == ["a/b", "c"]
    counted = DIALECT.counting.render_answer(5)
    assert MessageTokensCount.model_validate(counted, strict=True).input_tokens == 5
