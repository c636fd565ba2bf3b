"""A conversation as an OpenAI chat request for a provider."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from attrs import evolve
from omniroute_dialects.openai_chat import DIALECT
from omniroute_hooks import (
    ANTHROPIC,
    GEMINI,
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    Asked,
    Audio,
    Blob,
    CacheMark,
    Connection,
    Conversation,
    Document,
    Image,
    Model,
    Opaque,
    OutputFormat,
    Part,
    Provider,
    Reasoning,
    Refusal,
    Rendered,
    Sampling,
    Seal,
    ServerTool,
    Target,
    Text,
    Thinking,
    Thinks,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Unsupported,
    Video,
)

ASKED = Asked(DIALECT.endpoints[0])
EMPTY = {"type": "object", "properties": {}}
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
PNG = Blob("image/png", "iVBORw0KGgo=")


def target(spec: Model | None = None, **options: Any) -> Target:
    provider = Provider(id="up", prefix="up", base_url="http://x", dialect=OPENAI_CHAT, options=options)
    return Target(provider, "up-model", Connection("c", "up", "c", {}), "http://x", spec)


def asked(*turns: Turn, **fields: Any) -> Conversation:
    """From a caller of another dialect unless ``dialect`` says otherwise."""
    turns = turns or (Turn("user", (Text("hi"),)),)
    return Conversation(**{"model": "m", "turns": turns, "dialect": ANTHROPIC, **fields})


def rendered(conversation: Conversation, to: Target | None = None, stream: bool = False) -> Rendered:
    return DIALECT.render_request(conversation, to or target(), stream)


def messages(*turns: Turn, to: Target | None = None, dialect: str = ANTHROPIC) -> list[dict[str, Any]]:
    return rendered(asked(*turns, dialect=dialect), to).body["messages"]


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def model(*parts: Part) -> Turn:
    return Turn("assistant", parts)


def losses(found: Rendered) -> set[tuple[str, str]]:
    return {(loss.field, loss.policy) for loss in found.losses}


# the round trip --------------------------------------------------------------

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
PDF = {"file_data": "data:application/pdf;base64,JVBERi0x", "filename": "a.pdf"}
BODIES: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "hi", "name": "bob"}]},
    {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "system", "content": "t"},
            {"role": "user", "content": "u"},
        ]
    },
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "odd": 1}]}
        ]
    },
    {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x", "detail": "low"}}]}
        ]
    },
    {
        "messages": [
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}}]}
        ]
    },
    {
        "messages": [
            {"role": "user", "content": [{"type": "file", "file": PDF}, {"type": "file", "file": {"file_id": "f"}}]}
        ]
    },
    {"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "http://v"}}]}]},
    {"messages": [{"role": "user", "content": [{"type": "hologram", "x": 1}, {"type": "text", "text": "x"}]}]},
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}
        ]
    },
    {
        "messages": [
            {"role": "user", "content": ""},
            {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "b"}]},
            {"role": "tool", "tool_call_id": "a", "content": "r"},
            {
                "role": "tool",
                "tool_call_id": "b",
                "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}],
            },
            {"role": "assistant", "content": "text", "annotations": [{"type": "odd"}]},
            {"role": "user", "content": "more"},
            {"role": "assistant", "content": None, "refusal": "no"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": EMPTY, "strict": True}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
    },
    {
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": n, "parameters": EMPTY}} for n in "fgh"],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": n}} for n in "fg"]},
        },
    },
    {
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 5,
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 3,
        "frequency_penalty": 1,
        "presence_penalty": -1,
        "seed": 0,
        "logit_bias": {"1": 2},
        "n": 1,
        "stop": ["a", "b"],
        "user": "u",
        "metadata": {"a": "b"},
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "store": False,
        "verbosity": "low",
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": CLOSED, "strict": True}},
        "prediction": {"type": "content", "content": "x"},
        "web_search_options": {"search_context_size": "low"},
        "safety_identifier": "s",
    },
    {
        "messages": [{"role": "user", "content": "x"}],
        "thinking": {"type": "enabled"},
        "response_format": {"type": "json_object"},
    },
    {"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "grammar", "value": "v"}},
    {"messages": [{"role": "user", "content": "x"}], "enable_thinking": True, "thinking_budget": 100},
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: ",".join(body)[:40])
def test_a_request_read_and_written_is_the_same(body: dict[str, Any]) -> None:
    conversation = DIALECT.parse_request({"model": "m", **body}, ASKED)

    assert rendered(conversation).body == {"model": "up-model", **body}
    assert not rendered(conversation).losses


def test_reasoning_read_and_written_is_the_same_for_its_maker() -> None:
    message = {
        "role": "assistant",
        "content": "x",
        "reasoning_content": "ab",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "ab", "signature": "S", "format": "f", "index": 0},
            {"type": "reasoning.encrypted", "data": "D", "id": "rs", "index": 1},
        ],
        "tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "G"}}}],
    }
    body = {"model": "m", "messages": [message, {"role": "tool", "tool_call_id": "a", "content": ""}]}
    conversation = DIALECT.parse_request(body, ASKED)

    assert rendered(conversation, target(replay_reasoning=True)).body["messages"] == body["messages"]


# options ---------------------------------------------------------------------


def test_b95_the_output_limit_goes_under_the_providers_name() -> None:
    conversation = asked(max_tokens=9)

    assert rendered(conversation).body["max_tokens"] == 9
    body = rendered(conversation, target(max_tokens_field="max_completion_tokens")).body
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


def test_b98_the_system_role_is_the_providers() -> None:
    body = {"model": "m", "messages": [{"role": "developer", "content": "s"}, {"role": "user", "content": "u"}]}
    conversation = DIALECT.parse_request(body, ASKED)

    assert rendered(conversation).body["messages"][0]["role"] == "system"
    assert rendered(conversation, target(system_role="developer")).body["messages"][0]["role"] == "developer"


def test_b105_content_is_flattened_for_providers_that_take_strings() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": role, "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
            for role in ("system", "user", "assistant")
        ],
    }
    sent = rendered(DIALECT.parse_request(body, ASKED), target(string_content=True)).body["messages"]

    assert [message["content"] for message in sent] == ["a\n\nb", "a\nb", "a\nb"]


def test_fields_that_the_provider_refuses_are_left_out_and_reported() -> None:
    found = rendered(asked(sampling=Sampling(temperature=1, seed=5)), target(unsupported=["temperature", "stop"]))

    assert "temperature" not in found.body
    assert found.body["seed"] == 5
    assert losses(found) == {("temperature", "drop")}


@pytest.mark.parametrize(
    ("stream", "options", "expected"),
    [
        (True, {}, {"stream": True, "stream_options": {"include_usage": True}}),
        (True, {"stream_usage": False}, {"stream": True}),
        (False, {}, {}),
    ],
)
def test_b112_usage_is_always_asked_for_where_it_can_be(stream: bool, options: Any, expected: Any) -> None:
    body = rendered(asked(), target(**options), stream).body

    assert {k: v for k, v in body.items() if k.startswith("stream")} == expected


# messages from other dialects ------------------------------------------------


def test_system_parts_become_one_string_and_the_attribution_goes() -> None:
    line = Text("x-anthropic-billing-header: cc_version=1", ext={ANTHROPIC: {"attribution": True}})
    turns = (Turn("system", (line, Text("a"), Text("b", cache=CacheMark()))), user(Text("u")))
    found = rendered(asked(*turns))

    assert found.body["messages"][0] == {"role": "system", "content": "a\n\nb"}
    assert ("cache_control", "drop") in losses(found)
    assert rendered(asked(Turn("system", (line,)), user(Text("u")))).body["messages"] == [
        {"role": "user", "content": "u"}
    ]


def test_b100_a_system_message_in_the_middle_stays_there() -> None:
    sent = messages(user(Text("a")), model(Text("b")), Turn("system", (Text("s"),)), user(Text("c")))

    assert [message["role"] for message in sent] == ["user", "assistant", "system", "user"]


def test_b102_neighbours_of_one_role_are_merged_for_other_dialects() -> None:
    sent = messages(user(Text("a")), user(Text("b")), model(Text("c")), model(Text("d")))

    assert sent == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c\nd"},
    ]


def test_b64_text_around_calls_is_joined_and_calls_alone_have_null() -> None:
    turns = (model(Text("a"), ToolCall("x", "f", "{}"), Text("b")), user(ToolResult("x")), model(ToolCall("y", "g")))
    sent = messages(*turns, user(ToolResult("y", (Text("r"),))))

    assert sent[0]["content"] == "a\nb"
    assert sent[2]["content"] is None
    assert sent[2]["tool_calls"][0]["function"] == {"name": "g", "arguments": "{}"}


def test_b37_b40_results_come_right_after_their_calls_in_their_order() -> None:
    sent = messages(
        model(ToolCall("x", "f"), ToolCall("y", "g")),
        user(Text("wait"), ToolResult("y", (Text("2"),))),
        user(ToolResult("x", (Text("1"),))),
    )

    assert [(m["role"], m["content"]) for m in sent] == [
        ("assistant", None),
        ("tool", "1"),
        ("tool", "2"),
        ("user", "wait"),
    ]


def test_b38_b39_results_without_a_call_become_text_and_doubles_go() -> None:
    sent = messages(
        user(ToolResult("gone", (Text("lost"),))),
        model(ToolCall("x", "f")),
        user(ToolResult("x", (Text("1"),)), ToolResult("x", (Text("2"),))),
    )

    assert sent[0] == {"role": "user", "content": "lost"}
    assert [m["content"] for m in sent if m["role"] == "tool"] == ["2"]


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    sent = messages(model(ToolCall("x", "f")), user(Text("stop")))

    assert sent[1]["role"] == "tool"
    assert sent[1]["content"].startswith("Error: ")


def test_calls_in_turns_of_their_own_become_one_message() -> None:
    sent = messages(
        model(Thinking("t")),
        model(ToolCall("x", "f")),
        model(ToolCall("y", "g")),
        user(ToolResult("x", (Text("1"),))),
        user(ToolResult("y", (Text("2"),))),
        dialect=OPENAI_CHAT,
    )

    assert [m["role"] for m in sent] == ["assistant", "tool", "tool"]
    assert [c["id"] for c in sent[0]["tool_calls"]] == ["x", "y"]


def test_b58_pictures_in_results_follow_in_a_user_message() -> None:
    turns = (
        model(ToolCall("x", "f"), ToolCall("y", "g")),
        user(ToolResult("x", (Text("see"), Image(PNG))), ToolResult("y", (Text("ok"),)), Text("well?")),
    )
    found = rendered(asked(*turns))
    sent = found.body["messages"]

    assert [m["role"] for m in sent] == ["assistant", "tool", "tool", "user"]
    assert "iVBOR" not in orjson.dumps(sent[1]).decode()
    assert sent[1]["content"].startswith("see\n")
    assert [part["type"] for part in sent[3]["content"]] == ["text", "image_url", "text"]
    assert "x" in sent[3]["content"][0]["text"]
    assert ("tool_result.media", "emulate") in losses(found)


def test_pictures_in_results_for_a_model_without_eyes_are_named_only() -> None:
    turns = (model(ToolCall("x", "f")), user(ToolResult("x", (Image(PNG),))))
    sent = messages(*turns, to=target(Model("up-model", input=("text",))))

    assert [m["role"] for m in sent] == ["assistant", "tool"]
    assert "cannot see" in sent[1]["content"]


@pytest.mark.parametrize(
    ("result", "content"),
    [
        (ToolResult("x", (Text("boom"),), is_error=True), "Error: boom"),
        (ToolResult("x", (), is_error=True), "Error: the tool failed."),
        (ToolResult("x"), ""),
        (ToolResult("x", (Text("a"), Text("b"))), "a\nb"),
        (ToolResult("x", (Document(Blob("text/plain", text="body"), "t.txt"),)), "t.txt\nbody"),
        (ToolResult("x", (Opaque(ANTHROPIC, "tool_reference", {}, "[tool f]"),)), "[tool f]"),
    ],
)
def test_b59_b60_b61_results_become_a_string(result: ToolResult, content: str) -> None:
    assert messages(model(ToolCall("x", "f")), user(result))[1]["content"] == content


def test_b107_documents_are_files_or_text() -> None:
    pdf = Document(Blob("application/pdf", "JVBERi0x"), "a.pdf")
    note = Document(Blob("text/plain", text="body"), "t", "ctx")
    (sent,) = messages(user(pdf, note, Text("q")))

    assert sent["content"][0] == {"type": "file", "file": PDF}
    assert sent["content"][1] == {"type": "text", "text": "t\nctx\nbody"}


@pytest.mark.parametrize(
    "part",
    [
        Document(Blob(url="http://x/a.pdf")),
        Document(Blob(file_id="f")),
        Image(Blob(file_id="f")),
        Audio(Blob(url="http://x")),
        Video(Blob(url="http://x")),
    ],
)
def test_media_that_cannot_go_there_is_refused(part: Part) -> None:
    with pytest.raises(Unsupported, match=r"messages\.content"):
        messages(user(part))


def test_a_picture_for_a_model_without_eyes_is_refused() -> None:
    with pytest.raises(Unsupported, match="images"):
        messages(user(Image(PNG)), to=target(Model("up-model", input=("text",))))


def test_b42_long_ids_are_shortened_on_both_sides_alike() -> None:
    long = "call_" + "ü" * 80
    sent = messages(model(ToolCall(long, "f")), user(ToolResult(long, (Text("r"),))))

    assert sent[0]["tool_calls"][0]["id"] == sent[1]["tool_call_id"]
    assert len(sent[1]["tool_call_id"]) <= 64


def test_parts_of_another_dialect_become_words_or_go() -> None:
    found = rendered(
        asked(
            model(
                Opaque(ANTHROPIC, "server_tool_use", {}, "[search]"), Text("x"), Refusal("no"), Opaque(GEMINI, "y", {})
            )
        )
    )

    assert found.body["messages"][0]["content"] == "[search]\nx\nno"
    assert ("messages.y", "drop") in losses(found)


# reasoning -------------------------------------------------------------------


def test_b65_b78_reasoning_goes_back_only_where_it_is_wanted_and_to_its_maker() -> None:
    own = Seal("S", OPENAI_CHAT, "up", "up-model")
    parts = (Thinking("mine", own), Thinking("plain"), Thinking("other", Seal("T", ANTHROPIC, "p", "m")), Text("x"))
    plain = rendered(asked(model(*parts)))
    wanted = rendered(asked(model(*parts)), target(replay_reasoning=True, reasoning_field="reasoning"))

    assert plain.body["messages"] == [{"role": "assistant", "content": "x"}]
    assert ("messages.reasoning", "drop") in losses(plain)
    (message,) = wanted.body["messages"]
    assert message["reasoning"] == "mine\n\nplain"
    assert message["reasoning_details"] == [{"type": "thinking", "text": "mine", "signature": "S", "index": 0}]


def test_b78_messages_with_calls_have_reasoning_where_it_is_demanded() -> None:
    turns = (model(Thinking("t", Seal("T", ANTHROPIC)), ToolCall("x", "f")), user(ToolResult("x")))

    assert messages(*turns, to=target(replay_reasoning=True))[0]["reasoning_content"] == " "


def test_a_turn_of_foreign_reasoning_alone_says_nothing() -> None:
    sent = messages(user(Text("a")), model(Thinking("t", Seal("T", ANTHROPIC))), user(Text("b")))

    assert [m["role"] for m in sent] == ["user", "user"]


def test_b67_b68_signatures_of_calls_go_to_their_maker_only() -> None:
    own, other = Seal("S", OPENAI_CHAT, "up", "up-model"), Seal("T", GEMINI, "g", "m")
    found = rendered(asked(model(ToolCall("x", "f", seal=own), ToolCall("y", "f", seal=other), ToolCall("z", "f"))))
    calls = found.body["messages"][0]["tool_calls"]

    assert calls[0]["extra_content"] == {"google": {"thought_signature": "S"}}
    assert "extra_content" not in calls[1]
    assert "extra_content" not in calls[2]


EFFORTS = Model("up-model", thinks=Thinks("effort", efforts=("low", "medium", "high")))


@pytest.mark.parametrize(
    ("reasoning", "spec", "effort"),
    [
        (Reasoning(), EFFORTS, None),
        (Reasoning("on", "high"), None, "high"),
        (Reasoning("on", "max"), EFFORTS, "high"),
        (Reasoning("on", "minimal"), EFFORTS, "low"),
        (Reasoning("on", budget=9000), EFFORTS, "high"),
        (Reasoning("auto"), EFFORTS, None),
        (Reasoning("on", "high"), Model("up-model"), None),
        (Reasoning("off"), None, None),
        (Reasoning("off"), EFFORTS, None),
        (Reasoning("off"), Model("up-model", thinks=Thinks("effort", efforts=("none", "low"))), "none"),
        (Reasoning("off"), Model("up-model", thinks=Thinks("effort", efforts=("low",), always=True)), "low"),
    ],
)
def test_b85_the_effort_is_one_that_the_model_knows(reasoning: Any, spec: Any, effort: Any) -> None:
    assert rendered(asked(reasoning=reasoning), target(spec)).body.get("reasoning_effort") == effort


# tools -----------------------------------------------------------------------

F = Tool("f", schema=EMPTY)


def with_tools(*tools: Any, to: Target | None = None, **fields: Any) -> dict[str, Any]:
    return rendered(asked(tools=tools, **fields), to).body


def test_b52_nothing_is_said_of_tools_where_there_are_none() -> None:
    body = with_tools(tool_choice=ToolChoice("auto"), parallel_tools=False)

    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("any"), "required"),
        (ToolChoice("named", ("f",)), {"type": "function", "function": {"name": "f"}}),
        (
            ToolChoice("allowed", ("f",)),
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
        ),
    ],
)
def test_b53_the_tool_choice_is_said_in_this_dialects_words(choice: Any, expected: Any) -> None:
    assert with_tools(F, tool_choice=choice, parallel_tools=False)["tool_choice"] == expected
    assert with_tools(F, parallel_tools=False)["parallel_tool_calls"] is False


def test_a_choice_among_some_tools_is_made_by_sending_only_those_where_it_must() -> None:
    body = with_tools(F, Tool("g", schema=EMPTY), tool_choice=ToolChoice("named", ("f", "h")), to=target())
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    body = with_tools(
        F, Tool("g", schema=EMPTY), tool_choice=ToolChoice("allowed", ("f",)), to=target(unsupported=["allowed_tools"])
    )
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == "auto"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (None, EMPTY),
        ({}, EMPTY),
        ({"type": "object"}, EMPTY),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"$ref": "#/x"}, {"$ref": "#/x"}),
        (CLOSED, CLOSED),
    ],
)
def test_b90_parameters_are_always_an_objects_schema(schema: Any, expected: Any) -> None:
    assert with_tools(Tool("f", schema=schema))["tools"][0]["function"]["parameters"] == expected


def test_b62_fields_of_another_dialect_do_not_leak() -> None:
    tool = Tool("f", "d", EMPTY, cache=CacheMark("5m"), ext={ANTHROPIC: {"defer_loading": True}})

    assert with_tools(tool)["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": EMPTY}}
    ]


def test_b51_freeform_tools_are_functions_with_one_string_unless_known() -> None:
    tool = Tool("patch", "d", kind="custom", grammar={"type": "grammar", "syntax": "lark", "definition": "x"})
    turns = (user(Text("q")), model(ToolCall("x", "patch", "*** a", "custom")), user(ToolResult("x", kind="custom")))
    conversation = asked(*turns, tools=(tool,), dialect=OPENAI_RESPONSES)
    body = rendered(conversation).body
    native = rendered(conversation, target(custom_tools=True)).body

    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "patch", "arguments": '{"input":"*** a"}'}
    assert native["tools"] == [
        {
            "type": "custom",
            "custom": {
                "name": "patch",
                "description": "d",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}},
            },
        }
    ]
    assert native["messages"][1]["tool_calls"] == [
        {"id": "x", "type": "custom", "custom": {"name": "patch", "input": "*** a"}}
    ]


def test_names_are_joined_with_their_namespace_and_cleaned_everywhere_alike() -> None:
    tools = (Tool("find", schema=EMPTY, namespace="db"), Tool("a.b:c", schema=EMPTY))
    turns = (user(Text("q")), model(ToolCall("x", "find", namespace="db"), ToolCall("y", "a.b:c")))
    body = rendered(asked(*turns, tools=tools, tool_choice=ToolChoice("named", ("a.b:c",)))).body
    names = [tool["function"]["name"] for tool in body["tools"]]

    assert names[0] == "db__find"
    assert names[1].startswith("a_b_c_")
    assert [c["function"]["name"] for c in body["messages"][1]["tool_calls"]] == names
    assert body["tool_choice"]["function"]["name"] == names[1]


def test_b50_b63_tools_of_another_provider_go_unless_the_caller_relies_on_them() -> None:
    search = ServerTool("web_search", ANTHROPIC, {"type": "web_search_20250305", "name": "web_search"})
    found = rendered(asked(tools=(F, search)))

    assert [tool["function"]["name"] for tool in found.body["tools"]] == ["f"]
    assert ("tools[1]", "drop") in losses(found)
    for tools, choice in (
        ((search,), None),
        ((F, search), ToolChoice("named", ("web_search",))),
        ((F, ServerTool("computer_use_preview", OPENAI_RESPONSES, {})), None),
    ):
        with pytest.raises(Unsupported, match=r"tools\["):
            rendered(asked(tools=tools, tool_choice=choice))


# structured output and the rest ----------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (OutputFormat("json_object"), {"type": "json_object"}),
        (OutputFormat("json_schema", CLOSED), {"name": "answer", "schema": CLOSED, "strict": True}),
        (OutputFormat("json_schema", EMPTY, "my name"), {"schema": EMPTY}),
        (
            OutputFormat("json_schema", EMPTY, "n", "d", False),
            {"name": "n", "description": "d", "schema": EMPTY, "strict": False},
        ),
    ],
)
def test_b94_structured_output_is_nested(wanted: OutputFormat, expected: Any) -> None:
    found = rendered(asked(format=wanted)).body["response_format"]

    if wanted.kind == "json_object":
        assert found == expected
    else:
        assert found["type"] == "json_schema"
        assert {**found["json_schema"], **expected} == found["json_schema"]
        assert " " not in found["json_schema"]["name"]
        assert ("strict" in found["json_schema"]) == ("strict" in expected)


def test_json_mode_is_also_asked_for_in_words_where_the_prompt_has_none() -> None:
    assert messages_of(asked(format=OutputFormat("json_object")))[0]["role"] == "system"
    said = asked(user(Text("as JSON please")), format=OutputFormat("json_object"))
    assert [m["role"] for m in messages_of(said)] == ["user"]


def messages_of(conversation: Conversation) -> list[dict[str, Any]]:
    return rendered(conversation).body["messages"]


def test_what_says_nothing_to_another_provider_is_left_out_and_reported() -> None:
    found = rendered(
        asked(
            user=None,
            metadata={"user_id": "u"},
            service_tier="auto",
            store=True,
            cache_key="k",
            sampling=Sampling(top_k=4, temperature=0.5),
            stop=("1", "2", "3", "4", "5"),
        )
    )

    assert found.body == {
        "model": "up-model",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.5,
        "stop": ["1", "2", "3", "4"],
    }
    assert {field for field, _ in losses(found)} == {
        "metadata",
        "service_tier",
        "store",
        "prompt_cache_key",
        "top_k",
        "stop",
    }


@pytest.mark.parametrize(
    "sampling",
    [Sampling(n=2), Sampling(logprobs=True), Sampling(top_logprobs=2)],
    ids=["n", "logprobs", "top_logprobs"],
)
def test_what_the_caller_would_miss_is_refused(sampling: Sampling) -> None:
    with pytest.raises(Unsupported):
        rendered(asked(sampling=sampling))


def test_b108_the_same_conversation_gives_the_same_bytes() -> None:
    conversation = DIALECT.parse_request({"model": "m", **BODIES[9]}, ASKED)

    assert orjson.dumps(rendered(conversation).body) == orjson.dumps(rendered(evolve(conversation)).body)


def test_cache_marks_are_written_in_the_providers_spelling() -> None:
    turns = (user(Text("a", cache=CacheMark("1h")), Text("b")),)
    explicit = messages(*turns, to=target(cache_field="prompt_cache_breakpoint"))[0]["content"][0]
    control = messages(*turns, to=target(cache_field="cache_control"))[0]["content"][0]

    assert explicit["prompt_cache_breakpoint"] == {"mode": "explicit", "ttl": "30m"}
    assert control["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
