"""Keeping a silent stream alive: one timer per stream, no task while there is nothing to send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Pulse:
    """Awaits ``beat`` whenever ``touch`` has not been called for ``every_s`` seconds. Stop it in the end."""

    __slots__ = ("_beat", "_every_s", "_handle", "_last_s", "_loop", "_task")

    def __init__(self, beat: Callable[[], Awaitable[None]], every_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._beat = beat
        self._every_s = every_s
        self._last_s = self._loop.time()
        self._task: asyncio.Future[None] | None = None
        self._handle = self._loop.call_later(every_s, self._tick)

    def touch(self) -> None:
        """Something was sent just now."""
        self._last_s = self._loop.time()

    def _tick(self) -> None:
        silent_s = self._loop.time() - self._last_s
        left_s = self._every_s - silent_s
        if left_s <= 0.001:
            left_s = self._every_s
            if self._task is None or self._task.done():  # a caller who reads nothing gets no pile of heartbeats
                self._task = asyncio.ensure_future(self._beat())
        self._handle = self._loop.call_later(left_s, self._tick)

    def stop(self) -> None:
        """No beat after this."""
        self._handle.cancel()
        if self._task is not None:
            self._task.cancel()
