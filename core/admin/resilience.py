"""/api/resilience and /api/rate-limits: the policy, its reset, and who rests or waits now."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import NotFound
from quart import Blueprint, Response

from core.bodies import body
from core.gateway.naming.snapshot import Snapshot
from core.resilience.cooldown import Cooldown, connection_of, model_of
from core.resilience.guard import Standing
from core.resilience.pacing import Limits
from core.resilience.policy import SETTING, as_json, changed, policy_of
from core.rules import Name
from core.store.records import ConnectionRecord
from core.store.times import to_iso

from .guard import session
from .web import answer, body_of, kernel, sent

views = Blueprint("resilience", __name__)
Json = dict[str, Any]


@body
class Reset:
    """Everything, unless one is named. ``provider``: an id or a prefix."""

    provider: Name | None = None
    connection_id: Name | None = None


@views.get("/api/resilience")
@session
async def read() -> Response:
    """The policy in force."""
    stored = await kernel().store.settings()
    return answer(as_json(policy_of(stored.get(SETTING))))


@views.route("/api/resilience", methods=["PATCH", "PUT"])
@session
async def change() -> Response:
    """Changes the fields that are named, however deep, all or none. It counts from the next request on."""
    fields = await sent()
    store = kernel().store
    policy, to_keep = changed((await store.settings()).get(SETTING), fields)
    if fields:
        await store.patch_settings({SETTING: to_keep})
    return answer({"ok": True, **as_json(policy)})


@views.post("/api/resilience/reset")
@session
async def reset() -> Response:
    """Closes breakers and ends rests: all, one provider's with its connections, or one connection's.

    In all processes, within a second. Nobody is asked whether the reason is gone.
    """
    asked = await body_of(Reset, optional=True)
    snapshot = kernel().snapshot
    connections: list[str] | None = None
    provider_id: str | None = None
    if asked.provider is not None:
        provider = snapshot.providers.get(asked.provider) or snapshot.by_prefix.get(asked.provider)
        if provider is None:
            raise NotFound("Provider not found.")
        provider_id = provider.id
        records = await kernel().store.connections()
        connections = [record.id for record in records if record.provider == provider.id]
        connections += [line.connection.id for line in snapshot.lines.get(provider.id, ())]
    if asked.connection_id is not None:
        if connections is None and asked.connection_id not in await _names():
            raise NotFound("Connection not found.")
        if connections is not None and asked.connection_id not in connections:
            raise NotFound("The provider has no such connection.")
        provider_id, connections = None, [asked.connection_id]
    breakers, cooldowns = kernel().resilience.reset(provider_id, connections)
    count = breakers + cooldowns
    message = f"Closed {breakers} breaker{_s(breakers)}, ended {cooldowns} cooldown{_s(cooldowns)}."
    return answer({"ok": True, "resetCount": count, "breakers": breakers, "cooldowns": cooldowns, "message": message})


@views.get("/api/rate-limits")
@session
async def rate_limits() -> Response:
    """Every connection with its pace and its queue, and everything that rests."""
    records = await kernel().store.connections()
    live = kernel().resilience.live()
    shown = [_connection(record, live) for record in records]
    queues = live.queues.values()
    return answer(
        {
            "connections": shown,
            "lockouts": lockouts(live, {record.id: record.provider for record in records}),
            "overview": {
                "queued": sum(queue.queued for queue in queues),
                "running": sum(queue.running for queue in queues),
                "resting": sum("/" not in cooldown.key for cooldown in live.cooldowns),
            },
        }
    )


def _connection(record: ConnectionRecord, live: Standing) -> Json:
    resilience = kernel().resilience
    limits = resilience.limits(record.id)
    queue = live.queues.get(record.id)
    rest = next((c for c in live.cooldowns if c.key == record.id), None)
    provider = kernel().snapshot.providers.get(record.provider)
    return {
        "connectionId": record.id,
        "provider": record.provider,
        "providerName": None if provider is None else provider.name or provider.id,
        "name": record.name,
        "active": record.is_active,
        "enabled": not limits.off,
        "limits": _limits(limits),
        "queued": 0 if queue is None else queue.queued,
        "running": 0 if queue is None else queue.running,
        "rest": None if rest is None else _rest(rest, live),
    }


def _limits(limits: Limits) -> Json:
    return {
        "requestsPerMinute": limits.per_minute,
        "minTimeBetweenRequestsMs": round(limits.gap_s * 1000),
        "concurrentRequests": limits.at_once,
        "maxWaitMs": round(limits.max_wait_s * 1000),
    }


def lockouts(live: Standing, provider_of: dict[str, str]) -> list[Json]:
    """What rests, the one that ends first in front. ``model`` null: the whole connection."""
    known = {**_providers(kernel().snapshot), **provider_of}
    return [
        {
            "provider": known.get(connection_of(cooldown.key)),
            "connectionId": connection_of(cooldown.key),
            "model": model_of(cooldown.key),
            **_rest(cooldown, live),
        }
        for cooldown in live.cooldowns
    ]


def _rest(cooldown: Cooldown, live: Standing) -> Json:
    wall = kernel().resilience.wall_time
    probe_at_s = cooldown.probe_at_s
    return {
        "kind": cooldown.kind,
        "reason": cooldown.reason,
        "remainingMs": max(0, round((cooldown.until_s - live.now_s) * 1000)),
        "until": to_iso(wall(cooldown.until_s)),
        "failureCount": cooldown.step + 1,
        "probeAt": None if probe_at_s is None else to_iso(wall(probe_at_s)),
    }


def _providers(snapshot: Snapshot) -> dict[str, str]:
    """Provider ids by connection id, those that need no credential included."""
    return {line.connection.id: id_ for id_, lines in snapshot.lines.items() for line in lines}


async def _names() -> set[str]:
    records = await kernel().store.connections()
    return {record.id for record in records} | set(_providers(kernel().snapshot))


def _s(count: int) -> str:
    return "" if count == 1 else "s"
