"""Weighted: shares in proportion to the weights that the user gave.

Each candidate draws a waiting time whose mean is one over its weight, and the shortest goes first. That makes its
chance of being first its share of all weights, and the chance of being next its share among those who are left
(Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006). Nothing is remembered, so a share that
somebody missed while resting is not made up for later.
"""

from collections.abc import Sequence

from omniroute_hooks import Candidate, Round, Strategy, hookimpl
from omniroute_hooks.strategy import by_readiness


def by_weight(candidates: Sequence[Candidate], choice: Round) -> list[Candidate]:
    """A new draw for each request. Those without a weight come after all that have one, alike among themselves, and
    those who rest at the end."""
    ready, resting = by_readiness(candidates)

    def drawn(candidate: Candidate) -> tuple[bool, float]:
        weighs = candidate.weight > 0
        return not weighs, choice.rng.expovariate(candidate.weight if weighs else 1.0)

    return [*sorted(ready, key=drawn), *resting]


WEIGHTED = Strategy(
    id="weighted",
    name="Weighted",
    description="Shares the requests out in proportion to the weights; weight 0 is a last resort.",
    order=by_weight,
)


@hookimpl
def omniroute_strategies() -> list[Strategy]:
    return [WEIGHTED]
