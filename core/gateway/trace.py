"""The trace: what happened to one request, station by station.

The error body lists it, the response headers summarise it, the log and the
dashboard show it. It holds no secret and none of the caller's text.
"""

from __future__ import annotations

import itertools
import os
import time
from typing import Literal

from attrs import define, field
from omniroute_hooks import GatewayError, Loss, Usage

from core.store.times import to_iso

_counter = itertools.count(1)
_process = os.urandom(6).hex()

Outcome = Literal["answered", "failed", "skipped", "dropped"]


def request_id() -> str:
    """A word that no other request of any process has."""
    return f"{_process}{next(_counter):010x}"


os.register_at_fork(after_in_child=lambda: globals().update(_process=os.urandom(6).hex()))


@define
class Attempt:
    """One candidate's part. ``status`` is the provider's HTTP status, None if it never answered.

    ``retry_at_s`` unix seconds, where somebody said when to come back.
    """

    target: str
    connection_id: str
    outcome: Outcome
    reason: str = ""
    blames: str | None = None
    code: str | None = None
    status: int | None = None
    ms: float = 0.0
    retry_at_s: float | None = None
    retried: bool = False
    path: str = ""
    usage: Usage | None = None

    def words(self) -> str:
        """One line for people."""
        if self.outcome == "answered":
            return f"{self.target} answered in {self.ms:.0f} ms"
        verbs = {"skipped": "was passed over", "dropped": "was not used"}
        verb = verbs.get(self.outcome, "failed twice" if self.retried else "failed")
        upstream = f" (HTTP {self.status})" if self.status else ""
        place = f"{self.path}: " if self.path else ""
        return f"{place}{self.target} {verb}{upstream}: {self.reason}"

    def as_json(self) -> dict[str, object]:
        """For error bodies, dry runs and logs."""
        return {
            "target": self.target,
            "path": self.path or None,
            "connectionId": self.connection_id,
            "outcome": self.outcome,
            "reason": self.reason or None,
            "blames": self.blames,
            "code": self.code,
            "status": self.status,
            "ms": round(self.ms, 1),
            "retryAt": None if self.retry_at_s is None else to_iso(self.retry_at_s),
        }


@define
class Trace:
    """One request's story. Times are `time.perf_counter` seconds unless named otherwise."""

    id: str
    began: float = field(factory=time.perf_counter)
    endpoint: str = ""
    dialect: str = ""
    api_key_id: str | None = None
    api_key_logs: bool = True
    requested_model: str = ""
    stream: bool = False
    resolved_by: str = ""
    attempts: list[Attempt] = field(factory=list)
    notes: list[str] = field(factory=list)
    losses: tuple[Loss, ...] = ()
    passthrough: bool = False
    provider: str | None = None
    model: str | None = None
    connection_id: str | None = None
    usage: Usage | None = None
    first_byte: float | None = None
    status: int = 0
    error: GatewayError | None = None

    def elapsed_ms(self) -> float:
        """Since intake."""
        return (time.perf_counter() - self.began) * 1000

    def lines(self) -> tuple[str, ...]:
        """The attempts in words."""
        return tuple(attempt.words() for attempt in self.attempts)
