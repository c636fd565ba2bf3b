"""Our failures as callers read them: what is told beside a dialect's own fields, and OpenAI's words for them."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import GatewayError, Unavailable

Json = dict[str, Any]

# kind -> type, code
_OPENAI: dict[str, tuple[str, str | None]] = {
    "bad_request": ("invalid_request_error", None),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "auth": ("invalid_request_error", "invalid_api_key"),
    "permission": ("permission_error", None),
    "not_found": ("invalid_request_error", None),
    "too_large": ("invalid_request_error", "request_too_large"),
    "rate": ("rate_limit_error", "rate_limit_exceeded"),
    "billing": ("insufficient_quota", "insufficient_quota"),
    "filtered": ("invalid_request_error", "content_filter"),
}


def openai_error(error: GatewayError) -> Json:
    """The error object of OpenAI's two dialects."""
    kind, code = _OPENAI.get(error.kind, ("server_error", None))
    return {
        "message": error.message,
        "type": kind,
        "param": error.details[0].path if error.details else None,
        "code": code or error.code,
        **told_beside(error),
    }


def told_beside(error: GatewayError) -> Json:
    """Wrong fields, failed attempts, seconds to wait, and the provider's status and code, each where there is one."""
    out: Json = {}
    if error.details:
        out["details"] = [{"path": detail.path, "problem": detail.problem} for detail in error.details]
    if isinstance(error, Unavailable) and error.attempts:
        out["attempts"] = list(error.attempts)
    if error.retry_after_s is not None:
        out["retry_after_s"] = error.retry_after_s
    if error.upstream_status is not None:
        out["upstream_status"] = error.upstream_status
    if error.upstream_code is not None:
        out["upstream_code"] = error.upstream_code
    return out
