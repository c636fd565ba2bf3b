"""The usage record: what one attempt at a provider cost, in tokens, money and time, and the sums over many."""

from __future__ import annotations

from typing import Literal

from attrs import define, frozen

Outcome = Literal["answered", "failed", "dropped"]


@define(kw_only=True)  # not frozen: one is made for every request, and a frozen one would take thrice as long
class UsageRecord:
    """What one upstream attempt used. Token counts are the provider's own unless ``estimated``.

    A request leaves one record for each attempt, all under its ``request_id``. Exactly one of them is ``final``: the
    attempt that ended it, or one without a provider where nobody was asked. Only the final one has the caller's
    ``status`` and the whole request's ``latency_ms``; the others have those of the attempt, with status 0 where it
    never answered. Tokens and costs of all of them add up to the request's.
    """

    id: str
    """The final record has the request's id, the others ``<request id>.<attempt>``."""
    at: float
    """Unix seconds at which the request ended."""
    request_id: str
    endpoint: str
    dialect: str
    api_key_id: str | None = None
    provider: str
    connection_id: str | None = None
    requested_model: str
    model: str
    status: int
    stream: bool = False
    input_fresh: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_write_other: int = 0
    output_visible: int = 0
    reasoning: int = 0
    estimated: bool = False
    cost_usd: float | None = None
    """None when no price is known, which is not the same as free."""
    latency_ms: float
    first_token_ms: float | None = None
    attempt: int = 1
    """Its place in the request's trace, from 1. Candidates that were passed over have places there, and no record."""
    blames: str | None = None
    error_code: str | None = None
    combo: str | None = None
    """The combo that was asked for, by its name then."""
    path: str | None = None
    """The candidate's place within it, in words: ``premium › 2 › cheap › 1``."""
    outcome: Outcome = "answered"
    final: bool = True

    @property
    def ok(self) -> bool:
        """Whether it is an answer that reached the caller whole."""
        return self.status < 400 and self.error_code is None


@frozen(kw_only=True)
class UsageTotals:
    """Sums over records. ``requests`` and their ``failures`` count each request once; ``attempts`` are all records
    of an attempt, and ``unpriced`` those without a known price. ``cost_usd`` adds up the known prices."""

    requests: int
    failures: int
    attempts: int
    input_fresh: int
    cache_read: int
    cache_write: int
    output_visible: int
    reasoning: int
    cost_usd: float
    unpriced: int
