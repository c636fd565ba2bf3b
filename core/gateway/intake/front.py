"""The front: one small ASGI callable before Quart, which answers the addresses that dialects declare.

Everything else, and every path that nobody declares, goes on to Quart.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from omniroute_hooks import Asked, BadRequest, GatewayError, MethodNotAllowed, NotFound, Overloaded
from omniroute_hooks.jsonio import dumps, loads_body
from quart import Quart, Response
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound as UnknownPath

from core.access.callers import admit
from core.kernel import Kernel

from ..answering.remember import Memory
from ..answering.seals import Seals
from ..asking.counting import count_tokens
from ..asking.outgoing import Incoming
from ..asking.pipeline import Means, Pipeline
from ..choosing.affinity import session_of
from ..choosing.picks import Pick
from ..choosing.router import fitting
from ..naming import listing
from ..naming.resolve import dedicated
from ..telling.recent import EXTENSION as RECENT
from ..telling.settle import CLIENT_CLOSED, Settlement
from ..telling.trace import Trace, request_id
from .after import After
from .exchange import Exchange
from .routes import Match, Routes
from .wire import LOOK_AFTER_S, CallerGone, Departure, Receive, Send, Wire, read_body

log = logging.getLogger("omniroute.gateway")


class Front:
    """The data plane of one process."""

    def __init__(self, kernel: Kernel, rest: Quart) -> None:
        self.kernel = kernel
        self._rest = rest
        self._routes = Routes(kernel.registry.dialects.values())
        self.router = kernel.router
        self.seals = Seals()
        self.pipeline = Pipeline(Means(kernel.egress, kernel.accounts, kernel.resilience, kernel.live))
        self.memory = Memory(kernel.registry.caches)
        self.settlement = Settlement(kernel.usage_log, kernel.observers)
        rest.extensions[RECENT] = self.settlement.recent
        self.own_host = urlsplit(kernel.settings.base_url).hostname or "localhost"
        self.running = 0
        self._after = After(LOOK_AFTER_S)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "websocket":
            await _refuse_websocket(receive, send)
            return
        path, method = scope["path"], scope["method"]
        match = self._routes.find(method, path, scope["headers"])
        if match is not None:
            self.running += 1
            try:
                await self._serve(match, scope, receive, send)
            finally:
                self.running -= 1
            return
        known = self._routes.methods(path)
        if known and method not in ("OPTIONS",):
            error = MethodNotAllowed(f"{path[:200]} answers {' and '.join(known)} only.")
            await self._refuse(error, scope, send, [(b"allow", ", ".join(known).encode())])
            return
        if not self._is_for_others(path, method):
            await self._refuse(NotFound(f"There is nothing at {path[:200]}."), scope, send)
            return
        await self._rest(scope, receive, send)  # type: ignore[arg-type]  # ASGI's messages, spelt anew by Quart

    async def _serve(self, match: Match, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        trace = Trace(request_id(), endpoint=match.endpoint.path, dialect=match.dialect.id)
        snapshot = self.kernel.snapshot
        asked = _asked(match, scope)
        exchange = Exchange(snapshot, match.dialect, asked, Wire(send), trace, None)
        departure: Departure | None = None
        pick: Pick | None = None
        generates = match.endpoint.operation == "generate"
        task = asyncio.current_task()
        assert task is not None
        try:
            try:
                if self.kernel.draining:
                    raise Overloaded("The gateway is shutting down.", retry_after_s=5)
                exchange.key = admit(
                    scope, scope["headers"], snapshot.keys, snapshot.require_api_key, self.own_host, time.time()
                )
                if exchange.key is not None:
                    trace.api_key_id = exchange.key.id
                if match.endpoint.method == "GET":
                    await listing.answer(exchange, match.provider)
                    return
                raw = await read_body(receive, scope["headers"], self.kernel.settings.max_body_bytes)
                body = loads_body(raw)
                departure = Departure(self._after, receive, task)
                peek = match.dialect.peek(body, asked)
                model = trace.requested_model = peek.model
                trace.stream = peek.stream
                if match.provider is not None:
                    model = trace.requested_model = dedicated(snapshot, match.provider, model)
                mend = partial(self.seals.restored, trace.api_key_id)
                exchange.seals = self.seals
                exchange.incoming = Incoming(match.dialect, asked, raw, body, model, peek.stream, mend)
                exchange.session = session_of(asked.headers, peek, body, trace.api_key_id)
                route = self.router.route(exchange)
                picks, trace.combo = route.picks, route.plan.combo
                if generates:
                    if peek.stream:
                        departure.lingers = exchange.keep_alive
                    recall = self.memory.recall(exchange, picks) if self.memory else None
                    if recall is not None and await recall.answered():
                        return
                    pick = await self.pipeline.answer(exchange, picks, fitting(exchange))
                    self.router.affinity.served(exchange.session, pick, trace.api_key_id)
                    if recall is not None:
                        recall.keep()
                else:
                    await count_tokens(exchange, picks, self.pipeline)
            except GatewayError as exc:
                await exchange.send_error(exc)
            except RecursionError:
                await exchange.send_error(BadRequest("The body is nested too deeply."))
            await exchange.close()
        except CallerGone:
            trace.status = CLIENT_CLOSED
        except asyncio.CancelledError:
            if departure is None or not departure.gone:
                raise
            task.uncancel()
            trace.status = CLIENT_CLOSED
        except Exception:
            log.exception("Request %s failed in the gateway itself.", trace.id)
            if exchange.wire.started:
                trace.error = GatewayError("Something went wrong in the gateway.")
                raise  # the server breaks the connection: a stream that merely ended would look whole
            await exchange.send_error(GatewayError("Something went wrong in the gateway. Its log says what."))
        finally:
            exchange.stop()
            if departure is not None:
                departure.stop()
            if generates:
                self.settlement.settle(trace)

    def _is_for_others(self, path: str, method: str) -> bool:
        """Whether an address that no dialect declares is, or may be, one of the rest of the gateway."""
        if self._routes.dialect_near(path) is None:
            return True
        try:
            self._rest.url_map.bind("").match(path, method)
        except UnknownPath:
            return False
        except HTTPException:  # another method, or a redirect
            return True
        return True

    async def _refuse(
        self, error: GatewayError, scope: dict[str, Any], send: Send, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """A refusal in the language of those who call addresses like this one."""
        path, trace_id = scope["path"], request_id()
        known = self._routes.methods(path)
        match = self._routes.find(known[0], path, scope["headers"]) if known else None
        dialect = match.dialect if match is not None else self._routes.dialect_near(path, scope["headers"])
        status, body = (error.status, {"error": {"message": error.message, "code": error.code}})
        if dialect is not None:
            status, body = dialect.render_error(error, trace_id)
        own = [(b"content-type", b"application/json"), (b"x-request-id", trace_id.encode())]
        await Wire(send).whole(status, [*own, *headers], dumps(body))

    def error_response(self, error: GatewayError, trace_id: str) -> Response:
        """A failure of an endpoint that no dialect declares, as the clients of those endpoints expect it."""
        plain = self._routes.find("GET", "/v1/models", ())
        status, body = (error.status, {"error": {"message": error.message, "code": error.code}})
        if plain is not None:
            status, body = plain.dialect.render_error(error, trace_id)
        response = Response(dumps(body), status, content_type="application/json")
        if error.retry_after is not None:
            response.headers["retry-after"] = error.retry_after
        return response

    async def aclose(self) -> None:
        """Finishes what stands behind the answers."""
        await self.memory.aclose()
        await self.settlement.aclose()


def _asked(match: Match, scope: dict[str, Any]) -> Asked:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query_string = scope["query_string"]
    query = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)) if query_string else {}
    return Asked(match.endpoint, match.path_model, query, headers)


async def _refuse_websocket(receive: Receive, send: Send) -> None:
    """Some clients try a websocket first and fall back to HTTP at once on 426, but not on other refusals."""
    await receive()
    headers = [(b"content-type", b"application/json"), (b"upgrade", b"HTTP/1.1")]
    await send({"type": "websocket.http.response.start", "status": 426, "headers": headers})
    body = dumps({"error": {"message": "Websockets are not served here. Use HTTP.", "code": "upgrade_required"}})
    await send({"type": "websocket.http.response.body", "body": body})
