"""Cooldowns: how long one connection, or one model of it, rests after a failure.

Times are seconds on the clock that callers pass in, so tests need no sleep. A hint of the provider's counts
before our own guess. A long rest is probed now and then by one marked request, because quotas come back early
and a vendor's clock may be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from attrs import evolve, frozen

BASE_S = 3.0
MAX_STEPS = 5
LONGEST_GUESS_S = 3600.0
LONGEST_HINT_S = 32 * 24 * 3600.0  # the longest quota windows are a month; what is nonsense gets probed anyway
PROBE_OVER_S = 15 * 60.0
LONGEST_PROBE_INTERVAL_S = 4 * 3600.0
PROBE_AGAIN_S = 60.0
FORGET_AFTER_S = 3600.0  # failures further apart than this are not "in a row"
MOST_MODELS = 10_000  # callers choose model names, so their number has to have an end

Kind = Literal["limit", "quota", "credential", "entitlement", "fault"]


@frozen
class Cooldown:
    """``key`` is a connection id, or ``connection id/model``. ``step`` counts failures in a row, from 0.

    ``probe_at_s``: from then on one marked request may look whether the rest is over already; None: no probing.
    """

    key: str
    until_s: float
    step: int = 0
    reason: str = ""
    kind: Kind = "limit"
    probe_at_s: float | None = None
    probes: int = 0


def extend(
    known: Cooldown | None,
    key: str,
    now_s: float,
    hint_s: float | None = None,
    reason: str = "",
    base_s: float = BASE_S,
    *,
    max_steps: int = MAX_STEPS,
    longest_s: float = LONGEST_GUESS_S,
    kind: Kind = "limit",
    probe: bool = False,
) -> Cooldown:
    """The rest after one more failure: as long as the hint says, or twice as long as last time.

    Failures that arrive while it rests already were sent before: they make it no longer than the longest of
    them says. One of a ``probe`` is news: its hint replaces the old one.
    """
    hint_s = sane_hint(hint_s)
    if known is None or now_s - known.until_s > FORGET_AFTER_S:
        rest_s = guess(base_s, 0, longest_s) if hint_s is None else hint_s
        return _with_probe(Cooldown(key, now_s + rest_s, 0, reason, kind), now_s)
    resting = known.until_s > now_s
    step = known.step if resting and not probe else min(known.step + 1, max_steps)
    until_s = now_s + (guess(base_s, step, longest_s) if hint_s is None else hint_s)
    if resting and (not probe or hint_s is None):  # our own guess does not shorten what the provider has said
        until_s = max(until_s, known.until_s)
    probes = known.probes if resting else 0
    return _with_probe(Cooldown(key, until_s, step, reason, kind, known.probe_at_s if probes else None, probes), now_s)


def guess(base_s: float, step: int, longest_s: float = LONGEST_GUESS_S) -> float:
    """How long a rest is that nobody gave a hint for."""
    return min(base_s * 2.0**step, longest_s)


def sane_hint(hint_s: float | None) -> float | None:
    """A hint within bounds. One that is no time to come says nothing: it is what a wrong clock makes of a date."""
    if hint_s is None or not math.isfinite(hint_s) or hint_s <= 0:
        return None
    return min(hint_s, LONGEST_HINT_S)


def probe_interval(probes: int) -> float:
    """Seconds until the next probe after so many of them."""
    return min(PROBE_OVER_S * 2.0**probes, LONGEST_PROBE_INTERVAL_S)


def probe_due(cooldown: Cooldown, now_s: float) -> bool:
    """Whether one marked request may look whether the rest is over already."""
    return cooldown.probe_at_s is not None and cooldown.probe_at_s <= now_s < cooldown.until_s


def claim(cooldown: Cooldown, now_s: float) -> Cooldown:
    """The same after a probe has left: the next one comes later, and twice as late as this one did."""
    probes = cooldown.probes + 1
    return evolve(cooldown, probes=probes, probe_at_s=now_s + probe_interval(probes))


def give_back(cooldown: Cooldown, now_s: float) -> Cooldown:
    """The same after a probe that came to nothing: another one may go before long, but not at once, since the
    provider may have been asked after all."""
    return evolve(cooldown, probes=max(0, cooldown.probes - 1), probe_at_s=now_s + PROBE_AGAIN_S)


def _with_probe(cooldown: Cooldown, now_s: float) -> Cooldown:
    if cooldown.until_s - now_s <= PROBE_OVER_S:
        return evolve(cooldown, probe_at_s=None) if cooldown.probe_at_s is not None else cooldown
    if cooldown.probe_at_s is not None:
        return cooldown
    return evolve(cooldown, probe_at_s=now_s + probe_interval(cooldown.probes))


def _unnoticed(key: str, cooldown: Cooldown | None) -> None:
    """Nobody keeps them."""


class Cooldowns:
    """All cooldowns of this process. A success ends one; time alone lets it run out but keeps its step.

    ``changed(key, cooldown or None)`` is told of every change.
    """

    def __init__(
        self, most_models: int = MOST_MODELS, changed: Callable[[str, Cooldown | None], None] = _unnoticed
    ) -> None:
        self._connections: dict[str, Cooldown] = {}
        self._models: dict[str, Cooldown] = {}  # by "connection id/model"
        self._most_models = most_models
        self._changed = changed

    def __iter__(self) -> Iterator[Cooldown]:
        yield from self._connections.values()
        yield from self._models.values()

    def get(self, key: str) -> Cooldown | None:
        """What is known of this key, run out or not."""
        return self._connections.get(key) or self._models.get(key)

    def of(self, connection_id: str, model: str) -> tuple[Cooldown, ...]:
        """What is known of this model of this connection, run out or not."""
        whole = self._connections.get(connection_id) if self._connections else None
        part = self._models.get(f"{connection_id}/{model}") if self._models else None
        if whole is None:
            return () if part is None else (part,)
        return (whole,) if part is None else (whole, part)

    def resting(self, connection_id: str, model: str, now_s: float) -> Cooldown | None:
        """The cooldown that keeps this model of this connection from being used now, the longer of the two."""
        active = [c for c in self.of(connection_id, model) if c.until_s > now_s]
        return max(active, key=lambda c: c.until_s, default=None)

    def rest(
        self,
        key: str,
        now_s: float,
        hint_s: float | None,
        reason: str,
        base_s: float = BASE_S,
        *,
        max_steps: int = MAX_STEPS,
        longest_s: float = LONGEST_GUESS_S,
        kind: Kind = "limit",
        probe: bool = False,
    ) -> Cooldown:
        """Puts ``key`` to rest; see `extend`."""
        cooldown = extend(
            self.get(key),
            key,
            now_s,
            hint_s,
            reason,
            base_s,
            max_steps=max_steps,
            longest_s=longest_s,
            kind=kind,
            probe=probe,
        )
        self.put(cooldown)
        return cooldown

    def put(self, cooldown: Cooldown) -> None:
        """Takes the place of what was known of its key."""
        if "/" not in cooldown.key:
            self._connections[cooldown.key] = cooldown
        else:
            self._models[cooldown.key] = cooldown
            if len(self._models) > self._most_models:
                self._make_room()
        self._changed(cooldown.key, cooldown)

    def succeeded(self, connection_id: str, model: str, now_s: float = math.inf, probed: Iterable[str] = ()) -> None:
        """Forgets what an answer has disproved.

        What rests at ``now_s`` stays, unless the answer was its probe: an answer that was asked for before the
        rest began says nothing of it.
        """
        for cooldown in self.of(connection_id, model):
            if cooldown.until_s <= now_s or cooldown.key in probed:
                self.end(cooldown.key)

    def end(self, key: str) -> bool:
        """Forgets one; whether there was one."""
        gone = self._connections.pop(key, None) or self._models.pop(key, None)
        if gone is not None:
            self._changed(key, None)
        return gone is not None

    def active(self, now_s: float) -> Mapping[str, Cooldown]:
        """What rests now, by key."""
        return {c.key: c for c in self if c.until_s > now_s}

    def _make_room(self) -> None:
        """The quarter that ends first goes, so that room is made once in a long while."""
        by_end = sorted(self._models.values(), key=lambda c: c.until_s)
        for cooldown in by_end[: max(1, self._most_models // 4)]:
            self.end(cooldown.key)


def connection_of(key: str) -> str:
    """The connection id in a key."""
    return key.partition("/")[0]


def model_of(key: str) -> str | None:
    """The model in a key; None where the whole connection rests."""
    _, slash, model = key.partition("/")
    return model if slash else None
