"""A provider's answers, whole and streamed: what they mean, and what a caller gets to see."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from anthropic_cases import (
    END,
    chat,
    closed,
    delta,
    encoded,
    events_of,
    opened,
    parse,
    reply,
    signals,
    sse,
    start,
    stopped,
    text_block,
)
from omniroute_dialects.anthropic import DIALECT
from omniroute_dialects.anthropic.structured import ANSWER_TOOL
from omniroute_dialects.names import fit
from omniroute_hooks import (
    ANTHROPIC,
    Answer,
    Blob,
    Citation,
    Image,
    Opaque,
    Refusal,
    Seal,
    Stop,
    Text,
    Thinking,
    Tool,
    ToolCall,
    Turn,
    UpstreamError,
    Usage,
)
from omniroute_hooks.answers import signals_of, whole_answer
from omniroute_hooks.errors import Overloaded
from omniroute_hooks.events import Broke, Failed, Finished
from omniroute_hooks.sealing import unwrap

SEARCH = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]}
CITED = {"type": "web_search_result_location", "url": "u", "title": "T", "cited_text": "c", "encrypted_index": "e"}
USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 20,
    "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 25, "ephemeral_1h_input_tokens": 5},
    "output_tokens": 9,
    "output_tokens_details": {"thinking_tokens": 4},
    "server_tool_use": {"web_search_requests": 1},
}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "up",
    "content": [
        {"type": "thinking", "thinking": "hmm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": " Hello\n", "citations": [CITED]},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
        SEARCH,
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1, "é"]}},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": USAGE,
}
STREAM = sse(
    start(**{**USAGE, "output_tokens": 1, "output_tokens_details": None}),
    {"type": "ping"},
    opened(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="h"),
    delta(0, "thinking_delta", thinking="mm"),
    delta(0, "signature_delta", signature="sig"),
    closed(0),
    opened(1, type="redacted_thinking", data="opaque"),
    closed(1),
    opened(2, type="text", text=""),
    delta(2, "text_delta", text=" Hel"),
    delta(2, "citations_delta", citation=CITED),
    delta(2, "text_delta", text="lo\n"),
    closed(2),
    opened(3, type="server_tool_use", id="s1", name="web_search", input={}),
    delta(3, "input_json_delta", partial_json='{"query'),
    delta(3, "input_json_delta", partial_json='":"q"}'),
    closed(3),
    opened(4, **SEARCH),
    closed(4),
    opened(5, type="tool_use", id="t1", name="f", input={}),
    delta(5, "input_json_delta", partial_json=""),
    delta(5, "input_json_delta", partial_json='{"a":[1,'),
    delta(5, "input_json_delta", partial_json='"é"]}'),
    closed(5),
    opened(6, type="tool_use", id="t2", name="g", input={}),
    closed(6),
    stopped("tool_use", output_tokens=9, output_tokens_details={"thinking_tokens": 4}),
    END,
)
ANSWER = Answer(
    parts=(
        Thinking("hmm", Seal("sig", ANTHROPIC)),
        Thinking("", Seal("opaque", ANTHROPIC), redacted=True),
        Text(" Hello\n", (Citation("u", "T", "c", ext={ANTHROPIC: CITED}),)),
        Opaque(ANTHROPIC, "server_tool_use", MESSAGE["content"][3], '[web_search: {"query":"q"}]'),
        Opaque(ANTHROPIC, "web_search_tool_result", SEARCH, "u"),
        ToolCall("t1", "f", '{"a":[1,"é"]}'),
        ToolCall("t2", "g", "{}"),
    ),
    stop=Stop("tool", "tool_use"),
    usage=Usage(10, 20, 25, 5, 0, 5, 4, ext={ANTHROPIC: {"server_tool_use": {"web_search_requests": 1}}}),
    id="msg_1",
    model="up",
)


def test_a_whole_answer_is_read():
    assert DIALECT.parse_answer(MESSAGE) == ANSWER


def test_a_streamed_answer_is_the_same_answer():
    assert whole_answer(signals(STREAM)) == ANSWER


def test_a_stream_may_be_cut_anywhere():
    whole = signals(STREAM)
    for edge in range(1, len(STREAM)):
        assert signals(STREAM, [edge]) == whole
    assert signals(STREAM, range(1, len(STREAM))) == whole


@pytest.mark.parametrize("ends", [b"\r\n", b"\r"])
def test_a_stream_may_end_its_lines_as_it_likes(ends):
    assert signals(STREAM.replace(b"\n", ends)) == signals(STREAM)


def test_a_stream_without_event_names_or_last_blank_line_is_read():
    bare = b"\n".join(line for line in STREAM.split(b"\n") if not line.startswith(b"event:"))
    assert whole_answer(signals(bare.rstrip(b"\n"))) == ANSWER


def test_the_watcher_sees_usage_stop_and_end():
    decoder = DIALECT.decoder(True)
    kinds = [type(signal).__name__ for signal in (*decoder.feed(STREAM), *decoder.end())]
    assert kinds == ["UsageSeen", "Begin", "UsageSeen", "Stopped", "Terminal"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "end"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop_string"),
        ("pause_turn", "pause"),
        ("refusal", "filtered"),
        ("model_context_window_exceeded", "context_full"),
        ("tool_use", "end"),  # though no call came
        ("compaction", "other"),
    ],
)
def test_stop_reasons(reason, expected):
    whole = DIALECT.parse_answer({**MESSAGE, "content": [], "stop_reason": reason, "stop_sequence": "X"})
    assert (whole.stop.reason, whole.stop.raw) == (expected, reason)
    assert whole_answer(signals(sse(start(), stopped(reason, "X"), END))).stop == whole.stop


def test_an_answer_made_with_the_answer_tool_is_text():
    block = {"type": "tool_use", "id": "t", "name": ANSWER_TOOL, "input": {"a": 1}}
    answer = DIALECT.parse_answer({**MESSAGE, "content": [block]})
    assert (answer.parts, answer.stop.reason) == ((Text('{"a":1}'),), "end")
    stream = sse(
        start(),
        opened(0, **{**block, "input": {}}),
        delta(0, "input_json_delta", partial_json='{"a"'),
        delta(0, "input_json_delta", partial_json=":1}"),
        closed(0),
        stopped("tool_use"),
        END,
    )
    assert whole_answer(signals(stream)).parts == answer.parts
    assert whole_answer(signals(stream)).stop == answer.stop


@pytest.mark.parametrize("value", [None, [], "x", 5, {}, {"content": "x"}, {"type": "message"}])
def test_what_is_no_answer_is_said_to_be_none(value):
    with pytest.raises(UpstreamError):
        DIALECT.parse_answer(value)


def test_an_error_with_status_200_is_an_error():
    with pytest.raises(Overloaded, match="busy"):
        DIALECT.parse_answer({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})


# To the caller ---------------------------------------------------------------

TOOLS = [{"name": "f", "input_schema": {"type": "object"}}, {"name": "g", "input_schema": {"type": "object"}}]


def test_a_whole_answer_goes_out_as_it_came_in():
    rendered = DIALECT.render_answer(ANSWER, reply(parse(tools=TOOLS)))
    usage = rendered.pop("usage")
    assert rendered == {**{k: v for k, v in MESSAGE.items() if k != "usage"}, "model": "caller-model"}
    assert usage == USAGE


def test_a_streamed_answer_says_what_a_whole_one_says():
    found = encoded(signals(STREAM), reply(parse(tools=TOOLS)))
    assert accumulated(found) == DIALECT.render_answer(ANSWER, reply(parse(tools=TOOLS)))


def accumulated(found: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The message that these events build, with every rule of their order checked."""
    names = [name for name, _ in found]
    assert names[0] == "message_start"
    assert names[-2:] == ["message_delta", "message_stop"]
    assert names.count("message_start") == names.count("message_delta") == names.count("message_stop") == 1
    message = found[0][1]["message"]
    assert (message["content"], message["stop_reason"]) == ([], None)
    is_open, pieces = False, ""
    for name, value in found[1:-2]:
        if name == "content_block_start":
            assert not is_open
            assert value["index"] == len(message["content"])
            message["content"].append(value["content_block"])
            is_open, pieces = True, ""
            continue
        assert is_open
        assert value["index"] == len(message["content"]) - 1
        block = message["content"][-1]
        if name == "content_block_stop":
            is_open = False
            if pieces:
                block["input"] = orjson.loads(pieces)
            continue
        kind, fields = value["delta"]["type"], value["delta"]
        if kind == "text_delta":
            assert block["type"] == "text"
            block["text"] += fields["text"]
        elif kind == "thinking_delta":
            assert block["type"] == "thinking"
            block["thinking"] += fields["thinking"]
        elif kind == "signature_delta":
            assert block["type"] == "thinking"
            assert block["signature"] == ""
            block["signature"] = fields["signature"]
        elif kind == "citations_delta":
            block.setdefault("citations", []).append(fields["citation"])
        else:
            assert kind == "input_json_delta"
            assert block["type"].endswith("tool_use")
            pieces += fields["partial_json"]
    assert not is_open
    message |= found[-2][1]["delta"]
    message["usage"] |= found[-2][1]["usage"]
    return message


