"""Passages: one attempt at one candidate, from its turn to its outcome."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from omniroute_hooks import GatewayError

from .verdict import Key, Scope

if TYPE_CHECKING:
    from .guard import Resilience


class Passage:
    """One attempt that was let through. What became of it is told once; telling more is ignored.

    It may be told within the slot or right after it. Nothing told (the caller left): nobody is blamed, and a
    probe is given back.
    """

    __slots__ = ("_guard", "_told", "began_s", "breaker_probe", "cooldown_probes", "first_s", "key", "request_id")

    def __init__(self, guard: Resilience, key: Key, request_id: str, began_s: float) -> None:
        self._guard = guard
        self._told = False
        self.key = key
        self.request_id = request_id
        self.began_s = began_s
        self.first_s: float | None = None
        self.breaker_probe = False
        self.cooldown_probes: tuple[str, ...] = ()

    @property
    def probe(self) -> bool:
        """Whether it is a marked probe, of whatever kind."""
        return self.breaker_probe or bool(self.cooldown_probes)

    @property
    def told(self) -> bool:
        """Whether its outcome is known."""
        return self._told

    def answering(self) -> None:
        """The first word of an answer is in: what a probe was to find out is known. Gives first-token latency."""
        if self.first_s is None and not self._told:
            self._guard.note_answering(self)

    def succeeded(self) -> None:
        """The answer is whole."""
        if not self._told:
            self._told = True
            self._guard.note_success(self)

    def failed(self, error: GatewayError, scope: Scope = "connection") -> float | None:
        """It failed. ``scope`` as the provider's rule says. Returns until when something rests, or None.

        A fault that is retried on the same candidate is told only when the retry has failed too.
        """
        if self._told:
            return None
        self._told = True
        return self._guard.note_failure(self, error, scope)

    def again(self) -> bool:
        """Whether the same candidate may be asked once more at once, within this slot. It counts for pacing."""
        return not self._told and self._guard.may_repeat(self)


class Slot:
    """``async with``: waits for the candidate's turn, and gives the `Passage`."""

    __slots__ = ("_guard", "_key", "_max_wait_s", "_passage", "_request_id")

    def __init__(self, guard: Resilience, key: Key, request_id: str, max_wait_s: float | None) -> None:
        self._guard = guard
        self._key = key
        self._request_id = request_id
        self._max_wait_s = max_wait_s
        self._passage: Passage | None = None

    async def __aenter__(self) -> Passage:
        """Errors: `NotNow`, `Busy`."""
        self._passage = passage = await self._guard.enter(self._key, self._request_id, self._max_wait_s)
        return passage

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._passage is not None:
            self._guard.leave(self._passage)
