"""Random: every order of the candidates is as likely as any other."""

from collections.abc import Sequence

from omniroute_hooks import Candidate, Round, Strategy, hookimpl
from omniroute_hooks.strategy import by_readiness


def shuffled(candidates: Sequence[Candidate], choice: Round) -> list[Candidate]:
    """A new shuffle for each request; those who rest at the end."""
    ready, resting = by_readiness(candidates)
    choice.rng.shuffle(ready)  # Fisher-Yates, as the user guide says: n-1 swaps, no bias
    return [*ready, *resting]


RANDOM = Strategy(
    id="random",
    name="Random",
    description="Shuffles the candidates anew for each request.",
    order=shuffled,
)


@hookimpl
def omniroute_strategies() -> list[Strategy]:
    return [RANDOM]
