"""Round robin: everybody in turn, accounts for some calls in a row, so that prompt caches are of use.

Turns are counted by who had one longest ago and not by a place in a list. So nobody is skipped and nobody gets two
turns when candidates come, go or rest, or when callers who may use different accounts share the memory.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from omniroute_hooks import Candidate, Round, Strategy, hookimpl
from omniroute_hooks.strategy import by_readiness

STICKY_LIMIT = 3  # user guide, "Routing Strategies"
NO_TURN_YET = -1


def in_turn(candidates: Sequence[Candidate], choice: Round) -> list[Candidate]:
    """Who holds the turn, while calls of it are left; else who had one longest ago. The others in the order of
    their next turns, those who rest at the end."""
    ready, resting = by_readiness(candidates)
    if not ready:
        return resting
    memory = choice.memory.setdefault("round-robin", {"turns": {}, "calls": 0, "most": 0})
    turns: dict[str, int] = memory["turns"]  # key -> number of its last turn; the latest turn is the last entry
    latest = next(reversed(turns), None)
    ready.sort(key=lambda c: (turns.get(c.key, NO_TURN_YET), c.position))
    if ready[-1].key == latest and memory["calls"] < calls_in_a_row(choice):
        memory["calls"] += 1
        return [ready[-1], *ready[:-1], *resting]
    number = NO_TURN_YET if latest is None else turns[latest]
    turns.pop(ready[0].key, None)
    turns[ready[0].key] = number + 1
    memory["calls"] = 1
    # Callers may see different parts of one list, so those who are absent now are not forgotten at once.
    memory["most"] = max(memory["most"], len(candidates))
    while len(turns) > 2 * memory["most"]:
        del turns[next(iter(turns))]
    return [*ready, *resting]


def calls_in_a_row(choice: Round) -> int:
    """How many calls one turn is: the user's setting for accounts, one for members of a combo."""
    return _sticky_limit(choice.settings) if choice.level == "accounts" else 1


def _sticky_limit(settings: Mapping[str, Any]) -> int:
    limit = settings.get("stickyRoundRobinLimit")
    # An older release may have stored anything; 0 was one of its values.
    return limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else STICKY_LIMIT


ROUND_ROBIN = Strategy(
    id="round-robin",
    name="Round robin",
    description="Everybody in turn: accounts for a few calls in a row, members of a combo for one.",
    order=in_turn,
)


@hookimpl
def omniroute_strategies() -> list[Strategy]:
    return [ROUND_ROBIN]