MIXED = Answer(
    parts=(
        Thinking("why", None),
        Thinking("", Seal("enc", "openai-responses"), id="rs_1"),
        Text("see", (Citation("https://h", "T"),), seal=Seal("ts1", "gemini")),
        ToolCall("call:1", "f", '{"a":1}', seal=Seal("ts2", "gemini")),
        ToolCall("c2", "f", "", seal=None),
        Refusal("no"),
        Image(Blob(url="https://h/i.png")),
        Text("", seal=Seal("ts3", "gemini")),
    ),
    stop=Stop("tool", "STOP"),
    usage=Usage(input_fresh=3, output_visible=2, cache_write_other=4),
    id="resp-1",
    model="up",
)


def test_a_foreign_answer_is_whole_and_streamed_the_same():
    to = reply(parse(tools=TOOLS))
    assert (
        accumulated(encoded(signals_of(MIXED), to))["content"][:-1] == DIALECT.render_answer(MIXED, to)["content"][:-1]
    )


def test_sealed_values_of_other_makers_come_back_in_their_parts():
    rendered = DIALECT.render_answer(MIXED, reply(parse(tools=TOOLS)))
    assert rendered["id"] == "msg_r1"
    conversation = parse(
        messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": rendered["content"]}]
    )
    parts = conversation.turns[1].parts
    assert parts[0] == Thinking("why")
    assert parts[1] == Thinking("", Seal("enc", "openai-responses"))
    assert (parts[2].text, parts[2].seal) == ("see", Seal("ts1", "gemini"))
    assert (parts[3].name, parts[3].seal) == ("f", Seal("ts2", "gemini"))
    assert parts[4].seal is None
    assert parts[-1] == Text("", seal=Seal("ts3", "gemini"))


