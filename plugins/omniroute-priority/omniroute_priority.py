"""Priority: the first candidate in the user's order, until it cannot answer."""

from collections.abc import Sequence

from omniroute_hooks import Candidate, Round, Strategy, hookimpl


def in_order(candidates: Sequence[Candidate], choice: Round) -> list[Candidate]:
    """Accounts by their priority (1 first), equal ones in the user's order; members of a combo as the user
    listed them, where a connection's priority only decides between accounts of one member."""
    if choice.level == "members":
        return sorted(candidates, key=lambda c: (c.position, c.priority))
    return sorted(candidates, key=lambda c: (c.priority, c.position))


PRIORITY = Strategy(
    id="priority",
    name="Priority",
    description="Always tries the first one, and moves on only when it cannot answer.",
    order=in_order,
)

# The same order under the name that people know it by for accounts.
FILL_FIRST = Strategy(
    id="fill-first",
    name="Fill first",
    description="Uses one account until it is exhausted, then the next.",
    order=in_order,
)


@hookimpl
def omniroute_strategies() -> list[Strategy]:
    return [PRIORITY, FILL_FIRST]
