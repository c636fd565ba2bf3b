"""Translation bugs that other gateways had, one test each. The numbers are those of docs/translation.md."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from anthropic_cases import (
    END,
    body_of,
    chat,
    closed,
    delta,
    encoded,
    events_of,
    frames,
    losses_of,
    opened,
    parse,
    reply,
    signals,
    sse,
    start,
    stopped,
    target,
    text_block,
)
from omniroute_dialects.anthropic import DIALECT
from omniroute_hooks import (
    ANTHROPIC,
    Answer,
    BadRequest,
    Blob,
    CacheMark,
    Citation,
    Document,
    Image,
    Model,
    Opaque,
    Overloaded,
    Reasoning,
    Sampling,
    Seal,
    Stop,
    Text,
    Thinking,
    Thinks,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Usage,
)
from omniroute_hooks.answers import signals_of, whole_answer
from omniroute_hooks.events import (
    Begin,
    Broke,
    Ended,
    Sealed,
    Stopped,
    Terminal,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UsageSeen,
)

USER = Turn("user", (Text("hi"),))
F = Tool("f", None, {"type": "object"})
BUDGET = Model("m", thinks=Thinks("budget", min_budget=1024))
TOOLS = [{"name": "f", "input_schema": {"type": "object"}}]
CALLER = reply(parse(tools=TOOLS, thinking={"type": "adaptive"}))
FINISH = [Stopped(Stop("end")), Terminal()]
CALLED = [Stopped(Stop("tool")), Terminal()]


def assistant(*parts: Any) -> Turn:
    return Turn("assistant", parts)


def user(*parts: Any) -> Turn:
    return Turn("user", parts)


def names(found: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [name.replace("content_block_", "") for name, _ in found]


def deltas(found: list[tuple[str, dict[str, Any]]]) -> list[tuple[int, str]]:
    out = []
    for name, value in found:
        if name == "content_block_delta":
            out.append((value["index"], next(v for k, v in value["delta"].items() if k != "type")))
    return out


def message_content(conversation: Any, to: Any = None) -> list[Any]:
    return [message["content"] for message in body_of(conversation, to)["messages"]]


# Stream framing and lifecycle -------------------------------------------------


def test_b01_one_message_start():
    found = encoded([Begin("a"), Begin("b"), TextDelta(0, "x"), Begin("c"), *FINISH])
    assert names(found).count("message_start") == 1


def test_b02_thinking_and_text_never_share_a_block():
    found = encoded([TextDelta(0, "a"), ThinkingDelta(0, "b"), TextDelta(0, "c"), *FINISH], CALLER)
    kinds = [v["content_block"]["type"] for n, v in found if n == "content_block_start"]
    assert kinds == ["text", "thinking", "text"]
    assert deltas(found)[0] == (0, "a")
    assert (1, "b") in deltas(found)
    assert (2, "c") in deltas(found)


def test_b03_the_piece_that_switches_blocks_is_kept():
    found = encoded([ThinkingDelta(0, "t"), TextDelta(0, "first"), ToolDelta(0, '{"a":1}', "c", "f"), *CALLED], CALLER)
    assert [text for _, text in deltas(found) if "omr1" not in text] == ["t", "first", '{"a":1}']


def test_b04_every_block_stops_once():
    found = encoded([ToolDelta(0, "{}", "c", "f"), Ended(0), Ended(0), TextDelta(1, "x"), Ended(0), *CALLED], CALLER)
    stops = [value["index"] for name, value in found if name == "content_block_stop"]
    assert stops == [0, 1]


def test_b05_pieces_of_one_call_are_one_block():
    pieces = [ToolDelta(0, "", "c", "f"), ToolDelta(0, '{"a"'), ToolDelta(0, ":1}"), *CALLED]
    found = encoded(pieces, CALLER)
    assert names(found).count("start") == 1
    assert "".join(text for _, text in deltas(found)) == '{"a":1}'


def test_b06_a_stream_that_ends_well_is_closed_and_a_cut_one_ends_in_an_error():
    whole = names(encoded([TextDelta(0, "x"), *FINISH]))
    assert whole == ["message_start", "start", "delta", "stop", "message_delta", "message_stop"]
    cut = names(encoded([TextDelta(0, "x")]))
    assert cut == ["message_start", "start", "delta", "error"]


def test_b08_b03_parallel_calls_that_alternate_stay_apart():
    alternating = [
        ToolDelta(0, "", "c0", "f"),
        ToolDelta(1, "", "c1", "f"),
        ToolDelta(0, '{"a":'),
        ToolDelta(1, '{"b":'),
        ToolDelta(0, "0}"),
        ToolDelta(1, "1}"),
        *CALLED,
    ]
    found = encoded(alternating, CALLER)
    joined = {0: "", 1: ""}
    for index, text in deltas(found):
        joined[index] += text
    assert joined == {0: '{"a":0}', 1: '{"b":1}'}
    order = [(n, v["index"]) for n, v in found if n in ("content_block_start", "content_block_stop")]
    assert order == [(f"content_block_{w}", i) for i in (0, 1) for w in ("start", "stop")]


def test_b09_server_tools_are_no_calls_of_the_client():
    stream = sse(
        start(),
        opened(0, type="server_tool_use", id="s", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"q":1}'),
        closed(0),
        opened(1, type="tool_use", id="t", name="f", input={}),
        closed(1),
        stopped("tool_use"),
        END,
    )
    calls = [signal for signal in signals(stream) if isinstance(signal, ToolDelta)]
    assert {call.key for call in calls} == {1}


def test_b10_a_call_waits_for_its_name():
    found = encoded([ToolDelta(0, '{"a"', "c"), ToolDelta(0, ":1}", None, "f"), *CALLED], CALLER)
    (block,) = [v["content_block"] for n, v in found if n == "content_block_start"]
    assert (block["name"], deltas(found)) == ("f", [(0, '{"a":1}')])


def test_b12_a_call_starts_with_an_input():
    found = encoded([ToolDelta(0, "", "c", "f"), *CALLED], CALLER)
    assert found[1][1]["content_block"] == {"type": "tool_use", "id": "c", "name": "f", "input": {}}


def test_b14_b15_message_start_has_its_full_shape_and_an_estimate():
    (_, first), *_ = encoded([TextDelta(0, "x"), *FINISH], reply(input_estimate=42))
    assert first["message"] == {
        "id": "msg_r1",
        "type": "message",
        "role": "assistant",
        "model": "caller-model",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 42,
            "output_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        },
    }


def test_b19_length_is_not_hidden_by_calls():
    found = encoded([ToolDelta(0, '{"a"', "c", "f"), Stopped(Stop("length")), *CALLED], CALLER)
    assert found[-2][1]["delta"]["stop_reason"] == "max_tokens"
    whole = {"content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}], "stop_reason": "max_tokens"}
    assert DIALECT.parse_answer(whole).stop.reason == "length"


def test_b20_a_stop_reason_fits_what_came():
    assert encoded([ToolDelta(0, "{}", "c", "f"), *FINISH], CALLER)[-2][1]["delta"]["stop_reason"] == "tool_use"
    assert encoded([TextDelta(0, "x"), *CALLED], CALLER)[-2][1]["delta"]["stop_reason"] == "end_turn"


def test_b22_no_done_mark_and_a_name_before_every_event():
    data = DIALECT.encoder(CALLER).encode(events_of([TextDelta(0, "x"), *FINISH]))
    assert b"[DONE]" not in data
    assert data.count(b"event: ") == data.count(b"data: ") == len(frames(data))


def test_b24_a_stream_without_a_stop_reason_is_no_success():
    for cut in (
        sse(start(), *text_block(0, "a")),
        sse(start(), *text_block(0, "a"), END),
        sse(start(), stopped(None), END),
    ):
        assert names(encoded(signals(cut)))[-1] == "error"


def test_b31_a_call_without_arguments_is_an_empty_object():
    for pieces in ([], [""], ["{}"], ["{", "}"]):
        stream = sse(
            start(),
            opened(0, type="tool_use", id="t", name="f", input={}),
            *(delta(0, "input_json_delta", partial_json=piece) for piece in pieces),
            closed(0),
            stopped("tool_use"),
            END,
        )
        for edge in range(1, len(stream)):
            assert whole_answer(signals(stream, [edge])).parts == (ToolCall("t", "f", "{}"),)


def test_b32_an_overload_within_a_stream_is_an_error():
    stream = sse(start(), {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    for edge in range(1, len(stream)):
        (*_, last) = signals(stream, [edge])
        assert isinstance(last, Broke)
        assert isinstance(last.error, Overloaded)
    unnamed = b'data: {"error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    assert isinstance(signals(unnamed)[0].error, Overloaded)


def test_b33_text_split_anywhere_is_whole():
    stream = sse(start(), *text_block(0, "a€ 😀", "\n\ndata: x\r\n"), stopped("end_turn"), END)
    stream = stream.replace("a€ 😀".encode(), b"a\\u20ac \\ud83d\\ude00")
    for ends in (b"\n", b"\r\n", b"\r"):
        bytes_ = stream.replace(b"\n", ends)
        for edge in range(1, len(bytes_)):
            assert whole_answer(signals(bytes_, [edge])).parts == (Text("a€ 😀\n\ndata: x\r\n"),)


def test_b33_half_a_character_does_no_harm():
    stream = sse(start(), *text_block(0, "PIECE"), stopped("end_turn"), END).replace(b"PIECE", b"\\ud83d")
    answer = whole_answer(signals(stream))
    data = DIALECT.encoder(CALLER).encode(events_of(signals(stream)))
    assert len(answer.parts) == 1
    assert data.decode("utf-8")


def test_b35_white_space_is_data():
    found = encoded([TextDelta(0, " a"), TextDelta(0, "\n"), TextDelta(0, "  "), *FINISH])
    assert [text for _, text in deltas(found)] == [" a", "\n", "  "]


# Tool pairing, ids, names -----------------------------------------------------

CALLS = assistant(ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))


def results(*ids: str) -> tuple[ToolResult, ...]:
    return tuple(ToolResult(id, (Text(f"r{id}"),)) for id in ids)


def test_b37_b40_results_gather_right_behind_their_calls():
    spread = chat(USER, CALLS, user(Text("wait")), user(*results("b")), user(*results("a")))
    content = message_content(spread)[2]
    assert [block.get("tool_use_id", block.get("text")) for block in content] == ["a", "b", "wait"]
    assert len(message_content(spread)) == 3


def test_b37_a_call_without_a_result_gets_one_that_says_so():
    content = message_content(chat(USER, CALLS, user(*results("a"), Text("stop"))))[2]
    assert [block.get("is_error") for block in content] == [None, True, None]


def test_b38_a_result_without_a_call_becomes_text():
    content = message_content(chat(user(*results("gone"), ToolResult("void"), Text("go"))))
    assert content == [[{"type": "text", "text": "rgone"}, {"type": "text", "text": "go"}]]


def test_b39_one_result_for_one_call():
    doubled = (*results("a"), ToolResult("a", (Text("later"),)), ToolResult("a"), *results("b"))
    content = message_content(chat(USER, CALLS, user(*doubled)))[2]
    assert [(block["tool_use_id"], block["content"]) for block in content] == [("a", "later"), ("b", "rb")]


def test_b41_results_come_before_text_and_text_is_not_trimmed():
    content = message_content(chat(USER, CALLS, user(Text(" go \n"), *results("a", "b"))))[2]
    assert [block["type"] for block in content] == ["tool_result", "tool_result", "text"]
    assert content[2]["text"] == " go \n"


@pytest.mark.parametrize("id", ["call:1", "a.b|c", "", "x" * 300, "ü"])
def test_b43_ids_fit_the_vendor_and_stay_paired(id):
    body = body_of(chat(USER, assistant(ToolCall(id, "f", "{}")), user(ToolResult(id, (Text("r"),)))))
    call, result = body["messages"][1]["content"][0], body["messages"][2]["content"][0]
    assert call["id"] == result["tool_use_id"]
    assert call["id"]
    assert all(c.isascii() and (c.isalnum() or c in "_-") for c in call["id"])


def test_b43_ids_that_differ_stay_different():
    calls = assistant(ToolCall("a:1", "f", "{}"), ToolCall("a|1", "f", "{}"))
    ids = [block["id"] for block in message_content(chat(USER, calls))[1]]
    assert len(set(ids)) == 2


def test_b49_names_come_back_in_their_own_case():
    names_ = ["readFile", "ReadFile", "with.dots", "with:colon"]
    conversation = chat(
        USER, assistant(ToolCall("a", "with.dots", "{}")), tools=tuple(Tool(n, None, {}) for n in names_)
    )
    body = body_of(conversation)
    sent = [tool["name"] for tool in body["tools"]]
    assert sent[:2] == names_[:2]
    assert body["messages"][1]["content"][0]["name"] == sent[2]
    assert len(set(sent)) == 4


def test_b50_no_tool_without_a_name():
    body = body_of(chat(tools=(Tool("", None, {}), F)))
    assert [tool["name"] for tool in body["tools"]] == ["f"]


def test_b52_no_empty_lists_and_no_choice_without_tools():
    body = body_of(chat(tool_choice=ToolChoice("auto"), parallel_tools=False))
    assert not {"tools", "tool_choice"} & body.keys()


def test_b52_a_tool_of_a_name_comes_once():
    assert len(body_of(chat(tools=(F, Tool("f", "again", {}))))["tools"]) == 1


@pytest.mark.parametrize("arguments", ['{"a":"","b":0,"c":null}', '{"a": "{\\"x\\": 1}"}'])
def test_b54_arguments_are_parsed_once_and_kept(arguments):
    block = message_content(chat(USER, assistant(ToolCall("a", "f", arguments))))[1][0]
    assert block["input"] == orjson.loads(arguments)


@pytest.mark.parametrize("arguments", ["[1]", '"x"', "null", "5", "{broken", "NaN"])
def test_b55_arguments_that_are_no_object_are_wrapped(arguments):
    block = message_content(chat(USER, assistant(ToolCall("a", "f", arguments))))[1][0]
    assert block["input"] == {"_raw": arguments}


@pytest.mark.parametrize("content", [None, "", []])
def test_b59_a_result_may_be_empty(content):
    caller = parse(
        messages=[
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": content}]},
        ]
    )
    assert body_of(caller)["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "t"}]


def test_b60_an_error_stays_an_error():
    failed = ToolResult("a", (Text("boom"),), is_error=True)
    block = message_content(chat(USER, assistant(ToolCall("a", "f", "{}")), user(failed)))[2][0]
    assert block["is_error"] is True


def test_b58_a_results_image_stays_in_it():
    result = ToolResult("a", (Text("see"), Image(Blob("image/png", data="AA=="))))
    block = message_content(chat(USER, assistant(ToolCall("a", "f", "{}")), user(result)))[2][0]
    assert [part["type"] for part in block["content"]] == ["text", "image"]


def test_b61_a_tool_reference_is_a_word_to_others():
    (part,) = (
        parse(
            messages=[
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [{"type": "tool_reference", "tool_name": "late"}],
                        }
                    ],
                }
            ]
        )
        .turns[0]
        .parts
    )
    assert part.parts[0].text == "late"


def test_b62_no_fields_of_other_dialects():
    tool = Tool("f", "d", {"type": "object"}, ext={"openai-responses": {"defer_loading": True, "async": True}})
    assert body_of(chat(tools=(tool,)))["tools"] == [
        {"name": "f", "description": "d", "input_schema": {"type": "object"}}
    ]


def test_b63_a_search_is_not_shown_as_a_clients_call():
    raw = {"type": "web_search_call", "id": "ws_1"}
    answer = Answer((Opaque("openai-responses", "web_search_call", raw, ""), Text("a")), Stop("end"))
    assert [b["type"] for b in DIALECT.render_answer(answer, CALLER)["content"]] == ["text"]
    assert names(encoded(signals_of(answer), CALLER)).count("start") == 1


def test_b64_a_turn_of_calls_alone_has_no_empty_text_and_text_behind_calls_stays():
    turn = assistant(Text(""), ToolCall("a", "f", "{}"), Text("after"))
    assert [block["type"] for block in message_content(chat(USER, turn))[1]] == ["tool_use", "text"]


# Thinking and signatures --------------------------------------------------------


def test_b65_a_foreign_signature_is_not_replayed():
    turn = assistant(Thinking("hm", Seal("s", "gemini", "g", "x")), Text("ok"))
    assert message_content(chat(USER, turn, USER))[1] == "ok"
    assert "thinking" in losses_of(chat(USER, turn, USER))


def test_b67_b68_b70_a_calls_seal_goes_through_the_caller_to_the_right_call_alone():
    answer = [
        ToolDelta(0, "{}", "c0", "f", seal=Seal("only-mine", "gemini", "g", "m")),
        Ended(0),
        ToolDelta(1, "{}", "c1", "f"),
        Ended(1),
        *CALLED,
    ]
    content = DIALECT.render_answer(whole_answer(answer), CALLER)["content"]
    back = parse(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": content}])
    assert [(part.id, part.seal) for part in back.turns[1].parts] == [
        ("c0", Seal("only-mine", "gemini", "g", "m")),
        ("c1", None),
    ]


def test_b69_a_signature_without_text_is_kept():
    found = encoded([TextDelta(0, "a"), Sealed("end", Seal("last", "gemini")), *FINISH], CALLER)
    assert [v["delta"]["type"] for n, v in found if n == "content_block_delta"] == ["text_delta", "signature_delta"]


def test_b71_a_signature_is_the_last_word_of_its_thinking_block():
    found = encoded([ThinkingDelta(0, "a"), Sealed(0, Seal("s", ANTHROPIC)), TextDelta(1, "b"), *FINISH], CALLER)
    assert names(found)[1:5] == ["start", "delta", "delta", "stop"]
    assert found[3][1]["delta"] == {"type": "signature_delta", "signature": "s"}


def test_b72_thinking_comes_back_byte_for_byte():
    blocks = [
        {"type": "thinking", "thinking": " a\n", "signature": "s1=="},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "thinking", "thinking": "", "signature": "s2"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    ]
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]},
    ]
    assert body_of(parse(messages=messages, tools=TOOLS))["messages"] == messages


LOOP = (USER, assistant(ToolCall("a", "f", "{}")), user(*results("a")))


def test_b73_an_open_loop_without_its_thinking_goes_on_without_thinking():
    conversation = chat(*LOOP, tools=(F,), reasoning=Reasoning("on", "medium"), max_tokens=9000)
    assert "thinking" not in body_of(conversation, target(spec=BUDGET))
    assert "reasoning" in losses_of(conversation, target(spec=BUDGET))
    finished = chat(
        *LOOP, assistant(Text("done")), USER, tools=(F,), reasoning=Reasoning("on", "medium"), max_tokens=9000
    )
    assert "thinking" in body_of(finished, target(spec=BUDGET))


def test_b73_an_open_loop_with_its_thinking_keeps_it():
    loop = (USER, assistant(Thinking("hm", Seal("s", ANTHROPIC)), ToolCall("a", "f", "{}")), user(*results("a")))
    conversation = chat(*loop, tools=(F,), reasoning=Reasoning("on", "medium"), max_tokens=9000)
    assert body_of(conversation, target(spec=BUDGET))["thinking"]["type"] == "enabled"


@pytest.mark.parametrize("choice", [ToolChoice("any"), ToolChoice("named", ("f",))])
def test_b74_a_forced_tool_beats_thinking(choice):
    conversation = chat(tools=(F,), tool_choice=choice, reasoning=Reasoning("on", "medium"), max_tokens=9000)
    body = body_of(conversation, target(spec=BUDGET))
    assert "thinking" not in body
    assert body["tool_choice"]["type"] in ("any", "tool")
    assert "thinking" in body_of(conversation, target(spec=BUDGET, forced_tool_with_thinking=True))
    always = Model("m", thinks=Thinks("adaptive", ("low", "high"), always=True))
    body = body_of(conversation, target(spec=always))
    assert (body["thinking"]["type"], body["tool_choice"]["type"]) == ("adaptive", "auto")


@pytest.mark.parametrize(("max_tokens", "budget"), [(4096, 4095), (1025, 1024), (1024, None), (10, None)])
def test_b75_a_budget_is_less_than_max_tokens(max_tokens, budget):
    conversation = chat(reasoning=Reasoning("on", None, 30000), max_tokens=max_tokens)
    body = body_of(conversation, target(spec=BUDGET))
    assert body.get("thinking", {}).get("budget_tokens") == budget
    assert body["max_tokens"] == max_tokens


def test_b76_unset_stays_unset():
    for spec in (None, BUDGET, Model("m", thinks=Thinks("adaptive", ("low",), always=True))):
        assert not {"thinking", "output_config"} & body_of(chat(), target(spec=spec)).keys()
        assert not {"thinking", "output_config"} & body_of(parse(), target(spec=spec)).keys()


def test_b77_sampling_that_a_model_refuses_is_dropped():
    sampling = Sampling(temperature=0.7, top_p=0.9, top_k=5)
    assert not {"temperature", "top_p", "top_k"} & body_of(chat(sampling=sampling), target("claude-opus-4-7")).keys()
    body = body_of(chat(sampling=sampling, reasoning=Reasoning("on", "low")), target(spec=BUDGET))
    assert not {"temperature", "top_p", "top_k"} & body.keys()


def test_b82_b83_reasoning_of_one_item_is_one_block():
    found = encoded(
        [ThinkingDelta("rs", "a"), ThinkingDelta("rs", "b"), Ended("rs"), TextDelta("m", "x"), *FINISH], CALLER
    )
    assert names(found).count("start") == 2


def test_b85_an_effort_that_the_model_does_not_know_is_clamped():
    spec = Model("m", thinks=Thinks("adaptive", ("low", "medium", "high")))
    for word, fitted in (("xhigh", "high"), ("max", "high"), ("minimal", "low"), ("medium", "medium")):
        body = body_of(chat(reasoning=Reasoning("on", word)), target(spec=spec))
        assert body["output_config"]["effort"] == fitted


# Schema and parameters -----------------------------------------------------------


def test_b90_a_tool_without_a_schema_gets_an_empty_one():
    assert body_of(chat(tools=(Tool("f"),)))["tools"] == [
        {"name": "f", "input_schema": {"type": "object", "properties": {}}}
    ]


def test_b89_a_property_named_like_a_keyword_stays():
    schema = {
        "type": "object",
        "properties": {n: {"type": "string"} for n in ("properties", "title", "format", "anyOf", "$ref")},
    }
    assert body_of(chat(tools=(Tool("f", None, schema),)))["tools"][0]["input_schema"] == schema


def test_b95_stop_strings_are_a_list_without_blanks():
    assert body_of(chat(stop=("END", " ", "")))["stop_sequences"] == ["END"]


def test_b97_all_system_texts_are_kept_in_order():
    body = body_of(chat(Turn("system", (Text("a"), Text("b"))), Turn("system", (Text("c"),)), USER))
    assert [block["text"] for block in body["system"]] == ["a", "b", "c"]
    assert parse(system="s").turns[0] == Turn("system", (Text("s"),))
    assert parse(system=[{"type": "text", "text": "s"}]).turns[0] == Turn("system", (Text("s"),))


def test_b100_a_system_message_in_mid_conversation_keeps_its_place():
    body = body_of(chat(USER, assistant(Text("ho")), Turn("system", (Text("now"),)), user(Text("x"))))
    assert "system" not in body
    assert "now" in body["messages"][2]["content"][0]["text"]


def test_b101_a_request_of_system_text_alone_is_the_users():
    assert message_content(chat(Turn("system", (Text("s"),)))) == ["s"]


def test_b56_the_first_message_is_the_users():
    body = body_of(chat(assistant(Text("ho")), USER))
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]


def test_b102_neighbours_of_one_role_are_one_message():
    content = message_content(
        chat(USER, user(Text("b"), Image(Blob(url="https://h"))), assistant(Text("x")), assistant(Text("y")), USER)
    )
    assert [len(c) if isinstance(c, list) else 1 for c in content] == [3, 2, 1]


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_b103_b104_empty_text_goes_with_its_mark(text):
    body = body_of(
        chat(Turn("system", (Text(text, cache=CacheMark()),)), user(Text(text, cache=CacheMark()), Text("a")))
    )
    assert "system" not in body
    assert body["messages"] == [{"role": "user", "content": "a"}]
    assert "cache_control" not in str(body)


def test_b104_a_message_that_has_become_empty_goes_and_its_neighbours_join():
    assert message_content(chat(USER, assistant(Text(" ")), USER)) == [[{"type": "text", "text": "hi"}] * 2]


def test_b105_all_text_parts_are_kept():
    assert len(message_content(chat(user(Text("a"), Text("b"), Text("c"))))[0]) == 3


def test_b107_documents_are_kept():
    pdf = Document(Blob("application/pdf", data="AA=="), title="t")
    assert message_content(chat(user(pdf)))[0][0]["source"]["media_type"] == "application/pdf"


def test_b108_nothing_of_the_day_in_the_prompt():
    bodies = {orjson.dumps(DIALECT.render_request(chat(*LOOP, tools=(F,)), target(), False).body) for _ in range(3)}
    assert len(bodies) == 1


def test_b109_the_attribution_line_stays_for_its_vendor_as_its_own_first_block():
    system = [{"type": "text", "text": "x-anthropic-billing-header: a"}, {"type": "text", "text": "s"}]
    assert body_of(parse(system=system))["system"] == system


def test_b110_beta_fields_go_with_their_header():
    assert "anthropic-beta" in DIALECT.forwards
    assert body_of(parse(context_management={"edits": []}))["context_management"] == {"edits": []}


def test_b111_unknown_blocks_do_no_harm():
    block = {"type": "hologram", "depth": [1, {"x": None}]}
    assert body_of(parse(messages=[{"role": "user", "content": [block]}]))["messages"][0]["content"] == [block]


# Usage, errors, identity -----------------------------------------------------------


def test_b113_counts_after_the_stop_are_used():
    found = encoded([TextDelta(0, "a"), Stopped(Stop("end")), UsageSeen(Usage(3, output_visible=4)), Terminal()])
    assert found[-2][1]["usage"]["output_tokens"] == 4


def test_b114_counts_are_totals_not_increments():
    stream = sse(
        start(input_tokens=5, output_tokens=1),
        stopped(None, output_tokens=3),
        stopped("end_turn", output_tokens=7),
        END,
    )
    usage = whole_answer(signals(stream)).usage
    assert (usage.input_total, usage.output_total) == (5, 7)


def test_b115_b116_cached_tokens_stand_beside_the_fresh_ones():
    rendered = DIALECT.render_answer(Answer((), Stop("end"), Usage(10, 20, 0, 0, 30)), CALLER)["usage"]
    assert rendered["input_tokens"] == 10
    assert rendered["cache_read_input_tokens"] == 20
    assert rendered["cache_creation_input_tokens"] == 30


def test_b117_a_later_zero_counts_and_a_later_null_does_not():
    stream = sse(
        start(input_tokens=5, cache_read_input_tokens=100, cache_creation_input_tokens=50, output_tokens=1),
        stopped("end_turn", cache_read_input_tokens=0, cache_creation_input_tokens=None, output_tokens=2),
        END,
    )
    usage = whole_answer(signals(stream)).usage
    assert (usage.cache_read, usage.cache_write, usage.input_fresh) == (0, 50, 5)


def test_b119_no_count_is_missing():
    usage = DIALECT.render_answer(Answer((), Stop("end")), CALLER)["usage"]
    assert all(isinstance(usage[f"{name}_tokens"], int) for name in ("input", "output"))


def test_b120_errors_have_the_callers_envelope():
    for status, body in (DIALECT.render_error(BadRequest("x"), "r"), DIALECT.render_error(Overloaded("y"), "r")):
        assert status >= 400
        assert body.keys() == {"type", "error", "request_id"}


def test_b122_a_refusal_is_a_refusal():
    answer = DIALECT.parse_answer({"content": [], "stop_reason": "refusal", "stop_details": {"type": "refusal"}})
    assert answer.stop.reason == "filtered"
    assert DIALECT.render_answer(answer, CALLER)["stop_details"] == {"type": "refusal"}


def test_citations_made_up_for_a_caller_never_reach_the_vendor():
    answer = Answer((Text("a", (Citation("https://h", "T"),)),), Stop("end"))
    content = DIALECT.render_answer(answer, CALLER)["content"]
    assert content[0]["citations"]
    assert (
        message_content(
            parse(
                messages=[
                    {"role": "user", "content": "x"},
                    {"role": "assistant", "content": content},
                    {"role": "user", "content": "y"},
                ]
            )
        )[1]
        == "a"
    )


def test_a_search_of_another_vendor_in_the_history_is_told_in_words():
    part = Opaque("openai-responses", "web_search_call", {"type": "web_search_call"}, "searched")
    assert message_content(chat(USER, assistant(part, Text("ok")), USER))[1][0] == {"type": "text", "text": "searched"}
