"""When to come back: every place where a provider says it, read into seconds from now.

Providers say it in headers (seconds, milliseconds, dates, durations like "6m0s") and in their words ("try
again in 1.2s"). The answer's own ``date`` header is "now" where there is one, so that a provider whose clock
is off by an hour still asks for the right number of seconds.

Source: RFC 9110, 10.2.3 (Retry-After); the vendors' rate limit headers; google.rpc.RetryInfo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .times import SPAN, http_date, number, provider_now_s, rfc3339, span_s, wait_s

_LONGEST_TEXT = 65536  # characters searched: an HTML page can be megabytes

_WORDS = re.compile(
    rf"(?:try\s+again|retry|retrying|available|reset|resets|wait|available\s+again)"
    rf"(?:\s+(?:your\s+request|again|for|in|after|about|approximately|at\s+least))*[\s:]*({SPAN})",
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


def retry_after_s(headers: Mapping[str, str], text: str = "") -> float | None:
    """Seconds until the provider wants to be asked again; None where it does not say.

    ``headers``: the answer's, names in lower case. ``text``: the error's message, or its whole body. The most
    direct hint wins: Retry-After, then the words, then the reset time of a limit that is used up. A hint of
    zero or of a time gone by gives way to any later one.
    """
    now_s = provider_now_s(headers)
    least: float | None = None
    for hint_s in _hints(headers, text[:_LONGEST_TEXT], now_s):
        if hint_s > 0:
            return hint_s
        least = 0.0
    return least


def _hints(headers: Mapping[str, str], text: str, now_s: float) -> Iterator[float]:
    millis = number(headers.get("retry-after-ms"))
    if millis is not None:
        yield millis / 1000
    after = headers.get("retry-after")
    if after:
        seconds = wait_s(after, now_s)
        if seconds is not None:
            yield seconds
        elif (moment := http_date(after)) is not None:
            yield max(0.0, moment.timestamp() - now_s)
    yield from _said(text, now_s)
    yield from _resets(headers, now_s)


def _said(text: str, now_s: float) -> Iterator[float]:
    for name, value in _FIELD.findall(text):
        seconds = wait_s(value, now_s)
        if seconds is not None:
            yield seconds / 1000 if name.lower().endswith("_ms") else seconds
    for words in _WORDS.findall(text):
        seconds = span_s(words)
        if seconds is not None:
            yield seconds
    for text_of_moment in _MOMENT.findall(text):
        moment = rfc3339(text_of_moment)
        if moment is not None:
            yield max(0.0, moment.timestamp() - now_s)


def _resets(headers: Mapping[str, str], now_s: float) -> Iterator[float]:
    """The latest reset of the limits that are used up: until then none of them lets a request through."""
    waits: list[float] = []
    for name, value in headers.items():
        if "ratelimit" not in name or "reset" not in name:
            continue
        # "...-reset" belongs to "...-remaining"; OpenAI writes the kind of limit behind the word
        left = number(headers.get(name.replace("reset", "remaining")))
        used_up = headers.get(name.replace("reset", "status")) == "rejected" or (left is not None and left <= 0)
        if not used_up and (left is not None or not name.endswith("ratelimit-reset")):
            continue  # a limit with room to spare tells nothing
        seconds = wait_s(value, now_s)
        if seconds is not None:
            waits.append(seconds)
    if waits:
        yield max(waits)
