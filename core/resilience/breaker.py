"""Breakers: a provider that fails again and again is left alone for a while, then tried with one request.

Closed: asked as usual. Open: not asked. Half-open: one marked probe is asked, and decides. Only failures that
the provider is to blame for count, and several of one request count once. Times as in `core.resilience.cooldown`.
"""

from __future__ import annotations

from typing import Literal

from attrs import evolve, frozen

State = Literal["closed", "open", "half-open"]


@frozen
class Breaker:
    """``failures`` in a row; ``requests`` the ids of those among them that have one, so never more than those.

    ``open_until_s`` None: closed. ``probing``: the one probe is on its way.
    """

    failures: int = 0
    requests: frozenset[str] = frozenset()
    open_until_s: float | None = None
    probing: bool = False
    last_failure_s: float | None = None
    reason: str = ""


NEW = Breaker()


def state(breaker: Breaker, now_s: float) -> State:
    """Its state now."""
    if breaker.open_until_s is None:
        return "closed"
    return "open" if breaker.open_until_s > now_s else "half-open"


def failed(
    breaker: Breaker,
    now_s: float,
    threshold: int,
    reset_s: float,
    *,
    reason: str = "",
    request_id: str = "",
    probe: bool = False,
) -> Breaker:
    """After one more failure. Late news of what was asked before it opened changes nothing, except a probe's."""
    if breaker.open_until_s is not None:
        if not probe:
            return breaker
        return evolve(breaker, open_until_s=now_s + reset_s, probing=False, last_failure_s=now_s, reason=reason)
    if request_id and request_id in breaker.requests:
        return evolve(breaker, last_failure_s=now_s, reason=reason)
    failures = breaker.failures + 1
    return Breaker(
        failures,
        breaker.requests | {request_id} if request_id else breaker.requests,
        now_s + reset_s if failures >= threshold else None,
        False,
        now_s,
        reason,
    )


def succeeded(breaker: Breaker, *, probe: bool = False) -> Breaker:
    """After a whole answer."""
    if breaker.open_until_s is not None and not probe:
        return breaker
    return NEW


def answering(breaker: Breaker, threshold: int) -> Breaker:
    """After the first word of a probe's answer: others may ask again, and one more failure opens it again."""
    if breaker.open_until_s is None:
        return breaker
    return Breaker(threshold - 1, last_failure_s=breaker.last_failure_s, reason=breaker.reason)


def claim(breaker: Breaker) -> Breaker:
    """The probe has left."""
    return evolve(breaker, probing=True)


def give_back(breaker: Breaker) -> Breaker:
    """The probe has come to nothing: somebody else may try."""
    return evolve(breaker, probing=False)
