"""Failures, read from providers and written for callers."""

from __future__ import annotations

import orjson
import pytest
from anthropic_cases import signals, sse
from omniroute_dialects.anthropic import DIALECT
from omniroute_hooks import (
    BadRequest,
    BrokenStream,
    ContextTooLong,
    Entitlement,
    FieldProblem,
    Forbidden,
    GatewayError,
    LimitReached,
    LoginExpired,
    ModelNotFound,
    NotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unsupported,
    UpstreamError,
    UpstreamTimeout,
)
from omniroute_hooks.errors import MethodNotAllowed
from omniroute_hooks.events import Broke

NOW = "Sun, 06 Nov 1994 08:49:37 GMT"
NOW_S = 784111777


def body(kind: str, message: str, **more: object) -> bytes:
    return orjson.dumps({"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "r"})


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "messages: too few", BadRequest),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", ContextTooLong),
        (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2", ContextTooLong),
        (400, "invalid_request_error", "Your credit balance is too low to access the API", QuotaExhausted),
        (400, "invalid_request_error", "Output blocked by content filtering policy", Refused),
        (401, "authentication_error", "invalid x-api-key", LoginExpired),
        (402, "billing_error", "pay", QuotaExhausted),
        (403, "permission_error", "not yours", Entitlement),
        (404, "not_found_error", "model: nope", ModelNotFound),
        (408, "timeout_error", "slow", UpstreamTimeout),
        (409, "conflict_error", "again", UpstreamError),
        (413, "request_too_large", "32 MB", TooLarge),
        (422, "invalid_request_error", "no", BadRequest),
        (429, "rate_limit_error", "slow down", RateLimited),
        (500, "api_error", "oops", UpstreamError),
        (502, "api_error", "oops", UpstreamError),
        (503, "overloaded_error", "busy", Overloaded),
        (504, "timeout_error", "slow", UpstreamTimeout),
        (529, "overloaded_error", "busy", Overloaded),
        (500, "overloaded_error", "busy", Overloaded),
        (599, "weird_error", "x", UpstreamError),
        (418, "weird_error", "x", BadRequest),
    ],
)
def test_a_providers_error_is_named(status, kind, message, expected):
    error = DIALECT.parse_error(status, {}, body(kind, message))
    assert type(error) is expected
    assert (error.message, error.upstream_status, error.upstream_code) == (message, status, kind)


def test_a_spend_limit_is_no_rate_limit():
    answer = body("rate_limit_error", "limit", details={"error_code": "enforced_spend_limit_reached"})
    assert type(DIALECT.parse_error(429, {}, answer)) is QuotaExhausted


