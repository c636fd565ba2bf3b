"""Power of two choices: two are drawn, the healthier one gets the request.

Nearly as even as comparing all, and without the rush of everybody to the one that looks best at the moment
(Mitzenmacher, "The power of two choices in randomized load balancing", 2001).
"""

from collections.abc import Sequence
from math import inf

from omniroute_hooks import Candidate, Round, Strategy, hookimpl
from omniroute_hooks.strategy import by_readiness

FORGET_HALF_AFTER_S = 15.0


def healthier_of_two(candidates: Sequence[Candidate], choice: Round) -> list[Candidate]:
    """Two at random, the healthier in front; of equals, the one drawn first. Then the others, the healthiest first,
    and those who rest."""
    ready, resting = by_readiness(candidates)
    if len(ready) < 2:
        return [*ready, *resting]
    one, other = choice.rng.sample(range(len(ready)), 2)
    if burden(ready[other], choice.now_s) < burden(ready[one], choice.now_s):
        one, other = other, one
    others = [candidate for place, candidate in enumerate(ready) if place not in (one, other)]
    others.sort(key=lambda c: (burden(c, choice.now_s), c.position))
    return [ready[one], ready[other], *others, *resting]


def burden(candidate: Candidate, now_s: float) -> tuple[bool, float]:
    """How unhealthy it is, less being better: whether its quota is spent, then the requests it works on with one
    more, times the tries that an answer takes of late.

    Failures fade while it is left alone, half of them in 15 seconds: else it would lose every draw, and nobody would
    learn that it is well again. They count in tenths, lest one failure in a hundred send everything elsewhere.
    """
    idle_s = 0.0 if candidate.last_used_s is None else max(0.0, now_s - candidate.last_used_s)
    failing = round(candidate.failure_rate * 0.5 ** (idle_s / FORGET_HALF_AFTER_S), 1)
    spent = candidate.quota_left is not None and candidate.quota_left <= 0
    return spent, inf if failing >= 1 else (candidate.in_flight + 1) / (1 - failing)


P2C = Strategy(
    id="p2c",
    name="Power of two choices",
    description="Draws two at random and takes the healthier one: fewer failures, fewer requests in flight.",
    order=healthier_of_two,
)


@hookimpl
def omniroute_strategies() -> list[Strategy]:
    return [P2C]
