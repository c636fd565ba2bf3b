"""Half events of a stream that goes through: held back until they are whole, and nothing is changed on the way."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.gateway.answering.whole_events import MOST_HELD, WholeEvents

ENDS = ["\n\n", "\r\n\r\n", "\r\r", "\n\r\n"]
EVENT = st.builds(lambda text, end: f"data: {text}{end}".encode(), st.text("ab: 🙂", max_size=9), st.sampled_from(ENDS))


@given(st.lists(EVENT, min_size=1), st.binary(max_size=5), st.lists(st.integers(1, 9), min_size=1))
def test_only_whole_events_go_on_and_all_bytes_arrive_in_the_end(
    found: list[bytes], rest: bytes, sizes: list[int]
) -> None:
    wire = b"".join(found) + rest
    events, out, at, turn = WholeEvents(), b"", 0, 0
    while at < len(wire):
        size = sizes[turn % len(sizes)]
        piece = events.feed(wire[at : at + size])
        assert not piece or re.search(rb"(\n\n|\r\n\r\n|\r\r|\n\r\n)\Z", piece)
        out, at, turn = out + piece, at + size, turn + 1

    assert out + events.end() == wire


@pytest.mark.parametrize("end", ENDS)
def test_an_event_goes_on_as_soon_as_it_is_whole(end: str) -> None:
    events = WholeEvents()
    event = b"data: {}" + end.encode()

    assert events.feed(event + b"data: {") == event
    assert events.feed(b'"a":1}') == b""
    assert events.feed(end.encode()) == b'data: {"a":1}' + end.encode()
    assert events.end() == b""


def test_a_long_event_goes_on_in_pieces() -> None:
    events = WholeEvents()
    half = b"data: " + b"x" * MOST_HELD

    assert events.feed(half) == half
    assert events.feed(b"y\n\n") == b"y\n\n"