def test_a_thinking_block_always_has_a_signature():
    blocks = DIALECT.render_answer(MIXED, reply(parse(tools=TOOLS)))["content"]
    signatures = [block["signature"] for block in blocks if block["type"] == "thinking"]
    assert len(signatures) == 5
    assert all(signatures)
    assert unwrap(signatures[0], ANTHROPIC).value == ""


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, False),
        ({"thinking": {"type": "disabled"}}, False),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        ({"tools": TOOLS}, True),
    ],
)
def test_thinking_is_shown_to_those_who_asked_or_must_bring_it_back(fields, shown):
    answer = Answer((Thinking("hm"), Text("a")), Stop("end"))
    kinds = [block["type"] for block in DIALECT.render_answer(answer, reply(parse(**fields)))["content"]]
    streamed = [
        v["content_block"]["type"]
        for n, v in encoded(signals_of(answer), reply(parse(**fields)))
        if n == "content_block_start"
    ]
    assert kinds == streamed == (["thinking", "text"] if shown else ["text"])


def test_hidden_thinking_leaves_no_gap_in_the_numbers():
    answer = Answer((Thinking("hm"), Text("a"), Thinking("hm"), Text("b")), Stop("end"))
    assert len(accumulated(encoded(signals_of(answer), reply(parse())))["content"]) == 2


