"""A clock that a test turns: it stands still until it is told otherwise."""

from __future__ import annotations


class Clock:
    """Called for the time, as the gateway calls ``time.time`` or ``time.monotonic``. Seconds."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def pass_(self, seconds: float) -> float:
        """Lets time go by; the time then."""
        self.now_s += seconds
        return self.now_s
