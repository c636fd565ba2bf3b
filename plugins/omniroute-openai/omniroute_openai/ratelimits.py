"""The minute's requests and tokens, as every answer of OpenAI tells them.

Source: https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from omniroute_hooks import QuotaWindow
from omniroute_hooks.times import number, wait_s

_LONGEST_WAIT_S = 31 * 86400.0  # no window is longer; a header gone wrong must not run out of the calendar


def quota_from_headers(headers: Mapping[str, str]) -> Sequence[QuotaWindow] | None:
    """The minute's windows of an answer: ``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``."""
    return quota_windows(headers, datetime.now(UTC))


def quota_windows(headers: Mapping[str, str], now: datetime) -> tuple[QuotaWindow, ...] | None:
    """The windows as seen at ``now``; None where the headers hold none."""
    windows = [window for unit in ("requests", "tokens") if (window := _window(headers, unit, now)) is not None]
    return tuple(windows) or None


def _window(headers: Mapping[str, str], unit: Literal["requests", "tokens"], now: datetime) -> QuotaWindow | None:
    limit = number(headers.get(f"x-ratelimit-limit-{unit}"))
    remaining = number(headers.get(f"x-ratelimit-remaining-{unit}"))
    if limit is None or remaining is None or limit <= 0:
        return None
    rest_s = wait_s(headers.get(f"x-ratelimit-reset-{unit}", ""), now.timestamp())
    resets_at = None if rest_s is None else now + timedelta(seconds=min(rest_s, _LONGEST_WAIT_S))
    return QuotaWindow(unit, min(max(limit - remaining, 0.0), limit), limit, unit, resets_at)
