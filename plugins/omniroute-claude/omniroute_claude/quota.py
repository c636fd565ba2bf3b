"""What is left: the windows of a subscription (5 hours, 7 days) and those of an API key (per minute).

The usage address gives percent, 0 to 100; the headers give fractions, 0 to 1. Windows have the same names either
way, so a reading from headers replaces one from the address.

Source: for subscriptions what open clients read, the vendor documents none of it; for keys
https://platform.claude.com/docs/en/api/rate-limits, "Response headers".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from omniroute_hooks import Connection, Entitlement, Http, QuotaWindow, UpstreamError, read_json
from omniroute_hooks.times import number, rfc3339, unix_time

from .login import root
from .subscription import OAUTH_BETA

Json = Any

FIVE_HOURS = "5h"
WEEK = "7d"

# Subscriptions, from the address --------------------------------------------------------------------------


async def read_usage(connection: Connection, http: Http) -> Sequence[QuotaWindow]:
    """GET /api/oauth/usage, at the address where the connection is called.

    Errors: `LoginExpired` (401), `Entitlement` (403: a login without the profile scope), `RateLimited` (429),
    `UpstreamError` for everything else that is no reading.
    """
    answer = await http.get(
        f"{root(connection.data.get('baseUrl'))}/api/oauth/usage",
        headers={
            "Authorization": f"Bearer {connection.credential['access_token']}",
            "anthropic-beta": OAUTH_BETA,
            "Accept": "application/json",
        },
    )
    if answer.status_code == 403:
        raise Entitlement("This login may not read its usage.", upstream_status=403)
    usage = read_json(answer, "The usage")
    if not isinstance(usage, dict):
        raise UpstreamError("The usage is no JSON object.")
    return usage_windows(usage)


def usage_windows(usage: Mapping[str, Json]) -> tuple[QuotaWindow, ...]:
    """The windows of a usage answer: its named fields, with the newer ``limits`` list taken over them."""
    windows: dict[tuple[str, str | None], QuotaWindow] = {}
    for name, value in usage.items():
        window = _named(name, value)
        if window is not None:
            windows[window.name, window.model] = window
    for limit in usage.get("limits") or ():
        window = _limit(limit)
        if window is not None:
            windows[window.name, window.model] = window
    extra = _extra(usage.get("extra_usage"))
    return (*windows.values(), *((extra,) if extra is not None else ()))


def _named(name: str, value: Json) -> QuotaWindow | None:
    """``five_hour``, ``seven_day``, ``seven_day_opus`` and further ones of the week; null where they do not apply."""
    if not isinstance(value, dict) or not (name == "five_hour" or name.startswith("seven_day")):
        return None
    model = name.removeprefix("seven_day_") if name.startswith("seven_day_") else None
    return _percent(
        FIVE_HOURS if name == "five_hour" else WEEK, value.get("utilization"), value.get("resets_at"), model
    )


def _limit(value: Json) -> QuotaWindow | None:
    """One of ``limits``: kind "session", "weekly_all" or "weekly_scoped" (one model family)."""
    if not isinstance(value, dict):
        return None
    kind = value.get("kind")
    percent, resets_at = value.get("percent"), value.get("resets_at")
    if kind == "session":
        return _percent(FIVE_HOURS, percent, resets_at)
    if kind == "weekly_all":
        return _percent(WEEK, percent, resets_at)
    if kind == "weekly_scoped":
        scope = value.get("scope")
        model = scope.get("model") if isinstance(scope, dict) else None
        name = model.get("display_name") if isinstance(model, dict) else None
        return _percent(WEEK, percent, resets_at, name.lower()) if isinstance(name, str) and name else None
    return None


def _extra(value: Json) -> QuotaWindow | None:
    """Usage bought on top, in cents; a limit of null or 0 means there is none."""
    if not isinstance(value, dict) or not value.get("is_enabled") or value.get("currency", "USD") != "USD":
        return None
    used, limit = value.get("used_credits"), value.get("monthly_limit")
    if not isinstance(used, int | float):
        return None
    return QuotaWindow(
        "extra usage", used / 100, limit / 100 if isinstance(limit, int | float) and limit else None, "usd"
    )


def _percent(name: str, used: Json, resets_at: Json, model: str | None = None) -> QuotaWindow | None:
    if not isinstance(used, int | float) or isinstance(used, bool):
        return None
    return QuotaWindow(name, round(float(used), 2), 100.0, "percent", rfc3339(resets_at), model)


# Subscriptions, from headers ------------------------------------------------------------------------------

_UNIFIED = re.compile(r"anthropic-ratelimit-unified-(5h|7d(?:_(\w+))?)-utilization")


def subscription_windows(headers: Mapping[str, str]) -> tuple[QuotaWindow, ...] | None:
    """The windows in ``anthropic-ratelimit-unified-*``; None where there are none.

    Those like ``7d_oi`` count one model family, named by what stands behind the underscore.
    """
    windows = []
    for name, value in headers.items():
        match = _UNIFIED.fullmatch(name)
        fraction = number(value) if match else None
        if match is None or fraction is None:
            continue
        resets_at = unix_time(headers.get(f"anthropic-ratelimit-unified-{match[1]}-reset"))
        windows.append(QuotaWindow(match[1][:2], round(fraction * 100, 2), 100.0, "percent", resets_at, match[2]))
    return tuple(windows) or None


# API keys, from headers -----------------------------------------------------------------------------------

_KEY_WINDOWS: tuple[tuple[str, Literal["requests", "tokens"]], ...] = (
    ("requests", "requests"),
    ("tokens", "tokens"),
    ("input-tokens", "tokens"),
    ("output-tokens", "tokens"),
)


def key_windows(headers: Mapping[str, str]) -> tuple[QuotaWindow, ...] | None:
    """The minute's windows in ``anthropic-ratelimit-{requests,tokens,…}-*``; None where there are none."""
    windows = []
    for name, unit in _KEY_WINDOWS:
        limit = number(headers.get(f"anthropic-ratelimit-{name}-limit"))
        remaining = number(headers.get(f"anthropic-ratelimit-{name}-remaining"))
        if limit is not None and remaining is not None:
            resets_at = rfc3339(headers.get(f"anthropic-ratelimit-{name}-reset"))
            windows.append(QuotaWindow(name.replace("-", " "), max(limit - remaining, 0.0), limit, unit, resets_at))
    return tuple(windows) or None
