"""What a provider is sent."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from anthropic_cases import GENERATE, body_of, chat, losses_of, parse, target
from hypothesis import given
from hypothesis import strategies as st
from omniroute_dialects.anthropic import DIALECT
from omniroute_dialects.anthropic.structured import ANSWER_TOOL
from omniroute_hooks import (
    ANTHROPIC,
    Asked,
    Audio,
    Blob,
    CacheMark,
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
    Text,
    Thinking,
    Thinks,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Unsupported,
)

USER = Turn("user", (Text("hi"),))
F = Tool("f", "does f", {"type": "object", "properties": {}})
PNG = "iVBORw0KGgoAAAA="


def test_a_plain_request():
    assert body_of(chat(Turn("system", (Text("s"),)), USER), stream=True) == {
        "model": "some-model",
        "max_tokens": 8192,
        "system": "s",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    }


def test_the_same_request_gives_the_same_bytes():
    conversation = chat(Turn("assistant", (ToolCall("call|1", "näme", "{}"),)), USER, tools=(F,), user="me@example.org")
    first, second = (orjson.dumps(DIALECT.render_request(conversation, target(), True).body) for _ in range(2))
    assert first == second


CLAUDE_CODE: dict[str, Any] = {
    "model": "some-model",
    "max_tokens": 32000,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=1;"},
        {"type": "text", "text": "You are", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "go", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "", "signature": "sig=="},
                {"type": "redacted_thinking", "data": "opaque"},
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "", "limit": 0, "x": None}},
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                {"type": "tool_use", "id": "toolu_2", "name": "Read", "input": {}, "caller": {"type": "direct"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [
                        {"type": "text", "text": "see"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                        {"type": "tool_reference", "tool_name": "Late"},
                    ],
                },
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "no such file", "is_error": True},
                {"type": "text", "text": "go on"},
            ],
        },
        {"role": "system", "content": "the date has changed"},
        {"role": "user", "content": "and?"},
    ],
    "tools": [
        {"name": "Read", "description": "reads", "input_schema": {"type": "object"}, "eager_input_streaming": True},
        {"name": "Late", "input_schema": {"type": "object"}, "defer_loading": True},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "high", "task_budget": {"type": "tokens", "total": 9}},
    "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    "metadata": {"user_id": '{"session_id":"s"}'},
    "stop_sequences": ["END"],
    "service_tier": "auto",
    "stream": True,
}


def test_a_request_comes_out_as_it_went_in():
    rendered = DIALECT.render_request(DIALECT.parse_request(CLAUDE_CODE, Asked(GENERATE)), target(), True)
    assert rendered.body == CLAUDE_CODE
    assert rendered.path == "/messages"
    assert rendered.losses == ()


_text = st.text(min_size=1, max_size=8).filter(lambda text: text.strip() == text and text)
_mark = st.sampled_from([{}, {"cache_control": {"type": "ephemeral"}}])
_plain = st.builds(lambda text, mark: {"type": "text", "text": text, **mark}, _text, _mark)
_image = st.just({"type": "image", "source": {"type": "url", "url": "https://h/i.png"}})
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | _text,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(_text, v, max_size=2),
    max_leaves=5,
)
_thought = st.builds(
    lambda text, signature: {"type": "thinking", "thinking": text, "signature": signature},
    st.text(max_size=5),
    st.text("abc", min_size=1),
)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A legal history: user first, roles alternating, every call answered at once."""

    def content(blocks: list[dict[str, Any]]) -> Any:
        return blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks

    out = [{"role": "user", "content": content(draw(st.lists(_plain | _image, min_size=1, max_size=3)))}]
    for turn in range(draw(st.integers(0, 2))):
        count = draw(st.integers(0, 2))
        calls = [
            {
                "type": "tool_use",
                "id": f"t{turn}_{i}",
                "name": "f",
                "input": draw(st.dictionaries(_text, _values, max_size=2)),
            }
            for i in range(count)
        ]
        said = [*draw(st.lists(_thought | _plain, min_size=0 if calls else 1, max_size=3)), *calls]
        if all(block["type"] == "thinking" for block in said):
            said.append({"type": "text", "text": "ok"})
        results = [{"type": "tool_result", "tool_use_id": call["id"], "content": draw(_text)} for call in calls]
        out.append({"role": "assistant", "content": content(said)})
        out.append({"role": "user", "content": content([*results, *draw(st.lists(_plain, min_size=1, max_size=2))])})
    return out


