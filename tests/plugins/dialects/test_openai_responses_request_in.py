"""Requests of callers, read into conversations."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve, fields_dict
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_dialects.openai_responses import DIALECT
from omniroute_dialects.openai_responses.slots import write_slot
from omniroute_hooks import (
    Asked,
    BadRequest,
    Blob,
    CacheMark,
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
)
from omniroute_hooks.conversation import Part
from omniroute_hooks.sealing import wrap
from openai_responses_kit import ASKED, HELLO, parse

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAE="


def bare(part: Part) -> Part:
    """A part without what rides along."""
    changes: dict[str, Any] = {"ext": {}} if "ext" in fields_dict(type(part)) else {}
    if isinstance(part, ToolResult):
        changes["parts"] = tuple(bare(p) for p in part.parts)
    return evolve(part, **changes)


def parts_of(*items: dict[str, Any]) -> list[tuple[str, Part]]:
    return [(turn.role, bare(part)) for turn in parse(input=list(items)).turns for part in turn.parts]


def test_a_string_is_what_the_user_says():
    c = parse(instructions="Be brief.")
    assert [(t.role, t.parts) for t in c.turns] == [("system", (Text("Be brief."),)), ("user", (Text("hi"),))]
    assert (c.model, c.stream, c.dialect) == ("x/gpt", False, "openai-responses")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"role": "user", "content": "a"}, ("user", Text("a"))),
        ({"type": "message", "role": "system", "content": "a"}, ("system", Text("a"))),
        ({"role": "developer", "content": [{"type": "input_text", "text": "a"}]}, ("system", Text("a"))),
        ({"role": "assistant", "content": [{"type": "output_text", "text": "a"}]}, ("assistant", Text("a"))),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, ("assistant", Refusal("no"))),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": f"data:image/jpg;base64,{PNG}"}]},
            ("user", Image(Blob(mime="image/png", data=PNG))),
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "https://a/b.png", "detail": "low"}]},
            ("user", Image(Blob(url="https://a/b.png"), detail="low")),
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]},
            ("user", Image(Blob(file_id="file_1"))),
        ),
        (
            {"role": "user", "content": [{"type": "input_file", "file_data": "JVBERi0=", "filename": "a.pdf"}]},
            ("user", Document(Blob(mime="application/pdf", data="JVBERi0="), title="a.pdf")),
        ),
        (
            {"role": "user", "content": [{"type": "input_file", "file_url": "https://a/b.pdf"}]},
            ("user", Document(Blob(url="https://a/b.pdf"))),
        ),
        (
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}],
            },
            ("user", Text("a", cache=CacheMark())),
        ),
        (
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{ }"},
            ("assistant", ToolCall("c", "f", "{ }")),
        ),
        (
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": {"a": 0}},
            ("assistant", ToolCall("c", "f", '{"a":0}')),
        ),
        (
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "", "namespace": "n"},
            ("assistant", ToolCall("c", "f", "", namespace="n")),
        ),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "*** Begin"},
            ("assistant", ToolCall("c", "f", "*** Begin", "custom")),
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "ok"},
            ("user", ToolResult("c", (Text("ok"),))),
        ),
        (
            {
                "type": "custom_tool_call_output",
                "call_id": "c",
                "output": [{"type": "input_text", "text": "t"}, {"type": "input_image", "image_url": "https://a"}],
            },
            ("user", ToolResult("c", (Text("t"), Image(Blob(url="https://a"))), kind="custom")),
        ),
        (
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
            ("assistant", Thinking("hm", id="rs_1")),
        ),
        (
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E", "status": None},
            ("assistant", Thinking("", Seal("E", "openai-responses"), True, "rs_1")),
        ),
        (
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]},
            ("assistant", Thinking("raw", id="rs_1")),
        ),
        (
            {
                "type": "local_shell_call",
                "id": "l",
                "call_id": "c",
                "status": "completed",
                "action": {"type": "exec", "command": ["ls"], "env": {}},
            },
            ("assistant", ToolCall("c", "local_shell", '{"type":"exec","command":["ls"],"env":{}}')),
        ),
        (
            {
                "type": "shell_call_output",
                "call_id": "c",
                "output": [{"stdout": "a\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 2}}],
            },
            ("user", ToolResult("c", (Text("a\nexit code 2"),), name="shell")),
        ),
        (
            {"type": "apply_patch_call_output", "call_id": "c", "status": "failed", "output": "no such file"},
            ("user", ToolResult("c", (Text("no such file"),), True, name="apply_patch")),
        ),
        (
            {
                "type": "web_search_call",
                "id": "ws_1",
                "status": "completed",
                "action": {"type": "search", "query": "q"},
            },
            (
                "assistant",
                Opaque(
                    "openai-responses",
                    "web_search_call",
                    {
                        "type": "web_search_call",
                        "id": "ws_1",
                        "status": "completed",
                        "action": {"type": "search", "query": "q"},
                    },
                    "[Searched the web: q]",
                ),
            ),
        ),
    ],
)
def test_items_become_parts(item: dict[str, Any], expected: tuple[str, Part]):
    assert parts_of(item) == [expected]


def test_b111_unknown_items_and_parts_are_kept():
    item = {"type": "brand_new", "x": 1}
    part = {"type": "input_hologram", "y": 2}
    found = parts_of(item, {"role": "user", "content": [part]})
    assert [p.raw for _, p in found if isinstance(p, Opaque)] == [item, part]


def test_b59_a_result_without_output_is_an_empty_result():
    assert parts_of({"type": "function_call_output", "call_id": "c", "output": None}) == [("user", ToolResult("c"))]


def test_neighbouring_items_of_the_model_are_one_turn_and_results_another():
    c = parse(
        input=[
            {"role": "user", "content": "go"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E"},
            {"role": "assistant", "content": "on it", "phase": "commentary"},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "1"},
            {"type": "function_call_output", "call_id": "b", "output": "2"},
            {"role": "user", "content": "more"},
        ]
    )
    kinds = [(t.role, [type(p).__name__ for p in t.parts]) for t in c.turns]
    assert kinds == [
        ("user", ["Text"]),
        ("assistant", ["Thinking", "Text", "ToolCall", "ToolCall"]),
        ("user", ["ToolResult", "ToolResult"]),
        ("user", ["Text"]),
    ]


def test_a_sealed_call_of_another_maker_gets_its_seal_back_wherever_results_stand():
    seal = Seal("sig", "gemini", "g", "m")
    c = parse(
        input=[
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "1"},
            {"type": "reasoning", "summary": [], "encrypted_content": write_slot(seal, "call", "a")},
            {"role": "assistant", "content": "done"},
            {"type": "reasoning", "summary": [], "encrypted_content": write_slot(seal, "text")},
        ]
    )
    sealed = [type(p).__name__ for t in c.turns for p in t.parts if getattr(p, "seal", None) == seal]
    assert sealed == ["ToolCall", "Text"]
    assert not any(isinstance(p, Thinking) for t in c.turns for p in t.parts)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        pytest.param(
            wrap(Seal("s", "anthropic", "a", "m")), Thinking("", Seal("s", "anthropic", "a", "m")), id="empty"
        ),
        pytest.param(
            wrap(Seal("s", "anthropic", "a", "m")) + ".redacted",
            Thinking("", Seal("s", "anthropic", "a", "m"), True),
            id="redacted",
        ),
    ],
)
def test_envelopes_tell_their_maker(token: str, expected: Thinking):
    assert parts_of({"type": "reasoning", "summary": [], "encrypted_content": token}) == [("assistant", expected)]


def test_a_damaged_envelope_is_dropped():
    assert parts_of({"type": "reasoning", "summary": [], "encrypted_content": "omr1.%%%"}) == []


def test_tools_of_every_type():
    raw = {
        "function": {
            "type": "function",
            "name": "f",
            "description": "d",
            "parameters": {"type": "object"},
            "strict": True,
        },
        "custom": {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark"}},
        "namespace": {
            "type": "namespace",
            "name": "crm",
            "description": "x",
            "tools": [{"type": "function", "name": "g"}],
        },
        "local": {"type": "local_shell"},
        "patch": {"type": "apply_patch"},
        "hosted shell": {"type": "shell", "environment": {"type": "container_auto"}},
        "search": {"type": "web_search_preview", "search_context_size": "low"},
        "mcp": {"type": "mcp", "server_label": "s", "server_url": "https://s"},
        "tools": {"type": "tool_search"},
        "own tools": {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}},
    }
    tools = parse(tools=list(raw.values())).tools
    seen = [(t.kind, t.name, t.namespace) if isinstance(t, Tool) else ("hosted", t.kind, t.raw["type"]) for t in tools]
    assert seen == [
        ("function", "f", None),
        ("custom", "apply_patch", None),
        ("function", "g", "crm"),
        ("function", "local_shell", None),
        ("hosted", "shell", "shell"),
        ("hosted", "web_search", "web_search_preview"),
        ("hosted", "mcp", "mcp"),
        ("hosted", "tool_search", "tool_search"),
        ("function", "tool_search", None),
    ]
    assert isinstance(tools[0], Tool)
    assert (tools[0].description, tools[0].schema, tools[0].strict) == ("d", {"type": "object"}, True)
    assert all(t.schema for t in tools if isinstance(t, Tool) and t.name in ("local_shell", "tool_search"))


def test_tools_that_come_among_the_items_are_offered_too():
    found = {"type": "function", "name": "late", "parameters": {}}
    c = parse(
        input=[
            {"role": "user", "content": "a"},
            {"type": "tool_search_call", "call_id": "t", "execution": "client", "arguments": {"query": "x"}},
            {"type": "tool_search_output", "call_id": "t", "execution": "client", "tools": [found]},
        ]
    )
    assert [t.name for t in c.tools if isinstance(t, Tool)] == ["late"]
    assert c.turns[-1].parts[0].parts == (Text("Tools found: late"),)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("any")),
        ({"type": "function", "name": "f"}, ToolChoice("named", ("f",))),
        ({"type": "custom", "name": "p"}, ToolChoice("named", ("p",))),
        ({"type": "web_search_preview"}, ToolChoice("named", ("web_search",))),
        ({"type": "local_shell"}, ToolChoice("named", ("local_shell",))),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, {"type": "mcp"}]},
            ToolChoice("allowed", ("f", "mcp")),
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice("named", ("f",)),
        ),
    ],
)
def test_tool_choices(raw: Any, expected: ToolChoice):
    assert parse(tools=[{"type": "function", "name": "f"}], tool_choice=raw).tool_choice == expected


def test_settings():
    schema = {"type": "object"}
    c = parse(
        max_output_tokens=100,
        temperature=0.5,
        top_p=0.9,
        top_logprobs=2,
        include=["message.output_text.logprobs"],
        parallel_tool_calls=False,
        reasoning={"effort": "high", "summary": "detailed"},
        text={"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}},
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        store=False,
        prompt_cache_key="k",
        previous_response_id="resp_0",
        truncation="auto",
    )
    assert (c.max_tokens, c.sampling.temperature, c.sampling.top_p) == (100, 0.5, 0.9)
    assert (c.sampling.logprobs, c.sampling.top_logprobs, c.parallel_tools) == (True, 2, False)
    assert (c.reasoning.mode, c.reasoning.effort, c.reasoning.show) == ("on", "high", "summary")
    assert c.format == OutputFormat("json_schema", schema, "n", None, True)
    assert (c.verbosity, c.user, c.metadata, c.service_tier) == ("low", "u", {"a": "b"}, "flex")
    assert (c.store, c.cache_key, c.previous_answer_id) == (False, "k", "resp_0")
    assert c.ext["openai-responses"] == {"include": ["message.output_text.logprobs"], "truncation": "auto"}


def test_b76_what_is_not_said_stays_unsaid():
    c = parse()
    assert c.reasoning == Reasoning()
    assert (c.store, c.parallel_tools, c.tool_choice, c.max_tokens, c.format) == (None, None, None, None, None)


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"conversation": "conv_1"}, "conv_1"),
        ({"conversation": {"id": "conv_1"}}, "conv_1"),
        ({"prompt": {"id": "pmpt_1"}}, "pmpt_1"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "msg_1"),
        ({"input": [{"role": "user", "content": "a"}, {"type": "item_reference", "id": "rs_1"}]}, None),
    ],
)
def test_state_that_only_its_provider_holds_is_named(body: dict[str, Any], state: str | None):
    assert parse(**body).previous_answer_id == state


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"model": 3}, ["model"]),
        ({"input": None}, ["input"]),
        ({"input": 3}, ["input"]),
        ({"input": [3, {"type": "message"}, {"role": "critic"}]}, ["input[0]", "input[1].role", "input[2].role"]),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, ["input[0].content[0].text"]),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, ["input[0].content[0]"]),
        ({"input": [{"type": "function_call", "name": "f"}]}, ["input[0].call_id"]),
        ({"input": [{"type": "function_call_output", "output": 3}]}, ["input[0].call_id", "input[0].output"]),
        ({"input": [{}]}, ["input[0].type"]),
        ({"tools": [{"name": "f"}], "stream": "yes"}, ["tools[0].type", "stream"]),
        ({"tools": [{"type": "function"}]}, ["tools[0].name"]),
        ({"tool_choice": "maybe"}, ["tool_choice"]),
        ({"tool_choice": {"type": "allowed_tools", "tools": [{"type": "function"}]}}, ["tool_choice.tools[0].name"]),
        ({"temperature": "hot", "top_p": 2, "max_output_tokens": 0}, ["temperature", "top_p", "max_output_tokens"]),
        ({"text": {"format": {"type": "json_schema"}}}, ["text.format.schema"]),
        ({"text": {"format": {}}}, ["text.format.type"]),
        ({"reasoning": "hard"}, ["reasoning"]),
        ({"background": True}, ["background"]),
        ({"prompt": "p"}, ["prompt"]),
        ({"include": "all"}, ["include"]),
    ],
)
def test_every_wrong_field_is_named(body: dict[str, Any], paths: list[str]):
    with pytest.raises(BadRequest) as caught:
        parse(**body)
    assert sorted({p.path for p in caught.value.details}) == sorted(paths)


@pytest.mark.parametrize(
    ("body", "headers", "session"),
    [
        ({"prompt_cache_key": "k"}, {"session_id": "s"}, "k"),
        ({}, {"session_id": "s", "thread-id": "t"}, "s"),
        ({}, {"session-id": "s"}, "s"),
        ({}, {"thread-id": "t"}, "t"),
        ({"prompt_cache_key": 3}, {}, None),
    ],
)
def test_the_session_is_the_cache_key_or_a_header(body: dict[str, Any], headers: dict[str, str], session: str | None):
    found = DIALECT.peek({**HELLO, **body}, Asked(DIALECT.endpoints[0], headers=headers))
    assert (found.model, found.stream, found.session) == ("x/gpt", False, session)


def test_peek_refuses_what_it_cannot_route():
    with pytest.raises(BadRequest) as caught:
        DIALECT.peek({"stream": 1}, ASKED)
    assert [p.path for p in caught.value.details] == ["model", "stream"]


def test_b97_instructions_and_system_items_are_all_kept():
    c = parse(instructions="a", input=[{"role": "system", "content": "b"}, {"role": "developer", "content": "c"}])
    assert [(t.role, t.parts[0].text) for t in c.turns] == [("system", "a"), ("system", "b"), ("system", "c")]  # type: ignore[union-attr]


def test_b100_a_system_item_in_the_middle_keeps_its_place():
    c = parse(
        input=[
            {"role": "user", "content": "a"},
            {"role": "developer", "content": "b"},
            {"role": "user", "content": "c"},
        ]
    )
    assert [t.role for t in c.turns] == ["user", "system", "user"]


def test_turns_hold_no_empty_leftovers():
    assert parse(input=[]).turns == ()
    assert parse(input=[{"role": "user", "content": None}]).turns == (Turn("user", ()),)


def test_a_hosted_tool_is_kept_for_its_own_dialect():
    (tool,) = parse(tools=[{"type": "image_generation", "size": "auto"}]).tools
    assert tool == ServerTool("image_generation", "openai-responses", {"type": "image_generation", "size": "auto"})


_FIELDS = """
model input instructions tools tool_choice type role content text name call_id arguments output summary id
encrypted_content reasoning effort format schema stream previous_response_id prompt conversation include
image_url file_data filename input_audio annotations action environment parameters description mode
background metadata namespace prompt_cache_breakpoint
"""
_VALUES = """
message user assistant system function custom namespace web_search local_shell reasoning function_call
function_call_output custom_tool_call item_reference input_text input_image input_file output_text refusal
tool_search_output additional_tools allowed_tools json_schema omr1.abc data:;base64, shell_call_output
"""
_NAMES = st.sampled_from(_FIELDS.split())
_WORDS = st.sampled_from(_VALUES.split())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_NAMES, _JSON, max_size=8))
def test_any_json_is_read_or_refused(body: dict[str, Any]):
    for read in (DIALECT.peek, DIALECT.parse_request):
        problems = _problems(read, body)
        assert problems is None or (problems and all(p.path for p in problems))


def _problems(read: Any, body: dict[str, Any]) -> Any:
    """What is wrong with a body; None for nothing."""
    try:
        read(body, ASKED)
    except BadRequest as exc:
        return exc.details
    return None
