"""/api/combos/metrics: how combos fared in the last requests, from the usage records."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import GatewayError
from quart import Blueprint, Response

from core.gateway.naming.resolve import resolve
from core.ledger.usage_record import UsageRecord
from core.ledger.usage_schema import Wanted
from core.store.times import to_iso

from .guard import session
from .web import answer, kernel

views = Blueprint("combo_metrics", __name__)
COUNTED = 10_000  # of the last requests


@views.get("/api/combos/metrics")
@session
async def metrics() -> Response:
    """How combos fared in the last requests, by name. From the usage records, so a restart forgets nothing."""
    requests = await kernel().usage_log.requests(Wanted(), COUNTED)
    names: dict[str, str | None] = {}
    counted: dict[str, _Count] = {}
    for records in requests:
        final = next(record for record in records if record.final)
        asked = final.requested_model
        if final.combo is None and asked not in names:  # releases before this one did not write it down
            names[asked] = _combo_named(asked)
        combo = final.combo or names[asked]
        if combo is not None:
            counted.setdefault(combo, _Count()).add(final, _fell_back(records, final))
    return answer({"metrics": {name: count.as_json() for name, count in counted.items()}, "requests": len(requests)})


class _Count:
    def __init__(self) -> None:
        self.requests = self.successes = self.fallbacks = 0
        self.latency_ms = 0.0
        self.last: UsageRecord | None = None
        self.models: dict[str, _Count] = {}

    def add(self, record: UsageRecord, fell_back: bool, whole: bool = True) -> None:
        self.requests += 1
        self.successes += record.ok
        self.fallbacks += fell_back
        self.latency_ms += record.latency_ms
        if self.last is None or record.at > self.last.at:
            self.last = record
        if whole and record.provider:
            provider = kernel().snapshot.providers.get(record.provider)
            prefix = record.provider if provider is None else provider.prefix
            self.models.setdefault(f"{prefix}/{record.model}", _Count()).add(record, fell_back, whole=False)

    def as_json(self) -> dict[str, Any]:
        requests, successes, last = self.requests, self.successes, self.last
        return {
            "totalRequests": requests,
            "totalSuccesses": successes,
            "totalFailures": requests - successes,
            "totalFallbacks": self.fallbacks,
            "successRate": round(successes / requests, 4),
            "fallbackRate": round(self.fallbacks / requests, 4),
            "avgLatencyMs": round(self.latency_ms / requests, 1),
            "lastStatus": None if last is None else last.status,
            "lastUsedAt": None if last is None else to_iso(last.at),
            **({"byModel": {name: count.as_json() for name, count in self.models.items()}} if self.models else {}),
        }


def _fell_back(records: list[UsageRecord], final: UsageRecord) -> bool:
    """Whether somebody stood before the candidate that ended the request. Asking the same one again is no fallback."""
    same = sum(_candidate(record) == _candidate(final) and record.attempt < final.attempt for record in records)
    return final.attempt - 1 > same


def _candidate(record: UsageRecord) -> tuple[str | None, ...]:
    return record.provider, record.model, record.connection_id


def _combo_named(asked: str) -> str | None:
    try:
        return resolve(kernel().snapshot, asked).combo
    except GatewayError:
        return None
