"""Failures, in both directions. Source: https://cloud.google.com/apis/design/errors; docs/translation.md, "Errors"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omniroute_hooks import (
    ERROR_BY_STATUS,
    BadRequest,
    ContextTooLong,
    Entitlement,
    FieldProblem,
    GatewayError,
    LoginExpired,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    UpstreamError,
    UpstreamTimeout,
    retry_after_s,
)
from omniroute_hooks.jsonio import loads_upstream
from omniroute_hooks.times import span_s

from ..failures_in import plain_words, without_secrets

Json = dict[str, Any]

DOMAIN = "omniroute"
_TYPE = "type.googleapis.com/google.rpc."
_LONGEST = 8000

# kind of failure -> HTTP status, the vendor's word
_OUT: dict[str, tuple[int, str]] = {
    "bad_request": (400, "INVALID_ARGUMENT"),
    "context_length": (400, "INVALID_ARGUMENT"),
    "auth": (401, "UNAUTHENTICATED"),
    "billing": (429, "RESOURCE_EXHAUSTED"),
    "permission": (403, "PERMISSION_DENIED"),
    "not_found": (404, "NOT_FOUND"),
    "too_large": (413, "INVALID_ARGUMENT"),
    "rate": (429, "RESOURCE_EXHAUSTED"),
    "overloaded": (503, "UNAVAILABLE"),
    "upstream": (500, "INTERNAL"),
    "timeout": (504, "DEADLINE_EXCEEDED"),
    "filtered": (400, "INVALID_ARGUMENT"),
    "internal": (500, "INTERNAL"),
}
_STATUS_OF_WORD = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "DATA_LOSS": 500,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

_CONTEXT = re.compile(
    r"input token count.{0,40}exceeds|exceeds the maximum number of (?:input )?tokens|context (?:length|window)"
    r"|prompt is too long|too many (?:input )?tokens",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(r"api[ _]key (?:not valid|expired|not found|invalid)|invalid (?:api key|authentication)", re.I)
_PLACE = re.compile(r"user location is not supported|not available in your (?:country|region)|enable billing", re.I)
_FILTER = re.compile(r"PROHIBITED_CONTENT|blocked (?:by|due to|because of) .{0,40}(?:safety|polic|filter)", re.I)
_DAILY = re.compile(r"PerDay|Daily", re.IGNORECASE)
_LONG_REST_S = 300  # a limit that lasts longer than this is a quota, not a rate
_A_MINUTE_S = 60.0


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """A provider's failure. Header names in lower case. Copes with HTML and nonsense."""
    try:
        value = loads_upstream(body) if body.strip() else None
    except (ValueError, RecursionError):
        value = None
    error = _error_object(value)
    if error is None:
        message = plain_words(body) or f"The provider answered with status {status} and nothing else."
        error = {"message": message}
    return _classified(status, headers, error)


def error_in_stream(chunk: Mapping[str, Any]) -> GatewayError:
    """A failure that came with status 200, inside the answer."""
    error = _error_object(chunk) or {}
    code = error.get("code")
    word = error.get("status")
    status = code if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600 else None
    if status is None:
        status = _STATUS_OF_WORD.get(word, 500) if isinstance(word, str) else 500
    return _classified(status, {}, error)


def _error_object(value: Any) -> Json | None:
    while isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return None
    error = value.get("error", value if "message" in value else None)
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else None


def _classified(status: int, headers: Mapping[str, str], error: Json) -> GatewayError:
    message = error.get("message")
    message = message.strip() if isinstance(message, str) else ""
    message = without_secrets(message[:_LONGEST]) or f"The provider answered with status {status}."
    word = error.get("status")
    reasons = [d["reason"] for d in _details(error) if isinstance(d.get("reason"), str)]
    named = reasons[0] if reasons else word if isinstance(word, str) else None
    rest_s = _retry_delay(error)
    if rest_s is None:
        rest_s = retry_after_s(headers, message)
    kind = _kind(status, word if isinstance(word, str) else "", message, reasons, error, rest_s)
    if kind is RateLimited and rest_s is None and any("PerMinute" in q for q in _quota_ids(error)):
        rest_s = _A_MINUTE_S
    problems = [
        FieldProblem(str(v.get("field") or "body"), str(v.get("description") or "is wrong"))
        for d in _details(error)
        for v in _dicts(d.get("fieldViolations"))
    ]
    return kind(message, retry_after_s=rest_s, details=problems, upstream_status=status, upstream_code=named)


