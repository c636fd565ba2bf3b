"""Times as providers write them, and answers read with them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import httpx
import pytest
from omniroute_hooks import LoginExpired, RateLimited, UpstreamError, read_json
from omniroute_hooks.times import http_date, provider_now_s, rfc3339, span_s, unix_time, wait_s

NOW_S = 1_792_567_680.0
MOMENT = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("12ms", 0.012),
        ("250us", 0.00025),
        ("250µs", 0.00025),  # the sign for micro
        ("250μs", 0.00025),  # the Greek letter, which looks like it
        ("90ns", 9e-8),
        ("2m59.56s", 179.56),
        ("1h2m3s", 3723),
        ("2 DAYS", 172_800),
        ("5ſ", 5),  # an old s; patterns that ignore case take it for one
        ("7", None),
        ("", None),
        ("soon", None),
        ("1s later", None),
    ],
)
def test_durations_are_read_with_their_units(text, seconds):
    assert span_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("7", 7, id="seconds"),
        pytest.param("-7", 0, id="gone-by"),
        pytest.param("6m0s", 360, id="duration"),
        pytest.param(f"{NOW_S + 60:.0f}", 60, id="unix-time"),
        pytest.param(f"{(NOW_S + 60) * 1000:.0f}", 60, id="unix-time-in-milliseconds"),
        pytest.param("2026-10-21T07:29:00Z", 60, id="rfc3339"),
        pytest.param("2026-10-21T09:29:00+02:00", 60, id="rfc3339-with-offset"),
        pytest.param("soon", None, id="nonsense"),
        pytest.param("inf", None, id="infinite"),
        pytest.param("", None, id="empty"),
    ],
)
def test_a_wait_is_read_in_every_spelling(text, seconds):
    assert wait_s(text, NOW_S) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("read", "text", "moment"),
    [
        pytest.param(rfc3339, "2026-10-21T07:28:00Z", MOMENT, id="rfc3339"),
        pytest.param(rfc3339, "2026-10-21 07:28", MOMENT, id="without-an-offset-it-is-utc"),
        pytest.param(rfc3339, "0001-01-01T00:00:00+05:00", None, id="before-the-calendar"),
        pytest.param(rfc3339, 1792567680, None, id="no-string"),
        pytest.param(http_date, "Wed, 21 Oct 2026 07:28:00 GMT", MOMENT, id="http-date"),
        pytest.param(http_date, "Wed, 99 Oct 2026", None, id="no-such-day"),
        pytest.param(http_date, None, None, id="no-header"),
        pytest.param(unix_time, "1792567680", MOMENT, id="unix"),
        pytest.param(unix_time, "9" * 30, None, id="after-the-calendar"),
        pytest.param(unix_time, "nan", None, id="not-a-number"),
    ],
)
def test_moments_are_aware_and_in_utc(read, text, moment):
    found = read(text)
    assert found == moment
    assert found is None or found.tzinfo is UTC


def test_now_is_the_providers_where_it_tells():
    assert provider_now_s({"date": "Wed, 21 Oct 2026 07:28:00 GMT"}) == NOW_S
    assert provider_now_s({"date": "today"}) == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "hint_s"),
    [
        pytest.param(401, {}, b"{}", LoginExpired, None, id="refused"),
        pytest.param(429, {"Retry-After": "9"}, b"{}", RateLimited, 9, id="too-often"),
        pytest.param(403, {}, b"{}", UpstreamError, None, id="another-status"),
        pytest.param(200, {}, b"<html>", UpstreamError, None, id="a-page"),
    ],
)
def test_an_answer_that_is_no_json_says_why(status, headers, body, error, hint_s):
    with pytest.raises(UpstreamError, match=r"^The (list|provider)") as caught:
        read_json(httpx.Response(status, headers=headers, content=body), "The list")

    assert type(caught.value) is error
    assert caught.value.retry_after_s == hint_s
    assert caught.value.upstream_status == (None if status == 200 else status)


def test_an_answer_with_json_is_read():
    assert read_json(httpx.Response(200, content=b'{"data":[1]}'), "The list") == {"data": [1]}
