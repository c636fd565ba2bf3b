"""The end of a running gateway: answers under way may finish, for so long; new ones are refused.

The server does the waiting, but since Python 3.12 `asyncio.Server.wait_closed` waits for open connections without
limit. So whatever still runs when the time is up is broken off here, which also tells the caller that it is not whole.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

log = logging.getLogger("omniroute")


class Draining:
    """The requests of one process that are under way: ``running`` are their tasks."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[Any] | None] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, limit_s: float) -> None:
        """What runs has ``limit_s`` left."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(limit_s, self._break_off)

    def _break_off(self) -> None:
        if self.running:
            log.warning("%d answers were not finished in time and are broken off.", len(self.running))
        for task in self.running:
            if task is not None:
                task.cancel()
