"""Recent stories: a bounded number of them, and nothing of a request is kept alive by one."""

from __future__ import annotations

import gc
import weakref

from omniroute_hooks import GatewayError

from core.gateway.telling.recent import Recent
from core.gateway.telling.trace import Attempt, Trace


class Body:
    """Stands for a request's body in a frame that a failure went through."""


def failed(trace: Trace) -> weakref.ref[Body]:
    body = Body()
    try:
        try:
            raise ValueError(body)
        except ValueError as exc:
            raise GatewayError("It failed.") from exc
    except GatewayError as exc:
        trace.error = exc
    return weakref.ref(body)


def test_old_stories_make_room_for_new_ones() -> None:
    recent = Recent(most=3)
    for number in range(5):
        recent.add(Trace(f"r{number}"))
    assert [number for number in range(5) if recent.find(f"r{number}") is not None] == [2, 3, 4]


def test_a_story_of_a_failure_keeps_no_body_alive() -> None:
    trace = Trace("r1")
    body = failed(trace)
    recent = Recent()
    recent.add(trace)
    gc.collect()
    found = recent.find("r1")
    assert found is not None
    assert str(found.error) == "It failed."
    assert body() is None


def test_notes_stand_where_things_happened() -> None:
    trace = Trace("r1", requested_model="fast", resolved_by="alias")
    trace.attempts.append(Attempt("a/m", "c1", "failed", "Busy.", code="overloaded", status=503, asked=True))
    trace.note("The first was waited for.")
    trace.attempts.append(Attempt("a/m", "c1", "dropped", "the caller left", asked=True, connection="work"))
    trace.note("It went on.", before=1)
    trace.attempts.append(Attempt("b/m", "c2", "skipped", "It rests.", connection="home"))
    trace.note("The end.")

    assert trace.story() == [
        "'fast' was asked for, which is an alias.",
        "a/m failed after 0 ms (HTTP 503, overloaded): Busy; it was asked once more.",
        "The first was waited for.",
        "It went on.",
        "a/m on 'work' was given up after 0 ms: the caller left.",
        "b/m on 'home' was passed over: It rests.",
        "The end.",
    ]
    assert "work" not in "".join(trace.lines())
