"""Failures in this dialect's words, read and written.

Source: docs/translation.md, "Errors".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from omniroute_hooks import (
    ERROR_BY_STATUS,
    BadRequest,
    ContextTooLong,
    Entitlement,
    GatewayError,
    LoginExpired,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Refused,
    TooLarge,
    UpstreamError,
    UpstreamTimeout,
    retry_after_s,
)
from omniroute_hooks.jsonio import loads_upstream

from ..failures_in import plain_words, without_secrets
from ..failures_out import told_beside
from .resets import LIMIT_HEADERS, window_reset_s

_TYPES: dict[str, tuple[int, str]] = {
    "context_length": (400, "invalid_request_error"),
    "auth": (401, "authentication_error"),
    "billing": (402, "billing_error"),
    "permission": (403, "permission_error"),
    "not_found": (404, "not_found_error"),
    "too_large": (413, "request_too_large"),
    "rate": (429, "rate_limit_error"),
    "overloaded": (529, "overloaded_error"),
    "upstream": (500, "api_error"),
    "timeout": (504, "timeout_error"),
    "filtered": (400, "invalid_request_error"),
    "internal": (500, "api_error"),
}
_BY_TYPE: dict[str, type[GatewayError]] = {
    "invalid_request_error": BadRequest,
    "authentication_error": LoginExpired,
    "billing_error": QuotaExhausted,
    "permission_error": Entitlement,
    "not_found_error": ModelNotFound,
    "request_too_large": TooLarge,
    "rate_limit_error": RateLimited,
    "api_error": UpstreamError,
    "timeout_error": UpstreamTimeout,
    "overloaded_error": Overloaded,
}
_BY_STATUS: dict[int, type[GatewayError]] = {**ERROR_BY_STATUS, 409: UpstreamError}
_TOO_LONG = re.compile(
    r"prompt is too long|exceeds? (the )?(maximum )?context|context (window|length)|maximum context|too many input tok",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(r"credit balance|insufficient (credit|balance|quota|funds)|out of credits", re.IGNORECASE)
_FILTERED = re.compile(r"content filter|content_filter|usage polic|violat\w* .{0,40}polic", re.IGNORECASE)
_LONGEST_TEXT = 4000
TOO_LONG_WORDS = "prompt is too long"


def render_error(error: GatewayError, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body."""
    status, kind = _TYPES.get(error.kind, (error.status, "invalid_request_error"))
    return status, error_body(error, kind, request_id)


def error_event(error: GatewayError, request_id: str) -> dict[str, Any]:
    """The data of an ``error`` event."""
    _, kind = _TYPES.get(error.kind, (error.status, "invalid_request_error"))
    return error_body(error, kind, request_id)


def error_body(error: GatewayError, kind: str, request_id: str) -> dict[str, Any]:
    """The envelope. Clients begin to compact their history at certain words, so those are always there."""
    message = error.message
    if isinstance(error, ContextTooLong) and TOO_LONG_WORDS not in message.lower():
        message = f"{TOO_LONG_WORDS}: {message}"
    out = {"type": kind, "message": message, "code": error.code, **told_beside(error)}
    return {"type": "error", "error": out, "request_id": request_id}


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What a provider's error answer means."""
    try:
        value = loads_upstream(body)
    except (ValueError, RecursionError):
        value = None
    kind, message, code = _said(value)
    if message is None and value is None:
        message = plain_words(body, _LONGEST_TEXT)
    hint = retry_after_s({k: v for k, v in headers.items() if not k.startswith(LIMIT_HEADERS)}, message or "")
    window = window_reset_s(headers)
    if window is not None and (hint is None or window > hint):
        hint = window
    return make_error(kind, message or f"The provider answered with status {status}.", status, hint, code)


def stream_error(value: Any) -> GatewayError:
    """What an error inside a stream, or inside an answer with status 200, means."""
    kind, message, code = _said(value)
    text = message or "The provider reported an error without words."
    return make_error(kind, text, None, retry_after_s({}, text), code)


def make_error(
    kind: str | None, message: str, status: int | None, hint: float | None, code: str | None
) -> GatewayError:
    """The error of that type, message and status (None where it came with success)."""
    return _class_of(kind, message, status, code)(
        without_secrets(message), retry_after_s=hint, upstream_status=status, upstream_code=code or kind
    )


def _class_of(kind: str | None, message: str, status: int | None, code: str | None) -> type[GatewayError]:
    if code == "enforced_spend_limit_reached" or kind == "insufficient_quota":
        return QuotaExhausted
    if status in (None, 200, 400, 402, 403, 413, 422, 429):
        if _NO_CREDIT.search(message):
            return QuotaExhausted
        if status != 429 and kind != "rate_limit_error":
            if kind != "request_too_large" and _TOO_LONG.search(message):
                return ContextTooLong
            if _FILTERED.search(message) and kind not in ("overloaded_error", "api_error"):
                return Refused
    if status is not None and status >= 400:
        if status in _BY_STATUS and not (status == 409 and kind == "invalid_request_error"):
            return _BY_STATUS[status]
        if status < 500:
            return BadRequest if kind in (None, "invalid_request_error") else _BY_TYPE.get(kind, BadRequest)
        return (
            _BY_TYPE.get(kind or "", UpstreamError) if kind in ("overloaded_error", "timeout_error") else UpstreamError
        )
    return _BY_TYPE.get(kind or "", UpstreamError)


def _said(value: Any) -> tuple[str | None, str | None, str | None]:
    """Type, message and finer code out of whatever JSON a provider, or a proxy before it, sends."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return None, value if isinstance(value, str) and value else None, None
    inner = value.get("error", value)
    if isinstance(inner, str):
        return None, _string(value.get("message")) or inner, None
    if not isinstance(inner, dict):
        inner = value
    details = inner.get("details")
    code = _string(details.get("error_code")) if isinstance(details, dict) else None
    kind = _string(inner.get("type"))
    message = _string(inner.get("message")) or _string(inner.get("detail")) or _string(value.get("message"))
    return kind if kind != "error" else None, message, code or _string(inner.get("code"))


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