@pytest.mark.parametrize(
    ("stop", "written", "sequence"),
    [
        (Stop("end"), "end_turn", None),
        (Stop("length", "MAX"), "max_tokens", None),
        (Stop("context_full"), "model_context_window_exceeded", None),
        (Stop("stop_string", "stop", "X"), "stop_sequence", "X"),
        (Stop("filtered", "SAFETY"), "refusal", None),
        (Stop("pause"), "pause_turn", None),
        (Stop("malformed_call"), "end_turn", None),
        (Stop("other", "?"), "end_turn", None),
    ],
)
def test_stop_reasons_in_the_callers_words(stop, written, sequence):
    rendered = DIALECT.render_answer(Answer((Text("a"),), stop), reply())
    assert (rendered["stop_reason"], rendered["stop_sequence"]) == (written, sequence)


def test_words_that_decline_end_in_refusal():
    assert DIALECT.render_answer(Answer((Refusal("no"),), Stop("end")), reply())["stop_reason"] == "refusal"


@pytest.mark.parametrize("arguments", ['{"a": 1', "[1]", '"x"', "null", "5"])
def test_arguments_that_are_no_object_are_wrapped(arguments):
    answer = Answer((ToolCall("t", "f", arguments),), Stop("tool"))
    to = reply(parse(tools=TOOLS))
    (block,) = DIALECT.render_answer(answer, to)["content"]
    assert block["input"] == {"_raw": arguments}
    if not arguments.startswith("{"):  # a stream cannot take back what it has sent
        assert accumulated(encoded(signals_of(answer), to))["content"] == [block]


def test_an_empty_answer_is_an_answer():
    message = accumulated(encoded(signals(sse(start(input_tokens=3), stopped("end_turn", output_tokens=0), END))))
    assert message["content"] == []
    assert message["usage"]["input_tokens"] == 3


def test_without_counts_the_input_is_estimated_and_nothing_else():
    found = encoded(signals_of(Answer((Text("a"),), Stop("end"))), reply(input_estimate=77))
    assert found[0][1]["message"]["usage"]["input_tokens"] == 77
    assert found[-2][1]["usage"] == {"output_tokens": 0}


def test_counts_known_at_the_end_correct_the_estimate():
    events = signals_of(Answer((Text("a"),), Stop("end"), Usage(5, 6, 0, 0, 0, 7)))
    found = encoded([events[0], *events[2:-2], events[1], *events[-2:]], reply(input_estimate=77))
    assert found[0][1]["message"]["usage"]["input_tokens"] == 77
    usage = found[-2][1]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (5, 6, 7)


