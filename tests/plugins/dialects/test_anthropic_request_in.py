"""What a caller's request means."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic_cases import ASKED, GENERATE, parse
from omniroute_dialects.anthropic import DIALECT
from omniroute_dialects.attribution import is_marked, without_attribution
from omniroute_hooks import (
    ANTHROPIC,
    Asked,
    BadRequest,
    Blob,
    CacheMark,
    Document,
    Image,
    Opaque,
    OutputFormat,
    Reasoning,
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
from omniroute_hooks.sealing import wrap

PNG = "iVBORw0KGgoAAAA="


def user(*blocks: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


def parts(*blocks: Any) -> tuple[Any, ...]:
    return parse(messages=user(*blocks)).turns[0].parts


def test_a_plain_request_reads_as_its_fields_say():
    c = parse(
        system="be brief",
        messages=[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}],
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        stop_sequences=["X"],
        stream=True,
        metadata={"user_id": "u"},
        service_tier="auto",
    )
    assert c.turns == (
        Turn("system", (Text("be brief"),)),
        Turn("user", (Text("hi"),)),
        Turn("assistant", (Text("ho"),)),
    )
    assert (c.model, c.max_tokens, c.stream, c.dialect, c.stop) == ("m", 4096, True, ANTHROPIC, ("X",))
    assert (c.sampling.temperature, c.sampling.top_p, c.sampling.top_k) == (0.5, 0.9, 3)
    assert (c.user, c.service_tier, c.metadata) == ("u", "auto", None)
    assert c.ext == {}


def test_a_system_message_keeps_its_place():
    c = parse(
        messages=[
            {"role": "user", "content": "a"},
            {"role": "system", "content": "b"},
            {"role": "user", "content": "c"},
        ]
    )
    assert [turn.role for turn in c.turns] == ["user", "system", "user"]


def test_unknown_fields_ride_along():
    c = parse(context_management={"edits": []}, output_config={"task_budget": 5}, metadata={"user_id": "u", "x": 1})
    assert c.ext == {
        ANTHROPIC: {"context_management": {"edits": []}, "output_config": {"task_budget": 5}, "metadata": {"x": 1}}
    }


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "text", "text": "a"}, Text("a")),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text("a", cache=CacheMark("1h")),
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": PNG}},
            Image(Blob("image/png", data=PNG)),
        ),
        ({"type": "image", "source": {"type": "url", "url": "https://h/i"}}, Image(Blob(url="https://h/i"))),
        ({"type": "image", "source": {"type": "file", "file_id": "f1"}}, Image(Blob(file_id="f1"))),
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                "title": "t",
                "context": "c",
                "citations": {"enabled": True},
            },
            Document(Blob("application/pdf", data="JVBERi0="), "t", "c", True),
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            Document(Blob("text/plain", text="words")),
        ),
        ({"type": "thinking", "thinking": "hm", "signature": "sig"}, Thinking("hm", Seal("sig", ANTHROPIC))),
        ({"type": "redacted_thinking", "data": "d"}, Thinking("", Seal("d", ANTHROPIC), redacted=True)),
        ({"type": "tool_use", "id": "t1", "name": "f", "input": {"a": ""}}, ToolCall("t1", "f", '{"a":""}')),
        ({"type": "tool_result", "tool_use_id": "t1", "content": "r"}, ToolResult("t1", (Text("r"),))),
        ({"type": "tool_result", "tool_use_id": "t1", "content": None, "is_error": True}, ToolResult("t1", (), True)),
        ({"type": "tool_result", "tool_use_id": "t1"}, ToolResult("t1")),
    ],
)
def test_blocks_become_parts(block, part):
    assert parts(block) == (part,)


def test_a_document_of_blocks_is_words_to_others_and_whole_to_its_own_dialect():
    source = {"type": "content", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}
    (part,) = parts({"type": "document", "source": source})
    assert part.source.text == "one\ntwo"
    assert part.ext == {ANTHROPIC: {"source": source}}


def test_a_search_result_is_a_document_with_its_source():
    block = {
        "type": "search_result",
        "source": "https://h",
        "title": "T",
        "content": [{"type": "text", "text": "found"}],
    }
    (part,) = parts(block)
    assert isinstance(part, Document)
    assert (part.title, part.source.text) == ("T", "https://h\nfound")


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (
            {
                "type": "web_search_tool_result",
                "tool_use_id": "s1",
                "content": [{"type": "web_search_result", "url": "https://h", "title": "T", "encrypted_content": "xx"}],
            },
            "T\nhttps://h",
        ),
        (
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
            '[web_search: {"query":"q"}]',
        ),
        ({"type": "tool_reference", "tool_name": "f"}, "f"),
        ({"type": "compaction", "content": "what went before"}, "what went before"),
        ({"type": "something_new", "x": [1]}, ""),
        ({"type": "image", "source": {"type": "hologram"}}, ""),
    ],
)
def test_other_blocks_stay_whole_with_the_gist_in_words(block, words):
    assert parts(block) == (Opaque(ANTHROPIC, block["type"], block, words),)


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({}, Reasoning()),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Reasoning("on", None, 2000)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Reasoning("auto", show="none")),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, Reasoning("auto", show="summary")),
        ({"thinking": {"type": "disabled"}}, Reasoning("off")),
        ({"thinking": {"type": "between_tools"}}, Reasoning("auto", ext={ANTHROPIC: {"type": "between_tools"}})),
        ({"output_config": {"effort": "xhigh"}}, Reasoning(effort="xhigh")),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, Reasoning("auto", "low")),
    ],
)
def test_thinking_is_kept_as_it_was_said(fields, reasoning):
    assert parse(**fields).reasoning == reasoning


@pytest.mark.parametrize("where", ["output_format", "output_config"])
def test_structured_output_is_read_from_either_place(where):
    form = {"type": "json_schema", "schema": {"type": "object"}}
    fields = {"output_format": form} if where == "output_format" else {"output_config": {"format": form}}
    assert parse(**fields).format == OutputFormat("json_schema", {"type": "object"})


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("any"), False),
        ({"type": "none"}, ToolChoice("none"), None),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice("named", ("f",)), True),
    ],
)
def test_tool_choice(choice, expected, parallel):
    c = parse(tools=[{"name": "f", "input_schema": {"type": "object"}}], tool_choice=choice)
    assert (c.tool_choice, c.parallel_tools) == (expected, parallel)


def test_tools_by_who_runs_them():
    c = parse(
        tools=[
            {
                "name": "f",
                "description": "d",
                "input_schema": {"type": "object"},
                "strict": True,
                "defer_loading": True,
            },
            {"type": "bash_20250124", "name": "bash"},
            {"type": "web_search_20260318", "name": "web_search", "max_uses": 2},
            {"type": "web_fetch_20250910", "name": "web_fetch"},
            {"type": "code_execution_20250825", "name": "code_execution"},
            {"type": "brand_new_20300101", "name": "x"},
        ]
    )
    own, bash, search, fetch, code, new = c.tools
    assert own == Tool("f", "d", {"type": "object"}, True, ext={ANTHROPIC: {"defer_loading": True}})
    assert isinstance(bash, Tool)
    assert bash.schema is not None
    assert "command" in bash.schema["properties"]
    assert all(isinstance(tool, ServerTool) for tool in (search, fetch, code, new))
    assert [tool.kind for tool in (search, fetch, code, new)] == [
        "web_search",
        "url_context",
        "code_execution",
        "brand_new",
    ]


def test_every_wrong_field_is_named():
    with pytest.raises(BadRequest) as caught:
        DIALECT.parse_request(
            {
                "max_tokens": "many",
                "messages": [
                    {"role": "robot", "content": "x"},
                    {"role": "user", "content": 5},
                    {"role": "user", "content": [{"type": "text"}, 7, {"text": "x"}]},
                    "no",
                ],
                "temperature": "hot",
                "tools": [{"name": "f"}],
                "tool_choice": {"type": "sometimes"},
                "thinking": {"type": "enabled", "budget_tokens": -1},
            },
            ASKED,
        )
    assert {problem.path for problem in caught.value.details} == {
        "model",
        "max_tokens",
        "messages[0].role",
        "messages[1].content",
        "messages[2].content[0].text",
        "messages[2].content[1]",
        "messages[2].content[2].type",
        "messages[3]",
        "temperature",
        "tools[0].input_schema",
        "tool_choice.type",
        "thinking.budget_tokens",
    }


@pytest.mark.parametrize("messages", [[], None])
def test_messages_are_required(messages):
    with pytest.raises(BadRequest, match="messages"):
        parse(messages=messages)


def test_the_attribution_line_is_marked_for_other_dialects():
    system = [{"type": "text", "text": "x-anthropic-billing-header: cc_version=1"}, {"type": "text", "text": "rules"}]
    first, second = parse(system=system).turns[0].parts
    assert is_marked(first)
    assert without_attribution((first, second)) == (second,)


@pytest.mark.parametrize(
    ("headers", "user_id", "session"),
    [
        ({"x-claude-code-session-id": "s-1"}, "ignored", "s-1"),
        ({}, '{"device_id":"d","session_id":"s-2"}', "s-2"),
        ({}, "user_ab_account_cd_session_s-3", "s-3"),
        ({}, "somebody", None),
        ({}, "{broken", None),
        ({}, '{"session_id":5}', None),
        ({}, 7, None),
    ],
)
def test_peek_finds_the_session(headers, user_id, session):
    found = DIALECT.peek({"model": "m", "metadata": {"user_id": user_id}}, Asked(GENERATE, headers=headers))
    assert (found.model, found.stream, found.session) == ("m", False, session)


@pytest.mark.parametrize("body", [{}, {"model": 5}, {"model": ""}, {"model": "m", "stream": "yes"}])
def test_peek_refuses_what_it_cannot_route(body):
    with pytest.raises(BadRequest):
        DIALECT.peek(body, ASKED)


def test_an_envelope_around_another_makers_value_is_opened():
    seal = Seal("secret", "openai-responses", "p9", "m9")
    (part,) = (
        parse(
            messages=[
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": wrap(seal)}]}
            ]
        )
        .turns[0]
        .parts
    )
    assert part == Thinking("hm", seal)


@pytest.mark.parametrize("token", ["omr1.", "omr1.xxxx", "omr1.W10", wrap(Seal("", ANTHROPIC))])
def test_an_envelope_that_holds_no_value_is_no_signature(token):
    blocks = [{"type": "thinking", "thinking": "hm", "signature": token}, {"type": "redacted_thinking", "data": token}]
    (turn,) = parse(messages=[{"role": "assistant", "content": blocks}]).turns
    assert turn.parts == (Thinking("hm"), Thinking("", redacted=True))
