"""Call: one request to a provider, and the one place where its failures get their names."""

from __future__ import annotations

import re

import httpx
from attrs import frozen
from omniroute_hooks import Dialect, GatewayError, Target, UpstreamError, UpstreamTimeout
from omniroute_hooks.errors import BrokenStream

from core.access.egress import Answered, Egress

from .outgoing import Outgoing

MAX_ERROR_BYTES = 256 * 1024
MAX_ANSWER_BYTES = 128 * 1024 * 1024


@frozen
class Failure:
    """A failure as the provider's declaration classifies it. ``scope`` tells what rests: connection or model."""

    error: GatewayError
    scope: str = "connection"


async def call(egress: Egress, outgoing: Outgoing, connect_s: float | None = None) -> Answered:
    """Sends, and gives the answer once its headers are in. The caller closes it. ``connect_s``: at most this long
    to connect.

    Errors: `UpstreamError`, `UpstreamTimeout`, in words for people.
    """
    try:
        return await egress.post(outgoing.url, outgoing.headers, outgoing.body, connect_s)
    except (httpx.TransportError, httpx.InvalidURL) as exc:
        raise transport_failure(exc) from exc


def transport_failure(exc: Exception) -> UpstreamError:
    """A broken connection as the caller gets to see it: what happened, without addresses or credentials."""
    if isinstance(exc, httpx.ConnectTimeout):
        return UpstreamTimeout("The provider could not be reached in time.")
    if isinstance(exc, httpx.TimeoutException):
        return UpstreamTimeout("The provider did not answer in time.")
    if isinstance(exc, httpx.ConnectError):
        return UpstreamError(f"The provider cannot be reached. {exc}")
    if isinstance(exc, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return BrokenStream(f"The connection to the provider broke. {exc}")
    return UpstreamError("The provider cannot be reached.")


async def read_all(response: Answered, limit: int = MAX_ANSWER_BYTES) -> bytes:
    """The whole body. Errors: as `call`, and `UpstreamError` over ``limit`` bytes."""
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in response.stream:
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise UpstreamError("The provider's answer is too large.")
    except httpx.TransportError as exc:
        raise transport_failure(exc) from exc
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def failure_of(response: Answered, dialect: Dialect, target: Target) -> Failure:
    """What an error answer means."""
    try:
        body = await read_all(response, MAX_ERROR_BYTES)
    except UpstreamError:
        body = b""
    headers = {name.lower(): value for name, value in response.headers.items()}
    error = dialect.parse_error(response.status_code, headers, body)
    error.upstream_status = error.upstream_status or response.status_code
    if 300 <= response.status_code < 400:
        error = UpstreamError("The provider's address answers with a redirect. Correct its base URL.")
        error.upstream_status = response.status_code
    return classify(error, target)


def classify(error: GatewayError, target: Target) -> Failure:
    """The provider's own rules first, then what the dialect made of it."""
    for rule in target.provider.failures:
        if rule.status is not None and rule.status != error.upstream_status:
            continue
        if rule.code is not None and rule.code != error.upstream_code:
            continue
        if rule.text is not None and not re.search(rule.text, error.message, re.IGNORECASE):
            continue
        if isinstance(error, rule.error):
            return Failure(error, rule.scope)
        renamed = rule.error(
            error.message,
            retry_after_s=error.retry_after_s,
            details=error.details,
            upstream_status=error.upstream_status,
            upstream_code=error.upstream_code,
        )
        return Failure(renamed, rule.scope)
    return Failure(error)


def unreadable(what: str) -> UpstreamError:
    """An answer with status 200 that is no answer."""
    return UpstreamError(f"The provider's answer cannot be read: {what}.")
