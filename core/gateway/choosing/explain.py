"""Dry runs: what would become of a request, with the real state, calling nobody."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omniroute_hooks import Asked, Dialect, NotFound, Peek
from omniroute_hooks.jsonio import dumps

from core.store.times import to_iso

from ..asking.outgoing import Incoming
from ..intake.exchange import Exchange
from ..intake.wire import Wire
from ..telling.trace import Trace, request_id
from .affinity import session_of
from .router import fitting

if TYPE_CHECKING:
    from core.kernel import Kernel

MOST_CANDIDATES = 100


def explain(kernel: Kernel, dialect: Dialect, body: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """The plan for this request: each candidate in order, whether it would be asked, and why not.

    Errors: `BadRequest`, `ModelNotFound`, `LoginExpired`, as the request itself would get them.
    """
    endpoint = next((e for e in dialect.endpoints if e.operation == "generate"), None)
    if endpoint is None:
        raise NotFound("This dialect has no address to ask at.")
    asked = Asked(endpoint, body.pop("model", None) if "{model}" in endpoint.path else None, {}, headers)
    peek: Peek = dialect.peek(body, asked)
    exchange = Exchange(kernel.snapshot, dialect, asked, Wire(_nowhere), Trace(request_id()), None)
    exchange.incoming = Incoming(dialect, asked, dumps(body), body, peek.model, peek.stream)
    exchange.session = session_of(headers, peek, body)
    route = kernel.router.route(exchange, dry=True)
    fits = fitting(exchange)
    candidates = []
    first: str | None = None
    for pick in route.picks[:MOST_CANDIDATES]:
        provider = pick.choice.provider
        now_s = kernel.resilience.clock()
        verdict = kernel.resilience.verdict(
            provider.id, provider.auth.auth_type, pick.line.connection.id, pick.choice.model, now_s
        )
        misfit = fits(pick)
        reason = misfit or verdict.reason
        usable = misfit is None and verdict.ok
        if usable and first is None:
            first = pick.name
        limits = pick.deadlines
        candidates.append(
            {
                "target": pick.name,
                "provider": provider.id,
                "model": pick.choice.model,
                "connection": pick.line.connection.name,
                "connectionId": pick.line.connection.id,
                "combo": pick.combo,
                "path": pick.path or None,
                "usable": usable,
                "reason": reason or None,
                "retryAt": None if verdict.retry_at_s is None else to_iso(time.time() + verdict.retry_at_s - now_s),
                "probe": verdict.probe,
                "sameDialect": provider.dialect == dialect.id,
                "usdPer1m": pick.choice.usd_per_1m,
                "deadlines": {
                    "connect": limits.connect_s,
                    "firstToken": limits.first_token_s,
                    "idle": limits.idle_s,
                    "total": limits.total_s,
                },
            }
        )
    return {
        "model": peek.model,
        "stream": peek.stream,
        "resolvedBy": route.plan.by,
        "combo": route.plan.combo,
        "session": exchange.session.id if exchange.session is not None else None,
        "first": first,
        "candidates": candidates,
        "leftOut": [{"path": n.path, "name": n.name, "reason": n.reason} for n in route.plan.notes],
    }


async def _nowhere(message: dict[str, Any]) -> None:
    """Nobody is told anything."""
