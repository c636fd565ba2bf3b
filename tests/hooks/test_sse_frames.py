"""Server-sent events come out whole, however the network cut them and however their lines end."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_hooks import BrokenStream
from omniroute_hooks.sse import Frame, FrameSplitter, parse_frame


def frames_of(*chunks: bytes, limit: int = 1 << 20) -> list[Frame]:
    splitter = FrameSplitter(limit)
    raws = [raw for chunk in chunks for raw in splitter.feed(chunk)] + splitter.end()
    return [frame for raw in raws if (frame := parse_frame(raw)) is not None]


EVENTS = [
    Frame("", b'{"a":1}'),
    Frame("message_start", '{"text":"grüezi 🙂"}'.encode()),
    Frame("", b"two\nlines"),
    Frame("x", b""),
]


def written(frames: list[Frame], end: bytes, space: bytes = b" ") -> bytes:
    out = b": a comment" + end + end
    for frame in frames:
        if frame.event:
            out += b"event:" + space + frame.event.encode() + end
        for line in frame.data.split(b"\n"):
            out += b"data:" + space + line + end
        out += b"id: 7" + end + end
    return out


@pytest.mark.parametrize("space", [b" ", b""], ids=["space", "no-space"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_events_are_the_same_at_every_split_and_every_line_end(end, space):
    data = written(EVENTS, end, space)

    assert frames_of(data) == EVENTS
    assert frames_of(*(data[i : i + 1] for i in range(len(data)))) == EVENTS
    for cut in range(len(data) + 1):
        assert frames_of(data[:cut], data[cut:]) == EVENTS, cut


@pytest.mark.parametrize("ends", [*itertools.product([b"\n", b"\r\n", b"\r"], repeat=3)])
def test_line_ends_may_be_mixed(ends):
    # LF directly behind CR is one line end by the standard, so that pair ends no event.
    line, blank, following = ends
    data = b"data: 1" + line + blank + b"data: 2" + following + following
    both = [Frame("", b"1"), Frame("", b"2")]
    expected = [Frame("", b"1\n2")] if line + blank == b"\r\n" else both

    for cut in range(len(data) + 1):
        assert frames_of(data[:cut], data[cut:]) == expected, cut


@given(st.lists(st.sampled_from(EVENTS), max_size=6), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
@settings(max_examples=150, deadline=None)
def test_events_are_the_same_however_often_they_are_cut(events, end, data):
    stream = written(events, end)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]

    assert frames_of(*chunks) == events


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n", b"\r"])
def test_a_last_event_without_its_blank_line_still_counts(tail):
    assert frames_of(b"data: 1\n\ndata: 2" + tail) == [Frame("", b"1"), Frame("", b"2")]


def test_blank_lines_between_events_are_nothing():
    assert frames_of(b"\n\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n") == [Frame("", b"1"), Frame("", b"2")]


def test_an_event_comes_out_as_soon_as_it_is_whole():
    splitter = FrameSplitter()

    assert splitter.feed(b"data: 1\n\ndata: 2") == [b"data: 1"]
    assert splitter.feed(b"\n") == []
    assert splitter.feed(b"\ndata: 3\r\n\r\n") == [b"data: 2", b"data: 3"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 60, 500])
def test_an_event_without_end_is_refused(end, size):
    splitter = FrameSplitter(limit=100)
    splitter.feed(b"data: " + b"x" * 50 + end + end)

    with pytest.raises(BrokenStream):
        [splitter.feed(b"data: " + b"x" * size + end) for _ in range(500 // size)]


def test_the_limit_is_for_one_event_and_not_for_the_stream():
    splitter = FrameSplitter(limit=100)

    assert sum(len(splitter.feed(b"data: " + b"x" * 80 + b"\n\n")) for _ in range(50)) == 50


@pytest.mark.parametrize(
    ("raw", "frame"),
    [
        pytest.param(b"data: 1", Frame("", b"1"), id="plain"),
        pytest.param(b"data:1", Frame("", b"1"), id="no-space"),
        pytest.param(b"data:  1", Frame("", b" 1"), id="only-one-space-goes"),
        pytest.param(b"data", Frame("", b""), id="no-colon"),
        pytest.param(b"event: x\ndata: 1", Frame("x", b"1"), id="named"),
        pytest.param(b"data: 1\r\nevent: x\r\ndata: 2", Frame("x", b"1\n2"), id="crlf"),
        pytest.param(b"data: a:b: c", Frame("", b"a:b: c"), id="colons-in-data"),
        pytest.param(b": data: 1", None, id="comment"),
        pytest.param(b"event: x", None, id="no-data"),
        pytest.param(b"retry: 10\nid: 3", None, id="other-fields"),
        pytest.param(b"", None, id="empty"),
        pytest.param("data: 1\u2028 2\u0085".encode(), Frame("", "1\u2028 2\u0085".encode()), id="no-other-line-ends"),
    ],
)
def test_fields_are_read_as_the_standard_says(raw, frame):
    assert parse_frame(raw) == frame


@pytest.mark.parametrize("seed", range(40))
def test_frames_behind_the_dull_ones_and_those_passed_over_are_all_frames_at_any_cut(seed: int) -> None:
    rng = random.Random(seed)
    dull = (b'"finish_reason":null', b'"finish_reason": null')
    ordinary = b'data: {"a":1,"finish_reason":null}'
    odd = (b'data: {"usage":{}}', b'data: {"finish_reason":"stop"}', b'data: {"error":1}', b": comment", b"data: {}")
    frames = [rng.choice((ordinary,) * 4 + odd) for _ in range(rng.randrange(1, 30))] + [b"data: [DONE]"]
    stream = b"\n\n".join(frames) + b"\n\n"
    splitter, seen, shown, place = FrameSplitter(), [], [], 0

    while place < len(stream):
        size = rng.randrange(1, 300)
        over, behind = splitter.behind(stream[place : place + size], dull)
        assert not over or dull[0] in over.rpartition(b"\n\n")[2]
        seen += [frame for frame in over.split(b"\n\n") if frame] + behind
        shown += behind
        place += size
    seen += splitter.end()

    assert seen == frames
    assert ordinary not in shown
