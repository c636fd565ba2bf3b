"""Logging in and out, and the first password, over HTTP."""

from __future__ import annotations

import time

from omniroute_hooks import Forbidden, Unauthenticated
from quart import Blueprint, Response, request

from core.access.passwords import WeakPassword
from core.bodies import body
from core.rules import Password

from . import setup
from .guard import COOKIE, public
from .web import answer, body_of, client_address, kernel, wrong

views = Blueprint("auth", __name__)


@body
class Login:
    password: Password


@body
class Setup:
    token: Password
    password: Password


class WrongPassword(Unauthenticated):
    """Somebody typed another password."""

    code = "invalid_password"


class NeedsSetup(Forbidden):
    """No password has been set yet."""

    code = "needs_setup"


@views.post("/api/auth/login")
@public
async def login() -> Response:
    """Begins a session. The fifth failure from one address blocks that address for 15 minutes."""
    asked = await body_of(Login)
    store = kernel().store
    if not await setup.has_password(store):
        raise NeedsSetup("No password has been set. Open the set-up link that the gateway printed when it started.")
    await check_password(asked.password, "Invalid password")
    return await with_new_session({"success": True})


@views.post("/api/auth/logout")
@public
async def logout() -> Response:
    """Ends this browser's session."""
    token = request.cookies.get(COOKIE)
    if token:
        await kernel().sessions.revoke(token)
    response = answer({"success": True})
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="Lax", secure=_secure())
    return response


@views.get("/api/auth/status")
@public
async def status() -> Response:
    """Whether this browser is logged in."""
    token = request.cookies.get(COOKIE)
    record = await kernel().sessions.lookup(token) if token else None
    return answer({"authenticated": record is not None})


@views.get("/api/settings/require-login")
@public
async def require_login() -> Response:
    """What a login page needs to know before anybody is logged in."""
    known = await setup.has_password(kernel().store)
    return answer({"requireLogin": True, "hasPassword": known, "setupComplete": known})


@views.post("/api/setup")
@public
async def set_up() -> Response:
    """Sets the first password with the token of the one-time link, and logs in."""
    asked = await body_of(Setup)
    await redeem_link(asked.token, asked.password)
    return await with_new_session({"success": True})


async def redeem_link(token: str, password: str) -> None:
    """Uses a set-up link; attempts count as logins. Errors: those of `setup.redeem`, `TooManyLogins`, `BadRequest`."""
    throttle, address = kernel().throttle, client_address()
    throttle.begin(address, time.monotonic())
    try:
        await setup.redeem(kernel().store, token, password)
    except WeakPassword as exc:
        throttle.succeeded(address)  # the link was good
        raise wrong("password", str(exc)) from exc
    throttle.succeeded(address)


async def check_password(password: str, words: str) -> None:
    """Counts an attempt. Errors: `WrongPassword` with ``words``, `TooManyLogins`."""
    throttle, address = kernel().throttle, client_address()
    throttle.begin(address, time.monotonic())
    if not await setup.is_password(kernel().store, password):
        throttle.check(address, time.monotonic())
        raise WrongPassword(words)
    throttle.succeeded(address)


async def with_new_session(value: dict[str, object], status: int = 200) -> Response:
    """An answer that logs this browser in."""
    response = answer(value, status)
    await add_session(response)
    return response


async def add_session(response: Response) -> None:
    """Begins a session and puts its token into the answer."""
    token = await kernel().sessions.create(request.headers.get("user-agent", "")[:200] or None)
    # Without an age it ends with the browser; the store forgets it after 30 days without use.
    response.set_cookie(COOKIE, token, path="/", httponly=True, samesite="Lax", secure=_secure())


def _secure() -> bool:
    return kernel().settings.auth_cookie_secure or request.scheme == "https"
