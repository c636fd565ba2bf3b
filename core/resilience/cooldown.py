"""Cooldowns: how long one connection, or one model of it, rests after a failure.

Times are seconds on the clock that callers pass in, so tests need no sleep. A hint
of the provider's counts before our own guess, and is bounded, since a vendor's
clock may be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

BASE_S = 3.0
MAX_STEPS = 5
LONGEST_HINT_S = 24 * 3600.0


@frozen
class Cooldown:
    """``key`` is a connection id, or ``connection id/model``. ``step`` counts failures in a row, from 0."""

    key: str
    until_s: float
    step: int = 0
    reason: str = ""


def extend(
    known: Cooldown | None,
    key: str,
    now_s: float,
    hint_s: float | None = None,
    reason: str = "",
    base_s: float = BASE_S,
) -> Cooldown:
    """The rest after one more failure: the hint, or twice as long as last time."""
    step = 0 if known is None else min(known.step + 1, MAX_STEPS)
    rest_s = base_s * 2**step if hint_s is None else min(max(hint_s, 0.0), LONGEST_HINT_S)
    return Cooldown(key, now_s + rest_s, step, reason)


class Cooldowns:
    """All cooldowns of this process. A success ends one; time alone lets it run out but keeps its step."""

    def __init__(self) -> None:
        self._by_key: dict[str, Cooldown] = {}

    def resting(self, connection_id: str, model: str, now_s: float) -> Cooldown | None:
        """The cooldown that keeps this model of this connection from being used now, the longer of the two."""
        if not self._by_key:
            return None
        both = (self._by_key.get(connection_id), self._by_key.get(f"{connection_id}/{model}"))
        active = [c for c in both if c is not None and c.until_s > now_s]
        return max(active, key=lambda c: c.until_s, default=None)

    def rest(self, key: str, now_s: float, hint_s: float | None, reason: str) -> Cooldown:
        """Puts ``key`` to rest."""
        cooldown = extend(self._by_key.get(key), key, now_s, hint_s, reason)
        self._by_key[key] = cooldown
        return cooldown

    def succeeded(self, connection_id: str, model: str) -> None:
        """Forgets what an answer has disproved."""
        if self._by_key:
            self._by_key.pop(connection_id, None)
            self._by_key.pop(f"{connection_id}/{model}", None)

    def active(self, now_s: float) -> Mapping[str, Cooldown]:
        """What rests now, by key."""
        return {key: evolve(c) for key, c in self._by_key.items() if c.until_s > now_s}
