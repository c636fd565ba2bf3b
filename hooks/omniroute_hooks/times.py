"""Moments and spans as providers write them: durations, dates of three kinds, unix times.

Nothing here raises for what a provider sends: what cannot be read is None.

Source: RFC 9110, 5.6.7 (HTTP dates); RFC 3339; Go's duration strings, which many vendors send.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_EPOCH_FROM = 1_000_000_000  # a bare number from here on is a unix time, not a duration
_EPOCH_MS_FROM = 100_000_000_000

_UNIT = r"(?:ns|us|µs|ms|msecs?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)"
# A duration, for patterns that look for one among other words; case is ignored.
SPAN = rf"\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])(?:(?:\s*,\s*|\s+and\s+|\s*)\d+(?:\.\d+)?\s*{_UNIT}(?![a-z]))*"
_SPAN_ONLY = re.compile(SPAN, re.IGNORECASE)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zµ]+)", re.IGNORECASE)
_UNIT_S = {"n": 1e-9, "u": 1e-6, "μ": 1e-6, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def number(text: str | None) -> float | None:
    """A finite number."""
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None


def span_s(text: str) -> float | None:
    """A duration with its units, in seconds: "1.2s", "20ms", "6m0s", "1h2m3.5s", "2 hours and 5 minutes"."""
    text = text.strip()
    if not _SPAN_ONLY.fullmatch(text):
        return None
    return sum(float(amount) * _unit_s(unit) for amount, unit in _PIECE.findall(text))


def wait_s(text: str, now_s: float) -> float | None:
    """Seconds from ``now_s`` (unix) to what the text names, never below 0.

    A number of seconds, a unix time (in seconds or milliseconds), a duration, or an RFC 3339 time.
    """
    value = number(text)
    if value is not None:
        if value >= _EPOCH_MS_FROM:
            return max(0.0, value / 1000 - now_s)
        return max(0.0, value - now_s) if value >= _EPOCH_FROM else max(0.0, value)
    seconds = span_s(text)
    if seconds is not None:
        return seconds
    moment = rfc3339(text)
    return None if moment is None else max(0.0, moment.timestamp() - now_s)


def rfc3339(value: object) -> datetime | None:
    """An aware time in UTC of an RFC 3339 string; one without an offset is UTC."""
    if not isinstance(value, str):
        return None
    try:
        return _utc(datetime.fromisoformat(value.strip()))
    except (ValueError, OverflowError):
        return None


def http_date(value: str | None) -> datetime | None:
    """An aware time in UTC of an HTTP date."""
    try:
        return _utc(parsedate_to_datetime(value)) if value else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def unix_time(text: str | None) -> datetime | None:
    """An aware time in UTC of unix seconds."""
    value = number(text)
    try:
        return None if value is None else datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def provider_now_s(headers: Mapping[str, str]) -> float:
    """Unix seconds by the provider's own clock, which its times go by; ours where the answer has no ``date``."""
    date = http_date(headers.get("date"))
    return time.time() if date is None else date.timestamp()


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _unit_s(unit: str) -> float:
    unit = unit.casefold()  # not lower(): patterns that ignore case take both signs for micro, and a long s, for one
    return 0.001 if unit.startswith(("ms", "milli")) else _UNIT_S[unit[0]]
