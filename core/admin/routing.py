"""/api/route/explain: what would become of a request, with the real state, calling nobody."""

from __future__ import annotations

from omniroute_hooks import Dialect
from quart import Blueprint, Response, request

from core.gateway.choosing.explain import explain

from .guard import session
from .web import answer, kernel, sent, wrong

views = Blueprint("routing", __name__)
KNOWN_HEADERS = ("x-session-id", "x_session_id")


@views.post("/api/route/explain")
@session
async def dry_run() -> Response:
    """The body is a model request, in the dialect that ``?dialect=`` names; without it, in the one of ``/v1/models``.

    Errors: those that the request itself would get.
    """
    dialects = kernel().registry.dialects
    name = request.args.get("dialect")
    dialect = dialects.get(name) if name else next(filter(_is_plain, dialects.values()), None)
    if dialect is None:
        raise wrong("dialect", "must be one of " + ", ".join(sorted(dialects)))
    headers = {key: request.headers[key] for key in KNOWN_HEADERS if key in request.headers}
    return answer(explain(kernel(), dialect, await sent(), headers))


def _is_plain(dialect: Dialect) -> bool:
    """Whether its callers need no header to be told from others."""
    return any(e.path == "/v1/models" and e.when_header is None for e in dialect.endpoints)
