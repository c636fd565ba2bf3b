"""When a used-up limit fills again, from the vendor's rate-limit headers.

Source: https://platform.claude.com/docs/en/api/rate-limits: ``-reset`` is a date (RFC 3339) for API keys. In the
``unified`` windows of subscriptions it is seen to be unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from omniroute_hooks.times import number, provider_now_s, rfc3339

LIMIT_HEADERS = "anthropic-ratelimit-"
_UNIFIED = LIMIT_HEADERS + "unified-"
_LONGEST_S = 31 * 86400.0  # no window is longer than a month
_LIMITS = ("requests", "tokens", "input-tokens", "output-tokens")


def window_reset_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until the last of the used-up windows fills again; None where the headers name none."""
    times: list[float] = []
    for name, value in headers.items():
        if not name.startswith(_UNIFIED) or not name.endswith("status") or value != "rejected":
            continue
        window = name.removeprefix(_UNIFIED).removesuffix("status")
        if window != "overage-":  # the account's policy, not a window
            times.append(number(headers.get(f"{_UNIFIED}{window}reset")) or 0.0)
    for limit in _LIMITS:
        if headers.get(f"{LIMIT_HEADERS}{limit}-remaining") == "0":
            moment = rfc3339(headers.get(f"{LIMIT_HEADERS}{limit}-reset"))
            times.append(0.0 if moment is None else moment.timestamp())
    last = max(times, default=0.0)
    return min(max(0.0, last - provider_now_s(headers)), _LONGEST_S) if last > 0 else None