def _kind(
    status: int, word: str, message: str, reasons: list[str], error: Json, rest_s: float | None
) -> type[GatewayError]:
    if "MODEL_CAPACITY_EXHAUSTED" in reasons:
        return Overloaded
    if "API_KEY_INVALID" in reasons or status == 401 or (status in (400, 403) and _BAD_KEY.search(message)):
        return LoginExpired
    if status == 429 or (word == "RESOURCE_EXHAUSTED" and status != 402):
        return _limit(message, reasons, error, rest_s)
    if word == "DEADLINE_EXCEEDED":  # before the status: front ends send it with a 503
        return UpstreamTimeout
    if status in ERROR_BY_STATUS:
        return ERROR_BY_STATUS[status]
    if word == "UNAVAILABLE":
        return Overloaded
    if status >= 500 or status == 499:
        return UpstreamError
    if _CONTEXT.search(message):
        return ContextTooLong
    if _PLACE.search(message):
        return Entitlement
    if _FILTER.search(message):
        return Refused
    return BadRequest if 400 <= status < 500 else UpstreamError


def _limit(message: str, reasons: list[str], error: Json, rest_s: float | None) -> type[GatewayError]:
    if "QUOTA_EXHAUSTED" in reasons or "INSUFFICIENT_G1_CREDITS_BALANCE" in reasons:
        return QuotaExhausted
    if re.search(r"limit: 0\b", message) or any(_DAILY.search(quota) for quota in _quota_ids(error)):
        return QuotaExhausted
    return QuotaExhausted if rest_s is not None and rest_s > _LONG_REST_S else RateLimited


def _retry_delay(error: Json) -> float | None:
    """``RetryInfo.retryDelay``, or the reset that an ``ErrorInfo`` tells. Seconds."""
    for detail in _details(error):
        delay = detail.get("retryDelay")
        if isinstance(delay, dict):  # the binary form, written out
            seconds, nanos = delay.get("seconds"), delay.get("nanos")
            delay = f"{_number(seconds) + _number(nanos) / 1e9:f}s"
        metadata = detail.get("metadata")
        if delay is None and isinstance(metadata, dict):
            delay = metadata.get("quotaResetDelay")
        if isinstance(delay, str) and (found := span_s(delay)) is not None:
            return found
    return None


def _number(value: Any) -> float:
    try:
        return min(1e9, max(0.0, float(value)))
    except (TypeError, ValueError):
        return 0.0


def _quota_ids(error: Json) -> Iterator[str]:
    for detail in _details(error):
        for violation in _dicts(detail.get("violations")):
            if isinstance(violation.get("quotaId"), str):
                yield violation["quotaId"]


def _details(error: Json) -> list[Json]:
    return _dicts(error.get("details"))


def _dicts(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def render_error(error: GatewayError, request_id: str) -> tuple[int, Json]:
    """HTTP status and body. The vendor's detail types carry what its own fields have no room for."""
    status, word = _OUT.get(error.kind, (error.status, "UNKNOWN"))
    if error.status == 405:
        status, word = 405, "UNIMPLEMENTED"
    info: Json = {"@type": _TYPE + "ErrorInfo", "reason": error.code.upper(), "domain": DOMAIN}
    upstream = {
        "upstreamStatus": str(error.upstream_status) if error.upstream_status is not None else None,
        "upstreamCode": error.upstream_code,
    }
    metadata = {name: value for name, value in upstream.items() if value is not None}
    if metadata:
        info["metadata"] = metadata
    details: list[Json] = [info]
    if error.details:
        violations = [{"field": problem.path, "description": problem.problem} for problem in error.details]
        details.append({"@type": _TYPE + "BadRequest", "fieldViolations": violations})
    if error.retry_after_s is not None:
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": f"{max(0.0, error.retry_after_s):.9g}s"})
    if isinstance(error, Unavailable) and error.attempts:
        details.append({"@type": _TYPE + "DebugInfo", "stackEntries": list(error.attempts)})
    if request_id:
        details.append({"@type": _TYPE + "RequestInfo", "requestId": request_id})
    return status, {"error": {"code": status, "message": error.message, "status": word, "details": details}}