@given(histories())
def test_legal_histories_come_out_as_they_went_in(messages):
    body = body_of(parse(messages=messages))
    wanted = orjson.loads(orjson.dumps(messages))
    marks = [b for m in wanted for b in m["content"] if isinstance(b, dict) and "cache_control" in b]
    for block in marks[: max(0, len(marks) - 4)]:
        del block["cache_control"]
    assert [m["role"] for m in body["messages"]] == [m["role"] for m in wanted]
    as_blocks = lambda c: [{"type": "text", "text": c}] if isinstance(c, str) else c  # noqa: E731
    assert [as_blocks(m["content"]) for m in body["messages"]] == [as_blocks(m["content"]) for m in wanted]


# Thinking -------------------------------------------------------------------

BUDGET = Model("m", thinks=Thinks("budget", min_budget=1024), max_output=64000)
ADAPTIVE = Model("m", thinks=Thinks("adaptive", ("low", "medium", "high", "max")))
ALWAYS = Model("m", thinks=Thinks("adaptive", ("low", "medium", "high", "xhigh", "max"), always=True))
PLAIN = Model("m")


@pytest.mark.parametrize(
    ("spec", "reasoning", "max_tokens", "thinking", "effort"),
    [
        pytest.param(BUDGET, Reasoning(), 9000, None, None, id="unset-stays-unset"),
        pytest.param(BUDGET, Reasoning("on", "medium"), 9000, 8192, None, id="word-to-budget"),
        pytest.param(BUDGET, Reasoning("on", "minimal"), 9000, 1024, None, id="at-least-1024"),
        pytest.param(BUDGET, Reasoning("on", None, 5000), 4096, 4095, None, id="budget-under-max-tokens"),
        pytest.param(BUDGET, Reasoning("on", "high"), 1024, None, None, id="no-room"),
        pytest.param(BUDGET, Reasoning("auto"), 20000, 8192, None, id="no-dynamic-budget"),
        pytest.param(BUDGET, Reasoning("off"), 9000, "disabled", None, id="off"),
        pytest.param(ADAPTIVE, Reasoning("on", "medium"), 9000, "adaptive", "medium", id="adaptive-word"),
        pytest.param(ADAPTIVE, Reasoning("on", "xhigh"), 9000, "adaptive", "high", id="next-weaker-word"),
        pytest.param(ADAPTIVE, Reasoning("on", "minimal"), 9000, "adaptive", "low", id="minimal-is-low"),
        pytest.param(ADAPTIVE, Reasoning("on", None, 20000), 9000, "adaptive", "high", id="adaptive-budget"),
        pytest.param(ADAPTIVE, Reasoning("auto"), 9000, "adaptive", None, id="adaptive-auto"),
        pytest.param(ADAPTIVE, Reasoning("off", "none"), 9000, "disabled", None, id="adaptive-off"),
        pytest.param(ALWAYS, Reasoning("off", "none"), 9000, None, "low", id="always-on"),
        pytest.param(PLAIN, Reasoning("on", "high"), 9000, None, None, id="does-not-think"),
        pytest.param(None, Reasoning("on", "low"), 9000, 1024, None, id="nothing-known"),
    ],
)
def test_reasoning_in_the_models_own_terms(spec, reasoning, max_tokens, thinking, effort):
    body = body_of(chat(reasoning=reasoning, max_tokens=max_tokens), target(spec=spec))
    wanted = {"type": "enabled", "budget_tokens": thinking} if isinstance(thinking, int) else {"type": thinking}
    assert body.get("thinking") == (None if thinking is None else wanted)
    assert body.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("name", "thinking", "effort", "sampling"),
    [
        ("claude-3-5-haiku-20241022", None, None, True),
        ("claude-3-7-sonnet-20250219", "enabled", None, True),
        ("claude-sonnet-4-20250514", "enabled", None, True),
        ("claude-sonnet-4-5-20250929", "enabled", None, True),
        ("claude-haiku-4-5-20251001", "enabled", None, True),
        ("claude-opus-4-5", "enabled", "high", True),
        ("claude-opus-4-6", "adaptive", "high", True),
        ("claude-4.5-sonnet", "enabled", None, True),
        ("anthropic.claude-sonnet-4-6-v1:0", "adaptive", "high", True),
        ("claude-opus-4-7", "adaptive", "high", False),
        ("claude-opus-5", "adaptive", "high", False),
        ("claude-sonnet-5-5-20261001", "adaptive", "high", False),
    ],
)
def test_a_models_name_tells_its_rules_where_nothing_is_declared(name, thinking, effort, sampling):
    body = body_of(chat(reasoning=Reasoning("on", "high"), max_tokens=50000), target(name))
    assert body.get("thinking", {}).get("type") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    assert ("temperature" in body_of(chat(sampling=Sampling(temperature=0.5)), target(name))) is sampling


