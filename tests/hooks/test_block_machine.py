"""The block machine: whatever a provider signals, the events are legal and the answer is whole."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_hooks import (
    Answer,
    Blob,
    BrokenStream,
    Citation,
    Image,
    Opaque,
    Overloaded,
    Refusal,
    Seal,
    Stop,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from omniroute_hooks.answers import distinct_calls, signals_of, whole_answer
from omniroute_hooks.blocks import BlockMachine, settle_stop
from omniroute_hooks.events import (
    Begin,
    BlockCited,
    BlockClosed,
    BlockDelta,
    BlockOpened,
    Broke,
    Cited,
    Ended,
    Event,
    Failed,
    Finished,
    Sealed,
    Started,
    Stopped,
    Terminal,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UsageSeen,
    WholePart,
)

SEAL = Seal("c2VhbA==", "anthropic", "claude", "m")
STOP = Stopped(Stop("end"))
TOOL_STOP = Stopped(Stop("tool"))
IMAGE = Image(Blob(mime="image/png", data="aGk="))


def run(*signals: Any, answer_id: str | None = "r1") -> list[Event]:
    """All events of these signals and the end after them, checked for legality."""
    machine = BlockMachine(answer_id)
    events = [event for signal in signals for event in machine.feed([signal])]
    events += machine.end()
    assert_legal(events)
    return events


def assert_legal(events: list[Event]) -> None:
    """Started once and first; blocks one after another, numbered without gaps, whole; one end and last."""
    assert isinstance(events[-1], Finished | Failed)
    assert not any(isinstance(event, Finished | Failed) for event in events[:-1])
    body = events[:-1]
    if body:
        assert isinstance(body[0], Started)
    assert sum(isinstance(event, Started) for event in body) <= 1
    opened, heard, cited, closed = None, "", [], []
    for event in body[1:]:
        if isinstance(event, BlockOpened):
            assert opened is None, "one block at a time"
            assert event.index == len(closed)
            opened, heard, cited = event, "", []
        elif isinstance(event, BlockDelta):
            assert opened is not None
            assert (event.index, event.kind) == (opened.index, opened.kind)
            assert event.text, "deltas are never empty"
            heard += event.text
        elif isinstance(event, BlockCited):
            assert opened is not None
            assert event.index == opened.index
            cited.append(event.citation)
        else:
            assert isinstance(event, BlockClosed)
            assert opened is not None
            assert (event.index, event.kind) == (opened.index, opened.kind)
            assert heard == content(event.part)
            assert cited == list(getattr(event.part, "citations", ()))
            assert name(event.part) == name(opened.part)
            closed.append(event.part)
            opened = None
    if isinstance(events[-1], Finished):
        assert opened is None, "nothing is left open"
        assert len(events[-1].answer.parts) == len(closed)


def content(part: Any) -> str:
    if isinstance(part, ToolCall):
        return part.arguments
    return part.text if isinstance(part, Text | Thinking | Refusal) and not getattr(part, "redacted", False) else ""


def name(part: Any) -> Any:
    return (part.id, part.name) if isinstance(part, ToolCall) else type(part)


def answer_of(events: list[Event]) -> Answer:
    assert isinstance(events[-1], Finished), events[-1]
    return events[-1].answer


def story(events: list[Event]) -> list[str]:
    """The events between start and end in short: ``open:text``, ``+words``, ``close``."""
    out = []
    for event in events[1:-1]:
        if isinstance(event, BlockOpened):
            label = event.part.name if isinstance(event.part, ToolCall) else event.kind
            out.append(f"open:{label}")
        elif isinstance(event, BlockDelta):
            out.append(f"+{event.text}")
        elif isinstance(event, BlockCited):
            out.append(f"cite:{event.citation.url}")
        else:
            out.append("close")
    return out


A, B = ToolDelta("a", id="1", name="a"), ToolDelta("b", id="2", name="b")

STORIES: dict[str, tuple[list[Any], list[str]]] = {
    "text": (
        [Begin("x", "m", 5), TextDelta(0, "Hel"), TextDelta(0, "lo"), STOP],
        ["open:text", "+Hel", "+lo", "close"],
    ),
    "nothing-at-all": ([STOP], []),
    "no-begin": ([TextDelta(0, "hi"), STOP], ["open:text", "+hi", "close"]),
    "double-begin": ([Begin("x"), Begin("y"), TextDelta(0, "hi"), STOP], ["open:text", "+hi", "close"]),
    "empty-deltas-open-nothing": ([TextDelta(0, ""), TextDelta(0, "", refusal=True), STOP], []),
    "an-empty-delta-behind-a-call-opens-nothing": (
        [TextDelta(0, "x"), A, Ended("a"), TextDelta(0, ""), TOOL_STOP],
        ["open:text", "+x", "close", "open:a", "close"],
    ),
    "thinking-then-text": (
        [ThinkingDelta("t", "hm"), TextDelta(0, "so"), STOP],
        ["open:thinking", "+hm", "close", "open:text", "+so", "close"],
    ),
    "empty-thinking-opens": ([ThinkingDelta("t"), Sealed("t", SEAL), STOP], ["open:thinking", "close"]),
    "thinking-that-comes-back": (
        [ThinkingDelta("t", "1"), TextDelta(0, "2"), ThinkingDelta("t", "3"), STOP],
        ["open:thinking", "+1", "close", "open:text", "+2", "close", "open:thinking", "+3", "close"],
    ),
    "interleaved-calls": (
        [A, B, ToolDelta("a", "{1"), ToolDelta("b", "{2"), ToolDelta("a", "}"), ToolDelta("b", "}"), TOOL_STOP],
        ["open:a", "+{1", "+}", "close", "open:b", "+{2}", "close"],
    ),
    "the-first-of-two-calls-ends-early": (
        [A, B, ToolDelta("b", "{"), Ended("a"), ToolDelta("b", "}"), TOOL_STOP],
        ["open:a", "close", "open:b", "+{", "+}", "close"],
    ),
    "the-second-of-two-calls-ends-first": (
        [A, B, ToolDelta("b", "{}"), Ended("b"), ToolDelta("a", "{}"), TOOL_STOP],
        ["open:a", "+{}", "close", "open:b", "+{}", "close"],
    ),
    "a-name-that-comes-late": (
        [ToolDelta("a", "{", id="1"), ToolDelta("a", "}"), ToolDelta("a", name="late"), TOOL_STOP],
        ["open:late", "+{}", "close"],
    ),
    "a-name-that-is-repeated": (
        [ToolDelta("a", "{", id="1", name="f"), ToolDelta("a", "}", id="1", name="f"), TOOL_STOP],
        ["open:f", "+{", "+}", "close"],
    ),
    "a-call-that-never-gets-a-name": (
        [ToolDelta("a", "{}", id="1"), TextDelta(0, "x"), STOP],
        ["open:text", "+x", "close"],
    ),
    "text-after-calls": (
        [TextDelta(0, "1"), A, Ended("a"), TextDelta(0, "2"), TOOL_STOP],
        ["open:text", "+1", "close", "open:a", "close", "open:text", "+2", "close"],
    ),
    "text-waits-for-an-open-call": (
        [A, TextDelta(0, "2"), ToolDelta("a", "{}"), TOOL_STOP],
        ["open:a", "+{}", "close", "open:text", "+2", "close"],
    ),
    "arguments-that-come-whole-at-the-end": (
        [ToolDelta("a", '{"x"', id="1", name="f"), ToolDelta("a", '{"x":1}', whole=True), TOOL_STOP],
        ["open:f", '+{"x"', "+:1}", "close"],
    ),
    "whole-arguments-that-were-streamed-already": (
        [ToolDelta("a", "{}", id="1", name="f"), ToolDelta("a", "{}", whole=True), TOOL_STOP],
        ["open:f", "+{}", "close"],
    ),
    "whole-arguments-replace-what-nobody-has-heard": (
        [A, ToolDelta("b", "{ 1", name="b"), ToolDelta("b", "{2}", whole=True), TOOL_STOP],
        ["open:a", "close", "open:b", "+{2}", "close"],
    ),
    "refusal-beside-text": (
        [TextDelta(0, "I"), TextDelta(0, "no", refusal=True), STOP],
        ["open:text", "+I", "close", "open:refusal", "+no", "close"],
    ),
    "a-whole-part-between-words": (
        [TextDelta(0, "1"), WholePart("i", IMAGE), TextDelta(0, "2"), STOP],
        ["open:text", "+1", "close", "open:whole", "close", "open:text", "+2", "close"],
    ),
    "a-citation": (
        [TextDelta(0, "x"), Cited(0, Citation(url="u")), TextDelta(0, "y"), STOP],
        ["open:text", "+x", "cite:u", "+y", "close"],
    ),
    "a-citation-of-waiting-text": (
        [A, TextDelta(0, "x"), Cited(0, Citation(url="u")), Ended("a"), TOOL_STOP],
        ["open:a", "close", "open:text", "+x", "cite:u", "close"],
    ),
    "after-the-end-mark-nothing-counts": (
        [TextDelta(0, "x"), STOP, Terminal(), TextDelta(0, "y"), Stopped(Stop("length"))],
        ["open:text", "+x", "close"],
    ),
}


@pytest.mark.parametrize(("signals", "told"), STORIES.values(), ids=STORIES)
def test_events_are_legal_and_in_order(signals, told):
    assert story(run(*signals)) == told


def test_the_first_begin_counts():
    events = run(Begin("x", "m", 5), Begin("y", "n", 6), TextDelta(0, "a"), STOP)

    assert events[0] == Started("x", "m", 5, None)
    assert (answer_of(events).id, answer_of(events).model, answer_of(events).created_s) == ("x", "m", 5)


@pytest.mark.parametrize(
    ("stops", "called", "settled"),
    [
        pytest.param(["end"], False, "end", id="end"),
        pytest.param(["end"], True, "tool", id="calls-though-it-says-end"),
        pytest.param(["tool"], False, "end", id="no-calls-though-it-says-tool"),
        pytest.param(["length"], True, "length", id="length-beats-tool"),
        pytest.param(["tool", "length"], True, "length", id="length-beats-an-earlier-tool"),
        pytest.param(["length", "tool"], True, "length", id="length-beats-a-later-tool"),
        pytest.param(["length", "end"], False, "length", id="a-later-end-does-not-undo-length"),
        pytest.param(["filtered", "tool"], True, "filtered", id="filter-beats-tool"),
        pytest.param(["end", "filtered"], False, "filtered", id="a-filter-said-late"),
        pytest.param(["stop_string", "end"], False, "stop_string", id="stop-string-beats-end"),
        pytest.param(["other"], True, "tool", id="calls-beat-an-unknown-word"),
        pytest.param(["pause"], True, "pause", id="a-pause-stays"),
    ],
)
def test_the_weightiest_reason_to_stop_wins(stops, called, settled):
    call = [ToolDelta("a", "{}", id="1", name="f")] if called else [TextDelta(0, "x")]

    answer = answer_of(run(*call, *(Stopped(Stop(reason, raw=reason)) for reason in stops)))

    assert answer.stop.reason == settled
    assert answer.stop.raw in stops


def test_the_last_counts_hold_even_zeros():
    answer = answer_of(
        run(UsageSeen(Usage(5, cache_read=3)), TextDelta(0, "x"), STOP, UsageSeen(Usage(5, cache_read=0)))
    )

    assert answer.usage == Usage(5, cache_read=0)


def test_the_start_tells_the_counts_known_by_then():
    [started, *_] = run(UsageSeen(Usage(9)), TextDelta(0, "x"), STOP)

    assert started == Started(None, None, None, Usage(9))


def test_calls_without_ids_get_different_ones():
    calls = [ToolDelta("a", "{}", name="f"), ToolDelta("b", "{}", name="f")]

    ids = [part.id for part in answer_of(run(Begin("x"), *calls, TOOL_STOP)).parts]
    elsewhere = [part.id for part in answer_of(run(*calls, TOOL_STOP, answer_id="other")).parts]

    assert len({*ids, *elsewhere}) == 4
    assert all(ids)


def test_a_late_id_does_not_change_the_one_that_was_told():
    opened = next(
        e for e in run(ToolDelta("a", name="f"), ToolDelta("a", id="late"), TOOL_STOP) if type(e) is BlockOpened
    )
    answer = answer_of(run(ToolDelta("a", name="f"), ToolDelta("a", id="late"), TOOL_STOP))

    assert answer.parts[0].id == opened.part.id != "late"


@pytest.mark.parametrize(
    ("signals", "part"),
    [
        pytest.param([ThinkingDelta(0, "t"), Sealed(0, SEAL)], Thinking("t", SEAL), id="thinking"),
        pytest.param([Sealed(0, SEAL)], Thinking("", SEAL), id="a-seal-alone"),
        pytest.param([Sealed(0, SEAL, redacted=True)], Thinking("", SEAL, redacted=True), id="redacted"),
        pytest.param([TextDelta(0, "t"), Sealed(0, SEAL)], Text("t", seal=SEAL), id="text"),
        pytest.param([ToolDelta(0, "{}", "1", "f", seal=SEAL)], ToolCall("1", "f", "{}", seal=SEAL), id="call"),
        pytest.param(
            [ToolDelta(0, "{}", "1", "f"), Sealed(0, SEAL)], ToolCall("1", "f", "{}", seal=SEAL), id="call-late"
        ),
        pytest.param([ThinkingDelta(0, "t", id="rs_1")], Thinking("t", id="rs_1"), id="thinking-with-an-id"),
    ],
)
def test_seals_stay_with_their_part(signals, part):
    stop = TOOL_STOP if isinstance(part, ToolCall) else STOP
    events = run(*signals, stop)

    assert answer_of(events).parts == (part,)
    assert [e.part for e in events if isinstance(e, BlockClosed)] == [part]


def test_a_citation_that_comes_too_late_is_in_the_whole_answer():
    events = run(TextDelta(0, "x"), A, Cited(0, Citation(url="u")), TOOL_STOP)

    assert story(events) == ["open:text", "+x", "close", "open:a", "close"]
    assert answer_of(events).parts[0] == Text("x", citations=(Citation(url="u"),))


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([], id="nothing-came"),
        pytest.param([Begin("x")], id="only-a-beginning"),
        pytest.param([TextDelta(0, "half")], id="cut-in-text"),
        pytest.param([ToolDelta("a", "{", "1", "f")], id="cut-in-a-call"),
        pytest.param([TextDelta(0, "x"), Terminal()], id="an-end-mark-without-a-reason"),
    ],
)
def test_an_answer_without_a_reason_to_stop_is_a_broken_one(signals):
    events = run(*signals)

    assert isinstance(events[-1], Failed)
    assert isinstance(events[-1].error, BrokenStream)


def test_a_failure_ends_the_answer_at_once_and_tells_what_had_come():
    machine = BlockMachine("r1")
    error = Overloaded("busy")

    events = machine.feed([TextDelta(0, "half"), Broke(error), TextDelta(0, "more"), STOP])

    assert events[-1] == Failed(error, events[-1].partial)
    assert events[-1].partial.parts == (Text("half"),)
    assert not any(isinstance(event, BlockClosed) for event in events)
    assert machine.over
    assert machine.feed([STOP]) == machine.end() == machine.fail(error) == []


def test_it_says_when_the_provider_is_done_and_when_it_has_ended():
    machine = BlockMachine("r1")
    assert not machine.started

    machine.feed([TextDelta(0, "x"), STOP])
    assert (machine.started, machine.complete, machine.over) == (True, False, False)
    machine.feed([Terminal()])
    assert (machine.complete, machine.over) == (True, False)
    machine.end()
    assert machine.over


# Properties --------------------------------------------------------------------------------------

words = st.text(max_size=8)
keys = st.sampled_from([0, 1, "a"])
seals = st.builds(Seal, words, st.sampled_from(["anthropic", "gemini"]), st.none() | words, st.none() | words)
stops = st.builds(
    Stop, st.sampled_from(["end", "tool", "length", "stop_string", "filtered", "pause", "other"]), st.none() | words
)
signals = st.one_of(
    st.builds(Begin, st.none() | words, st.none() | words, st.none() | st.integers(0, 9)),
    st.builds(TextDelta, keys, words, st.booleans()),
    st.builds(ThinkingDelta, keys, words, st.none() | words),
    st.builds(
        ToolDelta,
        keys,
        words,
        st.none() | words,
        st.none() | words,
        st.sampled_from(["function", "custom"]),
        st.none() | words,
        st.booleans(),
        st.none() | seals,
    ),
    st.builds(Sealed, keys, seals, st.booleans()),
    st.builds(Cited, keys, st.builds(Citation, words)),
    st.builds(WholePart, keys, st.just(IMAGE)),
    st.builds(Ended, keys),
    st.builds(UsageSeen, st.builds(Usage, st.integers(0, 9))),
    st.builds(Stopped, stops),
    st.just(Terminal()),
    st.just(Broke(Overloaded("busy"))),
)


@given(st.lists(signals, max_size=25))
@settings(max_examples=300, deadline=None)
def test_no_signals_whatsoever_make_illegal_events(some):
    run(*some)


@given(st.lists(signals, max_size=15), st.integers(0, 15))
@settings(max_examples=100, deadline=None)
def test_how_signals_are_bundled_makes_no_difference(some, cut):
    bundled, singly = BlockMachine("r1"), BlockMachine("r1")

    together = bundled.feed(some[:cut]) + bundled.feed(some[cut:]) + bundled.end()
    alone = [event for signal in some for event in singly.feed([signal])] + singly.end()

    assert [type(event) for event in together] == [type(event) for event in alone]
    assert bundled.answer() == singly.answer()


filled = st.text(min_size=1, max_size=8)
citations = st.lists(st.builds(Citation, st.none() | words, st.none() | words), max_size=2).map(tuple)
calls = st.builds(
    ToolCall,
    filled,
    filled,
    words,
    st.sampled_from(["function", "custom"]),
    st.none() | filled,
    st.none() | seals,
)
parts = st.one_of(
    st.builds(Text, filled, citations, seal=st.none() | seals),
    st.builds(Refusal, filled),
    st.builds(Thinking, words, st.none() | seals, id=st.none() | filled),
    st.builds(Thinking, st.just(""), seals, redacted=st.just(True)),
    calls,
    st.just(IMAGE),
    st.builds(Opaque, st.just("anthropic"), filled, st.just({"a": 1}), words),
    st.builds(ToolResult, filled),
)


def settled(answer: Answer) -> Answer:
    """The answer with the only reason to stop that fits its parts, and without two calls of one id."""
    called = any(isinstance(part, ToolCall) for part in answer.parts)
    parts = distinct_calls(answer.parts, answer.id)
    return evolve(answer, parts=parts, stop=settle_stop(answer.stop, called))


answers = st.builds(
    Answer,
    st.lists(parts, max_size=5).map(tuple),
    stops,
    st.none() | st.builds(Usage, st.integers(0, 9), reasoning=st.integers(0, 9)),
    st.none() | words,
    st.none() | words,
    st.none() | st.integers(0, 9),
).map(settled)


@given(answers)
@settings(max_examples=300, deadline=None)
def test_a_whole_answer_survives_being_streamed(answer):
    assert whole_answer(signals_of(answer)) == answer
    assert_legal(run(*signals_of(answer)))


def test_a_whole_answer_raises_what_broke_it():
    with pytest.raises(Overloaded):
        whole_answer([TextDelta(0, "x"), Broke(Overloaded("busy"))])
    with pytest.raises(BrokenStream):
        whole_answer([TextDelta(0, "x")])


def test_two_calls_of_one_id_are_told_apart():
    again = (ToolDelta(0, "{}", "c", "f"), Ended(0), ToolDelta(1, "{}", "c", "f"), Ended(1), ToolDelta(2, "", "c", "g"))
    answer = whole_answer([*again, Stopped(Stop("tool")), Terminal()])

    assert [part.id for part in answer.parts] == ["c", "c_2", "c_3"]
    assert distinct_calls([ToolCall("c", "f"), ToolCall("", "f"), ToolCall("c", "f")], "r") == (
        ToolCall("c", "f"),
        ToolCall("call_r_2", "f"),
        ToolCall("c_2", "f"),
    )
