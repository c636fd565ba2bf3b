"""Which conversation a request belongs to, as the vendor's own client says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

HEADER = "x-claude-code-session-id"


def session_of(headers: Mapping[str, str], metadata: Any) -> str | None:
    """The header's session id, else the one within ``metadata.user_id``: a JSON object in newer clients,
    words joined by ``_`` in older ones."""
    if headers.get(HEADER):
        return headers[HEADER]
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    if not isinstance(user, str):
        return None
    if user.startswith("{"):
        try:
            value = orjson.loads(user)
        except orjson.JSONDecodeError:
            return None
        found = value.get("session_id") if isinstance(value, dict) else None
        return found if isinstance(found, str) and found else None
    return user.partition("_session_")[2] or None
