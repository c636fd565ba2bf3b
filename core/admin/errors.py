"""Errors: one JSON envelope for everything that goes wrong in the control plane.

``{"error": {"code", "message", "details"?: [{"field", "message"}], "request_id"}}``. What nobody foresaw is
logged with its request id, and the caller learns that id and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from omniroute_hooks import FieldProblem, GatewayError
from omniroute_hooks.errors import MethodNotAllowed, NotFound, TooLarge
from quart import Quart, Response, g, has_request_context, request
from werkzeug.exceptions import HTTPException

from core.store.errors import StoreBusy, StoreError

from . import pages
from .web import answer

log = logging.getLogger("omniroute.admin")

_WORDS = {
    400: "The request cannot be understood.",
    404: "There is nothing at this address.",
    405: "This address does not answer that method.",
    408: "The request did not arrive in time.",
    413: "The body is too large.",
}
_CODES = {400: "invalid_request", 404: NotFound.code, 405: MethodNotAllowed.code, 413: TooLarge.code}


def install(app: Quart) -> None:
    """Makes ``app`` answer failures with the envelope."""
    app.register_error_handler(GatewayError, _gateway_error)
    app.register_error_handler(StoreError, _store_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unforeseen)


def envelope(status: int, code: str, message: str, details: Sequence[FieldProblem] = ()) -> Response:
    """An error answer."""
    error: dict[str, Any] = {"code": code, "message": message, "request_id": g.get("request_id", "")}
    if details:
        error["details"] = [{"field": problem.path, "message": problem.problem} for problem in details]
    return answer({"error": error}, status)


async def _gateway_error(exc: Exception) -> Response:
    assert isinstance(exc, GatewayError)
    response = envelope(exc.status, exc.code, exc.message, exc.details)
    if exc.retry_after is not None:
        response.headers["Retry-After"] = exc.retry_after
    return response


async def _store_error(exc: Exception) -> Response:
    """The messages of these are for whoever runs the gateway: they name files."""
    log.error("The store refused a management request (%s): %s", g.get("request_id", ""), exc)
    if isinstance(exc, StoreBusy):
        response = envelope(503, "store_busy", "The store is in use by another program. Try again.")
        response.headers["Retry-After"] = "5"
        return response
    return envelope(409, "store_error", "The store cannot do this as things stand. The gateway's log says why.")


async def _http_error(exc: Exception) -> Any:
    assert isinstance(exc, HTTPException)
    status = exc.code or 500
    if status < 400:  # a redirect is no failure
        return exc
    if status == 404 and _wants_a_page():
        return pages.not_found()
    message = _WORDS.get(status) or exc.description or exc.name
    response = envelope(status, _CODES.get(status, exc.name.lower().replace(" ", "_")), message)
    methods = getattr(exc, "valid_methods", None)
    if methods:
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response


async def _unforeseen(exc: Exception) -> Response:
    log.error("A management request failed in the gateway itself; request %s.", g.get("request_id", ""), exc_info=exc)
    return envelope(500, "internal_error", "Something went wrong in the gateway. Its log has it under this request id.")


def _wants_a_page() -> bool:
    if not has_request_context() or request.path.startswith(("/api/", "/v1")):
        return False
    return "text/html" in request.headers.get("accept", "")
