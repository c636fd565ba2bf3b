"""The candidates of a simulation: how they behave, and what the gateway would know of them by then."""

from __future__ import annotations

import random
from collections import deque

from attrs import define, field, frozen

from ... import Candidate

RECENT_S = 300.0  # what counts as a recent request
NEW_SHARE = 0.2  # of one measure in a moving mean
LONGEST_STEP = 5


@frozen
class Player:
    """One candidate of a simulation.

    ``latency_ms`` is its mean; each answer takes between half and one and a half of it. ``fails`` is the chance
    0..1 of a failure; within a span of ``down`` (from, to) it always fails. ``quota`` requests are allowed in each
    window of ``window_s`` seconds; None means no limit.
    """

    key: str
    weight: float = 1.0
    priority: int = 1
    usd_per_1m: float | None = None
    latency_ms: float = 500.0
    fails: float = 0.0
    down: tuple[tuple[float, float], ...] = ()
    quota: int | None = None
    window_s: float = 3600.0


@define
class Standing:
    """What the kernel would know of a candidate by now, and how it does."""

    player: Player
    position: int
    in_flight: int = 0
    last_used_s: float | None = None
    begun: deque[float] = field(factory=deque)
    latency_ms: float | None = None
    failure_rate: float = 0.0
    resting_until_s: float = 0.0
    step: int = -1
    window: int = 0
    spent: int = 0

    def seen(self, now_s: float) -> Candidate:
        """As a strategy sees it."""
        player = self.player
        while self.begun and self.begun[0] <= now_s - RECENT_S:
            self.begun.popleft()
        self._turn_window(now_s)
        limited = player.quota is not None
        return Candidate(
            key=player.key,
            provider="simulated",
            model=player.key,
            connection_id=player.key,
            position=self.position,
            priority=player.priority,
            weight=player.weight,
            in_flight=self.in_flight,
            last_used_s=self.last_used_s,
            uses=len(self.begun),
            latency_ms=self.latency_ms,
            failure_rate=self.failure_rate,
            usd_per_1m=player.usd_per_1m,
            quota_left=max(0.0, 1 - self.spent / player.quota) if player.quota else (0.0 if limited else None),
            quota_resets_s=(self.window + 1) * player.window_s - now_s if limited else None,
            resting_s=max(0.0, self.resting_until_s - now_s),
        )

    def begin(self, now_s: float, dice: random.Random) -> tuple[float, bool]:
        """A call begins: the seconds it will take, and whether it will be answered."""
        player = self.player
        self._turn_window(now_s)
        self.in_flight += 1
        self.last_used_s = now_s
        self.begun.append(now_s)
        self.spent += 1
        out_of_quota = player.quota is not None and self.spent > player.quota
        fails = dice.random() < player.fails or any(start <= now_s < end for start, end in player.down)
        return player.latency_ms / 1000 * dice.uniform(0.5, 1.5), not (fails or out_of_quota)

    def end(self, now_s: float, took_s: float, answered: bool, rest_s: float) -> None:
        """It is over: measured, and put to rest if it failed, twice as long each time in a row."""
        self.in_flight -= 1
        self.failure_rate += NEW_SHARE * ((0.0 if answered else 1.0) - self.failure_rate)
        if answered:
            known = took_s * 1000 if self.latency_ms is None else self.latency_ms
            self.latency_ms = known + NEW_SHARE * (took_s * 1000 - known)
            self.step, self.resting_until_s = -1, 0.0
        elif self.resting_until_s <= now_s:  # failures of calls that began before the rest do not lengthen it
            self.step = min(self.step + 1, LONGEST_STEP)
            self.resting_until_s = now_s + rest_s * 2**self.step
            if self.player.quota is not None and self.spent >= self.player.quota:
                self.resting_until_s = (self.window + 1) * self.player.window_s

    def _turn_window(self, now_s: float) -> None:
        window = int(now_s // self.player.window_s)
        if window != self.window:
            self.window, self.spent = window, 0
