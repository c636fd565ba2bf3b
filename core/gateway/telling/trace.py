"""The trace: what happened to one request, station by station.

The error body lists it, the response headers summarise it, the usage records and the log of recent requests are
made of it. It holds no secret and none of the caller's text.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from typing import Literal

from attrs import define, field
from omniroute_hooks import GatewayError, Loss, Model, Usage

from core.resilience.verdict import span
from core.store.times import to_iso

_counter = itertools.count(1)
_process = os.urandom(6).hex()

Outcome = Literal["answered", "failed", "skipped", "dropped"]

# What a class of failures is called where people read of it; others are called by their code.
_CLASSES = {
    "content_filtered": "it refuses the content",
    "context_length_exceeded": "the request is too long for it",
    "invalid_request": "it does not take the request",
    "login_expired": "its login or key is refused",
    "model_not_found": "it has no such model",
    "quota_exhausted": "no quota is left",
    "request_too_large": "the request is too large for it",
    "stream_broken": "its answer broke off",
    "unsupported_field": "it cannot take all of the request",
    "upstream_error": "provider error",
    "upstream_forbidden": "the account may not use it",
    "upstream_timeout": "it took too long",
}


def request_id() -> str:
    """A word that no other request of any process has."""
    return f"{_process}{next(_counter):010x}"


os.register_at_fork(after_in_child=lambda: globals().update(_process=os.urandom(6).hex()))


@define
class Attempt:
    """One candidate's part. ``status`` is the provider's HTTP status, None if it never answered.

    ``asked``: the request went out to it; ``begun``: it accepted it, with HTTP 200. ``retry_at_s`` unix seconds, from
    when on it may be asked again, where that is known. ``spec`` has its price. ``ms`` since its turn came.
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
    path: str = ""
    connection: str = ""
    provider: str = ""
    model: str = ""
    spec: Model | None = None
    usage: Usage | None = None
    asked: bool = False
    begun: bool = False

    def words(self, account: bool = False) -> str:
        """One line for people. ``account`` names the user's account, which is not for every caller's eyes."""
        name = f"{self.target} on {self.connection!r}" if account and self.connection else self.target
        place = f"{self.path}: {name}" if self.path else name
        if self.outcome == "answered":
            return f"{place} answered in {self.ms:.0f} ms"
        if self.outcome == "skipped":
            return f"{place} was passed over: {self.reason}"
        if self.outcome == "dropped":
            return f"{place} was given up after {self.ms:.0f} ms: {self.reason}"
        return f"{place} failed after {self.ms:.0f} ms ({self._class()}): {self.reason}{self._rest()}"

    def _class(self) -> str:
        code = self.code or "failed"
        words = _CLASSES.get(code) or code.replace("_", " ")
        return f"HTTP {self.status}, {words}" if self.status else words

    def _rest(self) -> str:
        """When it may be asked again, behind the reason."""
        if self.retry_at_s is None:
            return ""
        end = "" if self.reason.endswith((".", "!", "?")) else "."
        left_s = self.retry_at_s - time.time()
        soon = f" in {span(left_s)}" if left_s > 0 else ""
        return f"{end} It may be asked again{soon} ({to_iso(self.retry_at_s)})."

    def as_json(self) -> dict[str, object]:
        """For those who may see the user's accounts."""
        return {
            "target": self.target,
            "path": self.path or None,
            "provider": self.provider,
            "model": self.model,
            "account": self.connection or None,
            "connectionId": self.connection_id,
            "outcome": self.outcome,
            "asked": self.asked,
            "reason": self.reason or None,
            "blames": self.blames,
            "code": self.code,
            "status": self.status,
            "ms": round(self.ms, 1),
            "retryAt": None if self.retry_at_s is None else to_iso(self.retry_at_s),
            "words": self.words(account=True),
        }


@define
class Trace:
    """One request's story. Times are `time.perf_counter` seconds unless named otherwise.

    ``combo`` is the one that was asked for. ``notes`` are (how many attempts there were before, what happened).
    """

    id: str
    began: float = field(factory=time.perf_counter)
    endpoint: str = ""
    dialect: str = ""
    api_key_id: str | None = None
    requested_model: str = ""
    stream: bool = False
    resolved_by: str = ""
    combo: str | None = None
    attempts: list[Attempt] = field(factory=list)
    notes: list[tuple[int, str]] = field(factory=list)
    losses: tuple[Loss, ...] = ()
    passthrough: bool = False
    provider: str | None = None
    model: str | None = None
    connection_id: str | None = None
    first_byte: float | None = None
    status: int = 0
    error: GatewayError | None = None

    def elapsed_ms(self) -> float:
        """Since intake."""
        return (time.perf_counter() - self.began) * 1000

    def note(self, words: str, before: int | None = None) -> None:
        """Something that happened between two attempts: now, or ``before`` the attempt at that place."""
        self.notes.append((len(self.attempts) if before is None else before, words))

    def lines(self) -> tuple[str, ...]:
        """The attempts in words, for those who asked."""
        return tuple(attempt.words() for attempt in self.attempts)

    def story(self) -> list[str]:
        """All that happened, in words and in its order, for those who may see the user's accounts."""
        out = [f"{self.requested_model!r} was asked for{_reading(self.resolved_by, self.combo)}."]
        notes = deque(self.notes)
        for place, attempt in enumerate(self.attempts):
            while notes and notes[0][0] <= place:
                out.append(notes.popleft()[1])
            words = attempt.words(account=True).rstrip(".")
            out.append(f"{words}{self._consequence(place)}.")
        return out + [words for _, words in notes]

    def _consequence(self, place: int) -> str:
        """What followed from the failure of an attempt."""
        failed = self.attempts[place]
        following = next((a for a in self.attempts[place + 1 :] if a.asked), None)
        if failed.outcome != "failed" or following is None:
            return ""
        same = (following.target, following.connection_id) == (failed.target, failed.connection_id)
        return "; it was asked once more" if same else "; the next one was tried"


def _reading(by: str, combo: str | None) -> str:
    if combo is not None:
        return f", which is the combo {combo!r}" + (" by an alias" if by == "alias" else "")
    return {"alias": ", which is an alias", "bare name": ", a name without a provider"}.get(by, "")
