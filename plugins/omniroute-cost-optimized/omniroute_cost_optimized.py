"""Cost-optimized: the cheapest first."""

from collections.abc import Sequence
from math import inf, isnan

from omniroute_hooks import Candidate, Round, Strategy, hookimpl
from omniroute_hooks.strategy import by_readiness


def cheapest_first(candidates: Sequence[Candidate], choice: Round) -> list[Candidate]:
    """Members of a combo by their price, unknown prices behind all known ones. Accounts of one provider pay the
    same price, so there the user's priority tells which one is cheap (1 first). Those who rest at the end."""
    ready, resting = by_readiness(candidates)
    if choice.level == "members":
        ready.sort(key=lambda c: (_price(c), c.position))
    else:
        ready.sort(key=lambda c: (c.priority, c.position))
    return [*ready, *resting]


def _price(candidate: Candidate) -> float:
    price = candidate.usd_per_1m
    return inf if price is None or isnan(price) else price


COST_OPTIMIZED = Strategy(
    id="cost-optimized",
    name="Cost optimized",
    description="Always tries the cheapest: by price in a combo, by priority among accounts.",
    order=cheapest_first,
)


@hookimpl
def omniroute_strategies() -> list[Strategy]:
    return [COST_OPTIMIZED]
