"""Quota-aware: spends the quota window that resets soonest, since what is left of it then is lost."""

from collections.abc import Sequence

from omniroute_hooks import Candidate, Round, Strategy, hookimpl
from omniroute_hooks.strategy import by_readiness

MINUTE_S = 60.0
EXPIRES, LASTS, SPENT = 0, 1, 2


def soonest_reset_first(candidates: Sequence[Candidate], choice: Round) -> list[Candidate]:
    """Windows with something left, the one that resets soonest first; then those of whom no window is known, in the
    user's order; then spent ones, and those who rest at the end."""
    ready, resting = by_readiness(candidates)
    return [*sorted(ready, key=_urgency), *resting]


def _urgency(candidate: Candidate) -> tuple[int, float, float, int]:
    resets_s, left = candidate.quota_resets_s, candidate.quota_left
    if resets_s is not None and not resets_s > 0:
        resets_s = left = None  # read before the reset, so it tells nothing of the window that runs now
    if left is not None and left <= 0:
        return SPENT, float("inf") if resets_s is None else resets_s, 0.0, candidate.position
    if resets_s is None:
        return LASTS, 0.0, 0.0, candidate.position
    # Windows that end in the same minute end together: readings are never taken in the same second.
    return EXPIRES, resets_s // MINUTE_S, -(1.0 if left is None else left), candidate.position


QUOTA_AWARE = Strategy(
    id="quota-aware",
    name="Quota aware",
    description="Spends the quota that resets soonest, before it is lost.",
    order=soonest_reset_first,
)


@hookimpl
def omniroute_strategies() -> list[Strategy]:
    return [QUOTA_AWARE]
