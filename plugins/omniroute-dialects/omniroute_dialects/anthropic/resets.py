"""When a used-up limit fills again, from the vendor's rate-limit headers.

Source: docs/providers: ``anthropic-ratelimit-*-reset`` is a date (RFC 3339) for API keys, and unix seconds in the
``unified`` windows of subscriptions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LIMIT_HEADERS = "anthropic-ratelimit-"
_UNIFIED = LIMIT_HEADERS + "unified-"
_LONGEST_S = 31 * 86400.0  # no window is longer than a month
_LIMITS = ("requests", "tokens", "input-tokens", "output-tokens")


def window_reset_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until the last of the used-up windows fills again; None where the headers name none."""
    now = _now(headers)
    times: list[float] = []
    for name, value in headers.items():
        if not name.startswith(_UNIFIED) or not name.endswith("status") or value != "rejected":
            continue
        window = name.removeprefix(_UNIFIED).removesuffix("status")
        if window != "overage-":  # the account's policy, not a window
            times.append(_unix(headers.get(f"{_UNIFIED}{window}reset")))
    for limit in _LIMITS:
        if headers.get(f"{LIMIT_HEADERS}{limit}-remaining") == "0":
            times.append(_date(headers.get(f"{LIMIT_HEADERS}{limit}-reset")))
    last = max(times, default=0.0)
    return min(max(0.0, last - now), _LONGEST_S) if last > 0 else None


def _now(headers: Mapping[str, str]) -> float:
    """The provider's own clock where it tells, since ours may differ."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return time.time()


def _unix(value: str | None) -> float:
    try:
        moment = float(value or 0)
    except ValueError:
        return 0.0
    return moment if math.isfinite(moment) else 0.0


def _date(value: str | None) -> float:
    try:
        moment = datetime.fromisoformat(value or "")
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
