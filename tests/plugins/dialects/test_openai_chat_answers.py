"""Whole OpenAI chat answers: a provider's read, and ours as callers get them; usage; lists of models."""

from __future__ import annotations

from typing import Any

import pytest
from omniroute_dialects.openai_chat import DIALECT
from omniroute_hooks import (
    OPENAI_CHAT,
    Answer,
    Asked,
    ContextTooLong,
    Conversation,
    GatewayError,
    Image,
    Listed,
    Model,
    RateLimited,
    Refusal,
    Reply,
    Seal,
    Stop,
    Text,
    Thinking,
    ToolCall,
    Usage,
)

ASKED = Asked(DIALECT.endpoints[0])
REPLY = Reply(Conversation(model="ds/m", turns=(), dialect=OPENAI_CHAT), "ds/m", "abc", 1_700_000_000, ASKED)


def body(message: dict[str, Any], finish: str | None = "stop", **fields: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 5,
        "model": "up",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
        **fields,
    }


def call(call_id: str, name: str, arguments: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        pytest.param({"content": "hi"}, (Text("hi"),), id="text"),
        pytest.param({"content": None}, (), id="nothing"),
        pytest.param({"content": " \n hi "}, (Text(" \n hi "),), id="blanks-kept"),
        pytest.param({"content": "x", "reasoning_content": "hm"}, (Thinking("hm"), Text("x")), id="reasoning_content"),
        pytest.param({"content": "x", "reasoning": "hm"}, (Thinking("hm"), Text("x")), id="b79-reasoning"),
        pytest.param({"content": "<think>\nhm\n</think>\n\nx"}, (Thinking("\nhm"), Text("x")), id="b80-think-tags"),
        pytest.param(
            {"content": "<think>x", "reasoning_content": "hm"},
            (Thinking("hm"), Text("<think>x")),
            id="tags-beside-the-field",
        ),
        pytest.param(
            {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            (Text("ab"),),
            id="content-parts",
        ),
        pytest.param({"content": None, "refusal": "no"}, (Refusal("no"),), id="refusal"),
        pytest.param(
            {"content": None, "tool_calls": [call("a", "f", '{"x": 1}')]}, (ToolCall("a", "f", '{"x": 1}'),), id="call"
        ),
        pytest.param(
            {"tool_calls": [call("a", "f", {"x": 0})]}, (ToolCall("a", "f", '{"x":0}'),), id="object-arguments"
        ),
        pytest.param({"tool_calls": [call("a", "", "{}"), call("b", "g", "")]}, (ToolCall("b", "g"),), id="nameless"),
        pytest.param({"tool_calls": [{"function": {"name": "f"}}]}, (ToolCall("call_c1_1", "f"),), id="no-id"),
        pytest.param(
            {"tool_calls": [{**call("a", "f", "{}"), "extra_content": {"google": {"thought_signature": "S"}}}]},
            (ToolCall("a", "f", "{}", seal=Seal("S", OPENAI_CHAT)),),
            id="signed-call",
        ),
        pytest.param({"images": [{"image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}, Image, id="picture"),
        pytest.param(
            {"function_call": {"name": "f", "arguments": "{}"}}, (ToolCall("call_c1_1", "f", "{}"),), id="old"
        ),
    ],
)
def test_a_providers_message_is_read(message: dict[str, Any], parts: Any) -> None:
    answer = DIALECT.parse_answer(body(message))

    if isinstance(parts, tuple):
        assert answer.parts == parts
    else:
        assert [type(part) for part in answer.parts] == [parts]


@pytest.mark.parametrize(
    ("finish", "calls", "reason"),
    [
        ("stop", 0, "end"),
        ("stop", 1, "tool"),
        ("tool_calls", 1, "tool"),
        ("tool_calls", 0, "end"),
        ("function_call", 1, "tool"),
        ("length", 0, "length"),
        ("length", 1, "length"),
        ("content_filter", 0, "filtered"),
        ("STOP", 0, "end"),
        ("eos", 0, "end"),
        ("model_length", 0, "context_full"),
        ("sensitive", 0, "filtered"),
        ("strange", 0, "other"),
        (None, 0, "other"),
        (None, 1, "tool"),
    ],
)
def test_b18_b19_b20_the_reason_to_stop(finish: str | None, calls: int, reason: str) -> None:
    answer = DIALECT.parse_answer(body({"tool_calls": [call("a", "f", "{}")] * calls}, finish))

    assert answer.stop.reason == reason
    assert answer.stop.raw == finish


def test_the_stop_string_that_hit_is_kept() -> None:
    value = body({"content": "x"})
    value["choices"][0]["stop_reason"] = "###"

    assert DIALECT.parse_answer(value).stop == Stop("stop_string", "stop", "###")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"error": {"message": "slow down", "code": 429}}, RateLimited),
        ({"error": {"message": "maximum context length is 5"}}, ContextTooLong),
        ({"error": "boom"}, GatewayError),
        ([{"error": {"message": "x", "code": 429}}], RateLimited),
        ({"object": "error", "message": "x"}, GatewayError),
        ({"choices": []}, GatewayError),
        ({"choices": [None]}, GatewayError),
        ({"choices": [{}]}, GatewayError),
        ({"choices": [{"message": {"content": ""}, "finish_reason": "error"}]}, GatewayError),
        ({}, GatewayError),
        ([], GatewayError),
        (None, GatewayError),
        ("hello", GatewayError),
    ],
)
def test_b24_a_failure_inside_a_200_is_raised(value: Any, kind: type[GatewayError]) -> None:
    with pytest.raises(kind):
        DIALECT.parse_answer(value)


