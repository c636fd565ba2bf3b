"""Our failures as a caller of this dialect reads them.

Source: facts of the vendor's error codes in docs/translation.md, "Errors".
"""

from __future__ import annotations

from typing import Any

from omniroute_hooks import GatewayError

from ..failures_out import openai_error

_OWN_CODES = frozenset({"limit_reached"})  # the gateway's own limits are not the provider's


def render_error(error: GatewayError, request_id: str) -> tuple[int, dict[str, Any]]:
    """HTTP status and body."""
    out = openai_error(error)
    if error.code in _OWN_CODES:
        out["code"] = error.code
    return error.status, {"error": out} | ({"request_id": request_id} if request_id else {})
