"""When a provider wants to be asked again: headers, dates, durations and words, as seconds from now."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from omniroute_hooks import retry_after_s
from omniroute_hooks.times import span_s

NOW = "Wed, 21 Oct 2026 07:28:00 GMT"
NOW_S = 1792567680


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        pytest.param({"retry-after": "30"}, "", 30, id="seconds"),
        pytest.param({"retry-after": "1.5"}, "", 1.5, id="parts-of-a-second"),
        pytest.param({"retry-after": "Wed, 21 Oct 2026 07:29:00 GMT"}, "", 60, id="date"),
        pytest.param({"retry-after": "2026-10-21T07:29:00Z"}, "", 60, id="iso-date"),
        pytest.param({"retry-after": str(NOW_S + 9)}, "", 9, id="unix-time"),
        pytest.param({"retry-after-ms": "1500", "retry-after": "2"}, "", 1.5, id="milliseconds-first"),
        pytest.param({"retry-after": "20"}, "try again in 5s", 20, id="header-beats-words"),
        pytest.param({"retry-after": "0"}, "try again in 5s", 5, id="zero-gives-way"),
        pytest.param({"retry-after": "0"}, "", 0, id="zero-alone"),
        pytest.param({"retry-after": "Wed, 21 Oct 2026 07:00:00 GMT"}, "", 0, id="date-gone-by"),
        pytest.param({"retry-after": "soon"}, "", None, id="nonsense"),
        pytest.param({"retry-after": "nan"}, "", None, id="not-a-number"),
        pytest.param({"retry-after": "9" * 400}, "", None, id="infinite"),
        pytest.param({}, "", None, id="nothing"),
        pytest.param({}, "Rate limit reached. Please try again in 1.2s. Visit …", 1.2, id="openai-words"),
        pytest.param({}, "Please try again in 20ms.", 0.02, id="milliseconds-in-words"),
        pytest.param({}, "try again in 6m0s", 360, id="minutes-and-seconds"),
        pytest.param({}, "Try again in 2 hours and 5 minutes", 7500, id="in-full-words"),
        pytest.param({}, "Please retry in 34.074824224s.", 34.074824224, id="gemini-words"),
        pytest.param({}, "Retry after 5 seconds", 5, id="retry-after-in-words"),
        pytest.param({}, "Your quota will reset after 1h30m22s.", 5422, id="reset-after"),
        pytest.param({}, "Limit resets at 2026-10-21T07:30:00Z", 120, id="reset-at"),
        pytest.param({}, '{"details":[{"@type":"RetryInfo","retryDelay":"34s"}]}', 34, id="retry-info"),
        pytest.param({}, '{"error":{"resets_in_seconds": 123}}', 123, id="resets-in-seconds"),
        pytest.param({}, r'{"raw":"{\"retry_after\": 7}"}', 7, id="quoted-json"),
        pytest.param({}, f'{{"resets_at": {NOW_S + 50}}}', 50, id="resets-at-unix"),
        pytest.param({}, "This model is available to you since 3 days", None, id="no-promise"),
        pytest.param(
            {
                "x-ratelimit-remaining-requests": "12",
                "x-ratelimit-reset-requests": "8h",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            "",
            360,
            id="only-the-limit-that-is-used-up",
        ),
        pytest.param(
            {"anthropic-ratelimit-unified-status": "rejected", "anthropic-ratelimit-unified-reset": str(NOW_S + 120)},
            "",
            120,
            id="plan-limit",
        ),
        pytest.param({"x-ratelimit-reset": str((NOW_S + 30) * 1000)}, "", 30, id="unix-milliseconds"),
        pytest.param({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "30"}, "", None, id="room-to-spare"),
    ],
)
def test_hints_become_seconds(headers: dict[str, str], text: str, seconds: float | None) -> None:
    found = retry_after_s({"date": NOW, **headers}, text)

    assert found == pytest.approx(seconds) if seconds is not None else found is None


def test_without_a_date_of_the_provider_our_own_clock_counts() -> None:
    found = retry_after_s({"retry-after": formatdate(time.time() + 100, usegmt=True)}, "")

    assert found is not None
    assert 90 < found <= 100


@pytest.mark.parametrize(
    "text", ["retry " * 50_000, "1s" * 50_000, "1" * 100_000, "retry_after" * 10_000, "retry" + " " * 90_000]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    begun = time.perf_counter()
    retry_after_s({}, text)

    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h2m3.5s", 3723.5), ("2 days", 172800), ("5", None), ("s", None), ("5 parsecs", None)]
)
def test_durations(text: str, seconds: float | None) -> None:
    assert span_s(text) == seconds
