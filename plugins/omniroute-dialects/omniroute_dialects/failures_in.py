"""Providers' failures, whatever they speak: what a word means, and what a body without JSON says.

Proxies, load balancers and compatible servers answer in the same few ways before any dialect; each dialect
adds its vendor's own statuses and words to these.

Source: docs/translation.md, "Errors".
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from omniroute_hooks import (
    BadRequest,
    ContextTooLong,
    GatewayError,
    LoginExpired,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Refused,
    UpstreamError,
    UpstreamTimeout,
)

# ``code`` or ``type`` of OpenAI's error object, which most other vendors have taken over.
BY_WORD: Mapping[str, type[GatewayError]] = {
    "context_length_exceeded": ContextTooLong,
    "insufficient_quota": QuotaExhausted,
    "billing_hard_limit_reached": QuotaExhausted,
    "billing_not_active": QuotaExhausted,
    "content_filter": Refused,
    "content_policy_violation": Refused,
    "rate_limit_exceeded": RateLimited,
    "rate_limit_error": RateLimited,
    "too_many_requests": RateLimited,
    "model_not_found": ModelNotFound,
    "invalid_api_key": LoginExpired,
    "authentication_error": LoginExpired,
    "overloaded_error": Overloaded,
    "timeout": UpstreamTimeout,
    "invalid_request_error": BadRequest,
    "server_error": UpstreamError,
}

_LONGEST_BODY = 65536  # bytes looked at: an HTML page can be megabytes
# What is never closed goes on to the end, so that no page makes this slow.
_TAGS = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<[^<>]*>", re.IGNORECASE | re.DOTALL)
_SECRET = re.compile(
    r"\b((?:sk|gsk|xai|pk|rk|csk|nvapi|AIza|Bearer)[-_ ]?)[A-Za-z0-9_\-*.]{12,}|\b(ya29\.|AQ\.)[\w.-]{10,}"
)


def plain_words(body: bytes, longest: int = 500) -> str:
    """A body that is no JSON as one line, at most ``longest`` characters; of a web page, what people would read."""
    return one_line(body[:_LONGEST_BODY].decode("utf-8", "replace"))[:longest]


def one_line(text: str) -> str:
    """Text or a web page without tags, white space folded."""
    if "<" in text:
        text = html.unescape(_TAGS.sub(" ", text))
    return " ".join(text.split())


def without_secrets(message: str) -> str:
    """A provider's words with the keys masked that some of them repeat."""
    return _SECRET.sub(lambda match: f"{match[1] or match[2]}…", message)