def test_an_effort_without_thinking_stays_without_for_callers_of_this_dialect():
    body = body_of(parse(output_config={"effort": "low"}), target(spec=ADAPTIVE))
    assert body["output_config"] == {"effort": "low"}
    assert "thinking" not in body


def test_what_shall_be_shown_is_said():
    body = body_of(chat(reasoning=Reasoning("on", "low", show="summary")), target(spec=ADAPTIVE))
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("sampling", "reasoning", "options", "left"),
    [
        (Sampling(temperature=1.7), Reasoning(), {}, {"temperature": 1}),
        (Sampling(temperature=0.2, top_k=4), Reasoning(), {}, {"temperature": 0.2, "top_k": 4}),
        (Sampling(temperature=0.2, top_p=0.5), Reasoning(), {}, {"temperature": 0.2}),
        (Sampling(top_p=0.5), Reasoning(), {}, {"top_p": 0.5}),
        (Sampling(temperature=0.2, top_p=0.5, top_k=4), Reasoning(), {"sampling": False}, {}),
        (Sampling(temperature=0.2, top_p=0.5, top_k=4), Reasoning("on", "low"), {}, {}),
        (Sampling(temperature=0.2, top_p=0.96), Reasoning("on", "low"), {}, {"top_p": 0.96}),
        (Sampling(temperature=1), Reasoning("on", "low"), {}, {"temperature": 1}),
        (Sampling(seed=1, frequency_penalty=1, presence_penalty=1, logit_bias={"1": 1}), Reasoning(), {}, {}),
    ],
)
def test_sampling_as_far_as_the_model_takes_it(sampling, reasoning, options, left):
    body = body_of(chat(sampling=sampling, reasoning=reasoning), target(**options))
    assert {k: v for k, v in body.items() if k in ("temperature", "top_p", "top_k", "seed")} == left


@pytest.mark.parametrize(
    ("asked", "spec", "options", "given"),
    [
        (None, None, {}, 8192),
        (None, None, {"max_tokens_default": 500}, 500),
        (None, BUDGET, {}, 64000),
        (70000, BUDGET, {}, 64000),
        (100, BUDGET, {}, 100),
    ],
)
def test_max_tokens(asked, spec, options, given):
    assert body_of(chat(max_tokens=asked), target(spec=spec, **options))["max_tokens"] == given


# Tools ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "parallel", "rendered"),
    [
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), True, {"type": "auto"}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("any"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("named", ("f",)), None, {"type": "tool", "name": "f"}),
        (ToolChoice("named", ("f", "g")), None, {"type": "any"}),
        (ToolChoice("allowed", ("f",)), None, {"type": "auto"}),
    ],
)
def test_tool_choice(choice, parallel, rendered):
    tools = (F, Tool("g", None, {}), Tool("h", None, {}))
    body = body_of(chat(tools=tools, tool_choice=choice, parallel_tools=parallel))
    assert body.get("tool_choice") == rendered
    kept = [tool["name"] for tool in body["tools"]]
    assert kept == (
        [*choice.names] if choice and (choice.mode == "allowed" or len(choice.names) > 1) else ["f", "g", "h"]
    )


def test_a_freeform_tool_is_a_function_with_one_string():
    patch = Tool(
        "patch", "edits", kind="custom", grammar={"type": "grammar", "syntax": "lark", "definition": "start: X"}
    )
    history = (
        USER,
        Turn("assistant", (ToolCall("c1", "patch", "*** Begin", kind="custom"),)),
        Turn("user", (ToolResult("c1", (Text("done"),), kind="custom"),)),
    )
    body = body_of(chat(*history, tools=(patch,)))
    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert "start: X" in body["tools"][0]["input_schema"]["properties"]["input"]["description"]
    assert body["messages"][1]["content"][0]["input"] == {"input": "*** Begin"}


