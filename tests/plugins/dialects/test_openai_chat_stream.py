"""OpenAI chat streams: a provider's chunks in, a caller's chunks out, however the network cut them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from attrs import evolve
from omniroute_dialects.names import fit
from omniroute_dialects.openai_chat import DIALECT
from omniroute_hooks import (
    ANTHROPIC,
    GEMINI,
    OPENAI_CHAT,
    Answer,
    Asked,
    BrokenStream,
    Citation,
    Conversation,
    GatewayError,
    Image,
    Opaque,
    Overloaded,
    RateLimited,
    Refusal,
    Reply,
    Seal,
    Stop,
    Text,
    Thinking,
    Tool,
    ToolCall,
    Usage,
)
from omniroute_hooks.answers import signals_of
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.conversation import Blob
from omniroute_hooks.events import Event, Failed, Finished
from omniroute_hooks.sealing import unwrap, wrap

ASKED = Asked(DIALECT.endpoints[0])
CALLER = Conversation(model="ds/m", turns=(), dialect=OPENAI_CHAT, stream=True)
REPLY = Reply(CALLER, "ds/m", "abc", 1_700_000_000, ASKED)


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "up-1", "object": "chat.completion.chunk", "created": 5, "model": "up", "choices": choices, **fields}
    return b"data: " + orjson.dumps(body) + b"\n\n"


def call(index: int | None, call_id: str | None = None, name: str | None = None, args: Any = None) -> dict[str, Any]:
    function = {k: v for k, v in (("name", name), ("arguments", args)) if v is not None}
    out: dict[str, Any] = {"type": "function", "function": function}
    if index is not None:
        out["index"] = index
    if call_id is not None:
        out["id"] = call_id
    return {"tool_calls": [out]}


DONE = b"data: [DONE]\n\n"
ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, "stop")


def decoded(pieces: Sequence[bytes]) -> list[Event]:
    decoder, machine = DIALECT.decoder(False), BlockMachine("rid")
    out: list[Event] = []
    for piece in pieces:
        out += machine.feed(decoder.feed(piece))
    return out + machine.feed(decoder.end()) + machine.end()


def answered(*pieces: bytes) -> Answer:
    last = decoded(pieces)[-1]
    assert isinstance(last, Finished), last
    return last.answer


def failed(*pieces: bytes) -> GatewayError:
    last = decoded(pieces)[-1]
    assert isinstance(last, Failed), last
    return last.error


def written(answer: Answer, conversation: Conversation = CALLER) -> list[Any]:
    """The frames a caller gets for this answer; the last one is the string "[DONE]"."""
    machine = BlockMachine("rid")
    events = machine.feed(signals_of(answer)) + machine.end()
    return frames(DIALECT.encoder(evolve(REPLY, conversation=conversation)).encode(events))


def frames(data: bytes) -> list[Any]:
    out: list[Any] = []
    for raw in data.split(b"\n\n")[:-1]:
        assert raw.startswith(b"data: ")
        out.append("[DONE]" if raw == b"data: [DONE]" else orjson.loads(raw[6:]))
    return out


def deltas(sent: list[Any]) -> list[dict[str, Any]]:
    return [f["choices"][0]["delta"] for f in sent if f != "[DONE]" and f.get("choices")]


# decoding --------------------------------------------------------------------


RICH = (
    ROLE,
    chunk({"reasoning_content": "Let me "}),
    chunk({"reasoning_content": "think. 思"}),
    chunk({"content": " Hel"}),
    chunk({"content": "lo 🎈\n"}),
    chunk(call(0, "a", "read", "")),
    chunk(call(0, args='{"p":')),
    chunk(call(0, args='"ü"}')),
    chunk({}, "tool_calls"),
    chunk(None, usage={"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}),
    DONE,
)
RICH_PARTS = (Thinking("Let me think. 思"), Text(" Hello 🎈\n"), ToolCall("a", "read", '{"p":"ü"}'))


def test_a_stream_with_everything_is_read() -> None:
    answer = answered(*RICH)

    assert answer.parts == RICH_PARTS
    assert answer.stop == Stop("tool", "tool_calls")
    assert answer.usage == Usage(input_fresh=9, output_visible=5)
    assert (answer.id, answer.model, answer.created_s) == ("up-1", "up", 5)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_b33_bytes_may_be_cut_anywhere(newline: bytes) -> None:
    data = b"".join(RICH).replace(b"\n", newline)
    for cut in range(len(data)):
        assert answered(data[:cut], data[cut:]).parts == RICH_PARTS
    assert answered(*(bytes([byte]) for byte in data)).parts == RICH_PARTS


def test_b33_data_over_several_lines_comments_and_names_are_read() -> None:
    pretty = orjson.dumps({"choices": [{"index": 0, "delta": {"content": "hi"}}]}, option=orjson.OPT_INDENT_2)
    lines = b"\n".join(b"data:" + line for line in pretty.split(b"\n"))
    answer = answered(b": PROCESSING\n\n", b"\xef\xbb\xbf"[:0] + b"event: message\nid: 7\n" + lines + b"\n\n", STOP)

    assert answer.parts == (Text("hi"),)


def test_a_byte_order_mark_and_a_missing_last_blank_line_do_no_harm() -> None:
    assert answered(b"\xef\xbb\xbf" + ROLE, chunk({"content": "x"}), STOP, b"data: [DONE]").parts == (Text("x"),)


def test_b35_blanks_at_the_borders_of_pieces_are_kept() -> None:
    assert answered(
        ROLE, chunk({"content": "a "}), chunk({"content": "\n\n"}), chunk({"content": " b"}), STOP
    ).parts == (Text("a \n\n b"),)


def test_b8_parallel_calls_whose_pieces_alternate_stay_apart() -> None:
    answer = answered(
        chunk(call(0, "a", "f", "")),
        chunk(call(1, "b", "g", "")),
        chunk(call(0, args='{"x"')),
        chunk(call(1, args='{"y"')),
        chunk(call(0, args=":1}")),
        chunk(call(1, args=":2}")),
        chunk({}, "tool_calls"),
        DONE,
    )

    assert answer.parts == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", '{"y":2}'))


def test_b5_fragments_without_an_id_belong_to_their_index() -> None:
    answer = answered(chunk(call(0, "a", "f", '{"x"')), chunk(call(0, args=":")), chunk(call(0, args="1}")), STOP, DONE)

    assert answer.parts == (ToolCall("a", "f", '{"x":1}'),)


def test_b7_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    answer = answered(
        chunk(call(None, "a", "f", '{"x"')),
        chunk(call(None, args=":1}")),
        chunk(call(None, "b", "f", '{"y"')),
        chunk(call(None, "b", args=":2}")),
        STOP,
        DONE,
    )

    assert answer.parts == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "f", '{"y":2}'))


def test_whole_calls_that_all_have_index_zero_stay_apart() -> None:
    answer = answered(chunk(call(0, "a", "f", "{}")), chunk(call(0, "b", "f", '{"z":1}')), STOP, DONE)

    assert answer.parts == (ToolCall("a", "f", "{}"), ToolCall("b", "f", '{"z":1}'))


def test_whole_calls_without_index_and_id_stay_apart() -> None:
    answer = answered(chunk(call(None, None, "f", '{"a":1}')), chunk(call(None, None, "f", '{"b":2}')), STOP, DONE)

    assert [part.arguments for part in answer.parts if isinstance(part, ToolCall)] == ['{"a":1}', '{"b":2}']
    assert len({part.id for part in answer.parts if isinstance(part, ToolCall)}) == 2


def test_b10_a_name_may_come_late() -> None:
    answer = answered(chunk(call(0, "a", "", "")), chunk(call(0, None, "f", '{"x":')), chunk(call(0, args="1}")), STOP)

    assert answer.parts == (ToolCall("a", "f", '{"x":1}'),)


def test_b11_names_and_ids_repeated_in_every_fragment_count_once() -> None:
    answer = answered(
        chunk(call(0, "a", "read", "")), chunk(call(0, "a", "read", '{"x"')), chunk(call(0, "a", "read", ":1}")), STOP
    )

    assert answer.parts == (ToolCall("a", "read", '{"x":1}'),)


def test_arguments_that_come_as_an_object_are_read() -> None:
    assert answered(chunk(call(0, "a", "f", {"x": 1})), STOP).parts == (ToolCall("a", "f", '{"x":1}'),)


def test_b13_b14_a_first_chunk_without_a_role_loses_nothing() -> None:
    assert answered(chunk({"content": "Hi"}), STOP, DONE).parts == (Text("Hi"),)


def test_b16_an_end_mark_without_a_reason_ends_a_complete_answer() -> None:
    answer = answered(ROLE, chunk({"content": "Hi"}), DONE)

    assert answer.stop == Stop("other")


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((ROLE, chunk({"content": "Hi"})), id="no-end-mark"),
        pytest.param((ROLE, DONE), id="nothing-said"),
        pytest.param((DONE,), id="only-the-end-mark"),
        pytest.param((ROLE, chunk(call(0, "a", "f", '{"x":')), DONE), id="arguments-cut"),
        pytest.param((), id="no-byte"),
    ],
)
def test_b24_a_cut_stream_is_a_failure(pieces: tuple[bytes, ...]) -> None:
    assert isinstance(failed(*pieces), BrokenStream)


def test_b17_a_reason_in_every_chunk_ends_nothing() -> None:
    answer = answered(
        chunk({"content": "a"}, "stop"), chunk(call(0, "x", "f", "{"), "stop"), chunk(call(0, args="}"), "stop"), DONE
    )

    assert answer.parts == (Text("a"), ToolCall("x", "f", "{}"))


def test_b18_calls_make_a_plain_stop_a_tool_stop() -> None:
    assert answered(chunk(call(0, "a", "f", "{}")), STOP, DONE).stop.reason == "tool"


def test_a_tool_stop_without_a_call_is_an_end() -> None:
    assert answered(chunk({"content": "x"}), chunk({}, "tool_calls"), DONE).stop.reason == "end"


def test_b19_length_beats_calls() -> None:
    assert answered(chunk(call(0, "a", "f", '{"x"')), chunk({}, "length"), DONE).stop.reason == "length"


def test_b21_nothing_counts_after_the_end_mark() -> None:
    assert answered(chunk({"content": "a"}), STOP, DONE, chunk({"content": "b"}), DONE).parts == (Text("a"),)


@pytest.mark.parametrize(
    ("piece", "kind", "words"),
    [
        (b'data: {"error":{"message":"slow down","code":429}}\n\n', RateLimited, "slow down"),
        (b'event: error\ndata: {"error":{"message":"busy","type":"overloaded_error"}}\n\n', Overloaded, "busy"),
        (b'data: {"error":"boom"}\n\n', GatewayError, "boom"),
        (b'data: {"object":"error","message":"bad","code":400}\n\n', GatewayError, "bad"),
        (
            chunk({"content": ""}, "error", error={"code": 502, "message": "upstream died"}),
            GatewayError,
            "upstream died",
        ),
        (chunk({}, "network_error"), GatewayError, "network_error"),
        (b'data: [{"error":{"code":503,"message":"unavailable now"}}]\n\n', Overloaded, "unavailable now"),
    ],
)
def test_b32_an_error_inside_the_stream_is_a_failure(piece: bytes, kind: type, words: str) -> None:
    error = failed(ROLE, chunk({"content": "par"}), piece, DONE)

    assert isinstance(error, kind)
    assert words in error.message


@pytest.mark.parametrize(
    "piece",
    [
        b"data: {broken\n\n",
        b"data: 7\n\n",
        b'data: {"choices":5,"usage":[]}\n\n',
        b"<html><title>502</title></html>",
        b"data: " + b"[" * 5000 + b"\n\n",
    ],
)
def test_garbage_is_a_failure_and_never_an_exception(piece: bytes) -> None:
    assert isinstance(failed(piece), GatewayError)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_b79_reasoning_is_read_under_both_names(name: str) -> None:
    assert answered(chunk({name: "hm"}), chunk({"content": "x"}), STOP).parts == (Thinking("hm"), Text("x"))


def test_reasoning_under_both_names_at_once_counts_once() -> None:
    answer = answered(chunk({"reasoning": "hm", "reasoning_content": "hm"}), STOP)

    assert answer.parts == (Thinking("hm"),)


def test_b80_think_tags_cut_anywhere_are_taken_apart() -> None:
    text = "<think>\nwe <b>think</b> </thin\n</think>\n\nanswer </think> <think>"
    for size in range(1, 9):
        pieces = [chunk({"content": text[i : i + size]}) for i in range(0, len(text), size)]
        parts = answered(ROLE, *pieces, STOP, DONE).parts
        assert parts == (Thinking("\nwe <b>think</b> </thin"), Text("answer </think> <think>"))


@pytest.mark.parametrize("text", ["a <think>b</think>", "<thin ice", "<", "  ", "\n<p>"])
def test_text_that_does_not_begin_with_the_tag_stays_as_it_is(text: str) -> None:
    assert answered(*(chunk({"content": c}) for c in text), STOP, DONE).parts == (Text(text),)


def test_signed_reasoning_keeps_its_signature_and_all_its_makers_fields() -> None:
    entry = {"type": "reasoning.text", "format": "v1", "index": 0}
    answer = answered(
        chunk({"reasoning": "a", "reasoning_details": [{**entry, "text": "a"}]}),
        chunk({"reasoning": "b", "reasoning_details": [{**entry, "text": "b"}]}),
        chunk({"reasoning": "", "reasoning_details": [{**entry, "signature": "SIG"}]}),
        chunk({"content": "x"}),
        STOP,
    )

    thinking = answer.parts[0]
    assert isinstance(thinking, Thinking)
    assert thinking.text == "ab"
    assert thinking.seal is not None
    assert orjson.loads(thinking.seal.value) == {"type": "reasoning.text", "format": "v1", "signature": "SIG"}
    assert answer.parts[1:] == (Text("x"),)


def test_encrypted_reasoning_is_a_part_of_its_own() -> None:
    detail = {"type": "reasoning.encrypted", "data": "ZZ", "id": "rs_1", "format": "f", "index": 0}
    (part,) = answered(chunk({"reasoning_details": [detail]}), STOP).parts

    assert isinstance(part, Thinking)
    assert part.redacted
    assert part.seal is not None
    assert orjson.loads(part.seal.value)["data"] == "ZZ"


def test_b67_b68_b69_signatures_stay_with_the_call_or_text_they_came_with() -> None:
    signed = call(0, "a", "f", "{}")
    signed["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "S1"}}
    answer = answered(
        chunk({"content": "t"}),
        chunk({"content": "", "extra_content": {"google": {"thought_signature": "S0"}}}),
        chunk(signed),
        chunk(call(1, "b", "g", "{}")),
        STOP,
    )

    assert answer.parts == (
        Text("t", seal=Seal("S0", OPENAI_CHAT)),
        ToolCall("a", "f", "{}", seal=Seal("S1", OPENAI_CHAT)),
        ToolCall("b", "g", "{}"),
    )


def test_refusals_pictures_and_addresses_are_read() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "http://x", "title": "X", "start_index": 0, "end_index": 2}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    answer = answered(
        chunk({"content": "hi"}),
        chunk({"annotations": [note]}),
        chunk({"images": [picture]}),
        chunk({"refusal": "no"}),
        STOP,
    )

    text = answer.parts[0]
    assert isinstance(text, Text)
    assert [(c.url, c.title, c.start, c.end) for c in text.citations] == [("http://x", "X", 0, 2)]
    assert isinstance(answer.parts[1], Image)
    assert answer.parts[2] == Refusal("no")


def test_the_deprecated_function_call_is_read() -> None:
    (part,) = answered(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": '{"x":1}'}}),
        chunk({}, "function_call"),
    ).parts

    assert isinstance(part, ToolCall)
    assert (part.name, part.arguments) == ("f", '{"x":1}')


def test_content_that_comes_as_parts_is_read() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "x"}]

    assert answered(chunk({"content": parts}), STOP).parts == (Thinking("hm"), Text("x"))


def test_freeform_calls_are_read() -> None:
    first = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls "}}
    more = {"index": 0, "custom": {"input": "-l"}}

    assert answered(chunk({"tool_calls": [first]}), chunk({"tool_calls": [more]}), STOP, DONE).parts == (
        ToolCall("a", "sh", "ls -l", "custom"),
    )


def test_characters_cut_in_half_are_joined() -> None:
    halves = (
        b'data: {"choices":[{"index":0,"delta":{"content":"a\\ud83c"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"\\udf88b"}}]}\n\n',
    )

    assert answered(*halves, STOP).parts == (Text("a🎈b"),)


def test_only_the_first_of_several_choices_counts() -> None:
    both = b'data: {"choices":[{"index":1,"delta":{"content":"B"}},{"index":0,"delta":{"content":"A"}}]}\n\n'

    assert answered(both, STOP).parts == (Text("A"),)


def test_an_answer_that_is_no_stream_is_read_all_the_same() -> None:
    body = orjson.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})

    assert answered(b"\n ", body[:10], body[10:]).parts == (Text("hi"),)


# usage -----------------------------------------------------------------------


def counts(prompt: int, completion: int, cached: Any = ...) -> dict[str, Any]:
    details = {} if cached is ... else {"prompt_tokens_details": cached and {"cached_tokens": int(cached)}}
    return {"prompt_tokens": prompt, "completion_tokens": completion, **details}


@pytest.mark.parametrize(
    ("pieces", "usage"),
    [
        pytest.param(
            (chunk(None, usage=counts(10, 4, "6")),), Usage(4, 6, output_visible=4), id="b113-after-the-reason"
        ),
        pytest.param((chunk({}, x_groq={"usage": counts(3, 2)}),), Usage(3, output_visible=2), id="groq"),
        pytest.param(
            (b'data: {"choices":[{"index":0,"delta":{},"usage":{"prompt_tokens":3,"cached_tokens":2}}]}\n\n',),
            Usage(1, cache_read=2),
            id="kimi",
        ),
        pytest.param(
            (chunk({}, usage=counts(3, 1)), chunk({}, usage=counts(3, 2)), chunk({}, usage=None)),
            Usage(3, output_visible=2),
            id="b114-cumulative",
        ),
        pytest.param(
            (chunk({}, usage=counts(9, 1, "9")), chunk({}, usage=counts(9, 2, "0"))),
            Usage(9, output_visible=2),
            id="b117-zero-overwrites",
        ),
        pytest.param(
            (chunk({}, usage=counts(9, 1, "9")), chunk({}, usage=counts(9, 2, None))),
            Usage(0, cache_read=9, output_visible=2),
            id="null-erases-nothing",
        ),
    ],
)
def test_usage_is_found_wherever_it_stands(pieces: tuple[bytes, ...], usage: Usage) -> None:
    assert answered(chunk({"content": "x"}), STOP, *pieces, DONE).usage == usage


def test_a_watching_decoder_sees_usage_end_and_errors_only() -> None:
    decoder = DIALECT.decoder(True)
    names = [type(signal).__name__ for piece in RICH for signal in decoder.feed(piece)]

    assert "TextDelta" not in names
    assert "Stopped" in names
    assert "UsageSeen" in names
    assert names[-1] == "Terminal"
    (broke,) = DIALECT.decoder(True).feed(b'data: {"error":{"message":"x"}}\n\n')
    assert type(broke).__name__ == "Broke"


# encoding --------------------------------------------------------------------


def test_a_stream_for_the_caller_has_the_shape_of_the_reference() -> None:
    conversation = evolve(CALLER, include_usage=True)
    sent = written(Answer(RICH_PARTS, Stop("tool"), Usage(9, output_visible=5)), conversation)

    assert sent[-1] == "[DONE]"
    assert sent.count("[DONE]") == 1
    body = sent[:-1]
    assert {(f["id"], f["object"], f["created"], f["model"]) for f in body} == {
        ("chatcmpl-abc", "chat.completion.chunk", 1_700_000_000, "ds/m")
    }
    assert all(f["usage"] is None for f in body[:-1])
    assert body[-1]["choices"] == []
    assert body[-1]["usage"]["total_tokens"] == 14
    assert deltas(sent) == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Let me think. 思"},
        {"content": " Hello 🎈\n"},
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "read", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"p":"ü"}'}}]},
        {},
    ]
    assert [f["choices"][0]["finish_reason"] for f in body[:-1]] == [None] * 5 + ["tool_calls"]


def test_b112_callers_who_did_not_ask_for_usage_get_no_chunk_without_choices() -> None:
    sent = written(Answer((Text("x"),), Stop("end"), Usage(1)), evolve(CALLER, include_usage=False))

    assert all(f["choices"] and "usage" not in f for f in sent[:-1])


def test_usage_that_nobody_knows_is_not_invented() -> None:
    assert all(f["choices"] for f in written(Answer((Text("x"),), Stop("end")))[:-1])


def test_b7_b9_calls_are_counted_from_zero_whatever_stands_before_them() -> None:
    server = Opaque(ANTHROPIC, "server_tool_use", {}, "")
    parts = (Thinking("t"), Text("a"), server, ToolCall("x", "f", "{}"), server, ToolCall("y", "g", "{}"))
    sent = written(Answer(parts, Stop("tool")))

    assert [c["index"] for d in deltas(sent) for c in d.get("tool_calls", ())] == [0, 0, 1, 1]


def test_b31_a_call_without_arguments_ends_as_an_empty_object() -> None:
    sent = written(Answer((ToolCall("x", "f", ""),), Stop("tool")))

    assert "".join(c["function"]["arguments"] for d in deltas(sent) for c in d.get("tool_calls", ())) == "{}"


def test_an_empty_answer_is_a_role_and_an_end() -> None:
    assert deltas(written(Answer((), Stop("end")))) == [{"role": "assistant", "content": ""}, {}]


def test_a_failure_is_the_last_word() -> None:
    decoder, machine, encoder = DIALECT.decoder(False), BlockMachine(), DIALECT.encoder(REPLY)
    data = b"".join(
        encoder.encode(machine.feed(decoder.feed(piece)))
        for piece in (ROLE, chunk({"content": "a"}), b'data: {"error":{"message":"boom","code":429}}\n\n')
    )
    sent = frames(data + encoder.encode(machine.end()))

    assert sent[-1]["error"]["message"] == "boom"
    assert sent[-1]["error"]["code"] == "rate_limit_exceeded"
    assert "[DONE]" not in sent
    assert all(f["choices"][0]["finish_reason"] is None for f in sent[:-1])


def test_sealed_thinking_travels_in_reasoning_details() -> None:
    mine, theirs = Seal("S", OPENAI_CHAT, "p", "m"), Seal("T", ANTHROPIC, "p", "m")
    parts = (Thinking("a", mine), Thinking("b", theirs), Thinking("", theirs, redacted=True), Thinking("c"), Text("x"))
    sent = deltas(written(Answer(parts, Stop("end"))))

    assert "".join(d.get("reasoning_content", "") for d in sent) == "a\n\nb\n\nc"
    assert [e for d in sent for e in d.get("reasoning_details", ())] == [
        {"type": "thinking", "text": "a", "signature": "S", "index": 0},
        {"type": "thinking", "text": "b", "signature": wrap(theirs), "index": 1},
        {"type": "redacted_thinking", "data": wrap(theirs), "index": 2},
    ]


def test_a_calls_seal_travels_in_its_first_fragment() -> None:
    seal = Seal("G", GEMINI, "g", "gm")
    sent = deltas(written(Answer((ToolCall("x", "f", "{}", seal=seal), ToolCall("y", "g", "{}")), Stop("tool"))))
    first, _, second, _ = (c for d in sent for c in d.get("tool_calls", ()))

    token = first["extra_content"]["google"]["thought_signature"]
    assert unwrap(token, OPENAI_CHAT) == seal
    assert "extra_content" not in second


def test_a_texts_seal_travels_in_the_message() -> None:
    seal = Seal("G", GEMINI, "g", "gm")
    sent = deltas(written(Answer((Text("x", seal=seal),), Stop("end"))))

    assert [d["extra_content"] for d in sent if "extra_content" in d] == [{"google": {"thought_signature": wrap(seal)}}]


def test_citations_come_together_before_the_end_with_places_in_the_whole_text() -> None:
    parts = (Text("ab", (Citation("http://1", "one"),)), Text("cd", (Citation("http://2", None, start=1, end=2),)))
    sent = deltas(written(Answer(parts, Stop("end"))))

    assert [d for d in sent if "annotations" in d] == [sent[-2]]
    places = [(n["url_citation"]["start_index"], n["url_citation"]["end_index"]) for n in sent[-2]["annotations"]]
    assert places == [(0, 2), (3, 4)]


def test_b51_freeform_calls_that_came_as_functions_are_freeform_again() -> None:
    conversation = evolve(CALLER, tools=(Tool("patch", kind="custom"),))
    answer = Answer((ToolCall("x", "patch", '{"input":"*** Begin\\n"}'),), Stop("tool"))
    calls = [c for d in deltas(written(answer, conversation)) for c in d.get("tool_calls", ())]

    assert calls[0]["type"] == "custom"
    assert "".join(c["custom"]["input"] for c in calls) == "*** Begin\n"
    message = DIALECT.render_answer(answer, evolve(REPLY, conversation=conversation))["choices"][0]["message"]
    assert message["tool_calls"] == [{"id": "x", "type": "custom", "custom": {"name": "patch", "input": "*** Begin\n"}}]


def test_b49_names_that_a_provider_could_not_take_are_the_callers_again() -> None:
    long = "mcp.server/" + "n" * 70
    request = DIALECT.parse_request(
        {
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
            "tools": [{"type": "function", "function": {"name": long}}],
        },
        ASKED,
    )
    answer = Answer((ToolCall("x", fit(long, "a-zA-Z0-9_-", 64), "{}"),), Stop("tool"))
    calls = [c for d in deltas(written(answer, request)) for c in d.get("tool_calls", ())]

    assert calls[0]["function"]["name"] == long


def test_callers_of_the_deprecated_functions_get_a_function_call() -> None:
    request = DIALECT.parse_request(
        {"model": "m", "messages": [{"role": "user", "content": "x"}], "functions": [{"name": "f"}]}, ASKED
    )
    answer = Answer((ToolCall("x", "f", '{"a":1}'), ToolCall("y", "f", "{}")), Stop("tool"))
    sent = written(answer, request)

    assert [d for d in deltas(sent) if "function_call" in d] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"a":1}'}},
    ]
    assert sent[-2]["choices"][0]["finish_reason"] == "function_call"
    message = DIALECT.render_answer(answer, evolve(REPLY, conversation=request))["choices"][0]["message"]
    assert message["function_call"] == {"name": "f", "arguments": '{"a":1}'}


def test_pictures_are_shown() -> None:
    sent = deltas(written(Answer((Image(Blob("image/png", "AA==")), Image(Blob("image/png", "BB=="))), Stop("end"))))

    assert [(i["index"], i["image_url"]["url"]) for d in sent for i in d.get("images", ())] == [
        (0, "data:image/png;base64,AA=="),
        (1, "data:image/png;base64,BB=="),
    ]


def test_what_only_another_dialect_knows_is_shown_in_words() -> None:
    parts = (Text("a"), Opaque(GEMINI, "executableCode", {}, "print(1)"), Text("b"))
    sent = deltas(written(Answer(parts, Stop("end"))))

    assert "".join(d.get("content", "") for d in sent) == "a\n\nprint(1)\n\nb"


WHOLE = [
    pytest.param(RICH_PARTS, id="rich"),
    pytest.param((Text("a"), Text("b")), id="two-texts"),
    pytest.param((Text("a"), ToolCall("x", "f", '{"q":0}'), Text("b")), id="text-after-call"),
    pytest.param((Thinking("a"), Text("b"), Thinking("c", Seal("S", ANTHROPIC)), Text("d")), id="interleaved"),
    pytest.param((Refusal("no"),), id="refusal"),
    pytest.param((Text("a", seal=Seal("x", GEMINI)), ToolCall("y", "f", "{}", seal=Seal("z", GEMINI))), id="sealed"),
]


@pytest.mark.parametrize("parts", WHOLE)
def test_a_stream_joined_is_the_answer_in_one_piece(parts: tuple[Any, ...]) -> None:
    answer = Answer(parts, Stop("end"))
    whole = DIALECT.render_answer(answer, REPLY)["choices"][0]["message"]
    joined: dict[str, Any] = {"content": "", "refusal": ""}
    calls: list[dict[str, Any]] = []
    for delta in deltas(written(answer)):
        for name, value in delta.items():
            if name == "tool_calls":
                for piece in value:
                    if piece["index"] == len(calls):
                        calls.append({k: v for k, v in piece.items() if k != "index"})
                    else:
                        calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
            elif isinstance(value, str) and name != "role":
                joined[name] = joined.get(name, "") + value
            elif isinstance(value, list):
                joined[name] = joined.get(name, []) + value
            else:
                joined[name] = value
    expected = {k: v for k, v in whole.items() if k != "tool_calls"}
    expected["content"] = expected["content"] or ""
    expected["refusal"] = expected["refusal"] or ""

    assert joined == expected
    assert calls == whole.get("tool_calls", [])


def test_a_batch_of_events_is_the_same_as_one_after_the_other() -> None:
    events = decoded(RICH)
    one, many = DIALECT.encoder(REPLY), DIALECT.encoder(REPLY)

    assert one.encode(events) == b"".join(many.encode([event]) for event in events)
