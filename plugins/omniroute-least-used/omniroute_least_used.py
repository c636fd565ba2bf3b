"""Least used: the account that has waited longest, the model with the fewest recent requests.

A request counts as soon as it is given out, and not only when the kernel has recorded it: else all callers of the
same moment would meet at the same candidate.
"""

from collections.abc import Sequence
from math import inf

from omniroute_hooks import Candidate, Round, Strategy, hookimpl
from omniroute_hooks.strategy import by_readiness

Given = tuple[float, int]  # when, in seconds of the round's clock, and a number that grows where the clock stands


def longest_idle_first(candidates: Sequence[Candidate], choice: Round) -> list[Candidate]:
    """Accounts by their last use, never used ones first. Members of a combo by their recent requests, equal ones by
    those in flight, then by their last use. Those who rest at the end."""
    ready, resting = by_readiness(candidates)
    if not ready:
        return resting
    memory = choice.memory.setdefault("least-used", {"given": {}, "most": 0})
    given: dict[str, Given] = memory["given"]  # by key, in the order of giving

    def last(candidate: Candidate) -> Given:
        at_s, number = given.get(candidate.key, (-inf, -1))
        return max(at_s, -inf if candidate.last_used_s is None else candidate.last_used_s), number

    if choice.level == "members":
        ready.sort(key=lambda c: (c.uses, c.in_flight, last(c), c.position))
    else:
        ready.sort(key=lambda c: (last(c), c.position))
    first = ready[0].key
    number = next(reversed(given.values()))[1] + 1 if given else 0
    given.pop(first, None)
    given[first] = (choice.now_s, number)
    # Callers may see different parts of one list, so those who are absent now are not forgotten at once.
    memory["most"] = max(memory["most"], len(candidates))
    while len(given) > 2 * memory["most"]:
        del given[next(iter(given))]
    return [*ready, *resting]


LEAST_USED = Strategy(
    id="least-used",
    name="Least used",
    description="The account that was not used for longest, the model with the fewest recent requests.",
    order=longest_idle_first,
)


@hookimpl
def omniroute_strategies() -> list[Strategy]:
    return [LEAST_USED]
