"""When to come back: every place where a provider says it, read into seconds from now.

Providers say it in headers (seconds, milliseconds, dates, durations like "6m0s") and in their words ("try
again in 1.2s"). The answer's own ``date`` header is "now" where there is one, so that a provider whose clock
is off by an hour still asks for the right number of seconds.

Source: RFC 9110, 10.2.3 (Retry-After); the vendors' rate limit headers; google.rpc.RetryInfo.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_TEXT = 65536  # characters searched: an HTML page can be megabytes
_EPOCH_FROM = 1_000_000_000  # a bare number from here on is a unix time, not a duration
_EPOCH_MS_FROM = 100_000_000_000

_UNIT = r"(?:ms|msecs?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)"
_SPAN = rf"\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])(?:(?:\s*,\s*|\s+and\s+|\s*)\d+(?:\.\d+)?\s*{_UNIT}(?![a-z]))*"
_SPAN_ONLY = re.compile(_SPAN, re.IGNORECASE)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)
_WORDS = re.compile(
    rf"(?:try\s+again|retry|retrying|available|reset|resets|wait|available\s+again)"
    rf"(?:\s+(?:your\s+request|again|for|in|after|about|approximately|at\s+least))*[\s:]*({_SPAN})",
    re.IGNORECASE,
)
_MOMENT = re.compile(
    r"(?:try\s+again|retry|reset|resets|available)\s+(?:at|after|on|until)[\s:]+"
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"\\?[\"']?(retry_?delay|resets?_in_seconds|retry_after_seconds|retry_after_ms|retry_after|resets_at|reset_at)"
    r"\\?[\"']?\s*[:=]\s*\\?[\"']?(\d+(?:\.\d+)?\s*[a-z]{0,12})",
    re.IGNORECASE,
)


def retry_after_s(headers: Mapping[str, str], text: str) -> float | None:
    """Seconds until the provider wants to be asked again; None where it does not say.

    ``headers``: the answer's, names in lower case. ``text``: the error's message, or its whole body. The most
    direct hint wins: Retry-After, then the words, then the reset time of a limit that is used up. A hint of
    zero or of a time gone by gives way to any later one.
    """
    now_s = _now_s(headers)
    least: float | None = None
    for hint_s in _hints(headers, text[:_LONGEST_TEXT], now_s):
        if hint_s > 0:
            return hint_s
        least = 0.0
    return least


def span_s(text: str) -> float | None:
    """A duration as vendors write it, in seconds: "1.2s", "20ms", "6m0s", "1h2m3.5s", "2 minutes"; None for others."""
    text = text.strip()
    if not _SPAN_ONLY.fullmatch(text):
        return None
    return sum(float(amount) * _seconds(unit) for amount, unit in _PIECE.findall(text))


def _hints(headers: Mapping[str, str], text: str, now_s: float) -> Iterator[float]:
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        yield millis / 1000
    after = headers.get("retry-after")
    if after:
        seconds = _moment_or_span(after, now_s)
        if seconds is None:
            seconds = _http_date(after, now_s)
        if seconds is not None:
            yield seconds
    yield from _said(text, now_s)
    yield from _resets(headers, now_s)


def _said(text: str, now_s: float) -> Iterator[float]:
    for name, value in _FIELD.findall(text):
        seconds = _moment_or_span(value, now_s)
        if seconds is not None:
            yield seconds / 1000 if name.lower().endswith("_ms") else seconds
    for words in _WORDS.findall(text):
        seconds = span_s(words)
        if seconds is not None:
            yield seconds
    for moment in _MOMENT.findall(text):
        seconds = _iso(moment, now_s)
        if seconds is not None:
            yield seconds


def _resets(headers: Mapping[str, str], now_s: float) -> Iterator[float]:
    """The latest reset of the limits that are used up: until then none of them lets a request through."""
    waits: list[float] = []
    for name, value in headers.items():
        if "ratelimit" not in name or "reset" not in name:
            continue
        # "...-reset" belongs to "...-remaining"; OpenAI writes the kind of limit behind the word
        left = _number(headers.get(name.replace("reset", "remaining")))
        used_up = headers.get(name.replace("reset", "status")) == "rejected" or (left is not None and left <= 0)
        if not used_up and (left is not None or not name.endswith("ratelimit-reset")):
            continue  # a limit with room to spare tells nothing
        seconds = _moment_or_span(value, now_s)
        if seconds is not None:
            waits.append(seconds)
    if waits:
        yield max(waits)


def _moment_or_span(value: str, now_s: float) -> float | None:
    number = _number(value)
    if number is not None:
        if number >= _EPOCH_MS_FROM:
            return max(0.0, number / 1000 - now_s)
        return max(0.0, number - now_s) if number >= _EPOCH_FROM else max(0.0, number)
    seconds = span_s(value)
    return seconds if seconds is not None else _iso(value, now_s)


def _iso(value: str, now_s: float) -> float | None:
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now_s)
    except (ValueError, OverflowError):
        return None


def _http_date(value: str, now_s: float) -> float | None:
    at_s = _date_s(value)
    return None if at_s is None else max(0.0, at_s - now_s)


def _date_s(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _now_s(headers: Mapping[str, str]) -> float:
    date = headers.get("date")
    at_s = _date_s(date) if date else None
    return time.time() if at_s is None else at_s


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


def _seconds(unit: str) -> float:
    unit = unit.lower()
    if unit.startswith(("ms", "milli")):
        return 0.001
    return {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}[unit[0]]
