"""What every strategy keeps: it orders all it was given, and the same way for the same dice."""

from __future__ import annotations

import random
from typing import Literal

from .. import Candidate, Round, Strategy
from .expectations import must
from .rules import word

SEEDS = range(5)


def strategy(item: Strategy) -> None:
    """Its name and levels."""
    word(item.id, "the strategy's id")
    must(item.name and item.description, "it has no name or description to show")
    must(item.levels and set(item.levels) <= {"accounts", "members"}, f"levels {item.levels!r} are unknown")


def loses_nobody(item: Strategy) -> None:
    """Of 0, 1 or 5 candidates, each comes out exactly once, and what went in is untouched."""
    for level in item.levels:
        for count in (0, 1, 5):
            for candidates in (fresh(count), used(count)):
                given = list(candidates)
                ordered = item.order(given, _round(level, 1))
                keys = [candidate.key for candidate in ordered]
                must(
                    sorted(keys) == sorted(c.key for c in candidates),
                    f"of {[c.key for c in candidates]} ({level}) it makes {keys}",
                )
                must(given == candidates, "it changes the list it was given")


def repeats_itself(item: Strategy) -> None:
    """Same candidates, clock, memory and seed: same order."""
    for level in item.levels:
        for seed in SEEDS:
            first, second = _round(level, seed), _round(level, seed)
            for _ in range(3):  # what it remembers of one choice may change the next
                one = [c.key for c in item.order(used(5), first)]
                other = [c.key for c in item.order(used(5), second)]
                must(one == other, f"with the same seed {seed} it orders {one} and then {other}")


def fresh(count: int) -> list[Candidate]:
    """Candidates of whom nothing is known yet."""
    return [Candidate(f"k{n}", f"p{n % 2}", f"m{n}", f"c{n}", position=n) for n in range(count)]


def used(count: int) -> list[Candidate]:
    """Candidates with a past: busy, failing, out of quota, free, without weight."""
    return [
        Candidate(
            f"k{n}",
            f"p{n % 2}",
            f"m{n}",
            f"c{n}",
            position=n,
            priority=count - n,
            weight=float(n % 3),
            in_flight=n % 2,
            last_used_s=100.0 - n if n else None,
            uses=n * n,
            latency_ms=50.0 * n if n % 2 else None,
            failure_rate=n / max(1, count),
            usd_per_1m=None if n == 2 else float(3 - n if n < 3 else 0),
            quota_left=None if n == 1 else 1.0 - n / max(1, count),
            quota_resets_s=None if n == 1 else 60.0 * n,
        )
        for n in range(count)
    ]


def _round(level: Literal["accounts", "members"], seed: int) -> Round:
    return Round(now_s=1000.0, rng=random.Random(seed), memory={}, level=level)  # noqa: S311  # dice, not secrets
