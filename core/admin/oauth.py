"""/api/oauth/{provider}/{action}: logging in at a provider. The work is in `core.accounts.login`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from attrs import field
from omniroute_hooks import BadRequest
from omniroute_hooks.errors import MethodNotAllowed
from quart import Blueprint, Response, request

from core.accounts.login_desk import Outcome
from core.accounts.oauth import Begun
from core.bodies import body
from core.rules import Secret

from . import shapes
from .guard import session
from .web import answer, body_of, kernel, logins, needed, request_arg, wrong

views = Blueprint("oauth", __name__)

Pasted = Annotated[str, Secret(high=8000)]


@body
class Exchange:
    code: Pasted | None = field(default=None, repr=False)
    url: Pasted | None = field(default=None, repr=False)
    state: Pasted | None = field(default=None, repr=False)


@body
class Polled:
    state: Pasted = field(repr=False)


@body
class DevicePolled:
    device_code: Pasted = field(repr=False)


@views.route("/api/oauth/<provider>/<action>", methods=["GET", "POST"])
@session
async def act(provider: str, action: str) -> Response:
    """One step of a login."""
    methods = {method for method, name in _ACTIONS if name == action}
    if not methods:
        raise BadRequest("Unknown action.")
    step = _ACTIONS.get(("GET" if request.method == "HEAD" else request.method, action))
    if step is None:
        raise MethodNotAllowed(f"{action} answers {' and '.join(sorted(methods))} only.")
    return answer(await step(provider))


async def _authorize(provider: str) -> dict[str, Any]:
    """An address for the browser; the code comes back by hand. The verifier stays here."""
    way = request_arg("redirect") or None
    if way not in (None, "loopback", "paste"):
        raise wrong("redirect", "must be one of loopback, paste")
    return _begun(await logins().by_code.authorize(provider, cast(Literal["loopback", "paste"] | None, way)))


async def _exchange(provider: str) -> dict[str, Any]:
    asked = await body_of(Exchange)
    pasted = asked.code or asked.url
    if pasted is None or (asked.code and asked.url):
        raise wrong("code", "is required: the code, or the whole address of the last page as url")
    record = await logins().by_code.exchange(provider, pasted, asked.state)
    return await _connected(record.id)


async def _start_callback_server(provider: str) -> dict[str, Any]:
    begun, port = await logins().by_code.listen(provider)
    return {**_begun(begun), "serverPort": port}


async def _poll_callback(provider: str) -> dict[str, Any]:
    state = needed("state", 8000) if request.method == "GET" else (await body_of(Polled)).state
    return await _outcome(await logins().outcome(provider, state))


async def _device_code(provider: str) -> dict[str, Any]:
    """``device_code`` is our handle for the login; the vendor's own stays here.

    Names of RFC 8628, section 3.2; the poll, an address of our own, takes the handle as ``deviceCode``.
    """
    begun = await logins().by_device.begin(provider)
    return {
        "device_code": begun.state,
        "user_code": begun.code.user_code,
        "verification_uri": begun.code.verification_url,
        "interval": begun.code.interval_s,
        "expires_in": begun.code.expires_in_s,
    }


async def _poll(provider: str) -> dict[str, Any]:
    return await _outcome(await logins().by_device.poll(provider, (await body_of(DevicePolled)).device_code))


async def _import(provider: str) -> dict[str, Any]:
    record = await logins().take_over(provider, Path.home())
    return await _connected(record.id)


def _begun(begun: Begun) -> dict[str, Any]:
    redirect = urlsplit(begun.redirect_uri)
    return {
        "authUrl": begun.url,
        "state": begun.state,
        "redirectUri": begun.redirect_uri,
        "flowType": "authorization_code_pkce",
        "callbackPath": redirect.path,
        "fixedPort": redirect.port,
        "supported": True,
    }


async def _outcome(outcome: Outcome) -> dict[str, Any]:
    if outcome.connection_id is not None:
        return await _connected(outcome.connection_id)
    return {"success": False, "pending": outcome.status == "pending", "error": outcome.error}


async def _connected(connection_id: str) -> dict[str, Any]:
    record = await kernel().store.connection(connection_id)
    if record is None:  # deleted since
        return {"success": True, "pending": False, "connection": None}
    provider = kernel().snapshot.providers.get(record.provider)
    shown = shapes.connection(record, provider, kernel().quotas.of(record.id))
    return {"success": True, "pending": False, "connection": shown}


_ACTIONS: dict[tuple[str, str], Callable[[str], Awaitable[dict[str, Any]]]] = {
    ("GET", "authorize"): _authorize,
    ("POST", "exchange"): _exchange,
    ("POST", "start-callback-server"): _start_callback_server,
    ("GET", "poll-callback"): _poll_callback,
    ("POST", "poll-callback"): _poll_callback,
    ("GET", "device-code"): _device_code,
    ("POST", "poll"): _poll,
    ("POST", "import"): _import,
}
