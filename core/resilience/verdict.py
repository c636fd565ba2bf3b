"""Verdicts: may a candidate be asked now, and if not, why and until when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from attrs import frozen
from omniroute_hooks import GatewayError

from .breaker import Breaker
from .cooldown import Cooldown, probe_due

Scope = Literal["connection", "model"]
Key = tuple[str, str, str, str]
"""provider id, auth type ("apikey", "oauth", "none"), connection id, the provider's own id of the model."""


@frozen
class Verdict:
    """``ok``: may be asked now; ``probe``: as the one marked probe only.

    ``reason`` is for people, "" where ok. ``retry_at_s`` (monotonic) says until when it rests, None where ok.
    """

    ok: bool
    reason: str = ""
    retry_at_s: float | None = None
    probe: bool = False


LOOK_AGAIN_S = 2.0  # while the one probe of a breaker is on its way
FREE = Verdict(True)
PROBE = Verdict(True, probe=True)


def judged(cooldowns: Iterable[Cooldown], breaker: Breaker | None, now_s: float) -> Verdict:
    """The verdict that follows from a candidate's cooldowns and its provider's breaker. All of them have to agree."""
    probe = False
    refused: Verdict | None = None
    for cooldown in cooldowns:
        if cooldown.until_s <= now_s:
            continue
        if probe_due(cooldown, now_s):
            probe = True
            continue
        reason = f"It rests for {span(cooldown.until_s - now_s)} more. {cooldown.reason}".rstrip()
        refused = _later(refused, Verdict(False, reason, cooldown.until_s))
    if breaker is not None and breaker.open_until_s is not None:
        if breaker.open_until_s > now_s:
            left = span(breaker.open_until_s - now_s)
            reason = f"The provider failed {breaker.failures} times in a row; it is tried again in {left}."
            refused = _later(refused, Verdict(False, reason, breaker.open_until_s))
        elif breaker.probing:
            reason = "One request is finding out whether the provider is back."
            refused = _later(refused, Verdict(False, reason, now_s + LOOK_AGAIN_S))
        else:
            probe = True
    return refused or (PROBE if probe else FREE)


def _later(known: Verdict | None, other: Verdict) -> Verdict:
    if known is None or (known.retry_at_s or 0.0) < (other.retry_at_s or 0.0):
        return other
    return known


class NotNow(GatewayError):
    """The candidate may not be asked now, and was not. Pass over it; this is no failure of anybody's.

    ``retry_after_s`` counts from now, ``verdict.retry_at_s`` is on the monotonic clock.
    """

    status, code, kind = 503, "resting", "overloaded"

    def __init__(self, verdict: Verdict, now_s: float) -> None:
        at_s = verdict.retry_at_s
        super().__init__(verdict.reason, retry_after_s=None if at_s is None else max(0.0, at_s - now_s))
        self.verdict = verdict


class Busy(NotNow):
    """Pacing: its queue is full, or the wait would be (or was) too long."""

    status, code, kind = 429, "queue_full", "rate"


def span(seconds: float) -> str:
    """A length of time as people say it: "3 s", "12 min", "2 h"."""
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    if seconds < 2 * 3600:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"
