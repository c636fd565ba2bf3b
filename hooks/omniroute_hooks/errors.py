"""Failures: what went wrong, who is to blame, and what the caller may be told.

A failure is classified once. Routing reads only ``blames``; dialects read
``kind`` to pick their own status, type and code. Messages are safe to show to
anyone: they never hold a credential.

Source: docs/architecture.md, "Who is to blame".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from attrs import frozen

Blame = Literal["caller", "model", "connection", "provider", "gateway"]


class GatewayError(Exception):
    """A failure the caller gets to see.

    ``status`` is the HTTP status, ``code`` a stable word for programs, ``kind``
    the row of the error table that dialects render. ``retry_after_s`` is a
    number of seconds from now, or None where nobody knows.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    kind: ClassVar[str] = "internal"
    blames: ClassVar[Blame] = "gateway"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        details: Sequence[FieldProblem] = (),
        upstream_status: int | None = None,
        upstream_code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.details = tuple(details)
        self.upstream_status = upstream_status
        self.upstream_code = upstream_code

    @property
    def retry_after(self) -> str | None:
        """``Retry-After`` of the answer: whole seconds, rounded up, or whoever keeps to it comes too early."""
        return None if self.retry_after_s is None else str(max(1, math.ceil(self.retry_after_s)))


@frozen
class FieldProblem:
    """One wrong field of a request: ``path`` like ``messages[2].content``, ``problem`` in plain words."""

    path: str
    problem: str


class BadRequest(GatewayError):
    """The request is wrong: nobody else could serve it, so there is no fallback."""

    status, code, kind = 400, "invalid_request", "bad_request"
    blames: ClassVar[Blame] = "caller"

    @classmethod
    def of(cls, problems: Sequence[FieldProblem]) -> BadRequest:
        """One error that lists every wrong field."""
        return cls("; ".join(f"{p.path}: {p.problem}" for p in problems), details=problems)


class Unsupported(BadRequest):
    """A field that this target cannot carry and that may not be dropped in silence. Another target may."""

    code, kind, blames = "unsupported_field", "bad_request", "model"


class ContextTooLong(GatewayError):
    """The prompt does not fit this model; a larger one may take it."""

    status, code, kind, blames = 400, "context_length_exceeded", "context_length", "model"


class Unauthenticated(GatewayError):
    """The caller's own key for this gateway is missing or wrong."""

    status, code, kind, blames = 401, "invalid_api_key", "auth", "caller"


class Forbidden(GatewayError):
    """The caller is known, and may not do this."""

    status, code, kind, blames = 403, "permission_denied", "permission", "caller"


class NotFound(GatewayError):
    """No such address, or no such model."""

    status, code, kind = 404, "not_found", "not_found"
    blames: ClassVar[Blame] = "caller"


class ModelNotFound(NotFound):
    """The provider does not serve this model. Another candidate may."""

    code, blames = "model_not_found", "model"


class MethodNotAllowed(GatewayError):
    """The address exists, the method does not."""

    status, code, kind, blames = 405, "method_not_allowed", "bad_request", "caller"


class TooLarge(GatewayError):
    """The body is over the limit."""

    status, code, kind, blames = 413, "request_too_large", "too_large", "caller"


class LimitReached(GatewayError):
    """The caller's own limit at this gateway (budget, sessions, rate) is used up."""

    status, code, kind, blames = 429, "limit_reached", "rate", "caller"


class UpstreamError(GatewayError):
    """The provider failed. Counts toward its breaker."""

    status, code, kind = 502, "upstream_error", "upstream"
    blames: ClassVar[Blame] = "provider"


class Overloaded(UpstreamError):
    """The provider says it is too busy."""

    status, code, kind = 503, "overloaded", "overloaded"


class UpstreamTimeout(UpstreamError):
    """The provider did not answer in time."""

    status, code, kind = 504, "upstream_timeout", "timeout"


class BrokenStream(UpstreamError):
    """The answer stopped before its end: cut, stalled or garbled."""

    code = "stream_broken"


class RateLimited(UpstreamError):
    """Cools one connection; never trips a breaker."""

    status, code, kind, blames = 429, "rate_limited", "rate", "connection"


class QuotaExhausted(RateLimited):
    """No quota or credit is left on this connection."""

    code, kind = "quota_exhausted", "billing"


class LoginExpired(UpstreamError):
    """The credential is refused and cannot be refreshed: somebody has to log in again."""

    status, code, kind, blames = 502, "login_expired", "upstream", "connection"


class Entitlement(UpstreamError):
    """The account may not use this (403 upstream)."""

    status, code, kind, blames = 403, "upstream_forbidden", "permission", "connection"


class Refused(UpstreamError):
    """The provider's policy refuses the content. Not routed around."""

    status, code, kind, blames = 400, "content_filtered", "filtered", "caller"


class Unavailable(GatewayError):
    """Nobody could answer: every candidate failed or rests. ``attempts`` tells each one's story."""

    status, code, kind, blames = 503, "all_candidates_failed", "overloaded", "provider"

    def __init__(self, message: str, *, retry_after_s: float | None = None, attempts: Sequence[str] = ()) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.attempts = tuple(attempts)


# What a provider's HTTP status means where neither its body nor its plugin says more.
ERROR_BY_STATUS: Mapping[int, type[GatewayError]] = {
    401: LoginExpired,
    402: QuotaExhausted,
    403: Entitlement,
    404: ModelNotFound,
    408: UpstreamTimeout,
    413: TooLarge,
    429: RateLimited,
    503: Overloaded,
    504: UpstreamTimeout,
    529: Overloaded,
}
