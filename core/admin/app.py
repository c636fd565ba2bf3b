"""The control plane as one Quart application: everything that is not a model endpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from quart import Quart, Response, g, request

from core.accounts.login import Logins
from core.gateway.telling.trace import request_id
from core.plugins.registry import Registry

from . import (
    activity,
    aliases,
    auth,
    body_limits,
    combo_metrics,
    combo_test,
    combos,
    connections,
    conversations,
    errors,
    fallback_chains,
    guard,
    health,
    keys,
    models,
    nodes,
    oauth,
    pages,
    plugins,
    quota,
    resilience,
    routing,
    security_headers,
    settings,
)
from .web import KERNEL, LOGINS, kernel

if TYPE_CHECKING:
    from core.kernel import Kernel

log = logging.getLogger("omniroute.admin")

API = (
    auth,
    settings,
    nodes,
    connections,
    quota,
    models,
    aliases,
    combos,
    combo_metrics,
    combo_test,
    fallback_chains,
    conversations,
    keys,
    plugins,
    oauth,
    resilience,
    routing,
    activity,
    health,
)


def build(kernel_of: Callable[[], Kernel], registry: Registry) -> Quart:
    """The application. ``kernel_of`` is called with every request, so the kernel may be opened after this.

    ``registry`` brings the pages of plugins. Whoever serves the application awaits its ``startup`` and
    ``shutdown``, which ends logins that are under way.
    """
    app = Quart("core.admin", static_folder=None, template_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.extensions[KERNEL] = kernel_of
    logins = app.extensions[LOGINS] = Logins(kernel_of)
    body_limits.install(app)
    errors.install(app)
    # Last registered, first run, after a request: the headers come last, whatever happened before.
    app.before_request(_name_request)
    app.before_request(guard.check)
    app.before_websocket(guard.check)
    app.after_request(security_headers.add)
    app.after_request(_apply_changes)
    app.after_serving(logins.aclose)
    for part in API:
        app.register_blueprint(part.views)
    _mount(app, registry)
    app.register_blueprint(pages.views)  # behind the plugins, so that one of them may bring the start page
    return app


def _mount(app: Quart, registry: Registry) -> None:
    """The pages of plugins. One that cannot be mounted costs only itself."""
    for mount in registry.mounts:
        try:
            guard.register(app, mount.blueprint, mount.access)
        except Exception:
            log.exception("The pages %s of a plugin cannot be mounted.", getattr(mount.blueprint, "name", "?"))


async def _name_request() -> None:
    # The caller's own id is not taken over: it would end up in logs as if it were ours.
    g.request_id = request_id()


async def _apply_changes(response: Response) -> Response:
    """What a request has changed counts before its answer is out."""
    if request.method in guard.SAFE:
        return response
    try:
        if await kernel().store.version() != kernel().snapshot.version:
            await kernel().reload()
    except Exception:
        log.exception("The configuration could not be read again; the last one stays in force.")
    return response
