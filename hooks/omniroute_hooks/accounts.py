"""Accounts at providers: how a login goes, how a token is renewed, how quota and models are read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from .http import Http
from .provider import Connection, Model

Json = Any


@frozen
class Tokens:
    """What a login or a refresh gave. ``expires_at_s`` unix seconds, None where the vendor does not say.

    ``credential`` is stored sealed; ``data`` (plan, tier, organization) is stored in the clear.
    """

    credential: Mapping[str, str] = field(repr=False)
    expires_at_s: float | None = None
    email: str | None = None
    name: str | None = None
    data: Mapping[str, Json] = {}


@frozen(kw_only=True)
class AuthFlow:
    """A way to log in at ``provider``. Subclasses say how.

    Functions find a replaced address of the provider in ``data["baseUrl"]`` of the connection or the tokens.
    ``refresh(connection, http)`` renews: Errors: `LoginExpired` where the vendor refuses for good;
    anything else means "later". ``refresh_before_s``: how long before its end a token is renewed.
    """

    provider: str
    refresh: Callable[[Connection, Http], Awaitable[Tokens]] | None = None
    refresh_before_s: float = 300.0


@frozen(kw_only=True)
class OAuthCode(AuthFlow):
    """Authorization code with PKCE (RFC 7636, S256), by loopback (RFC 8252) or by pasting the code.

    ``loopback`` is the redirect address on this machine (its port is opened for the login alone);
    ``paste`` the vendor's page that shows the code. ``body`` is the token request's encoding.
    ``paste_splits`` where the page shows ``code#state``. ``identify(tokens, token_answer, http)``
    adds who logged in. Without ``refresh`` the kernel sends the standard grant (RFC 6749, section 6).
    """

    authorize_url: str
    token_url: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ()
    loopback: str | None = None
    paste: str | None = None
    paste_splits: bool = False
    body: Literal["json", "form"] = "form"
    send_state: bool = False
    authorize_extra: Mapping[str, str] = {}
    identify: Callable[[Tokens, Mapping[str, Json], Http], Awaitable[Tokens]] | None = None


@frozen
class DeviceCode:
    """What the user must do: open ``verification_url`` and enter ``user_code``; ``secret`` stays with the kernel."""

    user_code: str
    verification_url: str
    interval_s: float
    expires_in_s: float
    secret: Mapping[str, str] = field(repr=False)


@frozen(kw_only=True)
class DeviceLogin(AuthFlow):
    """Device code (RFC 8628). ``poll`` gives None while pending, and raises `LoginExpired` when it is over."""

    begin: Callable[[Http], Awaitable[DeviceCode]]
    poll: Callable[[DeviceCode, Http], Awaitable[Tokens | None]]


@frozen(kw_only=True)
class FileImport(AuthFlow):
    """Takes over a login from the vendor's own program. ``read(home)`` gives None where there is none.

    Runs on a worker thread; reads only, so that the program's own login stays good.
    """

    read: Callable[[Path], Tokens | None]
    describes: str


@frozen
class QuotaWindow:
    """How much of an allowance is gone. ``used`` and ``limit`` in ``unit``; ``limit=None`` for unlimited.

    ``resets_at`` is an aware UTC datetime. ``model`` limits the window to one model family.
    """

    name: str
    used: float
    limit: float | None
    unit: Literal["tokens", "requests", "percent", "usd", "credits"]
    resets_at: datetime | None = None
    model: str | None = None


@frozen(kw_only=True)
class QuotaSource:
    """How a provider's remaining quota is read.

    ``read(connection, http)`` asks an endpoint: an empty tuple means the vendor publishes nothing.
    Errors: `LoginExpired`; anything else keeps the last reading, marked stale.
    ``from_headers(headers)`` reads an answer's headers (names in lower case): None where they say nothing.
    ``min_interval_s``: asking more often gets the account limited.
    """

    provider: str
    read: Callable[[Connection, Http], Awaitable[Sequence[QuotaWindow]]] | None = None
    from_headers: Callable[[Mapping[str, str]], Sequence[QuotaWindow] | None] | None = None
    min_interval_s: float = 300.0


@frozen(kw_only=True)
class ModelSource:
    """Lists the models that a connection may use. ``list_models(connection, base_url, http)``.

    ``provider`` is a provider id or a node type id. Errors: `LoginExpired`; anything else keeps the last list.
    """

    provider: str
    list_models: Callable[[Connection, str, Http], Awaitable[Sequence[Model]]]