def test_a_namespace_goes_before_the_name():
    tool = Tool("get", None, {}, namespace="crm")
    call = Turn("assistant", (ToolCall("c1", "get", "{}", namespace="crm"),))
    body = body_of(chat(USER, call, tools=(tool,), tool_choice=ToolChoice("named", ("get",))))
    assert (
        body["tools"][0]["name"]
        == body["tool_choice"]["name"]
        == body["messages"][1]["content"][0]["name"]
        == "crm__get"
    )


@pytest.mark.parametrize(
    ("tool", "rendered"),
    [
        (
            ServerTool("web_search", "openai-responses", {"filters": {"allowed_domains": ["a.org"]}}),
            {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.org"]},
        ),
        (
            ServerTool("web_search", "openai-chat", {"user_location": {"approximate": {"city": "Rome"}}}),
            {
                "type": "web_search_20250305",
                "name": "web_search",
                "user_location": {"type": "approximate", "city": "Rome"},
            },
        ),
        (ServerTool("url_context", "gemini", {}), {"type": "web_fetch_20250910", "name": "web_fetch"}),
        (ServerTool("code_execution", "gemini", {}), {"type": "code_execution_20250825", "name": "code_execution"}),
    ],
)
def test_a_provider_run_tool_becomes_the_vendors_own(tool, rendered):
    assert body_of(chat(tools=(tool,)))["tools"] == [rendered]


@pytest.mark.parametrize(("kind", "options"), [("file_search", {}), ("web_search", {"web_search": False})])
def test_a_tool_that_cannot_run_here_is_refused_by_name(kind, options):
    with pytest.raises(Unsupported, match=r"tools\[0\]"):
        body_of(chat(tools=(ServerTool(kind, "openai-responses", {}),)), target(**options))


@pytest.mark.parametrize(
    ("schema", "rendered"),
    [
        (None, {"type": "object", "properties": {}}),
        ({"properties": {"a": {}}}, {"properties": {"a": {}}, "type": "object"}),
        (
            {
                "anyOf": [
                    {"properties": {"a": {}}, "required": ["a", "b"]},
                    {"properties": {"b": {}}, "required": ["b"]},
                ]
            },
            {"properties": {"a": {}, "b": {}}, "required": ["b"], "type": "object"},
        ),
        (
            {"type": "object", "allOf": [{"required": ["a"]}, {"required": ["b"]}], "required": ["c"]},
            {"type": "object", "properties": {}, "required": ["c", "a", "b"]},
        ),
        ({"anyOf": "junk", "required": 5}, {"required": 5, "type": "object"}),
    ],
)
def test_a_tools_schema_is_an_object_at_the_top(schema, rendered):
    assert body_of(chat(tools=(Tool("f", None, schema),)))["tools"][0]["input_schema"] == rendered


# Structured output ----------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "minimum": 3, "description": "count"},
        "e": {"type": "string", "format": "email"},
    },
}
FORM = OutputFormat("json_schema", SCHEMA, name="x")


def test_structured_output_in_the_vendors_subset():
    body = body_of(chat(format=FORM))
    assert body["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "description": "count (minimum: 3)"},
                "e": {"type": "string", "format": "email"},
            },
            "additionalProperties": False,
        },
    }


def test_a_callers_own_schema_stays_as_it_is():
    body = body_of(parse(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}))
    assert body["output_config"]["format"]["schema"] == SCHEMA


