"""A vendor of subscriptions, scripted: its login pages, its token server and its API, which all check what they get."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from attrs import define, field
from omniroute_hooks.testing import SPEAKERS, Say
from omniroute_hooks.testing.serving import Hosted, Receive, Send

PASTE = "https://platform.claude.com/oauth/code/callback"
USAGE = {
    "five_hour": {"utilization": 24.0, "resets_at": "2031-01-02T03:00:00+00:00"},
    "seven_day": {"utilization": 36.5, "resets_at": "2031-01-05T00:00:00+00:00"},
}
PROFILE = {
    "account": {"uuid": "acc-1", "email": "me@example.com", "display_name": "Me"},
    "organization": {
        "uuid": "org-1",
        "name": "Mine",
        "organization_type": "claude_max",
        "rate_limit_tier": "default_claude_max_20x",
    },
}
LIMITS = {
    "anthropic-ratelimit-unified-5h-utilization": "0.31",
    "anthropic-ratelimit-unified-5h-reset": "1925089200",
}


@define
class _Grant:
    challenge: str
    redirect_uri: str
    state: str


@define(eq=False, slots=False)
class Subscription(Hosted):
    """An ASGI app for `serving`. ``asked`` holds (path, body as JSON or form) of every request, in order.

    Refresh tokens rotate: each is good for one refresh, and ``misused`` counts those that came twice.
    ``token_gate`` holds answers of the token server back until it is set; ``reasons`` are its refusals, one each.
    """

    client_id: str = ""
    expires_in: int = 3600
    account: Mapping[str, Any] = field(factory=lambda: {"uuid": "acc-1", "email_address": "me@example.com"})
    usage_status: int = 200
    asked: list[tuple[str, dict[str, Any]]] = field(factory=list)
    headers: list[dict[str, str]] = field(factory=list)
    token_gate: asyncio.Event | None = None
    refusals: list[tuple[int, dict[str, Any]]] = field(factory=list)
    misused: int = 0
    refused_calls: int = 0
    _grants: dict[str, _Grant] = field(factory=dict)
    _access: set[str] = field(factory=set)
    _refresh: str = ""
    _issued: int = 0

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """What came to one path."""
        return [body for asked, body in self.asked if asked == path]

    @property
    def refreshes(self) -> int:
        """How often a refresh was asked for."""
        return sum(body.get("grant_type") == "refresh_token" for body in self.bodies("/v1/oauth/token"))

    def revoke_access(self) -> None:
        """The access tokens given so far are worth nothing; the refresh token still is."""
        self._access.clear()

    def accept(self, token: str) -> None:
        """Another account's access token, which is good as well."""
        self._access.add(token)

    # the app --------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        data = bytearray()
        while True:
            message = await receive()
            data += message.get("body", b"")
            if not message.get("more_body"):
                break
        query = dict(parse_qsl(scope["query_string"].decode()))
        body = json.loads(data) if data.startswith(b"{") else query
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["path"], body))
        self.headers.append(headers)
        status, answer, extra = await self._answer(scope["path"], body, headers)
        out = json.dumps(answer).encode()
        head = [
            (name.encode(), value.encode()) for name, value in {"content-type": "application/json", **extra}.items()
        ]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": out})

    async def _answer(
        self, path: str, body: dict[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, Any, dict[str, str]]:
        if path == "/oauth/authorize":
            return 302, {}, {"location": self._authorize(body)}
        if path == "/v1/oauth/token":
            status, answer = await self._token(body)
            return status, answer, {}
        if headers.get("authorization", "").removeprefix("Bearer ") not in self._access:
            self.refused_calls += 1
            refusal = {
                "type": "error",
                "error": {"type": "authentication_error", "message": "OAuth token has expired."},
            }
            return 401, refusal, {}
        if path == "/api/oauth/profile":
            return 200, PROFILE, {}
        if path == "/api/oauth/usage":
            return self.usage_status, USAGE if self.usage_status == 200 else {"error": {"message": "no"}}, {}
        if path == "/v1/messages":
            return 200, SPEAKERS["anthropic"].answer(Say(text="Served from the subscription.")), LIMITS
        return 404, {"error": {"message": f"nothing at {path}"}}, {}

    def _authorize(self, query: Mapping[str, str]) -> str:
        """The user says yes: where the browser is sent."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        self.client_id = query["client_id"]
        code = f"code-{len(self._grants) + 1}"
        self._grants[code] = _Grant(query["code_challenge"], query["redirect_uri"], query["state"])
        return query["redirect_uri"] + "?" + urlencode({"code": code, "state": query["state"]})

    async def _token(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        if self.token_gate is not None:
            await self.token_gate.wait()
        if self.refusals:
            return self.refusals.pop(0)
        if body.get("client_id") != self.client_id:
            return 400, {"error": "invalid_client"}
        if body["grant_type"] == "authorization_code":
            grant = self._grants.pop(body["code"], None)
            proof = base64.urlsafe_b64encode(hashlib.sha256(body["code_verifier"].encode()).digest()).rstrip(b"=")
            fits = grant is not None and (grant.challenge, grant.redirect_uri, grant.state) == (
                proof.decode(),
                body["redirect_uri"],
                body["state"],
            )
            if not fits:
                return 400, {"error": "invalid_grant", "error_description": "The code does not fit."}
        elif body["refresh_token"] != self._refresh:
            self.misused += 1
            return 400, {"error": "invalid_grant", "error_description": "Refresh token not found or invalid"}
        self._issued += 1
        self._refresh = f"sk-ant-ort01-{self._issued}"
        access = f"sk-ant-oat01-{self._issued}"
        self._access = {access}
        tokens = {"access_token": access, "refresh_token": self._refresh, "expires_in": self.expires_in}
        return 200, {**tokens, "token_type": "Bearer", "account": dict(self.account)}
