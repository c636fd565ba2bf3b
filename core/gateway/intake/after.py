"""Something to be done a moment from now, unless the request is over by then, as nearly all are.

The moment is the same for all, so they stand in line behind one timer instead of having one each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Due:
    """One thing to be done. `cancel` forgets it."""

    __slots__ = ("at_s", "call")

    def __init__(self, at_s: float, call: Callable[[], None]) -> None:
        self.at_s = at_s
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Nothing is done. Harmless afterwards."""
        self.call = None


class After:
    """Calls what it is given ``delay_s`` later. For one event loop."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._line: deque[Due] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def do(self, call: Callable[[], None]) -> Due:
        """``call`` in a moment; it must not raise."""
        loop = asyncio.get_running_loop()
        due = Due(loop.time() + self._delay_s, call)
        self._line.append(due)
        if self._timer is None:
            self._timer = loop.call_at(due.at_s, self._tick, loop)
        return due

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        line = self._line
        self._timer = None
        while line and (line[0].call is None or line[0].at_s <= now_s):
            call = line.popleft().call
            if call is not None:
                call()
        if line:
            self._timer = loop.call_at(line[0].at_s, self._tick, loop)