# usage -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, Usage(10, output_visible=5), id="plain"
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3, "audio_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 1},
            },
            Usage(3, cache_read=4, cache_write_other=3, output_visible=3, reasoning=2, audio_input=1, audio_output=1),
            id="b115-b116-details",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 8},
            Usage(2, 8, output_visible=5),
            id="deepseek",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 8}, Usage(2, 8, output_visible=5), id="kimi"
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 22},
            Usage(10, output_visible=5, reasoning=7),
            id="b118-reasoning-beside",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 22,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            Usage(10, output_visible=5, reasoning=7),
            id="reasoning-beside-and-told",
        ),
        pytest.param({"prompt_tokens": 0, "completion_tokens": 0}, Usage(), id="zeros"),
        pytest.param({"input_tokens": 3, "output_tokens": 4}, Usage(3, output_visible=4), id="responses-names"),
        pytest.param({"prompt_tokens": "x", "completion_tokens": -1}, None, id="nonsense"),
        pytest.param(
            {"prompt_tokens": 2, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(0, 2, output_visible=1),
            id="more-cached-than-read",
        ),
        pytest.param({}, None, id="empty"),
        pytest.param(None, None, id="null"),
    ],
)
def test_usage_is_read_into_disjoint_buckets(raw: Any, usage: Usage | None) -> None:
    assert DIALECT.parse_answer(body({"content": "x"}, usage=raw)).usage == usage


