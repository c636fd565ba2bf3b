"""The queue: who is still to be tried, what became of the others, and what the caller is told when nobody is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from omniroute_hooks import BadRequest, ContextTooLong, GatewayError, ModelNotFound, RateLimited, Unavailable

from core.resilience.verdict import NotNow

from ..telling.trace import Attempt

if TYPE_CHECKING:
    from ..choosing.picks import Pick

Fits = Callable[["Pick"], str | None]


class Queue:
    """The candidates still to be tried, and what became of the others."""

    def __init__(self, picks: Iterable[Pick], fits: Fits) -> None:
        self._left = iter(picks)  # found one by one: who is never tried takes no turn
        self._resorts: list[Pick] = []
        self.fits = fits
        self.failures: list[GatewayError] = []
        self.retry_ats: list[float | None] = []
        self.only_rest = True
        self._too_small = 0  # a context of this size was not enough

    def pop(self) -> Pick | None:
        """The next one. After an overflow only models with a larger context are left, or of unknown size."""
        while (pick := next(self._left, None) or (self._resorts.pop(0) if self._resorts else None)) is not None:
            context = pick.choice.spec.context if pick.choice.spec is not None else None
            if context is None or context > self._too_small:
                return pick
        return None

    def last_resort(self, pick: Pick) -> None:
        """To be tried once more, after all others."""
        self._resorts.append(pick)

    def unfit(self, reason: str) -> None:
        """It cannot take this request."""
        self.failures.append(ModelNotFound(reason))
        self.only_rest = False

    def resting(self, retry_at_s: float | None, error: GatewayError) -> None:
        """It may not be asked now."""
        self.failures.append(error)
        self.retry_ats.append(retry_at_s)

    def failed(self, pick: Pick, error: GatewayError, now_s: float) -> None:
        """It was asked, and failed; or had no room."""
        self.failures.append(error)
        if isinstance(error, NotNow | RateLimited):
            self.retry_ats.append(None if error.retry_after_s is None else now_s + error.retry_after_s)
        else:
            self.only_rest = False
        if isinstance(error, ContextTooLong) and pick.choice.spec is not None and pick.choice.spec.context:
            self._too_small = max(self._too_small, pick.choice.spec.context)


def final_error(failures: Sequence[GatewayError], attempts: Sequence[Attempt]) -> GatewayError:
    """What the caller is told in the end: the one failure as it is, several as a list."""
    if not failures:
        return ModelNotFound("No connection that this API key may use serves the model.")
    if len(failures) == 1:
        return failures[0]
    if all(isinstance(error, BadRequest) for error in failures):
        return failures[-1]
    lines = tuple(attempt.words() for attempt in attempts)
    told = "No candidate could answer. " + " | ".join(lines)
    if all(isinstance(error, ContextTooLong) for error in failures):
        return ContextTooLong(told)  # programs shorten the conversation when they hear this, and only then
    # Whoever has no such time would refuse this request again, whenever it comes.
    hints = [error.retry_after_s for error in failures if error.retry_after_s is not None]
    return Unavailable(told, retry_after_s=min(hints, default=None), attempts=lines)
