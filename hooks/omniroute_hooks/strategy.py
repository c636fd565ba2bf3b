"""Strategies: in which order candidates are tried."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Literal

from attrs import frozen


@frozen
class Candidate:
    """A model over a connection, and what is known of it now.

    ``position`` is its place in the user's order, from 0. ``weight`` the user's share (0: never unless alone).
    ``last_used_s`` on the same clock as `Round.now_s`, None if never; ``latency_ms`` a moving mean;
    ``failure_rate`` 0..1 lately; ``in_flight`` requests now; ``usd_per_1m`` a blended price;
    ``quota_left`` 0..1 of the tightest window, ``quota_resets_s`` seconds until it resets.
    ``resting_s`` seconds until it may be called again, 0 for now.
    """

    key: str
    provider: str
    model: str
    connection_id: str
    position: int
    priority: int = 1
    weight: float = 1.0
    in_flight: int = 0
    last_used_s: float | None = None
    uses: int = 0
    latency_ms: float | None = None
    failure_rate: float = 0.0
    usd_per_1m: float | None = None
    quota_left: float | None = None
    quota_resets_s: float | None = None
    resting_s: float = 0.0


@frozen
class Round:
    """One choice. ``memory`` is kept for this list of candidates between choices; ``rng`` is seeded by the kernel.

    ``level`` says what is being ordered: the accounts of a provider, or the members of a combo.
    """

    now_s: float
    rng: random.Random
    memory: MutableMapping[str, Any]
    level: Literal["accounts", "members"]
    settings: Mapping[str, Any] = {}


@frozen(kw_only=True)
class Strategy:
    """An order of candidates, best first. Same input, clock and seed: same order. Must return all it was given."""

    id: str
    name: str
    description: str
    order: Callable[[Sequence[Candidate], Round], Sequence[Candidate]]
    levels: tuple[Literal["accounts", "members"], ...] = ("accounts", "members")
    needs: tuple[str, ...] = ()


def by_readiness(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Those that may be called now, as they were given; and those that rest, the first to return at the front.

    A strategy that takes turns or rolls dice does so among the first. Were the turn of a resting one its
    neighbour's, the neighbour would get twice its share.
    """
    ready: list[Candidate] = []
    resting: list[Candidate] = []
    for candidate in candidates:
        (resting if candidate.resting_s > 0 else ready).append(candidate)
    return ready, sorted(resting, key=lambda c: (c.resting_s, c.position))
