"""Our failures as a caller of this dialect reads them.

Source: facts of the vendor's error codes in docs/translation.md, "Errors".
"""

from __future__ import annotations

from typing import Any

from omniroute_hooks import GatewayError, Unavailable

# kind -> type, code
_KINDS: dict[str, tuple[str, str | None]] = {
    "bad_request": ("invalid_request_error", None),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "auth": ("invalid_request_error", "invalid_api_key"),
    "permission": ("permission_error", None),
    "not_found": ("invalid_request_error", None),
    "too_large": ("invalid_request_error", None),
    "rate": ("rate_limit_error", "rate_limit_exceeded"),
    "billing": ("insufficient_quota", "insufficient_quota"),
    "overloaded": ("server_error", None),
    "upstream": ("server_error", None),
    "timeout": ("server_error", None),
    "filtered": ("invalid_request_error", "content_filter"),
    "internal": ("server_error", None),
}
_OWN_CODES = frozenset({"limit_reached"})  # the gateway's own limits are not the provider's


def render_error(error: GatewayError, request_id: str) -> tuple[int, dict[str, Any]]:
    """HTTP status and body."""
    kind, code = _KINDS.get(error.kind, ("server_error", None))
    if type(error).code in _OWN_CODES:
        code = error.code
    out: dict[str, Any] = {
        "message": error.message,
        "type": kind,
        "param": error.details[0].path if error.details else None,
        "code": code or error.code,
    }
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
    body: dict[str, Any] = {"error": out}
    if request_id:
        body["request_id"] = request_id
    return error.status, body
