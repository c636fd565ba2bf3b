"""/api/usage/call-logs: the last requests, and of each who was asked, what came of it, and what it cost.

The list is made of the usage records, which outlive a restart. The story of a request, with the reasons, is kept in
memory for a while by the process that served it.
"""

from __future__ import annotations

from typing import Any, cast

from omniroute_hooks import NotFound
from quart import Blueprint, Response, current_app, request

from core.gateway.telling.recent import EXTENSION, Recent
from core.gateway.telling.trace import Trace
from core.ledger.usage_record import UsageRecord
from core.ledger.usage_schema import Wanted
from core.store.times import to_iso

from .guard import session
from .web import answer, kernel, request_arg, wrong

views = Blueprint("activity", __name__)
Json = dict[str, Any]
Names = dict[str, str]  # of connections and of API keys, by id

MOST_LISTED = 500
LISTED = 100
FARTHEST = 10_000_000


@views.get("/api/usage/call-logs")
@session
async def listed() -> Response:
    """The last requests, the newest first; ``limit``, ``offset``, and filters ``status`` ("ok" or "error"),
    ``provider``, ``model``, ``combo``, ``apiKeyId``."""
    limit, offset = _number("limit", LISTED, 1, MOST_LISTED), _number("offset", 0, 0, FARTHEST)
    wanted = Wanted(
        failed=_failed(),
        provider=request_arg("provider") or None,
        model=request_arg("model") or None,
        combo=request_arg("combo") or None,
        api_key_id=request_arg("apiKeyId") or None,
    )
    requests = await kernel().usage_log.requests(wanted, limit, offset)
    names = await _names()
    return answer([_request(records, names) for records in requests])


@views.get("/api/usage/call-logs/<request_id>")
@session
async def shown(request_id: str) -> Response:
    """One request, with its story in words as long as that is remembered.

    The id is the one in the answer's ``X-Request-Id``.
    """
    found = await kernel().usage_log.requests(Wanted(request_id=request_id), 1)
    if not found:
        raise NotFound("Log not found.")
    recent = cast("Recent | None", current_app.extensions.get(EXTENSION))  # there is one where requests are served
    trace = None if recent is None else recent.find(request_id)
    told = {} if trace is None else {"story": trace.story(), "trace": _trace(trace)}
    return answer({**_request(found[0], await _names()), "story": None, "trace": None, **told})


def _request(records: list[UsageRecord], names: Names) -> Json:
    """A request with its attempts. Who answered is in it, or who was asked last; tokens and costs are of all."""
    final = next(record for record in records if record.final)
    return {
        "id": final.request_id,
        "timestamp": to_iso(final.at),
        "method": "POST",
        "path": final.endpoint,
        "status": final.status,
        "outcome": final.outcome,
        "error": final.error_code,
        "requestedModel": final.requested_model,
        "comboName": final.combo,
        "sourceFormat": final.dialect,
        "stream": final.stream,
        "apiKeyId": final.api_key_id,
        "apiKeyName": names.get(final.api_key_id or ""),
        "duration": round(final.latency_ms, 1),
        "firstTokenMs": None if final.first_token_ms is None else round(final.first_token_ms, 1),
        **_candidate(final, names),
        **_used(*records),
        "attempts": [_attempt(record, names) for record in records if record.provider],
    }


def _attempt(record: UsageRecord, names: Names) -> Json:
    return {
        **_candidate(record, names),
        "attempt": record.attempt,
        "comboPath": record.path,
        "outcome": record.outcome,
        "status": record.status or None,
        "error": record.error_code,
        "blames": record.blames,
        "ms": round(record.latency_ms, 1),
        **_used(record),
        "final": record.final,
    }


def _candidate(record: UsageRecord, names: Names) -> Json:
    return {
        "provider": record.provider or None,
        "model": record.model or None,
        "account": names.get(record.connection_id or ""),
        "connectionId": record.connection_id,
    }


def _used(*records: UsageRecord) -> Json:
    """``costUsd`` is null where a price is missing."""
    written = [r.cache_write_5m + r.cache_write_1h + r.cache_write_other for r in records]
    costs = [record.cost_usd for record in records if record.cost_usd is not None]
    return {
        "tokens": {
            "in": sum(r.input_fresh + r.cache_read for r in records) + sum(written),
            "out": sum(r.output_visible + r.reasoning for r in records),
            "cacheRead": sum(r.cache_read for r in records),
            "cacheWrite": sum(written),
            "reasoning": sum(r.reasoning for r in records),
        },
        "estimated": any(record.estimated for record in records),
        "costUsd": sum(costs) if len(costs) == len(records) else None,
    }


def _trace(trace: Trace) -> Json:
    return {
        "resolvedBy": trace.resolved_by or None,
        "attempts": [attempt.as_json() for attempt in trace.attempts],
        "notes": [words for _, words in trace.notes],
        "passedThrough": trace.passthrough,
        "losses": [f"{loss.field} ({loss.policy})" for loss in trace.losses],
        "error": None if trace.error is None else trace.error.message,
    }


async def _names() -> Names:
    store = kernel().store
    names = {record.id: record.name for record in await store.connections()}
    return names | {record.id: record.name for record in await store.api_keys()}


def _failed() -> bool | None:
    wanted = request_arg("status")
    if wanted not in ("", "ok", "error"):
        raise wrong("status", "must be 'ok' or 'error'")
    return None if not wanted else wanted == "error"


def _number(name: str, default: int, low: int, high: int) -> int:
    """A whole number among the query's parameters. Errors: `BadRequest`."""
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and low <= int(text[:12]) <= high):
        raise wrong(name, f"must be a whole number from {low} to {high}")
    return int(text)