def test_a_failure_in_mid_stream_is_the_last_event():
    cut = sse(
        start(), *text_block(0, "a")[:-1], {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    )
    found = encoded(signals(cut))
    assert found[-1] == (
        "error",
        {
            "type": "error",
            "error": {
                "type": "overloaded_error",
                "message": "busy",
                "code": "overloaded",
                "upstream_code": "overloaded_error",
            },
            "request_id": "r1",
        },
    )
    assert [name for name, _ in found[-2:]] == ["content_block_delta", "error"]


def test_a_long_name_comes_back_as_the_caller_wrote_it():
    name = "mcp__" + "x" * 90
    caller = chat(tools=(Tool(name, None, {}),), dialect=ANTHROPIC)
    answer = Answer((ToolCall("t", fit(name, "a-zA-Z0-9_-", 64), "{}"),), Stop("tool"))
    assert DIALECT.render_answer(answer, reply(caller))["content"][0]["name"] == name
    assert accumulated(encoded(signals_of(answer), reply(caller)))["content"][0]["name"] == name


@pytest.mark.parametrize(
    "data",
    [
        b"event: message_start\ndata: {oops\n\n",
        b"data: 5\n\n",
        b"data: null\n\n",
        b'data: {"type":"content_block_delta"}\n\n',
        b'data: {"type":"content_block_delta","index":[],"delta":{"type":"text_delta","text":"a"}}\n\n',
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":5}}\n\n',
        b'data: {"type":"content_block_start","index":0,"content_block":7}\n\n',
        b'data: {"type":"message_start","message":[1]}\n\n',
    ],
)
def test_garbage_breaks_the_stream_and_nothing_else(data):
    found = signals(data)
    assert [type(signal) for signal in found] == [Broke]
    assert isinstance(events_of(found)[-1], Failed)


def test_what_other_servers_add_is_passed_over():
    noise = b': hello\n\ndata: [DONE]\n\nevent: new_kind\ndata: {"type":"new_kind"}\n\n'
    assert isinstance(events_of(signals(noise + STREAM))[-1], Finished)


def test_a_tool_that_comes_whole_in_its_start_is_read():
    stream = sse(
        start(), opened(0, type="tool_use", id="t", name="f", input={"a": 1}), closed(0), stopped("tool_use"), END
    )
    assert whole_answer(signals(stream)).parts == (ToolCall("t", "f", '{"a":1}'),)


def test_text_and_thinking_in_their_starts_are_read():
    stream = sse(
        start(),
        opened(0, type="thinking", thinking="h", signature="s"),
        closed(0),
        opened(1, type="text", text="a"),
        closed(1),
        stopped("end_turn"),
        END,
    )
    assert whole_answer(signals(stream)).parts == (Thinking("h", Seal("s", ANTHROPIC)), Text("a"))


def test_a_compaction_comes_whole():
    stream = sse(
        start(),
        opened(0, type="compaction", content=""),
        delta(0, "compaction_delta", content="sum"),
        closed(0),
        stopped("compaction"),
        END,
    )
    (part,) = whole_answer(signals(stream)).parts
    assert part == Opaque(ANTHROPIC, "compaction", {"type": "compaction", "content": "sum"})


def test_turns_hold_what_the_caller_sends_back():
    """What a caller is given can be sent again, and is then the same."""
    blocks = DIALECT.render_answer(ANSWER, reply(parse(tools=TOOLS)))["content"]
    turn = parse(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": blocks}]).turns[1]
    assert turn == Turn(
        "assistant",
        tuple(
            Opaque(p.dialect, p.kind, p.raw, q.text) if isinstance(p, Opaque) else p
            for p, q in zip(ANSWER.parts, turn.parts, strict=True)
        ),
    )


def test_thinking_without_words_or_seal_leaves_no_block():
    answer = Answer((Thinking(""), Text("a")), Stop("end"))
    assert [block["type"] for block in DIALECT.render_answer(answer, reply())["content"]] == ["text"]
    assert [block["type"] for block in accumulated(encoded(signals_of(answer), reply()))["content"]] == ["text"]


def test_sealed_text_brings_no_thinking_to_those_who_asked_for_none():
    answer = Answer((Text("a", seal=Seal("s", "gemini")),), Stop("end"))
    assert [block["type"] for block in DIALECT.render_answer(answer, reply(parse()))["content"]] == ["text"]
    assert [block["type"] for block in accumulated(encoded(signals_of(answer), reply(parse())))["content"]] == ["text"]
