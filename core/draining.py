"""The end of a running gateway: answers under way may finish, for so long; new ones are refused.

The server does the waiting, but since Python 3.12 `asyncio.Server.wait_closed` waits for open connections without
limit. So whatever still runs when the time is up is broken off here, which also tells the caller that it is not whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

log = logging.getLogger("omniroute")


class Draining:
    """The requests of one process that are under way."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def track(self, request: Awaitable[None]) -> None:
        """``request``, known to be under way until it ends."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await request
        finally:
            self._running.discard(task)

    def begin(self, limit_s: float) -> None:
        """What runs has ``limit_s`` left."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(limit_s, self._break_off)

    def _break_off(self) -> None:
        if self._running:
            log.warning("%d answers were not finished in time and are broken off.", len(self._running))
        for task in self._running:
            task.cancel()
