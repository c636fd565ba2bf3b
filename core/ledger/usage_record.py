"""The usage record: what one request cost, in tokens, money and time, and the sums over many."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class UsageRecord:
    """What one upstream attempt used. Token counts are the provider's own unless ``estimated``."""

    id: str
    at: float
    """Unix seconds at which the attempt ended."""
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
    blames: str | None = None
    error_code: str | None = None


@frozen(kw_only=True)
class UsageTotals:
    """Sums over records. ``cost_usd`` adds up the known prices; ``unpriced`` counts the records without one."""

    attempts: int
    failures: int
    input_fresh: int
    cache_read: int
    cache_write: int
    output_visible: int
    reasoning: int
    cost_usd: float
    unpriced: int
