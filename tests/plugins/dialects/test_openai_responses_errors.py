"""Failures: a provider's, told apart; the gateway's own, in this dialect's words."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_dialects.openai_responses import DIALECT
from omniroute_hooks import (
    BadRequest,
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
    UpstreamError,
    UpstreamTimeout,
)


def error(message: str, kind: str | None = None, code: str | None = None) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error("bad", "invalid_request_error"), BadRequest),
        (422, error("bad"), BadRequest),
        (418, error("teapot"), BadRequest),
        (400, error("m", "invalid_request_error", "context_length_exceeded"), ContextTooLong),
        (400, error("Your input exceeds the context window of this model."), ContextTooLong),
        (400, error("prompt is too long: 5 tokens > 4 maximum"), ContextTooLong),
        (401, error("no", "invalid_request_error", "invalid_api_key"), LoginExpired),
        (401, b"", LoginExpired),
        (402, error("pay"), QuotaExhausted),
        (403, error("no"), Entitlement),
        (404, error("no such model", "invalid_request_error", "model_not_found"), ModelNotFound),
        (404, b"<html>404</html>", ModelNotFound),
        (400, error("gone", "invalid_request_error", "previous_response_not_found"), BadRequest),
        (404, error("Previous response with id 'resp_1' not found.", "invalid_request_error"), BadRequest),
        (400, b'{"detail":"The \'m\' model is not supported when using Codex with a ChatGPT account."}', ModelNotFound),
        (413, b"too large", TooLarge),
        (429, error("slow", "requests", "rate_limit_exceeded"), RateLimited),
        (429, error("slow"), RateLimited),
        (429, error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), QuotaExhausted),
        (429, error("You exceeded your current quota, check your plan"), QuotaExhausted),
        (429, b'{"error":{"type":"usage_limit_reached","message":"limit","resets_in_seconds":90}}', QuotaExhausted),
        (400, error("filtered", None, "content_filter"), Refused),
        (400, error("no", None, "cyber_policy_violation"), Refused),
        (408, b"", UpstreamTimeout),
        (504, b"", UpstreamTimeout),
        (503, b"", Overloaded),
        (529, b"", Overloaded),
        (503, error("busy", "server_error", "server_is_overloaded"), Overloaded),
        (500, error("boom", "server_error"), UpstreamError),
        (502, b"<html><body>Bad   gateway</body></html>", UpstreamError),
        (500, error("boom", "invalid_request_error"), UpstreamError),
        (302, b"", UpstreamError),
    ],
)
def test_a_providers_failure_is_told_apart(status: int, body: bytes, kind: type[GatewayError]):
    found = DIALECT.parse_error(status, {}, body)
    assert type(found) is kind
    assert found.upstream_status == status
    assert found.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (error("Their exact words."), "Their exact words."),
        (b'{"error":"plain"}', "plain"),
        (b'{"detail":"plain"}', "plain"),
        (b'{"message":"plain"}', "plain"),
        (b'[{"error":{"message":"plain"}}]', "plain"),
        (b'{"detail":[{"loc":["a"],"msg":"field required"},{"msg":"and so"}]}', "field required; and so"),
        (b"<html><style>b{}</style>\n  Bad\n gateway &amp; co.</html>", "Bad gateway & co."),
        (b"", "The provider answered 500 without a word."),
    ],
)
def test_the_providers_words_are_kept(body: bytes, message: str):
    assert DIALECT.parse_error(500, {}, body).message == message


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, error("slow"), 7),
        ({"retry-after-ms": "1500"}, error("slow"), 1.5),
        (
            {"retry-after": "Sun, 22 Nov 2026 15:00:30 GMT", "date": "Sun, 22 Nov 2026 15:00:00 GMT"},
            error("slow"),
            30,
        ),
        ({}, error("Please try again in 1.2s."), 1.2),
        ({}, b'{"error":{"type":"usage_limit_reached","message":"limit","resets_in_seconds":90}}', 90),
        ({}, error("slow"), None),
    ],
)
def test_hints_of_when_to_come_back_are_kept(headers: dict[str, str], body: bytes, seconds: float | None):
    assert DIALECT.parse_error(429, headers, body).retry_after_s == seconds


@settings(max_examples=200, deadline=None)
@given(st.integers(100, 599), st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text()), st.binary())
def test_any_failure_can_be_read(status: int, headers: dict[str, str], body: bytes):
    assert isinstance(DIALECT.parse_error(status, headers, body), GatewayError)


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "detail", "code", "type", "status"]), inner, max_size=4)
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([200, 400, 404, 429, 500]), _JUNK)
def test_any_json_failure_can_be_read(status: int, body: Any):
    found = DIALECT.parse_error(status, {}, json.dumps(body).encode())
    assert isinstance(found, GatewayError)
    assert found.message


@pytest.mark.parametrize(
    ("failure", "status", "kind", "code", "raised"),
    [
        (BadRequest("m"), 400, "invalid_request_error", "invalid_request", openai.BadRequestError),
        (ContextTooLong("m"), 400, "invalid_request_error", "context_length_exceeded", openai.BadRequestError),
        (Unauthenticated("m"), 401, "invalid_request_error", "invalid_api_key", openai.AuthenticationError),
        (Forbidden("m"), 403, "permission_error", "permission_denied", openai.PermissionDeniedError),
        (NotFound("m"), 404, "invalid_request_error", "not_found", openai.NotFoundError),
        (ModelNotFound("m"), 404, "invalid_request_error", "model_not_found", openai.NotFoundError),
        (TooLarge("m"), 413, "invalid_request_error", "request_too_large", openai.APIStatusError),
        (RateLimited("m"), 429, "rate_limit_error", "rate_limit_exceeded", openai.RateLimitError),
        (LimitReached("m"), 429, "rate_limit_error", "rate_limit_exceeded", openai.RateLimitError),
        (QuotaExhausted("m"), 429, "insufficient_quota", "insufficient_quota", openai.RateLimitError),
        (Refused("m"), 400, "invalid_request_error", "content_filter", openai.BadRequestError),
        (Overloaded("m"), 503, "server_error", "overloaded", openai.InternalServerError),
        (UpstreamError("m"), 502, "server_error", "upstream_error", openai.InternalServerError),
        (LoginExpired("m"), 502, "server_error", "login_expired", openai.InternalServerError),
        (UpstreamTimeout("m"), 504, "server_error", "upstream_timeout", openai.InternalServerError),
        (GatewayError("m"), 500, "server_error", "internal_error", openai.InternalServerError),
    ],
)
def test_b120_failures_in_this_dialects_words(
    failure: GatewayError, status: int, kind: str, code: str, raised: type[Exception]
):
    got, body = DIALECT.render_error(failure, "req_1")
    assert got == status
    assert body == {"error": {"message": "m", "type": kind, "param": None, "code": code}, "request_id": "req_1"}
    transport = httpx.MockTransport(lambda request: httpx.Response(got, json=body))
    with httpx.Client(transport=transport) as http:
        client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0)
        with pytest.raises(raised, match="m"):
            client.responses.create(model="x/gpt", input="hi")


def test_wrong_fields_and_attempts_are_listed():
    wrong = BadRequest.of([FieldProblem("input[0].role", "is required"), FieldProblem("model", "is required")])
    body = DIALECT.render_error(wrong, "r")[1]["error"]
    assert body["param"] == "input[0].role"
    assert body["details"][1] == {"path": "model", "problem": "is required"}
    nobody = Unavailable("All failed.", attempts=("p/m: busy", "q/m: rests"))
    assert DIALECT.render_error(nobody, "r")[1]["error"]["attempts"] == ["p/m: busy", "q/m: rests"]


def test_what_the_provider_said_is_kept_beside():
    failure = UpstreamError("m", upstream_status=500, upstream_code="odd")
    body = DIALECT.render_error(failure, "r")[1]["error"]
    assert (body["upstream_status"], body["upstream_code"]) == (500, "odd")
