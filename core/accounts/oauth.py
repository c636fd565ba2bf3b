"""OAuth code logins with PKCE: the address to open, the exchange, the refresh. No vendor is known here.

Source: RFC 6749 sections 4.1 and 6, RFC 7636 (PKCE, S256), RFC 8252 (loopback redirect).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from attrs import evolve, field, frozen
from omniroute_hooks import (
    BadRequest,
    Connection,
    Http,
    LoginExpired,
    OAuthCode,
    RateLimited,
    Tokens,
    UpstreamError,
    UpstreamTimeout,
    retry_after_s,
)
from omniroute_hooks.jsonio import loads_upstream


@frozen
class Begun:
    """A login on its way. ``verifier`` never leaves the kernel."""

    url: str
    state: str
    redirect_uri: str
    verifier: str = field(repr=False)


def begin(flow: OAuthCode, redirect_uri: str) -> Begun:
    """A fresh login: the address for the browser, with its own state and PKCE pair."""
    verifier = secrets.token_urlsafe(64)
    state = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": flow.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(flow.scopes),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": state,
        **flow.authorize_extra,
    }
    joint = "&" if "?" in flow.authorize_url else "?"
    return Begun(f"{flow.authorize_url}{joint}{urlencode(query)}", state, redirect_uri, verifier)


def pasted(text: str) -> tuple[str, str | None]:
    """(code, state) of what a user pasted: the code, ``code#state``, or the whole address of the last page.

    Errors: `BadRequest` where the page reports a refusal, or nothing can be found.
    """
    text = text.strip()
    if "://" in text:
        parts = urlsplit(text)
        query = {**parse_qs(parts.fragment), **parse_qs(parts.query)}
        if "error" in query:
            reason = query.get("error_description", query["error"])[0]
            raise BadRequest(f"The login was refused: {reason}")
        code = query.get("code", [""])[0]
        state = query.get("state", [None])[0]
    else:
        code, _, rest = text.partition("#")
        state = rest or None
    if not code:
        raise BadRequest("code: no code was found in what was pasted.")
    return code, state


async def exchange(flow: OAuthCode, begun: Begun, code: str, http: Http, base_url: str = "") -> Tokens:
    """The tokens for a code. While the plugin asks who logged in, their ``data["baseUrl"]`` is ``base_url``: where the
    provider is really called.

    Errors: `LoginExpired` where the vendor refuses the code; `UpstreamError` and its kinds otherwise.
    """
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": begun.redirect_uri,
        "client_id": flow.client_id,
        "code_verifier": begun.verifier,
    }
    if flow.send_state:
        fields["state"] = begun.state
    answer = await _token_request(flow, fields, http)
    tokens = tokens_of(answer, {})
    if flow.identify is None:
        return tokens
    known = await flow.identify(evolve(tokens, data={"baseUrl": base_url} if base_url else {}), answer, http)
    return evolve(known, data={name: value for name, value in known.data.items() if name != "baseUrl"})


async def refresh(flow: OAuthCode, connection: Connection, http: Http) -> Tokens:
    """New tokens for old. A vendor that sends no new refresh token means the old one to stay.

    Errors: `LoginExpired` where the vendor refuses for good; anything else means "later".
    """
    if flow.refresh is not None:
        return await flow.refresh(connection, http)
    token = connection.credential.get("refresh_token")
    if not token:
        raise LoginExpired("This login cannot be renewed. Log in again.")
    fields = {"grant_type": "refresh_token", "refresh_token": token, "client_id": flow.client_id}
    answer = await _token_request(flow, fields, http)
    return tokens_of(answer, connection.credential)


def tokens_of(answer: Mapping[str, Any], old: Mapping[str, str]) -> Tokens:
    """A token answer (RFC 6749, section 5.1) over what was known before. Errors: `UpstreamError`."""
    access = answer.get("access_token")
    if not isinstance(access, str) or not access:
        raise UpstreamError("The login server's answer holds no access token.")
    credential = {**old, "access_token": access}
    for name in ("refresh_token", "id_token", "scope"):
        value = answer.get(name)
        if isinstance(value, str) and value:
            credential[name] = value
    lasts = answer.get("expires_in")
    try:
        expires_at_s = None if lasts is None else time.time() + float(lasts)
    except (TypeError, ValueError):
        expires_at_s = None
    return Tokens(credential, expires_at_s)


async def _token_request(flow: OAuthCode, fields: dict[str, str], http: Http) -> Mapping[str, Any]:
    if flow.client_secret:
        fields["client_secret"] = flow.client_secret
    headers = {"Accept": "application/json"}
    try:
        if flow.body == "json":
            response = await http.post(flow.token_url, json=fields, headers=headers)
        else:
            response = await http.post(flow.token_url, data=fields, headers=headers)
        body = loads_upstream(response.content)
    except httpx.TimeoutException as exc:
        raise UpstreamTimeout("The login server did not answer in time.") from exc
    except httpx.HTTPError as exc:
        raise UpstreamError("The login server cannot be reached.") from exc
    except ValueError:
        body = None
    if response.status_code == 429:
        raise RateLimited("The login server asks to wait.", retry_after_s=retry_after_s(response.headers))
    if response.status_code in (400, 401, 403):
        raise LoginExpired(f"The login server refuses: {_reason(body)}", upstream_status=response.status_code)
    if response.status_code != 200 or not isinstance(body, dict):
        raise UpstreamError(f"The login server answers with HTTP {response.status_code}.")
    return body


def _reason(body: Any) -> str:
    """The vendor's words (RFC 6749, section 5.2); some nest them."""
    if isinstance(body, dict):
        error = body.get("error")
        nested = error.get("message") if isinstance(error, dict) else error
        for words in (body.get("error_description"), nested):
            if isinstance(words, str) and words:
                return words[:300]
    return "no reason was given"