def test_b119_usage_for_callers_always_has_both_detail_objects() -> None:
    usage = Usage(1, 2, 3, 4, 5, 6, 7, 8, 9)
    sent = DIALECT.render_answer(Answer((Text("x"),), Stop("end"), usage), REPLY)["usage"]

    assert sent == {
        "prompt_tokens": 15,
        "completion_tokens": 13,
        "total_tokens": 28,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 12, "audio_tokens": 8},
        "completion_tokens_details": {
            "reasoning_tokens": 7,
            "audio_tokens": 9,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def test_counters_that_only_this_dialect_knows_come_through() -> None:
    answer = DIALECT.parse_answer(
        body({"content": "x"}, usage={"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.5})
    )

    assert DIALECT.render_answer(answer, REPLY)["usage"]["cost"] == 0.5


# rendering -------------------------------------------------------------------


def test_an_answer_for_a_caller_has_the_shape_of_the_reference() -> None:
    parts = (Thinking("hm"), Text("Hi"), ToolCall("a", "f", '{"x":1}'))
    sent = DIALECT.render_answer(Answer(parts, Stop("tool"), Usage(1), "up-id", "up-model", 3), REPLY)

    assert {k: v for k, v in sent.items() if k not in ("choices", "usage")} == {
        "id": "chatcmpl-abc",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "ds/m",
    }
    assert sent["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hi",
                "refusal": None,
                "reasoning_content": "hm",
                "tool_calls": [call("a", "f", '{"x":1}')],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ]


@pytest.mark.parametrize(
    ("parts", "content"),
    [((), ""), ((ToolCall("a", "f"),), None), ((Refusal("no"),), None), ((Text(""),), ""), ((Thinking("x"),), "")],
)
def test_content_is_null_only_where_something_else_is_said(parts: tuple[Any, ...], content: str | None) -> None:
    message = DIALECT.render_answer(Answer(parts, Stop("end")), REPLY)["choices"][0]["message"]

    assert message["content"] == content
    assert ("tool_calls" in message) == any(isinstance(part, ToolCall) for part in parts)


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("end", "stop"),
        ("tool", "tool_calls"),
        ("length", "length"),
        ("context_full", "length"),
        ("stop_string", "stop"),
        ("filtered", "content_filter"),
        ("pause", "stop"),
        ("malformed_call", "stop"),
        ("other", "stop"),
    ],
)
def test_b122_every_reason_has_a_word(reason: Any, word: str) -> None:
    assert DIALECT.render_answer(Answer((), Stop(reason)), REPLY)["choices"][0]["finish_reason"] == word


@pytest.mark.parametrize(
    "message",
    [
        {"content": "hi"},
        {"content": "x", "reasoning_content": "hm"},
        {"content": None, "tool_calls": [call("a", "f", '{"x": 1}'), call("b", "g", "{}")]},
        {"content": None, "refusal": "no"},
        {
            "content": "t",
            "annotations": [
                {"type": "url_citation", "url_citation": {"url": "u", "title": "T", "start_index": 0, "end_index": 1}}
            ],
        },
        {
            "content": "x",
            "reasoning_content": "a",
            "reasoning_details": [{"type": "thinking", "text": "a", "signature": "S", "index": 0}],
        },
        {
            "content": "x",
            "reasoning_content": "a",
            "reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": "S", "format": "f", "index": 0}],
        },
        {"content": "x", "reasoning_details": [{"type": "reasoning.encrypted", "data": "D", "id": "rs", "index": 0}]},
    ],
)
def test_a_message_read_and_written_is_the_same(message: dict[str, Any]) -> None:
    sent = DIALECT.render_answer(DIALECT.parse_answer(body(message)), REPLY)["choices"][0]["message"]

    assert {k: v for k, v in sent.items() if v is not None} == {
        "role": "assistant",
        **{k: v for k, v in message.items() if v is not None},
    }


def test_what_else_the_provider_said_of_the_answer_comes_through() -> None:
    value = body({"content": "x"}, system_fingerprint="fp", service_tier="default")
    value["choices"][0]["logprobs"] = {"content": []}
    sent = DIALECT.render_answer(DIALECT.parse_answer(value), REPLY)

    assert (sent["system_fingerprint"], sent["service_tier"]) == ("fp", "default")
    assert sent["choices"][0]["logprobs"] == {"content": []}


# models ----------------------------------------------------------------------


def test_models_are_listed_as_the_reference_says() -> None:
    assert DIALECT.list_models is not None
    models = [Listed("ds/a", "deepseek", 7), Listed("b", "combo", 8, Model("b", context=100, max_output=9))]
    sent = DIALECT.list_models(models, ASKED)

    assert sent == {
        "object": "list",
        "data": [
            {"id": "ds/a", "object": "model", "created": 7, "owned_by": "deepseek"},
            {
                "id": "b",
                "object": "model",
                "created": 8,
                "owned_by": "combo",
                "context_length": 100,
                "max_output_tokens": 9,
            },
        ],
    }
