import pytest
from omniroute_hooks import Drop

from core.gateway.answering.sieve import Sieve
from core.gateway.answering.whole_events import MOST_HELD

DROP = Drop((b"usage",), lambda frame: b"usage" in frame and b"keep" not in frame)
TEXT = b'data: {"text":"a"}\n\n'
KEPT = b'data: {"usage":1,"keep":2}\n\n'
USAGE = b'data: {"usage":1}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("size", range(1, 60))
def test_unwanted_events_are_left_out_at_any_cut(size: int) -> None:
    stream = TEXT + USAGE + KEPT + TEXT + USAGE + DONE
    sieve = Sieve(DROP)

    out = b"".join(sieve.feed(stream[at : at + size]) for at in range(0, len(stream), size)) + sieve.end()

    assert out == TEXT + KEPT + TEXT + DONE


def test_a_chunk_of_whole_events_with_nothing_to_drop_is_not_touched():
    chunk = TEXT + TEXT

    assert Sieve(DROP).feed(chunk) is chunk


def test_a_last_event_without_its_blank_line_goes_on():
    sieve = Sieve(DROP)

    assert sieve.feed(TEXT + b'data: {"text":"b"}') + sieve.end() == TEXT + b'data: {"text":"b"}\n\n'


def test_lines_that_end_in_crlf_are_served_from_any_place_on():
    stream = TEXT + (USAGE + TEXT + USAGE + DONE).replace(b"\n", b"\r\n")
    sieve = Sieve(DROP)

    out = b"".join(sieve.feed(stream[at : at + 7]) for at in range(0, len(stream), 7)) + sieve.end()

    assert out == TEXT + TEXT + DONE


def test_an_event_of_megabytes_comes_whole():
    event = b"data: " + b"x" * (3 * MOST_HELD) + b"\n\n"
    sieve = Sieve(DROP)

    out = b"".join(sieve.feed(event[at : at + 9999]) for at in range(0, len(event), 9999)) + sieve.end()

    assert out == event
