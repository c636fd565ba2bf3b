"""/api/monitoring/health and /api/telemetry/summary: how the gateway is, and how fast its providers are."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from quart import Blueprint, Response, request

from core import __version__
from core.resilience.breaker import Breaker, state
from core.resilience.guard import Standing
from core.resilience.latency import Latency, Spread, summed_up
from core.store.times import to_iso

from . import shapes
from .guard import COOKIE, public, session
from .resilience import lockouts
from .web import answer, kernel

if sys.platform != "win32":
    import resource

views = Blueprint("health", __name__)
Json = dict[str, Any]

FEW_ATTEMPTS = 8  # with fewer, a share of failures says nothing
BAD_SHARE = 0.25
LITTLE_PERCENT = 10.0


@views.get("/api/monitoring/health")
@public
async def health() -> Response:
    """``status``, ``version`` and ``uptime`` (seconds) for anybody; all of it for a browser that is logged in.

    503 while the gateway is shutting down, so that a load balancer looks elsewhere.
    """
    live = kernel().resilience.live()
    problems = _problems(live)
    status = "draining" if kernel().draining else "degraded" if problems else "healthy"
    shown: Json = {
        "status": status,
        "version": __version__,
        "uptime": round(time.time() - kernel().started_s, 1),
    }
    token = request.cookies.get(COOKIE)
    if token and await kernel().sessions.lookup(token) is not None:
        shown |= {"problems": problems, **await _detail(live)}
    return answer(shown, 503 if kernel().draining else 200)


@views.get("/api/telemetry/summary")
@session
async def telemetry() -> Response:
    """Milliseconds of the answers of the last minutes, over all and per provider, with the share of failures."""
    latencies = kernel().resilience.latencies
    recent = latencies.recent(kernel().resilience.clock())
    providers = kernel().snapshot.providers
    every = summed_up(sample for samples in recent.values() for sample in samples)
    by_provider = {
        id_: {"name": (providers[id_].name or id_) if id_ in providers else None, **_latency(summed_up(samples))}
        for id_, samples in sorted(recent.items())
    }
    return answer({"windowSeconds": latencies.window_s, **_latency(every), "providers": by_provider})


def _problems(live: Standing) -> list[str]:
    """What keeps the gateway from being called healthy, in words."""
    providers = kernel().snapshot.providers
    names = {id_: provider.name or id_ for id_, provider in providers.items()}
    found = [
        f"{names.get(id_, id_)} is failing; its breaker is {state(breaker, live.now_s)}."
        for id_, breaker in sorted(live.breakers.items())
        if state(breaker, live.now_s) != "closed"
    ]
    recent = kernel().resilience.latencies.recent(live.now_s)
    for id_, samples in sorted(recent.items()):
        failures = sum(not sample.ok for sample in samples)
        if len(samples) >= FEW_ATTEMPTS and failures >= BAD_SHARE * len(samples):
            found.append(f"{failures} of the last {len(samples)} attempts at {names.get(id_, id_)} failed.")
    return found


async def _detail(live: Standing) -> Json:
    records = await kernel().store.connections()
    queues = live.queues.values()
    snapshot = kernel().snapshot
    return {
        "timestamp": to_iso(time.time()),
        "system": await _system(),
        "activeConnections": sum(len(lines) for lines in snapshot.lines.values()),
        "providerSummary": {
            "catalogCount": len(snapshot.providers),
            "configuredCount": len({record.provider for record in records}),
            "activeCount": len(snapshot.lines),
        },
        "circuitBreakers": _breaker_counts(live),
        "providerBreakers": [_breaker(id_, breaker, live) for id_, breaker in sorted(live.breakers.items())],
        "lockouts": lockouts(live, {record.id: record.provider for record in records}),
        "queue": {"queued": sum(q.queued for q in queues), "running": sum(q.running for q in queues)},
        "plugins": _plugins(),
        "quota": _quota({record.id: record.name for record in records}),
        "droppedUsageRecords": kernel().usage_log.dropped,
    }


async def _system() -> Json:
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": sys.platform,
        "pid": os.getpid(),
        "startedAt": to_iso(kernel().started_s),
        "dataDir": str(kernel().settings.data_dir),
        "memoryBytes": await asyncio.to_thread(_memory_bytes),
    }


def _memory_bytes() -> int | None:
    """Resident memory now; its peak where the system does not say; None where nothing can be asked."""
    if sys.platform == "win32":
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024  # bytes there, kilobytes elsewhere


def _breaker_counts(live: Standing) -> Json:
    states = [state(breaker, live.now_s) for breaker in live.breakers.values()]
    total = len(kernel().snapshot.lines)
    tripped = {"open": states.count("open"), "halfOpen": states.count("half-open")}
    return {**tripped, "closed": max(0, total - sum(tripped.values())), "total": total}


def _breaker(provider_id: str, breaker: Breaker, live: Standing) -> Json:
    wall = kernel().resilience.wall_time
    provider = kernel().snapshot.providers.get(provider_id)
    until_s, last_s = breaker.open_until_s, breaker.last_failure_s
    return {
        "provider": provider_id,
        "name": None if provider is None else provider.name or provider.id,
        "state": state(breaker, live.now_s),
        "failureCount": breaker.failures,
        "lastFailure": None if last_s is None else to_iso(wall(last_s)),
        "reason": breaker.reason,
        "retryAfterMs": 0 if until_s is None else max(0, round((until_s - live.now_s) * 1000)),
    }


def _plugins() -> Json:
    records = kernel().registry.records
    states = [record.state for record in records]
    return {
        "active": states.count("active"),
        "total": len(records),
        "broken": [
            {"name": record.name, "distribution": record.distribution, "reason": record.reason}
            for record in records
            if record.state == "broken"
        ],
    }


def _quota(names: dict[str, str]) -> Json:
    """How many connections have a reading, and windows that are nearly used up."""
    readings = {id_: reading for id_ in names if (reading := kernel().quotas.of(id_)) is not None}
    low = [
        {
            "connectionId": id_,
            "name": names[id_],
            "window": window.name,
            "percentRemaining": left,
            "resetsAt": shapes.moment(window.resets_at),
        }
        for id_, reading in readings.items()
        for window in reading.windows
        if (left := shapes.percent_remaining(window)) is not None and left < LITTLE_PERCENT
    ]
    return {"known": len(readings), "stale": sum(reading.stale for reading in readings.values()), "low": low}


def _latency(latency: Latency) -> Json:
    return {
        "count": latency.attempts,
        "failures": latency.failures,
        "errorRate": round(latency.error_rate, 4),
        **_spread(latency.whole),
        "firstToken": _spread(latency.first),
    }


def _spread(spread: Spread) -> Json:
    values = {"avg": spread.avg, "p50": spread.p50, "p95": spread.p95, "p99": spread.p99}
    return {name: None if value is None else round(value, 1) for name, value in values.items()}
