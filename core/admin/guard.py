"""The guard: every route has a class that says who may reach it; a route without one is reached by nobody.

- ``public``: anybody.
- ``session``: a browser that is logged in.
- ``key``: a caller of the gateway, by the same rules as the data plane.
- ``own``: the view admits its callers itself, because it answers refusals in its own way.

A view says its class with a decorator; a blueprint that others wrote gets one when it is registered, for all
of its routes. Requests that change something are refused when a page of another site sent them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

from omniroute_hooks import Forbidden, Unauthenticated
from quart import Blueprint, Quart, current_app, g, has_websocket_context, request, websocket

from core.access.api_keys import presented_key
from core.access.callers import admit

from . import body_limits
from .web import kernel

Access = Literal["public", "session", "key", "own"]
View = TypeVar("View", bound=Callable[..., Any])

COOKIE = "auth_token"
SAFE = ("GET", "HEAD", "OPTIONS")
ROUTE_CLASS = {"public": "PUBLIC", "session": "MANAGEMENT", "key": "CLIENT_API", "own": "CLIENT_API"}
_BLUEPRINTS = "omniroute.access"
_MARK = "_omniroute_access"


class NotLoggedIn(Unauthenticated):
    """There is no session, or it has ended."""

    code = "login_required"


def public(view: View) -> View:
    """Anybody may reach this view."""
    return _marked(view, "public")


def session(view: View) -> View:
    """Only a browser that is logged in may reach this view."""
    return _marked(view, "session")


def _marked(view: View, access: Access) -> View:
    setattr(view, _MARK, access)
    return view


def register(app: Quart, blueprint: Blueprint, access: Access, max_body_bytes: int | None = None) -> None:
    """Registers a blueprint whose routes all have the class ``access``, whatever they say themselves.

    ``max_body_bytes`` is for those that take more than the control plane does.
    """
    app.register_blueprint(blueprint)
    app.extensions.setdefault(_BLUEPRINTS, {})[blueprint.name] = access
    if max_body_bytes is not None:
        body_limits.raise_for(app, blueprint.name, max_body_bytes)


def class_of(app: Quart, endpoint: str) -> Access | None:
    """The class of a route by its endpoint; None where nobody gave it one."""
    given: dict[str, Access] = app.extensions.get(_BLUEPRINTS, {})
    owner = endpoint.rpartition(".")[0]
    while owner:
        if owner in given:
            return given[owner]
        owner = owner.rpartition(".")[0]
    return cast("Access | None", getattr(app.view_functions.get(endpoint), _MARK, None))


async def check() -> None:
    """Runs before every request. Errors: `NotLoggedIn`, `Unauthenticated`, `Forbidden`."""
    asked: Any = websocket if has_websocket_context() else request
    if asked.url_rule is None:
        return  # no such route: the 404 or 405 follows
    access = class_of(current_app, asked.endpoint)
    g.access = access
    if access is None:
        raise Forbidden("Nobody may reach this address: it has no access class.")
    if access == "own":
        return
    if access == "key":
        _admit(asked)
        return
    if has_websocket_context() or asked.method not in SAFE:
        refuse_other_sites(asked)
    if access == "session":
        await _require_session(asked)


async def _require_session(asked: Any) -> None:
    token = asked.cookies.get(COOKIE)
    record = await kernel().sessions.lookup(token) if token else None
    if record is None:
        if presented_key(asked.scope["headers"]) is not None:
            raise NotLoggedIn("An API key does not open the management interface. Log in with the password.")
        raise NotLoggedIn("Log in first.")
    g.session = record


def _admit(asked: Any) -> None:
    snapshot = kernel().snapshot
    scope = asked.scope
    own_host = urlsplit(kernel().settings.base_url).hostname or "localhost"
    g.api_key = admit(scope, scope["headers"], snapshot.keys, snapshot.require_api_key, own_host, time.time())


def refuse_other_sites(asked: Any) -> None:
    """Browsers say where a request comes from; programs say nothing. Errors: `Forbidden`.

    ``Sec-Fetch-Site`` is the browser's own word, and is missing on plain http from another machine; there
    ``Origin`` has to do. Another port of this machine is another site.
    """
    fetch_site = asked.headers.get("sec-fetch-site")
    if fetch_site is not None:
        if fetch_site.lower() in ("same-origin", "none"):
            return
    else:
        origin = asked.headers.get("origin")
        if origin is None or _is_own(origin, asked.headers.get("host", "")):
            return
    raise Forbidden("A page of another site may not do this.")


def _is_own(origin: str, host: str) -> bool:
    try:
        asked, own = urlsplit(origin), urlsplit(kernel().settings.base_url)
        if asked.scheme not in ("http", "https"):
            return False
        return asked.netloc.lower() == host.lower() or (asked.scheme, asked.netloc) == (own.scheme, own.netloc)
    except ValueError:
        return False
