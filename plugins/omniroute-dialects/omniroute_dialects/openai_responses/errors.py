"""Failures in this dialect: the error body, the failed answer, and what a provider's failure means.

Source: facts/dialects 2.16; https://platform.openai.com/docs/guides/error-codes.
"""

from __future__ import annotations

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
    UpstreamError,
    UpstreamTimeout,
    retry_after_s,
)
from omniroute_hooks.jsonio import loads_upstream

from ..failures_in import BY_WORD, plain_words, without_secrets
from ..failures_out import openai_error

Json = dict[str, Any]
_LONGEST_HINT = 20_000  # bytes of a body that are searched for a time to wait

# kind -> code of a failed answer; clients stop at invalid_prompt and try again after server_error
_FAILED = {
    "context_length": "context_length_exceeded",
    "billing": "insufficient_quota",
    "rate": "rate_limit_exceeded",
    "bad_request": "invalid_prompt",
    "filtered": "invalid_prompt",
    "too_large": "invalid_prompt",
    "not_found": "invalid_prompt",
}

_BY_CODE: dict[str, type[GatewayError]] = {
    **BY_WORD,
    "usage_limit_reached": QuotaExhausted,
    "usage_not_included": Entitlement,
    "quota_exceeded": QuotaExhausted,
    "slow_down": Overloaded,
    "server_is_overloaded": Overloaded,
    "engine_overloaded": Overloaded,
    "invalid_authentication": LoginExpired,
    "token_expired": LoginExpired,
    "responsible_ai_policy_violation": Refused,
    "bio_policy": Refused,
    "misalignment_policy_violation": Refused,
    "image_content_policy_violation": Refused,
    "cyber_policy_violation": Refused,
    "invalid_prompt": BadRequest,
    "previous_response_not_found": BadRequest,
    "unsupported_parameter": BadRequest,
    "unsupported_value": BadRequest,
    "invalid_value": BadRequest,
    "data_residency_mismatch": BadRequest,
    "vector_store_timeout": UpstreamTimeout,
}
_BY_STATUS: dict[int, type[GatewayError]] = {**ERROR_BY_STATUS, 409: UpstreamError}
_TOO_LONG = (
    "context length",
    "context window",
    "context_length",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "exceeds the maximum number of tokens",
)
_NO_CREDIT = ("exceeded your current quota", "insufficient balance", "credit balance", "insufficient credits")
_NO_MODEL = ("does not exist", "not supported when using", "model not found", "unknown model", "invalid model")


def render_error(error: GatewayError, request_id: str) -> tuple[int, Json]:
    """HTTP status and body. Wrong fields and failed attempts are listed beside the vendor's own fields."""
    return error.status, {"error": openai_error(error), "request_id": request_id}


def failed_error(error: GatewayError) -> Json:
    """The ``error`` of an answer that failed after it began. Clients read the time to wait from the message."""
    message = error.message
    code = _FAILED.get(error.kind, "server_error")
    if code == "rate_limit_exceeded" and error.retry_after_s is not None and "try again in" not in message.lower():
        message = f"{message.rstrip()} Please try again in {error.retry_after_s:g}s."
    return {"code": code, "message": message}


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """A provider's failure. The body may be anything."""
    try:
        value = loads_upstream(body)
    except (ValueError, RecursionError):
        value = None
    message, words, code = _parts(value)
    if not message:
        message = plain_words(body) or f"The provider answered {status} without a word."
    said = message if value is None else body[:_LONGEST_HINT].decode("utf-8", "replace")
    hint = retry_after_s(headers, said)
    return _made(_class_of(status, words, message), message, hint, status, code)


def stream_error(value: Any) -> GatewayError:
    """The failure in an ``error`` event, a failed answer's ``error``, or a 200 that holds one."""
    message, words, code = _parts(value if isinstance(value, dict) else {"error": value})
    message = message or "The provider reported a failure without a word."
    status = value.get("status") if isinstance(value, dict) else None
    return _made(
        _class_of(status if isinstance(status, int) else 0, words, message),
        message,
        retry_after_s({}, message),
        None,
        code,
    )


def _made(
    kind: type[GatewayError], message: str, hint: float | None, status: int | None, code: str | None
) -> GatewayError:
    if kind is LoginExpired and status is None:
        status = 401
    return kind(without_secrets(message), retry_after_s=hint, upstream_status=status, upstream_code=code)


def _parts(value: Any) -> tuple[str, tuple[str, ...], str | None]:
    """Message, the words that classify it (code first), and the code to remember."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str):
        return value, (), None
    if not isinstance(value, dict):
        return "", (), None
    inner = value.get("error")
    if isinstance(inner, str) and inner:
        return inner, (), None
    if not isinstance(inner, dict):
        inner = value
    message = next(
        (inner[n] for n in ("message", "detail", "error_description") if isinstance(inner.get(n), str) and inner[n]),
        "",
    )
    if not message and isinstance(inner.get("detail"), list | dict):
        message = _detail(inner["detail"])
    words = tuple(str(inner[n]) for n in ("code", "type", "status") if isinstance(inner.get(n), str) and inner[n])
    return message, words, words[0] if words else None


def _detail(detail: Any) -> str:
    """The messages of a validation report, as some frameworks write it."""
    entries = detail if isinstance(detail, list) else [detail]
    said = [str(e.get("msg") or e.get("message") or "") for e in entries if isinstance(e, dict)]
    return "; ".join(s for s in said if s)


def _class_of(status: int, words: tuple[str, ...], message: str) -> type[GatewayError]:
    """A specific code says most, then the message where vendors agree on its words, then the status."""
    low = message.lower()
    named = next((_BY_CODE[w] for w in words if w in _BY_CODE), None)
    vague = named is None or named is BadRequest or named is UpstreamError
    if vague and status in (0, 400, 413, 422, 500) and any(w in low for w in _TOO_LONG):
        return ContextTooLong
    if named is not None and not vague:
        return QuotaExhausted if named is RateLimited and any(w in low for w in _NO_CREDIT) else named
    if status in (400, 402, 403, 429) and any(w in low for w in _NO_CREDIT):
        return QuotaExhausted
    if status in (400, 404) and "previous response" in low:
        return BadRequest
    if status == 400 and "model" in low and any(w in low for w in _NO_MODEL):
        return ModelNotFound
    if status == 400 and "content management policy" in low:
        return Refused
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    if 400 <= status < 500:
        return BadRequest
    return named if named is not None and status == 0 else UpstreamError
