"""What tests of strategies share: candidates in few words, choices among them, and a measure for their shares."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Candidate, Round, Strategy

CRITICAL = {1: 15.14, 2: 18.42, 3: 21.11, 4: 23.51, 5: 25.74}  # chi-square, p = 0.0001, by degrees of freedom


def chi_square_fits(counts: Mapping[str, int], shares: Mapping[str, float]) -> bool:
    """Whether these counts are what chance makes of the shares, of any sum; who has no share must have no count."""
    total, whole = sum(counts.values()), sum(shares.values())
    expected = {key: total * share / whole for key, share in shares.items() if share}
    assert min(expected.values()) >= 5, "too few to tell"
    if any(counts[key] for key in counts if key not in expected):
        return False
    value = sum((counts[key] - count) ** 2 / count for key, count in expected.items())
    return value <= CRITICAL[len(expected) - 1]


def candidate(key: str, position: int, **more: Any) -> Candidate:
    return Candidate(key, "p", "m", f"c-{key}", position=position, **more)


class Chooser:
    """Choices by one strategy with one memory and one pair of dice; ``now_s`` is set by the test."""

    def __init__(self, strategy: Strategy, level: str = "accounts", seed: int = 1, **settings: Any) -> None:
        self.strategy, self.level, self.settings = strategy, level, settings
        self.rng = random.Random(seed)
        self.memory: dict[str, Any] = {}
        self.now_s = 0.0

    def order(self, *candidates: Candidate) -> list[str]:
        """All keys, best first."""
        choice = Round(self.now_s, self.rng, self.memory, self.level, self.settings)
        return [c.key for c in self.strategy.order(candidates, choice)]

    def firsts(self, count: int, *candidates: Candidate) -> str:
        """Who came first in so many choices, one letter each if keys are."""
        return "".join(self.order(*candidates)[0] for _ in range(count))

    def tally(self, count: int, *candidates: Candidate) -> Counter[str]:
        """How often each came first."""
        return Counter(self.order(*candidates)[0] for _ in range(count))
