"""What the four dialects read out of failures in the same way, and tell of them in the same way."""

from __future__ import annotations

import time
from importlib.metadata import entry_points

import pytest
from omniroute_dialects.failures_in import plain_words
from omniroute_hooks import (
    ANTHROPIC,
    GEMINI,
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    Entitlement,
    LoginExpired,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TooLarge,
    UpstreamError,
    UpstreamTimeout,
)
from omniroute_hooks.testing.contract import GROUP, ask

DIALECTS = {
    item.id: item for point in entry_points(group=GROUP) for item in ask(point.load()).get("omniroute_dialects", ())
}
ALL = (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GEMINI)


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, LoginExpired),
        (402, QuotaExhausted),
        (403, Entitlement),
        (404, ModelNotFound),
        (408, UpstreamTimeout),
        (413, TooLarge),
        (429, RateLimited),
        (500, UpstreamError),
        (502, UpstreamError),
        (503, Overloaded),
        (504, UpstreamTimeout),
        (529, Overloaded),
    ],
)
def test_a_status_without_words_means_the_same_in_every_dialect(dialect, status, error):
    found = DIALECTS[dialect].parse_error(status, {}, b"")

    assert type(found) is error
    assert (found.upstream_status, str(status) in found.message) == (status, True)


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("sk-proj-0123456789abcdef", "sk-…"),
        ("AIzaSyA0123456789abcdefghijk", "AIza…"),
        ("ya29.a0AfB_byC0123456", "ya29.…"),
    ],
)
def test_a_key_that_the_provider_repeats_is_masked(dialect, key, shown):
    body = b'{"error": {"message": "The key %s is not one of ours."}}' % key.encode()

    assert DIALECTS[dialect].parse_error(401, {}, body).message == f"The key {shown} is not one of ours."


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"  upstream\n connect   error ", "upstream connect error", id="plain"),
        pytest.param(b"<h1>502 Bad Gateway</h1><hr>a &amp; b", "502 Bad Gateway a & b", id="page"),
        pytest.param(b"<style>b{c:d}</style>x<SCRIPT>1<2</SCRIPT >y", "x y", id="neither-styles-nor-scripts"),
        pytest.param(b"<b>x</b><script>never closed", "x", id="cut-in-a-script"),
        pytest.param(b"caf\xe9", "caf\N{REPLACEMENT CHARACTER}", id="not-utf-8"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_a_body_without_json_is_read_as_people_would(body, words):
    assert plain_words(body) == words


@pytest.mark.parametrize("piece", [b"<", b"<script", b"<style>x", b"<!--", b"</script><script"])
def test_a_hostile_page_takes_no_time(piece):
    began = time.perf_counter()
    plain_words(piece * 100_000)

    assert time.perf_counter() - began < 1.0
