"""A caller's bytes on their way to a provider of the same dialect: untouched where they can be."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from omniroute_dialects.openai_chat import DIALECT
from omniroute_hooks import OPENAI_CHAT, BadRequest, Connection, Passed, Provider, Target

HI: dict[str, Any] = {"role": "user", "content": "hi"}


def target(**options: Any) -> Target:
    provider = Provider(id="up", prefix="up", base_url="http://x", dialect=OPENAI_CHAT, options=options)
    return Target(provider, "up-model", Connection("c", "up", "c", {}), "http://x")


def passed(body: dict[str, Any] | bytes, stream: bool = False, **options: Any) -> Passed:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return DIALECT.pass_request(raw, orjson.loads(raw), target(**options), stream)


def sent(body: dict[str, Any], stream: bool = False, **options: Any) -> dict[str, Any]:
    return orjson.loads(passed({"model": "m", "messages": [HI], **body}, stream, **options).body)


def test_only_the_models_name_changes() -> None:
    raw = (
        b'{ "messages" : [{"role":"user","content":"a \\u00fc model"}],"model":  "ds/x", "odd": 1.0,"temperature":1e0 }'
    )
    found = passed(raw)

    assert found.body == raw.replace(b'"ds/x"', b'"up-model"')
    assert found.path == "/chat/completions"
    assert found.drop is None


def test_b112_usage_is_asked_for_and_kept_from_callers_who_did_not_ask() -> None:
    found = passed(b'{"model":"m","stream":true,"messages":[]}', stream=True)

    assert found.body == b'{"stream_options":{"include_usage":true},"model":"up-model","stream":true,"messages":[]}'
    assert found.drop is not None
    assert found.drop.unwanted(b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":1}}')
    assert found.drop.unwanted(b'data: {"choices": [], "usage": {}}')
    assert not found.drop.unwanted(b'data: {"choices":[{"delta":{"content":"\\"choices\\":[]"}}]}')
    assert not found.drop.unwanted(b'data: {"choices":[],"error":{"message":"x"}}')
    assert not found.drop.unwanted(b"data: [DONE]")


def test_callers_who_asked_for_usage_get_it() -> None:
    raw = b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}'
    found = passed(raw, stream=True)

    assert found.body == raw.replace(b'"m"', b'"up-model"')
    assert found.drop is None


def test_a_caller_who_declined_usage_does_not_see_it() -> None:
    options = b'{"include_usage":false,"include_obfuscation":false}'
    raw = b'{"model":"m","stream":true,"stream_options":' + options + b',"messages":[]}'
    found = passed(raw, stream=True)

    assert orjson.loads(found.body)["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert found.drop is not None


def test_providers_that_do_not_know_stream_options_get_none() -> None:
    options = {"stream_options": {"include_usage": True}, "stream": True}

    assert "stream_options" not in sent(options, True, stream_usage=False)
    assert "stream_options" not in sent({"stream": True}, True, stream_usage=False)
    assert "stream_options" not in sent({"stream_options": {"include_usage": True}}, False)


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ({"max_tokens": 5}, "max_completion_tokens", {"max_completion_tokens": 5}),
        ({"max_completion_tokens": 5}, "max_tokens", {"max_tokens": 5}),
        ({"max_tokens": 4, "max_completion_tokens": 5}, "max_tokens", {"max_tokens": 4}),
        ({"max_completion_tokens": None}, "max_tokens", {}),
        ({"max_tokens": 4}, "max_tokens", {"max_tokens": 4}),
    ],
)
def test_b95_the_output_limit_goes_under_the_providers_name(body: Any, field: str, expected: Any) -> None:
    found = sent(body, max_tokens_field=field)

    assert {name: value for name, value in found.items() if name.startswith("max_")} == expected


def test_b98_developer_messages_become_system_messages_where_nobody_knows_them() -> None:
    messages = [{"role": "developer", "content": "s", "odd": 1}, {"role": "system", "content": "t"}, HI]

    assert [m["role"] for m in sent({"messages": messages})["messages"]] == ["system", "system", "user"]
    assert sent({"messages": messages})["messages"][0]["odd"] == 1
    assert sent({"messages": messages}, system_role="developer")["messages"] == messages


def test_b78_reasoning_in_the_history_goes_where_it_is_wanted() -> None:
    message = {"role": "assistant", "content": "x", "reasoning_content": "hm", "reasoning_details": [{"type": "x"}]}
    plain = sent({"messages": [HI, message]})["messages"]
    kept = sent({"messages": [HI, message]}, replay_reasoning=True)["messages"]
    renamed = sent({"messages": [HI, message]}, replay_reasoning=True, reasoning_field="reasoning")["messages"]

    assert plain == [HI, {"role": "assistant", "content": "x"}]
    assert kept == [HI, message]
    assert renamed[1]["reasoning"] == "hm"
    assert "reasoning_content" not in renamed[1]


def test_fields_that_the_provider_refuses_are_left_out() -> None:
    found = sent({"temperature": 1, "seed": 2}, unsupported=["temperature"])

    assert "temperature" not in found
    assert found["seed"] == 2


def test_b105_content_is_flattened_for_providers_that_take_strings() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    picture = {"type": "image_url", "image_url": {"url": "http://x"}}
    messages = [
        {"role": "system", "content": parts},
        {"role": "user", "content": parts},
        {"role": "user", "content": [picture]},
    ]
    found = sent({"messages": messages}, string_content=True)["messages"]

    assert [m["content"] for m in found] == ["a\n\nb", "a\nb", [picture]]


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "input": "hi"},
        {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
    ],
)
def test_bodies_of_another_shape_are_written_anew(body: dict[str, Any]) -> None:
    assert orjson.loads(passed(body).body) == {"model": "up-model", "messages": [HI]}


def test_tools_of_another_shape_are_written_anew() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    native = {"type": "function", "function": {"name": "f", "parameters": schema}}
    for tool in ({"type": "function", "name": "f", "parameters": schema}, {"name": "f", "input_schema": schema}):
        found = sent({"tools": [tool], "tool_choice": {"type": "any"}, "n": 2, "logprobs": True, "stream": True}, True)
        assert found["tools"] == [native]
        assert found["tool_choice"] == "required"
        assert (found["n"], found["logprobs"], found["stream"]) == (2, True, True)


def test_messages_with_blocks_of_another_shape_are_written_anew() -> None:
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "r"}]},
    ]
    found = sent({"messages": messages})["messages"]

    assert [m["role"] for m in found] == ["user", "assistant", "tool"]
    assert found[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"x":1}'}


def test_a_body_of_another_shape_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadRequest, match="input"):
        passed({"model": "m", "input": 5})


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m"},
        {"model": "m", "messages": 5, "tools": 7, "stream_options": 3},
        {"model": "m", "messages": [1, None, {"role": "assistant"}], "tools": [1], "tool_choice": {}},
    ],
)
def test_what_makes_no_sense_is_left_to_the_provider(body: dict[str, Any]) -> None:
    assert orjson.loads(passed(body).body)["model"] == "up-model"