def test_structured_output_by_forced_tool_on_older_models():
    body = body_of(chat(format=FORM), target(structured_output=False))
    assert body["tools"] == [
        {"name": ANSWER_TOOL, "description": body["tools"][0]["description"], "input_schema": SCHEMA}
    ]
    assert body["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}
    assert "output_config" not in body


@pytest.mark.parametrize("busy", [{"tools": (F,)}, {"reasoning": Reasoning("on", "low")}])
def test_structured_output_in_words_where_no_tool_can_be_forced(busy):
    body = body_of(chat(Turn("system", (Text("s"),)), USER, format=FORM, **busy), target(structured_output=False))
    assert body["system"][0]["text"] == "s"
    assert '"minimum":3' in body["system"][1]["text"]
    assert all(tool["name"] != ANSWER_TOOL for tool in body.get("tools", []))


def test_any_json_is_asked_for_in_words():
    assert "JSON" in body_of(chat(format=OutputFormat("json_object")))["system"]


def test_a_recursive_schema_goes_another_way():
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"anyOf": [{"$ref": "#/$defs/n"}]}},
    }
    assert "output_config" not in body_of(chat(format=OutputFormat("json_schema", schema)))


# Content --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            Image(Blob("image/webp", data="AA=="), detail="high"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "AA=="}},
        ),
        (Image(Blob(url="https://h/i")), {"type": "image", "source": {"type": "url", "url": "https://h/i"}}),
        (
            Document(Blob("application/pdf", data="AA=="), title="t"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                "title": "t",
            },
        ),
        (
            Document(Blob("text/csv", data="YSxi")),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
        ),
        (Refusal("no"), {"type": "text", "text": "no"}),
        (Opaque("gemini", "code", {}, "ran it"), {"type": "text", "text": "ran it"}),
    ],
)
def test_parts_become_blocks(part, block):
    body = body_of(chat(Turn("user", (Text("a"), part))))
    assert body["messages"][0]["content"] == [{"type": "text", "text": "a"}, block]


