"""A provider's failure as one of ours.

Providers agree on ``{error: {message, type, param, code}}`` only in name: words beat codes where they are
sharper, codes beat statuses inside a 200.
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
    FieldProblem,
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
from omniroute_hooks.jsonio import dumps, loads_upstream

from ..failures_in import BY_WORD, without_secrets
from .error_words import page_words, status_in, words_in

_MAX_WORDS = 4000  # characters of a provider's words that are kept
_BY_STATUS: dict[int, type[GatewayError]] = {
    **ERROR_BY_STATUS,
    400: BadRequest,
    410: ModelNotFound,
    415: BadRequest,
    422: BadRequest,
    524: UpstreamTimeout,
}
_BY_WORD: dict[str, type[GatewayError]] = {
    **BY_WORD,
    "exceed_context_size_error": ContextTooLong,
    "billing_error": QuotaExhausted,
    "insufficient_balance": QuotaExhausted,
    "exceeded_current_quota_error": QuotaExhausted,
    "responsibleaipolicyviolation": Refused,
    "moderation_blocked": Refused,
    "data_inspection_failed": Refused,
    "rate_limit_reached_error": RateLimited,
    "resource_exhausted": RateLimited,
    "model_not_supported": ModelNotFound,
    "unauthenticated": LoginExpired,
    "engine_overloaded_error": Overloaded,
    "unavailable": Overloaded,
    "deadline_exceeded": UpstreamTimeout,
    "permission_error": Entitlement,
    "permission_denied": Entitlement,
    "invalid_argument": BadRequest,
    "internal_server_error": UpstreamError,
    "api_error": UpstreamError,
}
# Words whose meaning is sharper than any status.
_DECISIVE = (ContextTooLong, QuotaExhausted, Refused)
_CONTEXT = re.compile(
    r"context[ _-]?(?:length|window|size)|maximum context|(?:prompt|input|request|conversation) (?:is )?too long|"
    r"reduce the length|maximum (?:prompt|input) length|"
    r"exceeds? the (?:model'?s )?max(?:imum)?(?: number of)? (?:input )?tokens|"
    r"too many (?:input )?tokens(?! per)|input (?:token count|length)[^.]{0,80}exceed",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"insufficient[ _](?:quota|balance|credit|funds)|credit balance|out of credits?|no credits?\b|not enough credits?|"
    r"payment required|more credits|spending limit|billing hard limit|account (?:is )?(?:in )?arrears",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"exceeded your (?:current|monthly|daily|weekly) quota|quota (?:is )?exhausted", re.IGNORECASE)
_FILTER = re.compile(
    r"content (?:management|filter|moderation) policy|content[_ ]filter|flagged by|safety system|inappropriate content",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model\b[^.]{0,120}(?:does not exist|not found|not exist|is not (?:supported|available)|no longer)|"
    r"(?:unknown|no such|invalid) model|not a valid model",
    re.IGNORECASE,
)


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """A provider's failure from its HTTP answer: JSON, plain words, a web page, or nothing."""
    value: Any = None
    try:
        value = loads_upstream(body) if body.strip() else None
    except (ValueError, RecursionError):
        text = body[:65536].decode("utf-8", "replace").strip()
        return _make(status, headers, page_words(text, status) if text.startswith("<") else text, None, None, text)
    raw = body[:65536].decode("utf-8", "replace")
    message, code, param = words_in(value)
    return _make(status, headers, message, code, param, raw)


def error_of(value: Any) -> GatewayError:
    """A failure inside an answer whose HTTP status was 200: ``value`` is the JSON that holds it."""
    message, code, param = words_in(value)
    status = status_in(value)
    try:
        raw = dumps(value).decode()
    except (ValueError, TypeError, RecursionError):
        raw = message
    return _make(status, {}, message, code, param, raw)


def holds_error(value: Mapping[str, Any]) -> bool:
    """Whether this JSON object, where an answer should be, tells of a failure."""
    if value.get("error"):
        return True
    if value.get("choices"):
        return False
    if value.get("object") == "error" or value.get("type") == "error":
        return True
    return "choices" not in value and "usage" not in value and bool(value.get("message") or value.get("detail"))


def _make(
    status: int | None, headers: Mapping[str, str], message: str, code: str | None, param: str | None, raw: str
) -> GatewayError:
    message = without_secrets(message.strip()[:_MAX_WORDS])
    hint_s = retry_after_s(headers, raw)
    kind = _kind(status, code, message or raw[:_MAX_WORDS], hint_s)
    if not message:
        message = f"The provider answered with status {status}." if status else "The provider reported a failure."
    details = [FieldProblem(param, message)] if param and issubclass(kind, BadRequest) else ()
    return kind(message, retry_after_s=hint_s, details=details, upstream_status=status, upstream_code=code)


def _kind(status: int | None, code: str | None, text: str, hint_s: float | None) -> type[GatewayError]:
    word = _BY_WORD.get(code.lower()) if code else None
    if word in _DECISIVE:
        return word
    if status in (None, 400, 413, 422, 500) and _CONTEXT.search(text):
        return ContextTooLong
    if status in (None, 400, 402, 403, 429) and _NO_CREDIT.search(text):
        return QuotaExhausted
    # The same words announce a limit per minute where the provider also says when to come back.
    if status in (None, 403, 429) and hint_s is None and _QUOTA.search(text):
        return QuotaExhausted
    if status in (None, 400, 403, 422) and _FILTER.search(text):
        return Refused
    if status in (None, 400, 422) and (word is ModelNotFound or _NO_MODEL.search(text)):
        return ModelNotFound
    if status is not None:
        named = _BY_STATUS.get(status)
        if named is not None:
            return named
        if 400 <= status < 500:
            return word or UpstreamError
        # Some front ends wrap a busy signal in a plain 500.
        return word if word in (Overloaded, RateLimited, UpstreamTimeout) else UpstreamError
    return word or UpstreamError
