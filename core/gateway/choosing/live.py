"""Live: what is known now of accounts and of members of combos: how busy, how quick, how often they failed lately.

It is told of every attempt and asked when candidates are ordered. Kept in memory, up
to a number of entries; the clock is passed in, so the same story gives the same facts.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen
from omniroute_hooks import QuotaWindow

if TYPE_CHECKING:
    from .picks import Pick

MOST_ENTRIES = 50_000
RECENT_S = 300.0  # "recent requests" are those of this window and the one before it
STALE_S = 900.0  # a measure as old as this tells nothing any more
NEW_SHARE = 0.2  # of one measure in a moving mean
FORGET_HALF_S = 300.0  # half of a failure rate, without news


class Facts(NamedTuple):
    """As the fields of `omniroute_hooks.Candidate`. A tuple, since dozens of them are made for one request."""

    in_flight: int = 0
    last_used_s: float | None = None
    uses: int = 0
    latency_ms: float | None = None
    failure_rate: float = 0.0
    quota_left: float | None = None
    quota_resets_s: float | None = None


@frozen
class QuotaLeft:
    """The tightest window that counts for a model: ``left`` 0..1; ``resets_at_s`` unix seconds, None if unknown."""

    left: float | None
    resets_at_s: float | None


NOTHING = Facts()
UNMEASURED: tuple[float | None, float] = (None, 0.0)
Quota = Callable[[str, str], QuotaLeft | None]  # connection id, model


class Live:
    """``quota`` tells what is left for a model on a connection; ``wall`` is the clock of its resets."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        quota: Quota | None = None,
        wall: Callable[[], float] = time.time,
        most: int = MOST_ENTRIES,
    ) -> None:
        self._clock = clock
        self._quota = quota
        self._wall = wall
        self._most = most
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def began(self, pick: Pick) -> None:
        """An attempt goes out. Its end must be told, however it ends."""
        now_s = self._clock()
        for key in _keys(pick):
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(now_s)
                self._forget_oldest()
            else:
                self._entries.move_to_end(key)
            entry.began(now_s)

    def finished(self, pick: Pick, ok: bool | None, latency_ms: float | None = None) -> None:
        """It ended. ``ok`` None: nobody is to blame and nothing was learnt (the caller left, or was wrong).
        ``latency_ms`` until the first word of the answer."""
        now_s = self._clock()
        for key in _keys(pick):
            entry = self._entries.get(key)
            if entry is not None:
                entry.finished(now_s, ok, latency_ms)

    def facts(self, connection_id: str, provider: str, model: str) -> Facts:
        """Of an account: its use by any model; latency, failures and quota of this model."""
        account = self._entries.get(connection_id)
        if self._quota is not None:
            quota = self._quota(connection_id, model)
            if quota is not None:
                known = self._joined(account, self._entries.get((connection_id, model)))
                resets_s = None if quota.resets_at_s is None else quota.resets_at_s - self._wall()
                return known._replace(quota_left=quota.left, quota_resets_s=resets_s)
        return NOTHING if account is None else self._joined(account, self._entries.get((connection_id, model)))

    def member(self, key: str, model: tuple[str, str] | None) -> Facts:
        """Of a member of a combo: its use within the combo; latency and failures of its ``model`` (provider id,
        model) anywhere, or of the member itself where it is a combo."""
        here = self._entries.get(key)
        whole = here if model is None else self._entries.get(model)
        return NOTHING if here is None and whole is None else self._joined(here, whole)

    def group(self, key: str) -> Facts:
        """Of a crew of accounts. The same object as long as nothing has changed, up to a second."""
        entry = self._entries.get(key)
        if entry is None:
            return NOTHING
        now_s = self._clock()
        if entry.facts is None or now_s - entry.facts_s > 1.0:
            entry.facts, entry.facts_s = self._joined(entry, entry), now_s
        return entry.facts

    def in_flight(self, connection_id: str) -> int:
        """Attempts through this connection now."""
        entry = self._entries.get(connection_id)
        return 0 if entry is None else entry.in_flight

    @property
    def knows_quota(self) -> bool:
        """Whether anybody tells what is left of quotas."""
        return self._quota is not None

    def __len__(self) -> int:
        return len(self._entries)

    def _joined(self, use: _Entry | None, measure: _Entry | None) -> Facts:
        now_s = self._clock()
        latency_ms, failure_rate = UNMEASURED if measure is None else measure.measured(now_s)
        if use is None:
            return Facts(0, None, 0, latency_ms, failure_rate)
        return Facts(use.in_flight, use.last_used_s, use.recent(now_s), latency_ms, failure_rate)

    def _forget_oldest(self) -> None:
        for _ in range(8):
            if len(self._entries) <= self._most:
                return
            key, entry = self._entries.popitem(last=False)
            if entry.in_flight:  # its end is still to be told
                self._entries[key] = entry


class _Entry:
    __slots__ = (
        "_before",
        "_failure_rate",
        "_latency_ms",
        "_now",
        "_told_s",
        "_window_s",
        "facts",
        "facts_s",
        "in_flight",
        "last_used_s",
    )

    def __init__(self, now_s: float) -> None:
        self.in_flight = 0
        self.last_used_s: float | None = None
        self._window_s = now_s
        self._now = self._before = 0
        self._latency_ms: float | None = None
        self._failure_rate = 0.0
        self._told_s = self.facts_s = now_s
        self.facts: Facts | None = None

    def began(self, now_s: float) -> None:
        self._roll(now_s)
        self.facts = None
        self.in_flight += 1
        self._now += 1
        self.last_used_s = now_s

    def finished(self, now_s: float, ok: bool | None, latency_ms: float | None) -> None:
        self.in_flight = max(0, self.in_flight - 1)
        self.facts = None
        if ok is None:
            return
        known_ms, rate = self.measured(now_s)
        self._failure_rate = rate + NEW_SHARE * ((0.0 if ok else 1.0) - rate)
        if ok and latency_ms is not None:
            self._latency_ms = latency_ms if known_ms is None else known_ms + NEW_SHARE * (latency_ms - known_ms)
        self._told_s = now_s

    def recent(self, now_s: float) -> int:
        if now_s - self._window_s >= RECENT_S:
            self._roll(now_s)
        return self._now + self._before

    def measured(self, now_s: float) -> tuple[float | None, float]:
        """Latency and failure rate, as far as they still count."""
        age_s = now_s - self._told_s
        latency_ms = self._latency_ms if age_s < STALE_S else None
        rate = self._failure_rate
        return latency_ms, rate * 0.5 ** (age_s / FORGET_HALF_S) if rate and age_s > 1 else rate

    def _roll(self, now_s: float) -> None:
        age_s = now_s - self._window_s
        if age_s >= RECENT_S:
            self._before = self._now if age_s < 2 * RECENT_S else 0
            self._now = 0
            self._window_s = now_s


def quota_left(windows: Iterable[QuotaWindow], model: str) -> QuotaLeft | None:
    """The tightest of the windows that count for ``model``; None where none has a limit."""
    tightest: QuotaLeft | None = None
    for window in windows:
        if not window.limit or (window.model is not None and window.model not in model):
            continue
        left = min(1.0, max(0.0, 1 - window.used / window.limit))
        if tightest is None or tightest.left is None or left < tightest.left:
            resets = window.resets_at
            tightest = QuotaLeft(left, None if resets is None else resets.timestamp())
    return tightest


def _keys(pick: Pick) -> tuple[Hashable, ...]:
    connection_id, choice = pick.line.connection.id, pick.choice
    return (connection_id, (connection_id, choice.model), (choice.provider.id, choice.model), *pick.trail)
