"""Times: unix seconds inside, ISO-8601 text in UTC with a ``Z`` where people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def to_iso(unix_s: float) -> str: ...
@overload
def to_iso(unix_s: None) -> None: ...
def to_iso(unix_s: float | None) -> str | None:
    """``1735689600.5`` -> ``"2025-01-01T00:00:00.500Z"``. None stays None."""
    if unix_s is None:
        return None
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> float:
    """Unix seconds of an ISO-8601 time. A time without a zone is taken as UTC.

    Errors: ValueError when the text is no such time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()
