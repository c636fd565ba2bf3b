"""Whether the gateway may listen where others can reach it: only with a password and with API keys."""

from __future__ import annotations

from core.settings import Settings

from .callers import is_loopback


def refusal(settings: Settings, host: str, has_password: bool, requires_key: bool) -> str | None:
    """Why the gateway does not start on ``host``, and what to set; None where it may."""
    if is_loopback(host):
        return None
    missing = []
    if not has_password:
        missing.append("INITIAL_PASSWORD=<a password of at least 8 characters>")
    if not requires_key:
        missing.append("REQUIRE_API_KEY=true")
    if not missing:
        return None
    return (
        f"OmniRoute does not listen on {host}, where others can reach it, without a password and required API keys. "
        f"Set {' and '.join(missing)}, or leave HOSTNAME at 127.0.0.1."
    )