@pytest.mark.parametrize(
    ("status", "answer", "expected", "message"),
    [
        (
            502,
            b"<html><head><style>b{}</style></head><body><h1>502 Bad\nGateway</h1></body></html>",
            UpstreamError,
            "502 Bad Gateway",
        ),
        (503, b"", Overloaded, "The provider answered with status 503."),
        (400, b"plain words", BadRequest, "plain words"),
        (400, b'{"error":"just words"}', BadRequest, "just words"),
        (400, b'{"detail":"field"}', BadRequest, "field"),
        (400, b'[{"error":{"message":"listed"}}]', BadRequest, "listed"),
        (429, b'{"error":{"message":7}}', RateLimited, "The provider answered with status 429."),
        (500, b"\xff\xfe", UpstreamError, "��"),
        (400, b'"words"', BadRequest, "words"),
        (400, b"[" * 2000, BadRequest, "[" * 2000),
        (200, b"{}", UpstreamError, "The provider answered with status 200."),
    ],
)
def test_nonsense_is_an_error_too(status, answer, expected, message):
    error = DIALECT.parse_error(status, {}, answer)
    assert (type(error), error.message) == (expected, message)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT"}, 60),
        ({"retry-after-ms": "1500"}, 1.5),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "1994-11-06T08:51:37Z",
            },
            120,
        ),
        (
            {"anthropic-ratelimit-tokens-remaining": "9", "anthropic-ratelimit-tokens-reset": "1994-11-06T08:51:37Z"},
            None,
        ),
        (
            {
                "retry-after": "10",
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": str(NOW_S + 500),
                "anthropic-ratelimit-unified-5h-status": "allowed",
                "anthropic-ratelimit-unified-5h-reset": str(NOW_S + 9000),
            },
            500,
        ),
        (
            {
                "retry-after": "700",
                "anthropic-ratelimit-unified-5h-status": "rejected",
                "anthropic-ratelimit-unified-5h-reset": str(NOW_S + 500),
                "anthropic-ratelimit-unified-overage-status": "rejected",
                "anthropic-ratelimit-unified-overage-reset": str(NOW_S + 99999),
            },
            700,
        ),
        ({"anthropic-ratelimit-unified-status": "rejected", "anthropic-ratelimit-unified-reset": "nan"}, None),
        ({}, None),
    ],
)
def test_a_rate_limit_tells_when_to_come_back(headers, seconds):
    error = DIALECT.parse_error(429, {"date": NOW, **headers}, body("rate_limit_error", "slow down"))
    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", Overloaded),
        ("rate_limit_error", RateLimited),
        ("authentication_error", LoginExpired),
        ("invalid_request_error", BadRequest),
        ("api_error", UpstreamError),
        ("timeout_error", UpstreamTimeout),
        ("brand_new_error", UpstreamError),
    ],
)
def test_an_error_in_a_stream_is_named_like_any_other(kind, expected):
    (found,) = signals(sse({"type": "error", "error": {"type": kind, "message": "words"}}))
    assert isinstance(found, Broke)
    assert (type(found.error), found.error.message) == (expected, "words")


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (BadRequest("x"), 400, "invalid_request_error"),
        (Unsupported("x"), 400, "invalid_request_error"),
        (MethodNotAllowed("x"), 405, "invalid_request_error"),
        (ContextTooLong("prompt is too long: 5 > 4"), 400, "invalid_request_error"),
        (Unauthenticated("x"), 401, "authentication_error"),
        (QuotaExhausted("x"), 402, "billing_error"),
        (Forbidden("x"), 403, "permission_error"),
        (Entitlement("x"), 403, "permission_error"),
        (NotFound("x"), 404, "not_found_error"),
        (ModelNotFound("x"), 404, "not_found_error"),
        (TooLarge("x"), 413, "request_too_large"),
        (RateLimited("x"), 429, "rate_limit_error"),
        (LimitReached("x"), 429, "rate_limit_error"),
        (UpstreamError("x"), 500, "api_error"),
        (BrokenStream("x"), 500, "api_error"),
        (LoginExpired("x"), 500, "api_error"),
        (GatewayError("x"), 500, "api_error"),
        (UpstreamTimeout("x"), 504, "timeout_error"),
        (Overloaded("x"), 529, "overloaded_error"),
        (Unavailable("x"), 529, "overloaded_error"),
        (Refused("x"), 400, "invalid_request_error"),
    ],
)
def test_a_caller_gets_the_vendors_words(error, status, kind):
    assert DIALECT.render_error(error, "req_1") == (
        status,
        {
            "type": "error",
            "error": {"type": kind, "message": error.message, "code": error.code},
            "request_id": "req_1",
        },
    )


def test_nothing_of_an_error_is_lost():
    _, bad = DIALECT.render_error(BadRequest.of([FieldProblem("messages[0].role", "is required")]), "r")
    assert bad["error"]["details"] == [{"path": "messages[0].role", "problem": "is required"}]
    _, gone = DIALECT.render_error(Unavailable("all failed", retry_after_s=9, attempts=["a: 429", "b: rests"]), "r")
    assert (gone["error"]["attempts"], gone["error"]["retry_after_s"]) == (["a: 429", "b: rests"], 9)


def test_a_prompt_too_long_always_says_so_in_the_words_that_clients_look_for():
    _, body = DIALECT.render_error(ContextTooLong("This model's maximum context length is 8192 tokens."), "r")
    assert body["error"]["message"] == "prompt is too long: This model's maximum context length is 8192 tokens."
