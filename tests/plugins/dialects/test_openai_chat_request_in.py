"""A caller's OpenAI chat request as a conversation, in all the shapes that clients send to this address."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from omniroute_dialects.openai_chat import DIALECT
from omniroute_hooks import (
    ANTHROPIC,
    GEMINI,
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    Asked,
    Audio,
    BadRequest,
    Blob,
    CacheMark,
    Conversation,
    Document,
    Image,
    Opaque,
    OutputFormat,
    Reasoning,
    Refusal,
    Seal,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Video,
)
from omniroute_hooks.sealing import wrap

ASKED = Asked(DIALECT.endpoints[0])
HI: dict[str, Any] = {"role": "user", "content": "hi"}
EMPTY = {"type": "object", "properties": {}}


def parsed(**fields: Any) -> Conversation:
    return DIALECT.parse_request({"model": "ds/m", "messages": [HI], **fields}, ASKED)


def turns(*messages: dict[str, Any]) -> tuple[Turn, ...]:
    return parsed(messages=list(messages)).turns


def user(*parts: Any) -> tuple[Any, ...]:
    return turns({"role": "user", "content": list(parts)})[0].parts


def problems(body: dict[str, Any]) -> list[str]:
    with pytest.raises(BadRequest) as caught:
        DIALECT.parse_request(body, ASKED)
    return [detail.path for detail in caught.value.details]


# peek ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "seen"),
    [
        ({"model": "m"}, {}, ("m", False, None)),
        ({"model": "m", "stream": None}, {}, ("m", False, None)),
        ({"model": "m", "stream": True, "prompt_cache_key": "k"}, {}, ("m", True, "k")),
        ({"model": "m", "prompt_cache_key": 7}, {"x-session-id": "s"}, ("m", False, "s")),
    ],
)
def test_peek_sees_what_routing_needs(body: Any, headers: Any, seen: Any) -> None:
    peek = DIALECT.peek(body, Asked(DIALECT.endpoints[0], headers=headers))

    assert (peek.model, peek.stream, peek.session) == seen


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": " "}, {"model": 1}, {"model": "m", "stream": "yes"}])
def test_peek_refuses_what_it_cannot_use(body: Any) -> None:
    with pytest.raises(BadRequest):
        DIALECT.peek(body, ASKED)


# messages --------------------------------------------------------------------


def test_messages_become_turns_in_their_order() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    found = turns(
        {"role": "system", "content": "s"},
        {"role": "developer", "content": [{"type": "text", "text": "d"}]},
        {"role": "user", "content": "u", "name": "bob"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "r"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "r2"}]},
        {"role": "assistant", "content": "done", "refusal": "no"},
        {"role": "system", "content": "late"},
    )

    assert found == (
        Turn("system", (Text("s"),)),
        Turn("system", (Text("d"),)),
        Turn("user", (Text("u"),), "bob"),
        Turn("assistant", (ToolCall("a", "f", '{"x": 1}'),)),
        Turn("user", (ToolResult("a", (Text("r"),)),)),
        Turn("user", (ToolResult("b", (Text("r2"),)),)),
        Turn("assistant", (Text("done"), Refusal("no"))),
        Turn("system", (Text("late"),)),
    )


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": " x "}, Text(" x ")),
        ({"type": "input_text", "text": "x"}, Text("x")),
        ({"text": "x"}, Text("x")),
        ("x", Text("x")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,iVBORw0KGgo=", "detail": "low"}},
            Image(Blob("image/png", "iVBORw0KGgo="), "low"),
        ),
        ({"type": "image_url", "image_url": "http://x/y.png"}, Image(Blob(url="http://x/y.png"))),
        ({"type": "input_image", "image_url": "http://x", "detail": "high"}, Image(Blob(url="http://x"), "high")),
        ({"type": "input_image", "file_id": "f1"}, Image(Blob(file_id="f1"))),
        ({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}, Audio(Blob("audio/wav", "QQ=="))),
        ({"type": "video_url", "video_url": {"url": "http://v"}}, Video(Blob(url="http://v"))),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0x", "filename": "a.pdf"}},
            Document(Blob("application/pdf", "JVBERi0x"), "a.pdf"),
        ),
        ({"type": "file", "file": {"file_id": "f1"}}, Document(Blob(file_id="f1"))),
        ({"type": "input_file", "file_url": "http://x/a.pdf"}, Document(Blob(url="http://x/a.pdf"))),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            Image(Blob("image/png", "iVBORw0KGgo=")),
        ),
        (
            {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
            Document(Blob("text/plain", text="d"), "t"),
        ),
        (
            {"type": "tool_result", "tool_use_id": "a", "is_error": True, "content": [{"type": "text", "text": "r"}]},
            ToolResult("a", (Text("r"),), True),
        ),
        (
            {"type": "search_result", "title": "t", "source": "u", "content": [{"type": "text", "text": "r"}]},
            Document(Blob("text/plain", text="r"), "t"),
        ),
        ({"type": "hologram", "x": 1}, Opaque(OPENAI_CHAT, "hologram", {"type": "hologram", "x": 1})),
    ],
)
def test_b105_b107_b111_every_kind_of_part_is_read(part: Any, expected: Any) -> None:
    assert user(part) == (expected,)


def test_unknown_fields_of_parts_and_cache_marks_ride_along() -> None:
    (part,) = user({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}, "odd": 1})

    assert part == Text(
        "x",
        cache=CacheMark("1h"),
        ext={OPENAI_CHAT: {"cache_control": {"type": "ephemeral", "ttl": "1h"}, "odd": 1}},
    )


@pytest.mark.parametrize("content", ["", None, []])
def test_empty_content_is_a_turn_without_parts(content: Any) -> None:
    assert turns({"role": "user", "content": content}) == (Turn("user", ()),)


def test_reasoning_comes_back_with_its_seals() -> None:
    theirs = Seal("T", ANTHROPIC, "p", "m")
    (turn,) = turns(
        {
            "role": "assistant",
            "content": "x",
            "reasoning_content": "free\n\nsealed\n\nlast",
            "reasoning_details": [
                {"type": "thinking", "text": "sealed", "signature": wrap(theirs), "index": 0},
                {"type": "redacted_thinking", "data": wrap(theirs), "index": 1},
                {"type": "thinking", "text": "", "signature": "native", "index": 2},
            ],
        }
    )

    assert turn.parts == (
        Thinking("free"),
        Thinking("sealed", theirs),
        Thinking("", theirs, redacted=True),
        Thinking("", Seal("native", OPENAI_CHAT)),
        Thinking("last"),
        Text("x"),
    )


def test_signatures_of_calls_and_texts_come_back() -> None:
    seal = Seal("G", GEMINI, "g", "gm")
    extra = {"extra_content": {"google": {"thought_signature": wrap(seal)}}}
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}, **extra}
    first, second, third = turns(
        {"role": "assistant", "content": "t", **extra},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "assistant", "content": "", **extra},
    )

    assert first.parts == (Text("t", seal=seal),)
    assert second.parts == (ToolCall("a", "f", "{}", seal=seal),)
    assert third.parts == (Text("", seal=seal),)


def test_the_deprecated_function_messages_find_their_calls() -> None:
    found = turns(
        HI,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
    )

    assert found[1].parts == (ToolCall("call_1_0", "f", "{}"),)
    assert found[2].parts == (ToolResult("call_1_0", (Text("r"),), name="f"),)


def test_b54_b55_arguments_stay_as_they_came_and_objects_are_printed_once() -> None:
    calls = [
        {"id": str(i), "type": "function", "function": {"name": "f", "arguments": args}}
        for i, args in enumerate(('{"a": ""}', {"a": 0, "b": None}, "not json", None, [1]))
    ]
    (turn,) = turns({"role": "assistant", "content": None, "tool_calls": calls})

    assert [part.arguments for part in turn.parts if isinstance(part, ToolCall)] == [
        '{"a": ""}',
        '{"a":0,"b":null}',
        "not json",
        "",
        "[1]",
    ]


def test_messages_of_the_anthropic_shape_are_read() -> None:
    found = turns(
        {"role": "user", "content": [{"type": "text", "text": "q"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "S"},
                {"type": "text", "text": "let me"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "r"}, {"type": "text", "text": "and?"}],
        },
    )

    assert found[1].parts == (Thinking("hm", Seal("S", ANTHROPIC)), Text("let me"), ToolCall("t1", "f", '{"x":1}'))
    assert found[2].parts == (ToolResult("t1", (Text("r"),)), Text("and?"))


def test_items_of_the_responses_shape_are_read() -> None:
    body = {
        "model": "m",
        "instructions": "be brief",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "q"}]},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "E",
            },
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "r"},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a", "annotations": []}],
            },
        ],
        "max_output_tokens": 50,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": EMPTY, "strict": True}, "verbosity": "low"},
        "tools": [{"type": "function", "name": "f", "parameters": EMPTY, "strict": False}],
        "tool_choice": {"type": "function", "name": "f"},
    }
    found = DIALECT.parse_request(body, ASKED)

    assert [turn.role for turn in found.turns] == ["system", "user", "assistant", "assistant", "user", "assistant"]
    assert found.turns[2].parts == (Thinking("hm", Seal("E", OPENAI_RESPONSES), id="rs_1"),)
    assert found.turns[3].parts == (ToolCall("c1", "f", "{}"),)
    assert found.turns[5].parts == (Text("a"),)
    assert found.max_tokens == 50
    assert found.format == OutputFormat("json_schema", EMPTY, "n", None, True)
    assert found.verbosity == "low"
    assert found.tools == (Tool("f", schema=EMPTY, strict=False),)
    assert found.tool_choice == ToolChoice("named", ("f",))
    assert found.ext == {}


def test_input_may_be_one_string() -> None:
    assert DIALECT.parse_request({"model": "m", "input": "hi"}, ASKED).turns == (Turn("user", (Text("hi"),)),)


# tools -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (
            {
                "type": "function",
                "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
            },
            Tool("f", "d", {"type": "object"}, True),
        ),
        ({"type": "function", "function": {"name": "f"}}, Tool("f", schema=EMPTY)),
        ({"function": {"name": "f", "parameters": None}}, Tool("f", schema=EMPTY)),
        ({"type": "function", "name": "f", "parameters": EMPTY}, Tool("f", schema=EMPTY)),
        ({"name": "f", "input_schema": {"type": "object"}}, Tool("f", schema={"type": "object"})),
        ({"type": "custom", "name": "f", "input_schema": EMPTY}, Tool("f", schema=EMPTY)),
        (
            {"type": "custom", "custom": {"name": "f", "format": {"type": "text"}}},
            Tool("f", kind="custom", grammar={"type": "text"}),
        ),
        ({"type": "custom", "name": "f", "description": "d"}, Tool("f", "d", kind="custom")),
        ({"type": "web_search"}, ServerTool("web_search", OPENAI_CHAT, {"type": "web_search"})),
    ],
)
def test_b50_b90_every_shape_of_a_tool_is_read(tool: Any, expected: Any) -> None:
    assert parsed(tools=[tool]).tools == (expected,)


def test_functions_and_search_options_are_tools_too() -> None:
    found = parsed(functions=[{"name": "f"}], web_search_options={"search_context_size": "low"}, function_call="auto")

    assert found.tools == (
        Tool("f", schema=EMPTY),
        ServerTool("web_search", OPENAI_CHAT, {"search_context_size": "low"}),
    )
    assert found.tool_choice == ToolChoice("auto")
    assert found.parallel_tools is False


def test_of_tools_with_one_name_the_first_counts() -> None:
    one, two = ({"type": "function", "function": {"name": "f", "description": d}} for d in "ab")

    assert [t.description for t in parsed(tools=[one, two]).tools if isinstance(t, Tool)] == ["a"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("any")),
        ("any", ToolChoice("any")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", ("f",))),
        ({"type": "custom", "custom": {"name": "f"}}, ToolChoice("named", ("f",))),
        ({"type": "tool", "name": "f"}, ToolChoice("named", ("f",))),
        ({"type": "any"}, ToolChoice("any")),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            ToolChoice("allowed", ("f",)),
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice("named", ("f",)),
        ),
        (None, None),
    ],
)
def test_b53_every_shape_of_a_tool_choice_is_read(choice: Any, expected: Any) -> None:
    assert parsed(tool_choice=choice).tool_choice == expected


def test_the_parallel_switch_is_read_in_both_spellings() -> None:
    assert parsed(parallel_tool_calls=False).parallel_tools is False
    assert parsed(tool_choice={"type": "auto", "disable_parallel_tool_use": True}).parallel_tools is False
    assert parsed().parallel_tools is None


# everything else -------------------------------------------------------------


def test_settings_are_read_and_absent_ones_stay_absent() -> None:
    found = parsed(
        stream=True,
        stream_options={"include_usage": True},
        temperature=0,
        top_p=0.5,
        top_k=4,
        frequency_penalty=1,
        presence_penalty=-1,
        seed=7,
        logit_bias={"5": 1},
        logprobs=True,
        top_logprobs=2,
        n=2,
        stop="x",
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        prompt_cache_key="k",
        store=False,
        verbosity="low",
        response_format={"type": "json_object"},
    )

    assert found.sampling.temperature == 0
    assert (found.sampling.top_k, found.sampling.n, found.sampling.seed) == (4, 2, 7)
    assert (found.stop, found.user, found.metadata, found.service_tier) == (("x",), "u", {"a": "b"}, "flex")
    assert (found.cache_key, found.store, found.verbosity) == ("k", False, "low")
    assert found.format == OutputFormat("json_object")
    assert found.include_usage
    plain = parsed()
    assert plain == Conversation(
        model="ds/m", turns=(Turn("user", (Text("hi"),)),), dialect=OPENAI_CHAT, include_usage=False
    )


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 6),
        ({"max_tokens": 5.0}, 5),
        ({}, None),
    ],
)
def test_b95_the_output_limit_has_two_names(fields: Any, limit: Any) -> None:
    assert parsed(**fields).max_tokens == limit


@pytest.mark.parametrize(("stop", "expected"), [("a", ("a",)), (["a", "b"], ("a", "b")), (None, ()), ([], ())])
def test_b95_stop_strings_come_alone_or_in_a_list(stop: Any, expected: Any) -> None:
    assert parsed(stop=stop).stop == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Reasoning()),
        ({"reasoning_effort": "high"}, Reasoning("on", "high")),
        ({"reasoning_effort": "none"}, Reasoning("off", "none")),
        ({"thinking": {"type": "disabled"}}, Reasoning("off", ext={OPENAI_CHAT: {"thinking": {"type": "disabled"}}})),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            Reasoning("on", budget=2000, ext={OPENAI_CHAT: {"thinking": {"type": "enabled", "budget_tokens": 2000}}}),
        ),
        ({"enable_thinking": False}, Reasoning("off", ext={OPENAI_CHAT: {"enable_thinking": False}})),
        (
            {"reasoning": {"effort": "low", "exclude": True}},
            Reasoning("on", "low", show="none", ext={OPENAI_CHAT: {"reasoning": {"effort": "low", "exclude": True}}}),
        ),
        ({"reasoning_effort": "default"}, Reasoning("auto", ext={OPENAI_CHAT: {"reasoning_effort": "default"}})),
    ],
)
def test_b76_reasoning_settings_are_read_and_unset_stays_unset(fields: Any, expected: Any) -> None:
    assert parsed(**fields).reasoning == expected


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "json_schema", "json_schema": {"name": "n", "schema": EMPTY, "strict": True}},
        {"type": "json_schema", "name": "n", "schema": EMPTY, "strict": True},
    ],
)
def test_b94_both_shapes_of_a_response_format_are_read(wanted: Any) -> None:
    assert parsed(response_format=wanted).format == OutputFormat("json_schema", EMPTY, "n", None, True)


def test_unknown_fields_ride_along() -> None:
    found = parsed(prediction={"type": "content"}, provider={"order": ["x"]}, odd=None)

    assert found.ext == {OPENAI_CHAT: {"prediction": {"type": "content"}, "provider": {"order": ["x"]}}}


def test_every_wrong_field_is_named() -> None:
    body = {
        "model": 3,
        "messages": [
            {"role": "alien", "content": "x"},
            7,
            {"role": "user", "content": [{"type": "text"}, {"type": "image_url", "image_url": {"url": 1}}, 3]},
            {"role": "assistant", "content": 5, "tool_calls": [{"function": {}}, "x"]},
            {"role": "tool", "content": "r"},
        ],
        "tools": [{"type": "function", "function": {"name": 1}}, {}],
        "tool_choice": {"type": "sometimes"},
        "temperature": "hot",
        "max_tokens": 0,
        "n": "two",
        "stop": [1],
        "stream": 1,
        "response_format": "json",
        "reasoning_effort": "very",
        "stream_options": 5,
    }

    assert set(problems(body)) == {
        "model",
        "messages[0].role",
        "messages[1]",
        "messages[2].content[0].text",
        "messages[2].content[1].image_url.url",
        "messages[2].content[2]",
        "messages[3].content",
        "messages[3].tool_calls[0].function.name",
        "messages[3].tool_calls[1]",
        "messages[4].tool_call_id",
        "tools[0].function.name",
        "tools[1].type",
        "tool_choice.type",
        "temperature",
        "max_tokens",
        "n",
        "stop[0]",
        "stream",
        "response_format",
        "reasoning_effort",
        "stream_options",
    }


@pytest.mark.parametrize("body", [{"model": "m"}, {"model": "m", "messages": []}, {"model": "m", "messages": None}])
def test_a_request_without_messages_is_refused(body: Any) -> None:
    assert problems(body) == ["messages"]


def test_a_request_nested_without_end_is_read_or_refused_and_breaks_nothing() -> None:
    deep = orjson.loads(b'{"a":' * 1000 + b"1" + b"}" * 1000)
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": deep}}
    try:
        found = parsed(messages=[{"role": "assistant", "content": None, "tool_calls": [call]}])
    except BadRequest as exc:
        text = exc.message
    else:
        (part,) = found.turns[0].parts
        text = part.arguments if isinstance(part, ToolCall) else ""

    assert text
