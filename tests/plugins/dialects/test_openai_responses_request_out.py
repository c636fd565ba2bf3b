"""Requests for providers: rendered from conversations, or the caller's own bytes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_dialects.openai_responses import DIALECT
from omniroute_dialects.openai_responses.slots import write_slot
from omniroute_dialects.openai_responses.strict_schema import fits_strict
from omniroute_hooks import (
    ANTHROPIC,
    GEMINI,
    OPENAI_CHAT,
    Audio,
    Blob,
    CacheMark,
    Conversation,
    Document,
    Image,
    Model,
    Opaque,
    OutputFormat,
    Reasoning,
    Refusal,
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
from omniroute_hooks.conversation import Part
from omniroute_hooks.sealing import wrap
from openai_responses_kit import parse, render, target

CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
LOOSE = {"type": "object", "properties": {"a": {"type": "string"}}}


def foreign(*turns: Turn, dialect: str = ANTHROPIC, **fields: Any) -> Conversation:
    """A conversation that a caller of another dialect began."""
    return Conversation("x/gpt", turns or (user(Text("hi")),), dialect, **fields)


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def model(*parts: Part) -> Turn:
    return Turn("assistant", parts)


def items(*turns: Turn, to: Target | None = None, **fields: Any) -> list[dict[str, Any]]:
    return render(foreign(*turns, **fields), to)["input"]


def losses(c: Conversation, to: Target | None = None) -> dict[str, str]:
    return {loss.field: loss.policy for loss in DIALECT.render_request(c, to or target(), False).losses}


# one's own dialect, written again --------------------------------------------------

HISTORY = [
    {"type": "message", "role": "user", "content": "go", "id": "msg_0"},
    {"type": "message", "role": "developer", "content": "careful"},
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "encrypted_content": "E",
    },
    {
        "type": "message",
        "role": "assistant",
        "id": "msg_1",
        "status": "completed",
        "phase": "commentary",
        "content": [
            {"type": "output_text", "text": "one", "annotations": [{"type": "file_path", "file_id": "f", "index": 1}]},
            {"type": "output_text", "text": "two", "annotations": []},
        ],
    },
    {
        "type": "message",
        "role": "assistant",
        "phase": "final_answer",
        "content": [{"type": "output_text", "text": "three", "annotations": []}],
    },
    {
        "type": "function_call",
        "call_id": "a",
        "name": "f",
        "arguments": '{"x": 0}',
        "id": "fc_1",
        "status": "completed",
    },
    {"type": "custom_tool_call", "call_id": "b", "name": "apply_patch", "input": "*** Begin", "id": "ctc_1"},
    {
        "type": "local_shell_call",
        "id": "lsh_1",
        "call_id": "c",
        "status": "completed",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
    },
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "function_call_output", "call_id": "a", "output": "ok", "id": "fco_1"},
    {
        "type": "custom_tool_call_output",
        "call_id": "b",
        "output": [
            {"type": "input_text", "text": "t"},
            {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"},
        ],
    },
    {"type": "local_shell_call_output", "id": "c", "output": "files"},
    {"type": "compaction", "id": "cmp_1", "encrypted_content": "X"},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
            {"type": "input_file", "file_id": "file_1"},
            {"type": "input_file", "file_url": "https://a/b.pdf", "filename": "b.pdf"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "input_hologram", "z": 1},
        ],
    },
]
FULL = {
    "instructions": "Be brief.",
    "input": HISTORY,
    "tools": [
        {"type": "function", "name": "f", "parameters": LOOSE, "strict": False, "defer_loading": True},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "namespace", "name": "crm", "description": "d", "tools": [{"type": "function", "name": "g"}]},
        {"type": "local_shell"},
        {"type": "web_search"},
        {"type": "tool_search"},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "server_label": "s"}]},
    "parallel_tool_calls": True,
    "reasoning": {"effort": "ultra", "summary": "auto", "context": "all_turns"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": LOOSE}, "verbosity": "low", "new": 1},
    "max_output_tokens": 5,
    "temperature": 1,
    "metadata": {},
    "user": "u",
    "store": False,
    "service_tier": "flex",
    "prompt_cache_key": "k",
    "include": ["reasoning.encrypted_content"],
    "previous_response_id": "resp_0",
    "truncation": "auto",
    "client_metadata": {"x": "y"},
}


def test_a_request_of_this_dialect_is_written_as_it_was_read():
    assert render(parse(**FULL), stream=True) == {"model": "gpt-5", **FULL, "stream": True}


def test_b84_the_phase_of_messages_survives():
    phases = [item.get("phase") for item in render(parse(**FULL))["input"] if item.get("role") == "assistant"]
    assert phases == ["commentary", "final_answer"]


def test_tools_are_written_anew_where_they_are_not_the_callers_own_list():
    c = parse(**FULL)
    body = render(evolve(c, tools=c.tools[:3]))
    namespace = {
        "type": "namespace",
        "name": "crm",
        "description": "crm",
        "tools": [{"type": "function", "name": "g"}],
    }
    assert body["tools"] == [*FULL["tools"][:2], namespace]  # type: ignore[index]


def test_b45_ids_that_no_provider_gave_are_left_out():
    c = parse(
        input=[
            {"type": "reasoning", "id": "rs_omr_r1_0", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"role": "assistant", "id": "msg_omr_r1_1", "content": [{"type": "output_text", "text": "a"}]},
            {"type": "function_call", "id": "fc_omr_r1_2", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": ""},
        ]
    )
    body = render(c)
    assert [item["type"] for item in body["input"]] == ["message", "function_call", "function_call_output"]
    assert not any("id" in item for item in body["input"])


_TEXT = st.text(max_size=6)
_ITEM = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("message"), "role": st.sampled_from(["user", "system", "developer"]), "content": _TEXT}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("message"),
            "role": st.just("assistant"),
            "content": st.lists(
                st.fixed_dictionaries({"type": st.just("output_text"), "text": _TEXT, "annotations": st.just([])}),
                min_size=1,
                max_size=3,
            ),
        },
        optional={"id": st.just("msg_1"), "phase": st.sampled_from(["commentary", "final_answer"])},
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("function_call"),
            "call_id": st.sampled_from("abc"),
            "name": st.just("f"),
            "arguments": st.just("{}"),
        },
        optional={"namespace": st.just("n"), "id": st.just("fc_1")},
    ),
    st.fixed_dictionaries(
        {"type": st.just("custom_tool_call"), "call_id": st.sampled_from("xyz"), "name": st.just("p"), "input": _TEXT}
    ),
    st.fixed_dictionaries(
        {"type": st.just("function_call_output"), "call_id": st.sampled_from("abc"), "output": _TEXT}
    ),
    st.fixed_dictionaries(
        {"type": st.just("custom_tool_call_output"), "call_id": st.sampled_from("xyz"), "output": _TEXT}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("reasoning"),
            "summary": st.lists(st.fixed_dictionaries({"type": st.just("summary_text"), "text": _TEXT}), max_size=2),
        },
        optional={"encrypted_content": st.just("E"), "id": st.just("rs_1")},
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["web_search_call", "compaction", "brand_new"]), "x": _TEXT}),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_ITEM, min_size=1, max_size=8))
def test_any_items_are_written_as_they_were_read(given_items: list[dict[str, Any]]):
    assert render(parse(input=given_items))["input"] == given_items


# other dialects' conversations -----------------------------------------------------


def test_b97_all_system_texts_at_the_start_become_instructions():
    c = foreign(Turn("system", (Text("a"), Text("b"))), Turn("system", (Text("c"),)), user(Text("hi")))
    body = render(c)
    assert body["instructions"] == "a\n\nb\n\nc"
    assert body["input"] == [{"type": "message", "role": "user", "content": "hi"}]


def test_b101_a_request_of_system_text_alone_asks_as_the_user():
    body = render(foreign(Turn("system", (Text("a"),))))
    assert "instructions" not in body
    assert body["input"] == [{"type": "message", "role": "user", "content": "a"}]


def test_b100_system_text_in_the_middle_keeps_its_place():
    body = render(foreign(user(Text("a")), Turn("system", (Text("b"),)), user(Text("c"))))
    assert [i["role"] for i in body["input"]] == ["user", "developer", "user"]


@pytest.mark.parametrize(("option", "role"), [({}, "system"), ({"system_role": "developer"}, "developer")])
def test_b99_a_backend_may_refuse_the_system_role(option: dict[str, Any], role: str):
    body = render(parse(input=[{"role": "system", "content": "a"}]), target(**option))
    assert body["input"][0]["role"] == role


def test_b109_the_attribution_line_stays_with_its_vendor():
    line = Text("x-anthropic-billing-header: a", ext={ANTHROPIC: {"attribution": True}})
    assert render(foreign(Turn("system", (line, Text("be brief"))), user(Text("hi"))))["instructions"] == "be brief"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            Image(Blob(mime="image/png", data="AA==")),
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
        ),
        (
            Image(Blob(url="https://a"), detail="high"),
            {"type": "input_image", "image_url": "https://a", "detail": "high"},
        ),
        (
            Document(Blob(mime="application/pdf", data="AA=="), title="a.pdf"),
            {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
        ),
        (
            Document(Blob(mime="application/pdf", data="AA==")),
            {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "document.pdf"},
        ),
        (Document(Blob(url="https://a.pdf")), {"type": "input_file", "file_url": "https://a.pdf"}),
        (Document(Blob(mime="text/plain", text="body"), title="T"), {"type": "input_text", "text": "T\nbody"}),
        (
            Audio(Blob(mime="audio/mp3", data="AA==")),
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        ),
        (Opaque(ANTHROPIC, "web_search_tool_result", {}, "found"), {"type": "input_text", "text": "found"}),
    ],
)
def test_b107_media_of_the_user(part: Part, expected: dict[str, Any]):
    (item,) = items(user(Text("look"), part))
    assert item["content"] == [{"type": "input_text", "text": "look"}, expected]


@pytest.mark.parametrize(
    ("part", "to"),
    [
        (Video(Blob(mime="video/mp4", data="A")), target()),
        (Audio(Blob(mime="audio/flac", data="A")), target()),
        (Image(Blob(file_id="f")), target()),
        (Document(Blob(file_id="f")), target()),
        (Image(Blob(url="https://a")), target(Model("gpt-5", input=("text",)))),
    ],
)
def test_media_that_cannot_be_carried_is_refused(part: Part, to: Target):
    with pytest.raises(Unsupported):
        items(user(part), to=to)


def test_a_turn_of_the_model_keeps_its_order():
    turn = model(Text("a"), ToolCall("t1", "f", ""), Refusal("no"), ToolCall("t2", "p", "raw", "custom"))
    results = user(ToolResult("t1", (Text("1"),)), ToolResult("t2", (Text("2"),)))
    assert items(user(Text("x")), turn, results)[1:] == [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": []}]},
        {"type": "function_call", "call_id": "t1", "name": "f", "arguments": "{}"},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"type": "custom_tool_call", "call_id": "t2", "name": "p", "input": "raw"},
        {"type": "function_call_output", "call_id": "t1", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "t2", "output": "2"},
    ]


@pytest.mark.parametrize(
    ("result", "output"),
    [
        (ToolResult("t"), ""),
        (ToolResult("t", (Text("a"),)), "a"),
        (
            ToolResult("t", (Text("a"), Text("b"))),
            [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
        ),
        (
            ToolResult("t", (Image(Blob(url="https://a")),)),
            [{"type": "input_image", "image_url": "https://a", "detail": "auto"}],
        ),
    ],
)
def test_b57_b58_results_are_a_string_or_typed_parts(result: ToolResult, output: Any):
    assert items(model(ToolCall("t", "f", "{}")), user(result))[1]["output"] == output


@pytest.mark.parametrize(
    ("parts", "output"),
    [
        ((Text("no file"),), "Error: no file"),
        ((Text("Error: no file"),), "Error: no file"),
        ((), "Error"),
    ],
)
def test_b60_a_failed_tool_is_told_in_words(parts: tuple[Part, ...], output: str):
    assert items(model(ToolCall("t", "f", "{}")), user(ToolResult("t", parts, is_error=True)))[1]["output"] == output


def test_b38_b39_calls_and_results_are_made_to_match():
    got = items(
        user(ToolResult("orphan", (Text("lost"),))),
        model(ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")),
        user(ToolResult("a", (Text("1"),)), ToolResult("a", (Text("2"),))),
    )
    assert got[0] == {"type": "message", "role": "user", "content": "lost"}
    outputs = {i["call_id"]: i["output"] for i in got if i["type"] == "function_call_output"}
    assert outputs["a"] == "2"
    assert "No result" in outputs["b"]
    assert len([i for i in got if i["type"] == "function_call_output"]) == 2


def test_matching_calls_and_results_are_left_where_they_are():
    got = items(model(ToolCall("a", "f", "{}")), user(Text("wait"), ToolResult("a", (Text("1"),))))
    assert [i["type"] for i in got] == ["function_call", "message", "function_call_output"]


def test_b42_long_ids_are_shortened_alike_on_both_sides():
    long = "toolu_" + "x" * 80
    called, result = items(model(ToolCall(long, "f", "{}")), user(ToolResult(long)))
    assert called["call_id"] == result["call_id"]
    assert len(called["call_id"]) <= 64
    other, _ = items(model(ToolCall(long + "y", "f", "{}")), user(ToolResult(long + "y")))
    assert other["call_id"] != called["call_id"]


def test_b48_names_that_the_vendor_refuses_are_changed_everywhere():
    c = foreign(
        model(ToolCall("t", "a.b", "{}")),
        user(ToolResult("t")),
        tools=(Tool("a.b", schema=LOOSE),),
        tool_choice=ToolChoice("named", ("a.b",)),
    )
    body = render(c)
    name = body["tools"][0]["name"]
    assert name != "a.b"
    assert body["input"][0]["name"] == body["tool_choice"]["name"] == name


SEAL = Seal("E", "openai-responses", "p", "gpt-5")


@pytest.mark.parametrize(
    ("seal", "kept"),
    [
        pytest.param(SEAL, True, id="its maker"),
        pytest.param(Seal("E", "openai-responses"), True, id="maker unknown"),
        pytest.param(Seal("E", "openai-responses", "other", "gpt-5"), False, id="another provider"),
        pytest.param(Seal("E", "openai-responses", "p", "gpt-4"), False, id="another model"),
        pytest.param(Seal("E", ANTHROPIC, "a", "m"), False, id="b65 another dialect"),
        pytest.param(None, False, id="nobody"),
    ],
)
def test_reasoning_goes_to_its_maker_only(seal: Seal | None, kept: bool):
    c = foreign(user(Text("a")), model(Thinking("hm", seal), Text("b")))
    kinds = [i["type"] for i in render(c)["input"]]
    assert kinds == ["message", *(["reasoning"] if kept else []), "message"]
    if kept:
        expected = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "E"}
        assert render(c)["input"][1] == expected
    else:
        assert losses(c)["thinking"] == "drop"


def test_b82_reasoning_without_a_follower_is_left_out():
    assert [i["type"] for i in items(user(Text("a")), model(Text("b"), Thinking("hm", SEAL)))] == ["message", "message"]


def test_b81_sealed_reasoning_is_asked_for_where_the_model_reasons():
    reasons = target(Model("gpt-5", thinks=Thinks("effort", ("low", "medium", "high"))))
    plain = target(Model("gpt-4.1"))
    assert render(foreign(), reasons)["include"] == ["reasoning.encrypted_content"]
    assert "include" not in render(foreign(), plain)
    assert "include" not in render(foreign())
    assert "include" in render(foreign(user(Text("a")), model(Thinking("", SEAL), Text("b"))))
    assert "include" not in render(foreign(), target(reasons.spec, encrypted_reasoning=False))


def test_nothing_is_stored_for_callers_who_did_not_ask():
    assert render(foreign())["store"] is False
    assert render(foreign(store=True, dialect=OPENAI_CHAT))["store"] is True
    assert "store" not in render(parse())


@pytest.mark.parametrize(
    ("tool", "strict"),
    [
        (Tool("f", schema=LOOSE), False),
        (Tool("f", schema=LOOSE, strict=True), False),
        (Tool("f", schema=CLOSED, strict=True), True),
        (Tool("f", schema=CLOSED), False),
    ],
)
def test_b93_tools_are_strict_only_if_they_asked_and_fit(tool: Tool, strict: bool):
    assert render(foreign(tools=(tool,)))["tools"][0]["strict"] is strict


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        (CLOSED, True),
        (LOOSE, False),
        ({"anyOf": [CLOSED]}, False),
        ({**CLOSED, "properties": {"a": LOOSE}}, False),
        ({**CLOSED, "properties": {"a": {"type": "array", "items": CLOSED}}}, True),
        ({**CLOSED, "properties": {"a": {"anyOf": [CLOSED, {"type": "null"}]}}}, True),
        ({**CLOSED, "properties": {"a": {"oneOf": [CLOSED]}}}, False),
        (None, False),
    ],
)
def test_which_schemas_are_strict(schema: Any, fits: bool):
    assert fits_strict(schema) is fits


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}])
def test_b90_a_tool_without_parameters_takes_an_empty_object(schema: Any):
    assert render(foreign(tools=(Tool("f", schema=schema),)))["tools"][0]["parameters"] == {
        "type": "object",
        "properties": {},
    }


def test_b52_no_tools_means_no_tool_fields():
    body = render(foreign(tool_choice=ToolChoice("auto"), parallel_tools=False))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()


def test_duplicate_tools_are_offered_once():
    assert len(render(foreign(tools=(Tool("f", schema={}), Tool("f", "again", {}))))["tools"]) == 1


def test_b62_fields_of_other_dialects_stay_there():
    tool = Tool("f", schema=LOOSE, cache=CacheMark("1h"), ext={ANTHROPIC: {"input_examples": []}})
    assert render(foreign(tools=(tool,)))["tools"][0].keys() == {"type", "name", "parameters", "strict"}


def test_b51_a_custom_tool_of_chat_stays_custom():
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}
    tool = Tool("p", "d", kind="custom", grammar=grammar)
    assert render(foreign(tools=(tool,), dialect=OPENAI_CHAT))["tools"] == [
        {
            "type": "custom",
            "name": "p",
            "description": "d",
            "format": {"type": "grammar", "syntax": "lark", "definition": "x"},
        }
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("any"), "required"),
        (ToolChoice("named", ("f",)), {"type": "function", "name": "f"}),
        (ToolChoice("named", ("p",)), {"type": "custom", "name": "p"}),
        (ToolChoice("named", ("web_search",)), {"type": "web_search"}),
        (
            ToolChoice("allowed", ("f", "p")),
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "p"}],
            },
        ),
        (
            ToolChoice("named", ("f", "p")),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "p"}],
            },
        ),
    ],
)
def test_b53_tool_choices(choice: ToolChoice, expected: Any):
    tools = (Tool("f", schema={}), Tool("p", kind="custom"), ServerTool("web_search", ANTHROPIC, {}))
    body = render(foreign(tools=tools, tool_choice=choice, parallel_tools=False))
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (expected, False)


def test_hosted_tools_with_a_twin_are_translated():
    tools = (
        ServerTool("web_search", ANTHROPIC, {"type": "web_search_20250305", "allowed_domains": ["a.b"], "max_uses": 2}),
        ServerTool("code_execution", GEMINI, {"codeExecution": {}}),
    )
    c = foreign(tools=tools)
    assert render(c)["tools"] == [
        {"type": "web_search", "filters": {"allowed_domains": ["a.b"]}},
        {"type": "code_interpreter", "container": {"type": "auto"}},
    ]
    assert losses(c)["tools.max_uses"] == "drop"


def test_a_hosted_tool_without_a_twin_is_dropped_among_others_and_refused_alone():
    memory = ServerTool("memory", ANTHROPIC, {})
    c = foreign(tools=(memory, Tool("f", schema={})))
    assert [t["name"] for t in render(c)["tools"]] == ["f"]
    assert losses(c)["tools"] == "drop"
    for alone in (foreign(tools=(memory,)), foreign(tools=c.tools, tool_choice=ToolChoice("named", ("memory",)))):
        with pytest.raises(Unsupported, match="memory"):
            render(alone)
    search = ServerTool("web_search", ANTHROPIC, {})
    assert "tools" in losses(foreign(tools=(search, Tool("f", schema={}))), target(hosted_tools=[]))


EFFORTS = Thinks("effort", ("low", "medium", "high"))


@pytest.mark.parametrize(
    ("reasoning", "spec", "expected"),
    [
        (Reasoning(), Model("m", thinks=EFFORTS), None),
        (Reasoning("on", "high"), None, {"effort": "high"}),
        (Reasoning("on", "xhigh"), Model("m", thinks=EFFORTS), {"effort": "high"}),
        (Reasoning("on", budget=2000), Model("m", thinks=EFFORTS), {"effort": "medium"}),
        (Reasoning("on", "high", show="summary"), None, {"effort": "high", "summary": "auto"}),
        (Reasoning("on", "high", show="none"), None, {"effort": "high"}),
        (Reasoning("auto"), None, None),
        (Reasoning("off"), None, None),
        (Reasoning("off"), Model("m", thinks=Thinks("effort", ("none", "low"))), {"effort": "none"}),
        (Reasoning("off", "none"), None, {"effort": "none"}),
        (Reasoning("on", "high"), Model("m"), None),
    ],
)
def test_b85_reasoning_fits_the_model(reasoning: Reasoning, spec: Model | None, expected: Any):
    assert render(foreign(reasoning=reasoning), target(spec)).get("reasoning") == expected


@pytest.mark.parametrize(
    ("shape", "dialect", "expected"),
    [
        (
            OutputFormat("json_schema", LOOSE, "n", strict=True),
            OPENAI_CHAT,
            {"name": "n", "schema": LOOSE, "strict": True},
        ),
        (OutputFormat("json_schema", LOOSE, "n"), OPENAI_CHAT, {"name": "n", "schema": LOOSE}),
        (OutputFormat("json_schema", LOOSE), GEMINI, {"name": "answer", "schema": LOOSE, "strict": False}),
        (OutputFormat("json_schema", CLOSED), ANTHROPIC, {"name": "answer", "schema": CLOSED, "strict": True}),
    ],
)
def test_b94_a_schema_stands_flat(shape: OutputFormat, dialect: str, expected: dict[str, Any]):
    assert render(foreign(format=shape, dialect=dialect))["text"]["format"] == {"type": "json_schema", **expected}


def test_json_mode_is_asked_for_in_the_input_too():
    shape = OutputFormat("json_object")
    silent = render(foreign(Turn("system", (Text("Use JSON."),)), user(Text("hi")), format=shape))
    assert "JSON" in silent["input"][0]["content"]
    said = render(foreign(user(Text("hi, as json")), format=shape))
    assert len(said["input"]) == 1


def test_settings_without_a_place_are_reported():
    c = foreign(
        sampling=Sampling(temperature=0.0, top_k=4, seed=1, frequency_penalty=0.5, n=1),
        max_tokens=5,
        stop=("x",),
        user="u",
        service_tier="standard_only",
        metadata={"a": 1},
    )
    body = render(c)
    assert (body["temperature"], body["max_output_tokens"]) == (0.0, 16)
    assert losses(c) == {
        "top_k": "drop",
        "seed": "drop",
        "frequency_penalty": "drop",
        "stop": "emulate",
        "user": "drop",
        "service_tier": "drop",
        "metadata": "drop",
        "max_tokens": "emulate",
    }
    assert not {"stop", "seed", "n", "user", "metadata"} & body.keys()


@pytest.mark.parametrize("sampling", [Sampling(n=2), Sampling(logprobs=True), Sampling(top_logprobs=3)])
def test_what_would_be_trusted_and_cannot_be_given_is_refused(sampling: Sampling):
    with pytest.raises(Unsupported):
        render(foreign(sampling=sampling, dialect=OPENAI_CHAT))


def test_cache_marks_are_dropped_unless_the_model_has_them():
    c = foreign(user(Text("a", cache=CacheMark("1h"))), cache_key="k" * 70)
    assert render(c)["input"] == [{"type": "message", "role": "user", "content": "a"}]
    assert losses(c)["cache_control"] == "drop"
    marked = render(c, target(cache_breakpoints=True))["input"][0]["content"][0]
    assert marked["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert len(render(c)["prompt_cache_key"]) <= 64


def test_b108_the_same_conversation_gives_the_same_bytes():
    c = foreign(model(ToolCall("t" * 80, "a.b", "{}")), user(ToolResult("t" * 80)), tools=(Tool("a.b", schema=LOOSE),))
    first, second = DIALECT.render_request(c, target(), True), DIALECT.render_request(c, target(), True)
    assert orjson.dumps(first.body) == orjson.dumps(second.body)
    assert first.path == "/responses"


# what a backend insists on ----------------------------------------------------------


def test_b96_b123_a_backend_gets_the_fields_it_takes_on_both_ways():
    to = target(drop_fields=["temperature", "user"], fill_fields={"instructions": ""}, set_fields={"store": False})
    raw = b'{"model":"x/gpt","input":"hi","temperature":1,"instructions":null,"store":true}'
    passed = orjson.loads(DIALECT.pass_request(raw, orjson.loads(raw), to, False).body)
    assert passed == {"model": "gpt-5", "input": "hi", "instructions": "", "store": False}
    body = render(parse(temperature=1, store=True), to)
    assert (body["instructions"], body["store"], "temperature" in body) == ("", False, False)


# the caller's own bytes ------------------------------------------------------------


def passed(raw: bytes, stream: bool = False, to: Target | None = None) -> bytes:
    return DIALECT.pass_request(raw, orjson.loads(raw), to or target(), stream).body


@pytest.mark.parametrize(
    ("raw", "stream", "expected"),
    [
        (b'{ "model" : "x/gpt", "new":1e2, "input":"hi"}', False, b'{ "model" : "gpt-5", "new":1e2, "input":"hi"}'),
        (b'{"model":"x/gpt","stream":true}', True, b'{"model":"gpt-5","stream":true}'),
        (b'{"model":"x/gpt", "stream" : true}', False, b'{"model":"gpt-5", "stream" : false}'),
        (b'{"model":"x/gpt"}', True, b'{"stream":true,"model":"gpt-5"}'),
        (b'{"model":"x/gpt","input":"say omr1. and _omr_"}', False, b'{"model":"gpt-5","input":"say omr1. and _omr_"}'),
    ],
)
def test_bytes_go_through_with_the_model_changed(raw: bytes, stream: bool, expected: bytes):
    assert passed(raw, stream) == expected


def test_what_this_gateway_added_is_taken_out_on_the_way():
    own = Seal("E", "openai-responses", "p", "gpt-5")
    other = Seal("S", ANTHROPIC, "a", "m")
    history = [
        {"role": "user", "content": "a"},
        {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "native"},
        {"type": "reasoning", "id": "rs_omr_r_0", "summary": [], "encrypted_content": wrap(own)},
        {"type": "reasoning", "id": "rs_omr_r_1", "summary": [], "encrypted_content": wrap(other)},
        {"type": "reasoning", "summary": [], "encrypted_content": write_slot(other, "call", "c")},
        {"type": "reasoning", "id": "rs_omr_r_2", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "function_call", "id": "fc_omr_r_3", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
    ]
    out = orjson.loads(passed(orjson.dumps({"model": "x/gpt", "input": history})))["input"]
    assert out == [
        history[0],
        history[1],
        {"type": "reasoning", "summary": [], "encrypted_content": "E"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        history[7],
    ]


# counting ---------------------------------------------------------------------------


def test_counting_sends_what_counts():
    counting = DIALECT.counting
    assert counting is not None
    assert counting.render_request is not None
    assert counting.parse_answer is not None
    rendered = counting.render_request(foreign(max_tokens=100, tools=(Tool("f", schema={}),)), target())
    assert rendered.path == "/responses/input_tokens"
    assert rendered.body.keys() == {"model", "input", "tools"}
    assert counting.parse_answer({"object": "response.input_tokens", "input_tokens": 12}) == 12
    assert counting.render_answer(12) == {"object": "response.input_tokens", "input_tokens": 12}
    with pytest.raises(Unsupported):
        counting.render_request(foreign(), target(counts_tokens=False))
