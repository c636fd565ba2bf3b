"""The minute's requests and tokens, as every answer of OpenAI tells them.

Source: https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Literal

from omniroute_hooks import QuotaWindow

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_LONGEST_WAIT_S = 31 * 86400.0  # no window is longer; a header gone wrong must not run out of the calendar
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def quota_from_headers(headers: Mapping[str, str]) -> Sequence[QuotaWindow] | None:
    """The minute's windows of an answer: ``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``."""
    return quota_windows(headers, datetime.now(UTC))


def quota_windows(headers: Mapping[str, str], now: datetime) -> tuple[QuotaWindow, ...] | None:
    """The windows as seen at ``now``; None where the headers hold none."""
    windows = [window for unit in ("requests", "tokens") if (window := _window(headers, unit, now)) is not None]
    return tuple(windows) or None


def _window(headers: Mapping[str, str], unit: Literal["requests", "tokens"], now: datetime) -> QuotaWindow | None:
    try:
        limit = float(headers[f"x-ratelimit-limit-{unit}"])
        remaining = float(headers[f"x-ratelimit-remaining-{unit}"])
    except (KeyError, ValueError):
        return None
    if not (isfinite(limit) and isfinite(remaining) and limit > 0):
        return None
    wait_s = duration_s(headers.get(f"x-ratelimit-reset-{unit}", ""))
    resets_at = None if wait_s is None else now + timedelta(seconds=min(wait_s, _LONGEST_WAIT_S))
    return QuotaWindow(unit, min(max(limit - remaining, 0.0), limit), limit, unit, resets_at)


def duration_s(text: str) -> float | None:
    """Seconds in a duration as Go writes it ("6m0s", "12ms", "2m59.56s") or in a bare number; None for neither."""
    text = text.strip()
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None
