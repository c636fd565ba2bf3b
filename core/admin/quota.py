"""Quota windows over HTTP: of one connection, or of all; read from memory, or asked anew."""

from __future__ import annotations

import time
from typing import Any

from quart import Blueprint, Response

from core.accounts.quota import Reading
from core.gateway.naming.snapshot import connection_of
from core.store.records import ConnectionRecord
from core.store.times import to_iso

from . import shapes
from .connections import found
from .guard import session
from .web import answer, kernel

views = Blueprint("quota", __name__)


@views.get("/api/usage/quota")
@session
async def every() -> Response:
    """The last reading of every connection that has one, the tightest window in front."""
    records = await kernel().store.connections()
    shown = [_summary(record, reading) for record in records if (reading := kernel().quotas.of(record.id)) is not None]
    every_minutes = kernel().settings.provider_limits_sync_interval_minutes
    return answer({"providers": shown, "meta": {"intervalMinutes": every_minutes, "generatedAt": to_iso(time.time())}})


@views.get("/api/providers/<connection_id>/quota")
@session
async def one(connection_id: str) -> Response:
    """The last reading of a connection; null where nothing has been read."""
    record = await found(connection_id)
    return answer(_of(record, kernel().quotas.of(record.id)))


@views.post("/api/providers/<connection_id>/quota")
@session
async def read_again(connection_id: str) -> Response:
    """Asks the provider, unless it was asked seconds ago. A failure marks the last reading as stale."""
    record = await found(connection_id)
    return answer(_of(record, await kernel().quotas.refresh(connection_of(record), force=True)))


def _of(record: ConnectionRecord, reading: Reading | None) -> dict[str, Any]:
    source = kernel().registry.quota_sources.get(record.provider)
    return {
        "connectionId": record.id,
        "provider": record.provider,
        "supported": source is not None,
        "quota": None if reading is None else shapes.quota(reading),
    }


def _summary(record: ConnectionRecord, reading: Reading) -> dict[str, Any]:
    limited = [window for window in reading.windows if window.limit]
    tightest = min(limited, key=lambda window: shapes.percent_remaining(window) or 0.0, default=None)
    provider = kernel().snapshot.providers.get(record.provider)
    return {
        "name": record.name,
        "provider": record.provider,
        "providerName": None if provider is None else provider.name or provider.id,
        "connectionId": record.id,
        "quotaUsed": None if tightest is None else tightest.used,
        "quotaTotal": None if tightest is None else tightest.limit,
        "percentRemaining": None if tightest is None else shapes.percent_remaining(tightest),
        "resetAt": None if tightest is None else shapes.moment(tightest.resets_at),
        "tokenStatus": _token_status(record),
        **shapes.quota(reading),
    }


def _token_status(record: ConnectionRecord) -> str | None:
    if record.auth_type != "oauth":
        return None
    if record.state == "expired":
        return "expired"
    return "valid" if record.expires_at is None or record.expires_at > time.time() else "renewable"