@pytest.mark.parametrize(
    "part",
    [
        Audio(Blob("audio/wav", data="AA==")),
        Image(Blob(file_id="f1")),
        Image(Blob("image/bmp", data="AA==")),
        Document(Blob("application/zip", data="AA==")),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(part):
    with pytest.raises(Unsupported, match=r"messages\[0\]\.content\[1\]"):
        body_of(chat(Turn("user", (Text("a"), part))))


def test_an_image_for_a_model_without_eyes_is_refused():
    with pytest.raises(Unsupported, match="images"):
        body_of(chat(Turn("user", (Image(Blob(url="https://h/i")),))), target(spec=Model("m", input=("text",))))


@pytest.mark.parametrize("sampling", [Sampling(n=2), Sampling(logprobs=True), Sampling(top_logprobs=2)])
def test_wishes_that_cannot_be_dropped_in_silence(sampling):
    with pytest.raises(Unsupported):
        body_of(chat(sampling=sampling))


def test_at_most_four_cache_marks_and_none_of_an_hour_behind_a_shorter_one():
    marked = [Text(f"{i}", cache=CacheMark(ttl)) for i, ttl in enumerate(["1h", "30m", "1h", "5m", "1h", None])]
    body = body_of(chat(Turn("user", tuple(marked))))
    marks = [block.get("cache_control") for block in body["messages"][0]["content"]]
    hour, short = {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral", "ttl": "5m"}
    assert marks == [None, None, hour, short, short, {"type": "ephemeral"}]


@pytest.mark.parametrize(("own", "sent"), [(True, "me@example.org"), (False, None)])
def test_who_the_user_is_stays_with_the_gateway(own, sent):
    conversation = parse(metadata={"user_id": "me@example.org"}) if own else chat(user="me@example.org")
    user_id = body_of(conversation)["metadata"]["user_id"]
    assert user_id == sent if own else "@" not in user_id


def test_fields_of_this_dialect_stay_within_it():
    conversation = chat(Turn("user", (Text("a", ext={"openai-chat": {"x": 1}}),)), ext={"openai-chat": {"y": 1}})
    assert body_of(conversation)["messages"] == [{"role": "user", "content": "a"}]


def test_prefill_where_the_model_takes_none():
    history = (USER, Turn("assistant", (Text("The answer is "),)))
    assert body_of(chat(*history))["messages"][-1] == {"role": "assistant", "content": "The answer is"}
    assert body_of(chat(*history), target(prefill=False))["messages"][-1]["role"] == "user"


def test_system_messages_in_mid_conversation():
    turns = [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}, {"role": "user", "content": "c"}]
    roles = lambda body: [m["role"] for m in body["messages"]]  # noqa: E731
    assert roles(body_of(parse(messages=turns))) == ["user", "system", "user"]
    body = body_of(parse(messages=turns), target(system_turns=False))
    assert roles(body) == ["user"]
    assert [b["text"] for b in body["messages"][0]["content"]] == ["a", "<system-reminder>\nb\n</system-reminder>", "c"]


# Seals ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seal", "kept"),
    [
        (Seal("s", ANTHROPIC), True),
        (Seal("s", ANTHROPIC, "p1", "some-model"), True),
        (Seal("s", ANTHROPIC, "p2", "some-model"), False),
        (Seal("s", ANTHROPIC, "p1", "other"), False),
        (Seal("s", "gemini", "p1", "some-model"), False),
        (None, False),
    ],
)
def test_thinking_goes_back_to_its_maker_only(seal, kept):
    body = body_of(chat(USER, Turn("assistant", (Thinking("hm", seal), Text("ok"))), USER))
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    assert body["messages"][1]["content"] == ([thought, {"type": "text", "text": "ok"}] if kept else "ok")
    assert (
        "thinking" in losses_of(chat(USER, Turn("assistant", (Thinking("hm", seal), Text("ok"))), USER))
    ) is not kept


def test_foreign_reasoning_that_was_the_whole_answer_stays_as_words():
    assert body_of(chat(USER, Turn("assistant", (Thinking("hm"),)), USER))["messages"][1]["content"] == "hm"


# Bytes ----------------------------------------------------------------------


def test_a_callers_bytes_change_in_the_models_name_alone():
    raw = '{"future": {"model":"x"},  "model" : "caller/näme", "messages": [ ] , "stream":true}'.encode()
    passed = DIALECT.pass_request(raw, orjson.loads(raw), target("up-1"), True)
    assert passed.body == raw.replace("caller/näme".encode(), b"up-1")
    assert (passed.path, passed.drop) == ("/messages", None)


@pytest.mark.parametrize(("raw", "stream"), [(b'{"model":"m"}', True), (b'{"model":"m","stream":true}', False)])
def test_a_caller_may_be_served_by_a_stream_it_did_not_ask_for(raw, stream):
    passed = DIALECT.pass_request(raw, orjson.loads(raw), target("up"), stream)
    assert orjson.loads(passed.body) == {"model": "up", "stream": stream}


def test_options_of_a_provider_shape_passed_requests():
    system = [{"type": "text", "text": "x-anthropic-billing-header: 1"}, {"type": "text", "text": "s"}]
    raw = orjson.dumps({"model": "m", "system": system, "max_tokens": 1})
    passed = DIALECT.pass_request(raw, orjson.loads(raw), target("m", beta_query=True, attribution=False), False)
    assert orjson.loads(passed.body) == {"model": "m", "system": system[1:], "max_tokens": 1}
    assert passed.path == "/messages?beta=true"


def test_a_strict_tool_of_another_vendors_caller_is_strict_in_the_vendors_subset():
    tool = Tool("f", None, {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}, strict=True)
    (rendered,) = body_of(chat(tools=(tool,)))["tools"]
    assert rendered["strict"] is True
    assert rendered["input_schema"]["additionalProperties"] is False
    assert "strict" not in body_of(chat(tools=(tool,)), target(structured_output=False))["tools"][0]


def test_files_that_are_text_by_another_name_go_as_text():
    part = Document(Blob("application/json", data="e30="), title="a.json")
    (block,) = body_of(chat(Turn("user", (part,))))["messages"][0]["content"]
    assert (block["source"]["data"], block["title"]) == ("{}", "a.json")


def test_system_text_is_text():
    with pytest.raises(Unsupported, match="system"):
        body_of(chat(Turn("system", (Image(Blob(url="https://h")),)), USER))


@pytest.mark.parametrize(("model", "last"), [("claude-sonnet-4-5", "assistant"), ("claude-opus-4-6", "user")])
def test_newer_models_take_no_prefill(model, last):
    body = body_of(chat(USER, Turn("assistant", (Text("So"),))), target(model))
    assert body["messages"][-1]["role"] == last


@pytest.mark.parametrize("spec", [None, PLAIN])
def test_where_nothing_is_known_of_a_model_its_own_callers_word_counts(spec):
    body = body_of(parse(thinking={"type": "adaptive"}, output_config={"effort": "max"}), target(spec=spec))
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "max"})
