"""Breakers: closed, open and half-open, as a table of what happens and what follows."""

import pytest

from core.resilience import breaker as b
from core.resilience.breaker import NEW, Breaker, answering, claim, failed, give_back, state, succeeded

THRESHOLD, RESET_S = 3, 30.0


def fail(known, now_s, **more):
    return failed(known, now_s, THRESHOLD, RESET_S, **more)


def opened(now_s=0.0):
    known = NEW
    for _ in range(THRESHOLD):
        known = fail(known, now_s)
    return known


@pytest.mark.parametrize(
    ("story", "expected", "failures"),
    [
        pytest.param("", "closed", 0, id="new"),
        pytest.param("ff", "closed", 2, id="below-the-threshold"),
        pytest.param("fff", "open", 3, id="at-the-threshold"),
        pytest.param("ffsff", "closed", 2, id="an-answer-starts-the-count-again"),
        pytest.param("fffff", "open", 3, id="late-failures-do-not-count"),
        pytest.param("fffs", "open", 3, id="a-late-answer-does-not-close"),
        pytest.param("fffw", "half-open", 3, id="after-the-timeout"),
        pytest.param("fffwPS", "closed", 0, id="the-probe-answers"),
        pytest.param("fffwPF", "open", 3, id="the-probe-fails"),
        pytest.param("fffwPFw", "half-open", 3, id="and-is-tried-again-later"),
        pytest.param("fffwPfs", "half-open", 3, id="only-the-probe-decides"),
        pytest.param("fffwPG", "half-open", 3, id="the-probe-is-given-back"),
        pytest.param("fffwPA", "closed", 2, id="the-probe-begins-to-answer"),
        pytest.param("fffwPAf", "open", 3, id="begins-and-breaks"),
        pytest.param("fffwPAs", "closed", 0, id="begins-and-ends-well"),
    ],
)
def test_story(story, expected, failures):
    known, now_s = NEW, 0.0
    for step in story:
        match step:
            case "f":
                known = fail(known, now_s)
            case "s":
                known = succeeded(known)
            case "w":
                now_s += RESET_S
            case "P":
                known = claim(known)
            case "F":
                known = fail(known, now_s, probe=True)
            case "S":
                known = succeeded(known, probe=True)
            case "A":
                known = answering(known, THRESHOLD)
            case "G":
                known = give_back(known)
    assert (state(known, now_s), known.failures) == (expected, failures)


def test_timeout_is_counted_from_the_failure_that_opened_it():
    known = opened(100.0)
    assert state(known, 129.9) == "open"
    assert state(known, 130.0) == "half-open"
    again = fail(claim(known), 200.0, probe=True)
    assert again.open_until_s == 230.0
    assert not again.probing


def test_failures_of_one_request_count_once():
    known = NEW
    for _ in range(10):
        known = fail(known, 1.0, request_id="r1")
    assert known.failures == 1
    known = fail(fail(known, 2.0, request_id="r2"), 2.0, request_id="r1")
    assert (known.failures, known.last_failure_s) == (2, 2.0)
    assert state(fail(known, 3.0, request_id="r3"), 3.0) == "open"


def test_it_does_not_grow():
    known = NEW
    for number in range(1000):
        known = b.failed(known, 1.0, 50, RESET_S, request_id=f"r{number}")
        assert len(known.requests) <= 50


def test_new_one_is_what_an_answer_leaves():
    assert succeeded(fail(NEW, 1.0)) == NEW == Breaker()
