"""Answers of providers, whole and as streams: both ways give the same, however the stream is cut."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_dialects.openai_responses import DIALECT
from omniroute_hooks import (
    Answer,
    Blob,
    Citation,
    ContextTooLong,
    GatewayError,
    Image,
    Opaque,
    QuotaExhausted,
    RateLimited,
    Refusal,
    Seal,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UpstreamError,
    Usage,
)
from omniroute_hooks.conversation import Part
from omniroute_hooks.events import Failed, Finished, Terminal, UsageSeen
from openai_responses_kit import answer_of, call, failure_in, heard, message, played, said, whole, wire

NOTE = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "First"}, {"type": "summary_text", "text": "then"}],
    "encrypted_content": "E",
}
SILENT = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "E"}
MUTE = {"type": "reasoning", "id": "rs_3", "summary": []}
PATCH = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_p", "name": "apply_patch", "input": "*** Begin\n"}
SHELL = {
    "type": "local_shell_call",
    "id": "lsh_1",
    "call_id": "call_s",
    "status": "completed",
    "action": {"type": "exec", "command": ["ls"], "env": {}},
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
PICTURE = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"}
SEALED = Seal("E", "openai-responses")

CASES: list[tuple[str, list[dict[str, Any]], list[Part], str]] = [
    ("empty", [], [], "end"),
    ("text", [message(said("Hello,  \nworld "))], [Text("Hello,  \nworld ")], "end"),
    ("non-latin", [message(said("héllo 🌍"))], [Text("héllo 🌍")], "end"),
    ("two texts", [message(said("one"), said("two"))], [Text("one"), Text("two")], "end"),
    (
        "cited text",
        [message(said("ab", NOTE))],
        [Text("ab", (Citation("https://a", "A", None, 0, 2, {"openai-responses": NOTE}),))],
        "end",
    ),
    ("refusal", [message({"type": "refusal", "refusal": "I won't."})], [Refusal("I won't.")], "end"),
    (
        "b83 one thought of two parts",
        [THOUGHT, message(said("so"))],
        [Thinking("First\n\nthen", SEALED, id="rs_1"), Text("so")],
        "end",
    ),
    ("sealed thought", [SILENT, message(said("so"))], [Thinking("", SEALED, True, "rs_2"), Text("so")], "end"),
    ("thought that is not told", [MUTE, message(said("so"))], [Text("so")], "end"),
    ("call", [call("f", '{"a": ""}')], [ToolCall("call_1", "f", '{"a": ""}')], "tool"),
    ("call without arguments", [call("f", "")], [ToolCall("call_1", "f", "")], "tool"),
    ("call in a namespace", [call("g", "{}", namespace="n")], [ToolCall("call_1", "g", "{}", namespace="n")], "tool"),
    (
        "parallel calls",
        [message(said("ok")), call("f", '{"n":1}', "a"), call("f", '{"n":2}', "b")],
        [Text("ok"), ToolCall("a", "f", '{"n":1}'), ToolCall("b", "f", '{"n":2}')],
        "tool",
    ),
    ("b51 custom call", [PATCH], [ToolCall("call_p", "apply_patch", "*** Begin\n", "custom")], "tool"),
    (
        "local shell",
        [SHELL],
        [ToolCall("call_s", "local_shell", '{"type":"exec","command":["ls"],"env":{}}')],
        "tool",
    ),
    (
        "b63 hosted search",
        [SEARCH, message(said("so"))],
        [Opaque("openai-responses", "web_search_call", SEARCH, "[Searched the web: q]"), Text("so")],
        "end",
    ),
    (
        "image",
        [PICTURE],
        [
            Image(
                Blob(mime="image/png", data="AAAA"),
                ext={"openai-responses": {"item": {k: v for k, v in PICTURE.items() if k != "result"}}},
            )
        ],
        "end",
    ),
    (
        "unknown item",
        [{"type": "dream", "id": "d_1"}],
        [Opaque("openai-responses", "dream", {"type": "dream", "id": "d_1"})],
        "end",
    ),
]
ALL = pytest.mark.parametrize(("items", "parts", "stop"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
USAGE = Usage(input_fresh=5, cache_read=4, cache_write_other=1, output_visible=2, reasoning=5)


def expected(parts: list[Part], stop: str) -> Answer:
    return Answer(tuple(parts), Stop(stop, "completed"), USAGE, "resp_1", "gpt-5", 1_700_000_000)  # type: ignore[arg-type]


@ALL
def test_a_whole_answer(items: list[dict[str, Any]], parts: list[Part], stop: str):
    assert DIALECT.parse_answer(whole(*items)) == expected(parts, stop)


@ALL
def test_a_stream_gives_the_same_answer(items: list[dict[str, Any]], parts: list[Part], stop: str):
    assert answer_of(wire(*played(*items))) == expected(parts, stop)


@ALL
def test_b30_an_answer_that_is_only_told_at_the_end(items: list[dict[str, Any]], parts: list[Part], stop: str):
    events = played(*items)
    done = [e for e in events if e["type"] in ("response.output_item.done", "response.created", "response.completed")]
    assert answer_of(wire(*done)) == expected(parts, stop)
    assert answer_of(wire(events[-1])) == expected(parts, stop)


@ALL
def test_b28_the_final_object_may_be_without_output(items: list[dict[str, Any]], parts: list[Part], stop: str):
    events = played(*items)
    events[-1] = {**events[-1], "response": {**events[-1]["response"], "output": []}}
    assert answer_of(wire(*events)) == expected(parts, stop)


EVERYTHING = wire(
    *played(THOUGHT, message(said("héllo 🌍", NOTE), said("two")), call("f", '{"a": 1}', "a"), PATCH, SHELL, SEARCH)
)


def test_b33_bytes_may_be_cut_anywhere():
    answer = answer_of(EVERYTHING)
    assert len(answer.parts) == 7
    for cut in range(1, len(EVERYTHING)):
        assert answer_of(EVERYTHING, [cut]) == answer
    assert answer_of(EVERYTHING, range(1, len(EVERYTHING))) == answer


@pytest.mark.parametrize("ending", [b"\r\n", b"\r"])
def test_b33_line_ends_of_every_kind(ending: bytes):
    answer = answer_of(EVERYTHING)
    assert answer_of(EVERYTHING.replace(b"\n", ending)) == answer
    assert answer_of(EVERYTHING.replace(b"\n", ending), range(1, len(EVERYTHING), 7)) == answer


def test_b33_a_last_frame_without_its_blank_line_counts():
    assert answer_of(EVERYTHING.rstrip(b"\n")) == answer_of(EVERYTHING)


def test_b21_what_comes_after_the_end_is_ignored():
    assert answer_of(EVERYTHING + b"data: [DONE]\n\n" + EVERYTHING + b"data: nonsense\n\n") == answer_of(EVERYTHING)


def test_events_without_names_are_known_by_their_type():
    nameless = b"".join(line + b"\n" for line in EVERYTHING.split(b"\n") if not line.startswith(b"event:"))
    assert answer_of(nameless) == answer_of(EVERYTHING)


def test_unknown_events_and_comments_are_passed_over():
    events = played(message(said("hi")))
    noise = [{"type": "codex.rate_limits", "x": 1}, {"type": "response.brand_new.delta", "delta": "no"}]
    stream = b": ping\n\n" + wire(*events[:3], *noise, *events[3:])
    assert answer_of(stream).parts == (Text("hi"),)


def test_b29_what_is_done_is_not_said_again():
    events = played(THOUGHT, message(said("hello")), call("f", '{"a":1}'))
    assert answer_of(wire(*events)).parts[1:] == (Text("hello"), ToolCall("call_1", "f", '{"a":1}'))


def test_b4_an_item_that_is_done_twice_counts_once():
    events = played(call("f", '{"a":1}'), message(said("hello")))
    twice = [copy for e in events for copy in ([e, e] if e["type"] == "response.output_item.done" else [e])]
    assert answer_of(wire(*twice)).parts == (ToolCall("call_1", "f", '{"a":1}'), Text("hello"))


def test_deltas_of_an_item_that_is_done_are_ignored():
    events = played(message(said("hello")))
    late = next(e for e in events if e["type"] == "response.output_text.delta")
    assert answer_of(wire(*events[:-1], late, events[-1])).parts == (Text("hello"),)


def test_b26_items_that_share_one_index_are_told_apart():
    events = played(THOUGHT, message(said("hello")), call("f", '{"a":1}', "a"), call("f", '{"b":2}', "b"))
    answer = answer_of(wire(*events))
    for event in events:
        if "output_index" in event:
            event["output_index"] = 0
    assert answer_of(wire(*events)) == answer


def test_items_without_an_index_are_known_by_their_id():
    events = played(THOUGHT, message(said("hello")), call("f", '{"a":1}', "a"), call("f", '{"b":2}', "b"))
    answer = answer_of(wire(*events))
    for event in events:
        event.pop("output_index", None)
    assert answer_of(wire(*events)) == answer


def test_ids_may_change_with_every_event():
    events = played(message(said("hello")), call("f", '{"a":1}'))
    for number, event in enumerate(events):
        if "item_id" in event:
            event["item_id"] = f"x{number}"
        if "item" in event:
            event["item"] = {**event["item"], "id": f"y{number}"}
    assert answer_of(wire(*events)).parts == (Text("hello"), ToolCall("call_1", "f", '{"a":1}'))


def test_b8_interleaved_calls_stay_apart():
    a, b = played(call("f", '{"n":1}', "a"))[2:-1], played(call("g", '{"n":2}', "b"))[2:-1]
    for event in b:
        event["output_index"] = 1
    mixed = [e for pair in zip(a, b, strict=True) for e in pair]
    frame = played()
    assert answer_of(wire(*frame[:2], *mixed, frame[-1])).parts == (
        ToolCall("a", "f", '{"n":1}'),
        ToolCall("b", "g", '{"n":2}'),
    )


def test_raw_reasoning_of_open_models():
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]}
    at = {"item_id": "rs_1", "output_index": 0}
    frame = played()
    stream = wire(
        *frame[:2],
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.reasoning_text.delta", **at, "content_index": 0, "delta": "ra"},
        {"type": "response.reasoning_text.delta", **at, "content_index": 0, "delta": "w"},
        {"type": "response.reasoning_text.done", **at, "content_index": 0, "text": "raw"},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        frame[-1],
    )
    assert answer_of(stream).parts == DIALECT.parse_answer(whole(item)).parts == (Thinking("raw", id="rs_1"),)


@pytest.mark.parametrize(
    ("fields", "stop"),
    [
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            Stop("length", "max_output_tokens"),
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            Stop("filtered", "content_filter"),
        ),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_messages"}}, Stop("pause", "max_messages")),
        ({"status": "incomplete", "incomplete_details": {"reason": "new"}}, Stop("other", "new")),
        ({"status": "incomplete", "incomplete_details": None}, Stop("other", "incomplete")),
    ],
)
def test_b25_an_incomplete_answer_keeps_its_text(fields: dict[str, Any], stop: Stop):
    items = [message(said("par"))]
    for answer in (DIALECT.parse_answer(whole(*items, **fields)), answer_of(wire(*played(*items, **fields)))):
        assert (answer.parts, answer.stop) == ((Text("par"),), stop)


def test_b19_length_wins_over_a_call_that_may_be_cut():
    fields = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    answer = answer_of(wire(*played(call("f", '{"a'), **fields)))
    assert answer.stop.reason == "length"


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (None, None),
        ({}, None),
        ("many", None),
        ({"input_tokens": 3, "output_tokens": 2}, Usage(input_fresh=3, output_visible=2)),
        (
            {
                "input_tokens": 3,
                "output_tokens": 2,
                "output_tokens_details": {"reasoning_tokens": 4},
                "total_tokens": 9,
            },
            Usage(input_fresh=3, output_visible=2, reasoning=4),
        ),
        ({"input_tokens": 3, "input_tokens_details": {"cached_tokens": 9}}, Usage(cache_read=9)),
        ({"input_tokens": "x", "output_tokens": -1, "input_tokens_details": 3}, Usage()),
        ({"input_tokens": 1, "cost": 2}, Usage(input_fresh=1, ext={"openai-responses": {"cost": 2}})),
    ],
)
def test_b115_usage_in_disjoint_buckets(raw: Any, usage: Usage | None):
    assert DIALECT.parse_answer(whole(usage=raw)).usage == usage


def test_characters_cut_in_two_are_put_together():
    frame = played(message(said("")))
    at = {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0}
    halves = [json.dumps({**at, "delta": d}).encode() for d in ("a", "b\ud83c", "\udf0d", "c", "\ud83c", "d")]
    stream = wire(*frame[:4]) + b"".join(b"data: %b\n\n" % h for h in halves) + wire(frame[-1])
    assert answer_of(stream).parts == (Text("ab🌍c\ufffdd"),)


# failures -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "server_error", "message": "boom"}, UpstreamError),
        ({"code": "rate_limit_exceeded", "message": "Please try again in 1.5s."}, RateLimited),
        ({"code": "insufficient_quota", "message": "no credit"}, QuotaExhausted),
        ({"code": "context_length_exceeded", "message": "too long"}, ContextTooLong),
    ],
)
def test_b24_a_failure_is_a_failure(error: dict[str, Any], kind: type[GatewayError]):
    frame = played(message(said("half")))
    failed = {"type": "response.failed", "response": whole(status="failed", error=error)}
    last = failure_in(wire(*frame[:-2], failed))
    assert (type(last.error), last.error.message) == (kind, error["message"])
    assert last.partial.parts == (Text("half"),)
    with pytest.raises(kind, match=error["message"]):
        DIALECT.parse_answer(whole(status="failed", error=error))
    if kind is RateLimited:
        assert last.error.retry_after_s == 1.5


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "boom", "param": None},
        {"type": "error", "error": {"type": "server_error", "message": "boom"}},
        {"type": "error", "status": 503, "error": {"message": "boom"}},
    ],
)
def test_b32_an_error_event_ends_the_stream(event: dict[str, Any]):
    assert failure_in(wire(*played(message(said("half")))[:4], event)).error.message == "boom"


def test_an_error_without_a_type_ends_the_stream():
    assert failure_in(b'data: {"error":{"message":"boom"}}\n\n').error.message == "boom"
    assert failure_in(b'data: {"detail":"boom"}\n\n').error.message == "boom"


@pytest.mark.parametrize("count", range(1, 9))
def test_b24_a_cut_stream_is_broken(count: int):
    events = played(message(said("hello")))
    assert failure_in(wire(*events[:-1][:count])).error.code == "stream_broken"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        3,
        {},
        {"output": "x"},
        {"error": {"message": "boom"}},
        {"error": "boom"},
        {"status": "cancelled"},
    ],
)
def test_a_200_that_is_no_answer_is_an_error(body: Any):
    with pytest.raises(GatewayError):
        DIALECT.parse_answer(body)


@pytest.mark.parametrize("data", [b"nonsense", b"[1]", b"null", b'{"a":', b"[" * 100_000])
def test_data_that_is_no_event_breaks_the_stream(data: bytes):
    assert failure_in(b"data: " + data + b"\n\n").error.code == "stream_broken"


# watching -----------------------------------------------------------------------------


def test_a_watching_decoder_sees_usage_and_end():
    decoder = DIALECT.decoder(True)
    signals = list(decoder.feed(EVERYTHING))
    assert [s.usage for s in signals if isinstance(s, UsageSeen)] == [USAGE]
    assert any(isinstance(s, Terminal) for s in signals)
    assert len(signals) < 8


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "boom", "param": None},
        {
            "type": "response.failed",
            "response": whole(status="failed", error={"code": "server_error", "message": "boom"}),
        },
    ],
)
def test_a_watching_decoder_sees_failures(event: dict[str, Any]):
    last = heard(wire(*played(message(said("half")))[:4], event), watch=True)[-1]
    assert isinstance(last, Failed)
    assert last.error.message == "boom"


def test_a_watching_decoder_is_not_fooled_by_text():
    text = '"error" response.failed {"type":"response.completed"}'
    last = heard(wire(*played(message(said(text)))), watch=True)[-1]
    assert isinstance(last, Finished)


# nonsense ------------------------------------------------------------------------------

_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
_JUNK = st.recursive(
    _VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
_EVENTS = played(THOUGHT, message(said("hi", NOTE)), call("f", '{"a":1}'), PATCH, SHELL, SEARCH, PICTURE)


@st.composite
def _bent(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A stream's events with some fields, deep ones too, of a wrong type, and some events lost or moved."""
    events = orjson.loads(orjson.dumps(_EVENTS))
    for _ in range(draw(st.integers(1, 4))):
        where: Any = draw(st.sampled_from(events))
        for _ in range(draw(st.integers(0, 4))):
            inner = [
                v for v in (where.values() if isinstance(where, dict) else where) if isinstance(v, dict | list) and v
            ]
            if not inner:
                break
            where = draw(st.sampled_from(inner))
        name = draw(st.sampled_from(sorted(where) if isinstance(where, dict) else list(range(len(where)))))
        if name != "type" or draw(st.booleans()):
            where[name] = draw(_JUNK)
    if draw(st.booleans()):
        events.pop(draw(st.integers(0, len(events) - 1)))
    if draw(st.booleans()):
        events = draw(st.permutations(events))
    return events


@settings(max_examples=300, deadline=None)
@given(_bent())
def test_bent_streams_end_once_and_raise_nothing(events: list[dict[str, Any]]):
    stream = b"".join(b"data: %b\n\n" % json.dumps(e).encode() for e in events)  # as loose as providers are
    found = heard(stream)
    assert isinstance(found[-1], Finished | Failed)
    assert sum(isinstance(e, Finished | Failed) for e in found) == 1


@settings(max_examples=200, deadline=None)
@given(_bent())
def test_bent_answers_are_read_or_refused(events: list[dict[str, Any]]):
    for event in events:
        body = event.get("response", event.get("item"))
        with suppress(GatewayError):
            assert isinstance(DIALECT.parse_answer(body), Answer)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_failure(data: bytes):
    assert isinstance(heard(data)[-1], Failed)
