"""Stop strings that a provider does not take: the gateway cuts the answer at them, however it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pytest
from attrs import evolve
from gateway_kit import add_node, last_records
from hypothesis import given
from hypothesis import strategies as st
from omniroute_hooks import (
    Answer,
    BrokenStream,
    Citation,
    Stop,
    Text,
    Thinking,
    ToolCall,
    Unsupported,
    Usage,
)
from omniroute_hooks.answers import signals_of
from omniroute_hooks.events import (
    Begin,
    BlockClosed,
    BlockDelta,
    BlockOpened,
    Cited,
    Ended,
    Event,
    Failed,
    Finished,
    Signal,
    Started,
    Stopped,
    TextDelta,
    UsageSeen,
)
from omniroute_hooks.testing import SPEAKERS, Ask, Say, ScriptedUpstream, serving
from omniroute_hooks.testing.wire import events as wire_events
from running import Running, running

from core.gateway.answering.stops import MOST_CHARS, Cut, CuttingMachine, Stops, cut_answer
from core.plugins.registry import build

PATIENCE_S = 5.0
PART = st.one_of(
    st.text("ab<", min_size=1, max_size=12).map(Text),
    st.text("ab<", min_size=1, max_size=6).map(Thinking),
    st.text("ab<", min_size=1, max_size=6).map(lambda text: ToolCall("c", "n", text)),
)
STOPS = st.lists(st.text("ab<", min_size=1, max_size=4), min_size=1, max_size=4)


def plainly_cut(parts: Sequence[Any], stops: Sequence[str]) -> tuple[list[tuple[str, str]], str | None]:
    """The reference: runs of texts as one text each, cut where a string is complete first; (kind, words) each."""
    out: list[tuple[str, str]] = []
    for kind, group in groupby(parts, key=lambda part: type(part).__name__):
        contents = [content(part) for part in group]
        words = ["".join(contents)] if kind == "Text" else contents
        for text in words:
            ends = [(text.find(stop) + len(stop), -len(stop), stop) for stop in stops if stop in text]
            if kind != "Text" or not ends:
                out.append((kind, text))
                continue
            end, less, stop = min(ends)
            return [*out, *([(kind, text[: end + less])] if end + less else [])], stop
    return out, None


def content(part: Any) -> str:
    return part.arguments if isinstance(part, ToolCall) else part.text


def joined(parts: Sequence[Any]) -> list[tuple[str, str]]:
    """Parts in the form of `plainly_cut`."""
    return plainly_cut(parts, ())[0]


def answer_of(parts: Sequence[Any]) -> Answer:
    ids = [evolve(part, id=f"c{n}") if isinstance(part, ToolCall) else part for n, part in enumerate(parts)]
    return Answer(tuple(ids), Stop("end"), Usage(input_fresh=9, output_visible=9))


def split(signals: Sequence[Signal], sizes: Sequence[int]) -> list[Signal]:
    """The same with texts in pieces of these sizes, over and over."""
    out: list[Signal] = []
    turn = 0
    for signal in signals:
        if not isinstance(signal, TextDelta):
            out.append(signal)
            continue
        text = signal.text
        while text:
            size = sizes[turn % len(sizes)]
            turn += 1
            out.append(evolve(signal, text=text[:size]))
            text = text[size:]
    return out


def told(events: Sequence[Event]) -> list[Any]:
    """The parts that a caller has heard by these events, which must be legal."""
    parts: list[Any] = []
    open_: int | None = None
    words: list[str] = []
    assert isinstance(events[0], Started)
    for event in events[1:-1]:
        if isinstance(event, BlockOpened):
            assert open_ is None
            assert event.index == len(parts)
            open_, words = event.index, []
        elif isinstance(event, BlockDelta):
            assert event.index == open_
            assert event.text
            words.append(event.text)
        else:
            assert isinstance(event, BlockClosed)
            assert event.index == open_
            assert content(event.part) == "".join(words)
            parts.append(event.part)
            open_ = None
    assert open_ is None
    assert isinstance(events[-1], Finished)
    assert joined(events[-1].answer.parts) == joined(parts)
    return parts


def fed(machine: CuttingMachine, signals: Sequence[Signal]) -> list[Event]:
    """All events, a signal at a time."""
    events: list[Event] = []
    for signal in signals:
        events += machine.feed([signal])
    return events + machine.end()


@given(parts=st.lists(PART, max_size=6), stops=STOPS, sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_a_stream_is_cut_where_the_whole_text_would_be_however_it_is_split(parts, stops, sizes):
    answer = answer_of(parts)
    wanted, stop = plainly_cut(answer.parts, stops)

    events = fed(CuttingMachine("r", Stops(stops), 0), split(signals_of(answer), sizes))

    assert joined(told(events)) == wanted
    assert events[-1].answer.stop.matched == stop
    assert (events[-1].answer.stop.reason == "stop_string") == (stop is not None)


@given(parts=st.lists(PART, max_size=6), stops=STOPS)
def test_a_whole_answer_is_cut_at_the_same_place(parts, stops):
    answer = answer_of(parts)
    wanted, stop = plainly_cut(answer.parts, stops)

    found = cut_answer(answer, Stops(stops))

    assert joined(found.parts) == wanted
    assert found.stop == (Stop("stop_string", None, stop) if stop else answer.stop)
    assert found.usage == answer.usage


def machine(*stops: str, input_tokens: int = 100) -> CuttingMachine:
    return CuttingMachine("r", Stops(stops), input_tokens)


def test_words_that_cannot_begin_a_string_do_not_wait():
    cutting = machine("END")

    assert BlockDelta(0, "text", "one ") in cutting.feed([Begin(), TextDelta(0, "one ")])
    assert BlockDelta(0, "text", "two ") in cutting.feed([TextDelta(0, "two EN")])
    assert BlockDelta(0, "text", "ENtry") in [
        BlockDelta(0, "text", "".join(e.text for e in cutting.feed([TextDelta(0, "try")]) if isinstance(e, BlockDelta)))
    ]


def test_a_cut_stream_is_over_at_once_and_hears_nothing_more():
    cutting = machine("END")
    cutting.feed([Begin(), TextDelta(0, "one E")])

    events = cutting.feed([TextDelta(0, "ND two"), Ended(0), TextDelta(1, "three")])

    assert cutting.over
    assert [type(event).__name__ for event in events] == ["BlockClosed", "Finished"]
    assert events[0].part == Text("one ")
    assert cutting.feed([TextDelta(1, "four")]) == cutting.end() == cutting.fail(BrokenStream("late")) == []
    assert cutting.answer() == events[-1].answer


def test_an_answer_that_is_nothing_but_the_string_is_empty_and_opens_no_block():
    events = fed(machine("END"), [Begin(), TextDelta(0, "EN"), TextDelta(0, "D.")])

    assert told(events) == []


def test_a_broken_stream_has_said_only_what_did_not_wait():
    cutting = machine("END")
    cutting.feed([Begin(), TextDelta(0, "one EN")])

    [failed] = cutting.fail(BrokenStream("cut"))

    assert isinstance(failed, Failed)
    assert cutting.spoken() == ((), Text("one "))


def test_citations_of_what_is_cut_off_go_with_it():
    before, across, behind = (Citation("u", start=s, end=e) for s, e in ((0, 2), (2, 9), (6, 9)))
    signals = [Begin(), TextDelta(0, "four"), Cited(0, before), Cited(0, across), Cited(0, behind), TextDelta(0, "END")]

    [part] = told([e for e in fed(machine("END"), signals) if type(e).__name__ != "BlockCited"])

    assert part.citations == (before, evolve(across, end=4))


COUNTED = Usage(input_fresh=50, output_visible=3)


@pytest.mark.parametrize(
    ("signals", "usage"),
    [
        pytest.param(
            [UsageSeen(COUNTED), Begin(), TextDelta(0, "x" * 37 + "END")],
            Usage(input_fresh=50, output_visible=10, estimated=True),
            id="counted-before-the-first-word",
        ),
        pytest.param(
            [Begin(), TextDelta(0, "x" * 37), UsageSeen(COUNTED), TextDelta(0, "END")], COUNTED, id="counted-on-the-way"
        ),
        pytest.param(
            [Begin(), TextDelta(0, "x" * 37 + "END")],
            Usage(input_fresh=100, output_visible=10, estimated=True),
            id="not-counted",
        ),
    ],
)
def test_usage_of_a_cut_stream_is_what_was_counted_else_an_estimate(signals, usage):
    cutting = machine("END")

    fed(cutting, signals)

    assert cutting.usage == usage


def test_usage_that_comes_with_the_cut_is_used():
    events = machine("END").feed([Begin(), TextDelta(0, "one END"), UsageSeen(COUNTED), Stopped(Stop("end"))])

    assert events[-1].answer.usage == COUNTED


def test_more_than_can_be_looked_for_is_refused_by_name():
    with pytest.raises(Unsupported, match=r"^stop:"):
        Stops(["x" * MOST_CHARS, "y"])


def test_a_cut_without_any_match_leaves_the_answer_alone():
    answer = answer_of([Text("one two")])

    assert Cut(Stops(["END"]), 0).answer(answer) is answer


# over HTTP -------------------------------------------------------------------------------------------


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


async def asked(gateway: Running, dialect: str, stream: bool, extra: dict[str, Any]) -> Any:
    speaker = SPEAKERS[dialect]
    ask = Ask(model="up/m-1", stream=stream)
    response = await gateway.http.post(speaker.path(ask), json={**speaker.request_of(ask), **extra})
    assert response.status_code == 200, response.text
    return response


async def test_the_upstream_is_left_as_soon_as_the_answer_is_cut(gateway, upstream):
    await add_node(gateway, "openai-responses", upstream.url)
    chunks = SPEAKERS["openai-responses"].chunks(Say(text="one END two"))
    words = next(n for n, chunk in enumerate(chunks) if b"response.output_text.done" in chunk)
    upstream.hang(chunks[:words], headers={"content-type": "text/event-stream"})

    response = await asked(gateway, "anthropic", True, {"stop_sequences": ["END"]})

    async with asyncio.timeout(PATIENCE_S):
        await (await upstream.arrived()).gone.wait()
    [delta] = [e.json for e in wire_events(response.content) if e.name == "message_delta"]
    assert delta["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert SPEAKERS["anthropic"].read_stream(response.content).text == "one "
    assert response.headers["x-omniroute-losses"] == "stop (emulate)"
    [record] = await last_records(gateway)
    assert record.status == 200
    assert record.estimated


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_only_the_strings_beyond_the_providers_limit_are_looked_for(gateway, upstream, stream):
    await add_node(gateway, "openai-chat", upstream.url)
    SPEAKERS["openai-chat"].play(upstream, Say(text="A B C D E F"), stream)

    stops = ["A", "B", "C", "D", "F"]
    response = await asked(gateway, "gemini", stream, {"generationConfig": {"stopSequences": stops}})

    [request] = upstream.requests
    assert request.json["stop"] == stops[:4]
    read = SPEAKERS["gemini"].read_stream if stream else lambda body: SPEAKERS["gemini"].read_answer(response.json())
    assert read(response.content).text == "A B C D E "  # what this provider was asked to look for is its own matter


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_provider_of_the_same_dialect_that_takes_no_stop_strings_is_helped_too(upstream, stream, tmp_path):
    registry = build()
    plain = registry.node_types["openai-compatible"]
    without = evolve(plain, id="without-stops", options={"unsupported": ("stop",)}, default=False)
    registry = evolve(registry, node_types={**registry.node_types, without.id: without})
    SPEAKERS["openai-chat"].play(upstream, Say(text="one END two"), stream)

    async with running(tmp_path / "data", registry, initial_password=None) as gateway:
        await gateway.add_node(upstream.url + "/v1", without.id, "up")
        response = await asked(gateway, "openai-chat", stream, {"stop": "END"})

    [request] = upstream.requests
    assert "stop" not in request.json
    speaker = SPEAKERS["openai-chat"]
    heard = speaker.read_stream(response.content) if stream else speaker.read_answer(response.json())
    assert heard.text == "one "
    assert heard.stop == "end"


@pytest.mark.parametrize("second", ["one END two", "one ENtry"])
async def test_words_that_waited_when_a_stream_broke_are_neither_lost_nor_repeated(gateway, upstream, second):
    """The next candidate goes on from what the caller has heard, and is cut as the first would have been."""
    await add_node(gateway, "openai-responses", upstream.url, keys=("k-1", "k-2"))
    speaker, headers = SPEAKERS["openai-responses"], {"content-type": "text/event-stream"}
    half = speaker.chunks(Say(text="one EN"))
    upstream.stream([chunk for chunk in half if b".done" not in chunk and b"completed" not in chunk], headers=headers)
    upstream.stream(speaker.chunks(Say(text=second)), headers=headers)

    response = await asked(gateway, "openai-chat", True, {"stop": ["END"]})

    assert len(upstream.requests) == 2
    heard = SPEAKERS["openai-chat"].read_stream(response.content)
    assert (heard.text, heard.stop) == (second.partition("END")[0], "end")
