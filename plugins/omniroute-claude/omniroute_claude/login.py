"""Logging in to a Claude subscription: authorization code with PKCE, by loopback or by pasting the code.

The kernel does the flow and the refresh (both with JSON bodies); here are its addresses, and who logged in.
The refresh token changes with every refresh, and an old one is worth nothing.

Source: seen in Claude Code and in open clients that do the same; the vendor documents none of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
from attrs import evolve
from omniroute_hooks import Http, OAuthCode, Tokens
from omniroute_hooks.jsonio import loads_upstream

from .subscription import OAUTH_BETA

Json = Any
Identify = Callable[[Tokens, Mapping[str, Json], Http], Awaitable[Tokens]]

API = "https://api.anthropic.com"
AUTHORIZE_URL = "https://claude.ai/oauth/authorize"
TOKEN_URL = "https://platform.claude.com/v1/oauth/token"  # noqa: S105 (an address)
CLIENT_ID = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"  # public: a program on the user's machine has no secret
SCOPES = ("org:create_api_key", "user:profile", "user:inference", "user:sessions:claude_code", "user:mcp_servers")


def login(authorize_url: str = AUTHORIZE_URL, token_url: str = TOKEN_URL, api: str = API) -> OAuthCode:
    """The flow of the provider ``cc``; other addresses are for a stand-in of Anthropic's. Where the user calls the
    provider at another address, that is asked who logged in, and not ``api``."""
    return OAuthCode(
        provider="cc",
        authorize_url=authorize_url,
        token_url=token_url,
        client_id=CLIENT_ID,
        scopes=SCOPES,
        loopback="http://localhost:54545/callback",
        paste="https://platform.claude.com/oauth/code/callback",
        paste_splits=True,
        body="json",
        send_state=True,
        authorize_extra={"code": "true"},
        identify=identify_at(api),
    )


def identify_at(api: str) -> Identify:
    """A function that adds who logged in, asking ``api`` (scheme and host) for what the token answer leaves out.

    Data: ``organization``, ``organizationId``, ``accountId``, ``plan`` ("claude_max" and so on) and ``tier``
    ("default_claude_max_20x"), each only where it is known.
    """

    async def identify(tokens: Tokens, answer: Mapping[str, Json], http: Http) -> Tokens:
        known = _with(tokens, answer)
        if known.email and "organization" in known.data and "tier" in known.data:
            return known
        profile = await _profile(root(tokens.data.get("baseUrl"), api), known, http)
        return _with(known, profile)

    return identify


def root(base_url: Json, otherwise: str = API) -> str:
    """Scheme and host of the API: a base address ends with the version, as the provider's own does."""
    return base_url.rstrip("/").removesuffix("/v1") if isinstance(base_url, str) and base_url else otherwise


async def _profile(api: str, tokens: Tokens, http: Http) -> Mapping[str, Json]:
    """GET /api/oauth/profile. Empty where it cannot be had: a login without a name is still a login."""
    headers = {"Authorization": f"Bearer {tokens.credential['access_token']}", "anthropic-beta": OAUTH_BETA}
    try:
        answer = await http.get(f"{api}/api/oauth/profile", headers=headers)
        profile = loads_upstream(answer.content) if answer.status_code == 200 else {}
    except (httpx.HTTPError, ValueError):
        return {}
    return profile if isinstance(profile, dict) else {}


def _with(tokens: Tokens, told: Mapping[str, Json]) -> Tokens:
    """Fills what is still unknown from ``account`` and ``organization``, as both answers have them."""
    account = _object(told.get("account"))
    organization = _object(told.get("organization"))
    data = {
        "accountId": _text(account.get("uuid")),
        "organizationId": _text(organization.get("uuid")),
        "organization": _text(organization.get("name")),
        "plan": _text(organization.get("organization_type")),
        "tier": _text(organization.get("rate_limit_tier")),
    }
    return evolve(
        tokens,
        email=tokens.email or _text(account.get("email_address")) or _text(account.get("email")),
        name=tokens.name or _text(account.get("display_name")) or _text(account.get("full_name")),
        data={**{key: value for key, value in data.items() if value}, **tokens.data},
    )


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
