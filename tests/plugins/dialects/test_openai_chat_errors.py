"""Errors of OpenAI chat: a provider's as ours, ours as a caller reads them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from omniroute_dialects.openai_chat import DIALECT
from omniroute_hooks import (
    BadRequest,
    BrokenStream,
    ContextTooLong,
    Entitlement,
    FieldProblem,
    GatewayError,
    LimitReached,
    LoginExpired,
    ModelNotFound,
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


def error(message: str = "words", **fields: Any) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": None, "param": None, "code": None, **fields}})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error("bad temperature", type="invalid_request_error"), BadRequest),
        (400, error(code="context_length_exceeded"), ContextTooLong),
        (400, error("This model's maximum context length is 8192 tokens."), ContextTooLong),
        (400, error("prompt is too long: 210000 tokens > 200000 maximum"), ContextTooLong),
        (413, error("Request too large: input is too long"), ContextTooLong),
        (
            500,
            error("the request exceeds the available context size", type="exceed_context_size_error"),
            ContextTooLong,
        ),
        (400, error("The model `x` does not exist"), ModelNotFound),
        (400, error("flagged", code="content_filter"), Refused),
        (400, error("triggering Azure OpenAI's content management policy"), Refused),
        (401, error("Incorrect API key", code="invalid_api_key"), LoginExpired),
        (402, error("Insufficient Balance"), QuotaExhausted),
        (403, error("Country not supported"), Entitlement),
        (403, error("Insufficient credits"), QuotaExhausted),
        (404, error(code="model_not_found"), ModelNotFound),
        (404, b"404 page not found", ModelNotFound),
        (408, error(), UpstreamTimeout),
        (410, error(), ModelNotFound),
        (413, error("too big"), TooLarge),
        (422, orjson.dumps({"detail": [{"loc": ["body", "n"], "msg": "not an int"}]}), BadRequest),
        (429, error("slow"), RateLimited),
        (429, error("You exceeded your current quota", code="insufficient_quota"), QuotaExhausted),
        (429, error("Request too large for tokens per min: too many tokens per minute"), RateLimited),
        (500, error(), UpstreamError),
        (500, error("busy", type="overloaded_error"), Overloaded),
        (502, b"<html><head><title>502 Bad Gateway</title></head></html>", UpstreamError),
        (503, error(), Overloaded),
        (504, b"", UpstreamTimeout),
        (520, b"\xff\xfe", UpstreamError),
        (529, error(), Overloaded),
        (418, error(), UpstreamError),
    ],
)
def test_a_providers_failure_gets_its_class(status: int, body: bytes, kind: type[GatewayError]) -> None:
    found = DIALECT.parse_error(status, {}, body)

    assert type(found) is kind
    assert found.upstream_status == status
    assert found.message


def test_a_quota_that_comes_back_in_seconds_is_a_rate_limit() -> None:
    words = "You exceeded your current quota, please check your plan. Please retry in 12s."

    assert type(DIALECT.parse_error(429, {}, error(words))) is RateLimited
    assert type(DIALECT.parse_error(429, {}, error("You exceeded your current quota"))) is QuotaExhausted


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (error("the words"), "the words"),
        (b'{"error":"the words"}', "the words"),
        (b'{"message":"the words"}', "the words"),
        (b'{"detail":"the words"}', "the words"),
        (b'{"detail":{"message":"the words"}}', "the words"),
        (b'[{"error":{"message":"the words"}}]', "the words"),
        (b'{"errors":[{"message":"the words"}]}', "the words"),
        (b'{"error":{"message":"Provider error","metadata":{"raw":"the words"}}}', "Provider error: the words"),
        (b"the words\n", "the words"),
        (b"<html><title>the words</title>", "the words"),
        (b"<p>the <b>words</b></p>", "the words"),
        (b'"the words"', "the words"),
    ],
)
def test_the_providers_words_are_kept(body: bytes, words: str) -> None:
    assert words in DIALECT.parse_error(500, {}, body).message


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"7", b'{"error":{}}', b'{"error":[]}', b"[" * 9999])
def test_a_failure_without_words_is_still_one(body: bytes) -> None:
    assert DIALECT.parse_error(500, {}, body).message


def test_hints_of_when_to_come_back_are_kept() -> None:
    assert DIALECT.parse_error(429, {"retry-after": "7"}, error()).retry_after_s == 7
    assert DIALECT.parse_error(429, {}, error("Please try again in 1.5s.")).retry_after_s == 1.5
    assert DIALECT.parse_error(429, {}, error(metadata={"retry_after": 4})).retry_after_s == 4


def test_the_wrong_field_is_kept() -> None:
    found = DIALECT.parse_error(400, {}, error("Unknown", param="messages[0].role", code="unknown_parameter"))

    assert found.details == (FieldProblem("messages[0].role", "Unknown"),)
    assert found.upstream_code == "unknown_parameter"


def test_no_credential_gets_into_a_message() -> None:
    words = "Incorrect API key provided: sk-proj-abcdefghijklmnop. Also Bearer abcdefghijklmnopq."
    found = DIALECT.parse_error(401, {}, error(words))

    assert "abcdefghijkl" not in found.message
    assert "Incorrect API key provided" in found.message


@pytest.mark.parametrize(
    ("failure", "status", "kind", "code"),
    [
        (BadRequest("x"), 400, "invalid_request_error", "invalid_request"),
        (Unsupported("x"), 400, "invalid_request_error", "unsupported_field"),
        (ContextTooLong("x"), 400, "invalid_request_error", "context_length_exceeded"),
        (Unauthenticated("x"), 401, "invalid_request_error", "invalid_api_key"),
        (Entitlement("x"), 403, "permission_error", "upstream_forbidden"),
        (ModelNotFound("x"), 404, "invalid_request_error", "model_not_found"),
        (TooLarge("x"), 413, "invalid_request_error", "request_too_large"),
        (RateLimited("x"), 429, "rate_limit_error", "rate_limit_exceeded"),
        (LimitReached("x"), 429, "rate_limit_error", "limit_reached"),
        (QuotaExhausted("x"), 429, "insufficient_quota", "insufficient_quota"),
        (Overloaded("x"), 503, "server_error", "overloaded"),
        (BrokenStream("x"), 502, "server_error", "stream_broken"),
        (UpstreamTimeout("x"), 504, "server_error", "upstream_timeout"),
        (Refused("x"), 400, "invalid_request_error", "content_filter"),
        (GatewayError("x"), 500, "server_error", "internal_error"),
    ],
)
def test_b120_our_failures_have_the_shape_that_callers_know(
    failure: GatewayError, status: int, kind: str, code: str
) -> None:
    found, body = DIALECT.render_error(failure, "req-1")

    assert found == status
    assert body["request_id"] == "req-1"
    inner = body["error"]
    assert (inner["message"], inner["type"], inner["code"], inner["param"]) == ("x", kind, code, None)


def test_nothing_of_a_failure_is_lost() -> None:
    wrong = BadRequest.of([FieldProblem("a.b", "is bad"), FieldProblem("c", "is worse")])
    _, body = DIALECT.render_error(wrong, "r")
    assert body["error"]["param"] == "a.b"
    assert body["error"]["details"] == [{"path": "a.b", "problem": "is bad"}, {"path": "c", "problem": "is worse"}]

    _, body = DIALECT.render_error(Unavailable("all failed", retry_after_s=3, attempts=("one", "two")), "r")
    assert body["error"]["attempts"] == ["one", "two"]
    assert body["error"]["retry_after_s"] == 3

    _, body = DIALECT.render_error(RateLimited("x", upstream_status=429, upstream_code="tokens"), "r")
    assert (body["error"]["upstream_status"], body["error"]["upstream_code"]) == (429, "tokens")
