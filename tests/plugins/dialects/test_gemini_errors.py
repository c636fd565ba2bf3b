"""Failures of providers who speak Gemini, and failures told to callers who do."""

from __future__ import annotations

import orjson
import pytest
from google.genai import errors as sdk_errors
from omniroute_dialects.gemini import DIALECT
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
    Unsupported,
    UpstreamError,
    UpstreamTimeout,
)
from omniroute_hooks.errors import BrokenStream, MethodNotAllowed

RPC = "type.googleapis.com/google.rpc."


def body(code: int, message: str = "words", status: str = "", *details: dict) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message, "status": status, "details": list(details)}})


def info(reason: str, **metadata: str) -> dict:
    return {"@type": RPC + "ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": metadata}


def quota(name: str) -> dict:
    return {"@type": RPC + "QuotaFailure", "violations": [{"quotaId": name}]}


@pytest.mark.parametrize(
    ("status", "raw", "kind"),
    [
        (400, body(400, status="INVALID_ARGUMENT"), BadRequest),
        (
            400,
            body(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
            ContextTooLong,
        ),
        (
            400,
            body(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", info("API_KEY_INVALID")),
            LoginExpired,
        ),
        (400, body(400, "User location is not supported for the API use.", "FAILED_PRECONDITION"), Entitlement),
        (400, body(400, "The prompt was blocked due to safety settings."), Refused),
        (401, body(401, status="UNAUTHENTICATED"), LoginExpired),
        (402, body(402), QuotaExhausted),
        (403, body(403, status="PERMISSION_DENIED"), Entitlement),
        (404, body(404, "models/x is not found", "NOT_FOUND"), ModelNotFound),
        (413, body(413), TooLarge),
        (429, body(429, status="RESOURCE_EXHAUSTED"), RateLimited),
        (429, body(429, "q", "", quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")), QuotaExhausted),
        (429, body(429, "Quota exceeded, limit: 0, model: x"), QuotaExhausted),
        (429, body(429, "q", "", info("QUOTA_EXHAUSTED")), QuotaExhausted),
        (429, body(429, "q", "", info("MODEL_CAPACITY_EXHAUSTED")), Overloaded),
        (408, b"", UpstreamTimeout),
        (499, body(499, status="CANCELLED"), UpstreamError),
        (500, body(500, status="INTERNAL"), UpstreamError),
        (502, b"<html><title>Bad gateway</title></html>", UpstreamError),
        (503, body(503, status="UNAVAILABLE"), Overloaded),
        (504, body(504, status="DEADLINE_EXCEEDED"), UpstreamTimeout),
        (529, b"", Overloaded),
    ],
)
def test_a_providers_failure_gets_its_class(status, raw, kind):
    error = DIALECT.parse_error(status, {}, raw)
    assert type(error) is kind
    assert error.upstream_status == status
    assert error.message


@pytest.mark.parametrize(
    ("raw", "message", "code"),
    [
        (body(400, "Exact words: [x]", "INVALID_ARGUMENT"), "Exact words: [x]", "INVALID_ARGUMENT"),
        (b"[" + body(400, "In a list") + b"]", "In a list", ""),
        (b'{"error":"only text"}', "only text", None),
        (b'{"message":"flat"}', "flat", None),
        (b"<html><style>x{}</style><h1>No &amp; no</h1></html>", "No & no", None),
        (b"plain", "plain", None),
        (b"", "The provider answered with status 400 and nothing else.", None),
        (b"\xff\xfe", "\ufffd\ufffd", None),
        (body(400, "w", "S", info("API_KEY_SERVICE_BLOCKED")), "w", "API_KEY_SERVICE_BLOCKED"),
    ],
)
def test_the_providers_words_are_kept(raw, message, code):
    error = DIALECT.parse_error(400, {}, raw)
    assert error.message == message
    assert (error.upstream_code or "") == (code or "")


def test_wrong_fields_are_kept():
    violations = [{"field": "contents[0]", "description": "is empty"}]
    error = DIALECT.parse_error(
        400, {}, body(400, "w", "", {"@type": RPC + "BadRequest", "fieldViolations": violations})
    )
    assert error.details == (FieldProblem("contents[0]", "is empty"),)


@pytest.mark.parametrize("key", ["AIzaSyA1234567890abcdefghijklmnopqrstuv", "ya29.a0AfH6SMBxxxxxxxxxxxx"])
def test_no_message_holds_a_credential(key):
    error = DIALECT.parse_error(403, {}, body(403, f"Consumer 'api_key:{key}' has been suspended."))
    assert key not in error.message
    assert "has been suspended" in error.message


@pytest.mark.parametrize(
    ("headers", "raw", "rest_s"),
    [
        ({}, body(429, "q", "", {"@type": RPC + "RetryInfo", "retryDelay": "34s"}), 34),
        ({}, body(429, "q", "", {"@type": RPC + "RetryInfo", "retryDelay": "34.074824224s"}), 34.074824224),
        ({}, body(429, "q", "", {"@type": RPC + "RetryInfo", "retryDelay": {"seconds": 2, "nanos": 500000000}}), 2.5),
        ({}, body(429, "q", "", info("RATE_LIMIT_EXCEEDED", quotaResetDelay="539.5ms")), 0.5395),
        ({"retry-after": "7"}, body(429), 7),
        ({}, body(429, "Please retry in 1.2s."), 1.2),
        ({}, body(429, "q", "", quota("GenerateRequestsPerMinutePerProject")), 60),
        ({}, body(429), None),
    ],
)
def test_when_to_come_back(headers, raw, rest_s):
    assert DIALECT.parse_error(429, headers, raw).retry_after_s == (None if rest_s is None else pytest.approx(rest_s))


def test_a_limit_that_lasts_is_a_quota():
    raw = body(429, "q", "", {"@type": RPC + "RetryInfo", "retryDelay": "3600s"})
    assert type(DIALECT.parse_error(429, {}, raw)) is QuotaExhausted


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (BadRequest("m"), 400, "INVALID_ARGUMENT"),
        (Unsupported("m"), 400, "INVALID_ARGUMENT"),
        (ContextTooLong("m"), 400, "INVALID_ARGUMENT"),
        (Unauthenticated("m"), 401, "UNAUTHENTICATED"),
        (QuotaExhausted("m"), 429, "RESOURCE_EXHAUSTED"),
        (Forbidden("m"), 403, "PERMISSION_DENIED"),
        (Entitlement("m"), 403, "PERMISSION_DENIED"),
        (NotFound("m"), 404, "NOT_FOUND"),
        (ModelNotFound("m"), 404, "NOT_FOUND"),
        (MethodNotAllowed("m"), 405, "UNIMPLEMENTED"),
        (TooLarge("m"), 413, "INVALID_ARGUMENT"),
        (LimitReached("m"), 429, "RESOURCE_EXHAUSTED"),
        (RateLimited("m"), 429, "RESOURCE_EXHAUSTED"),
        (Overloaded("m"), 503, "UNAVAILABLE"),
        (Unavailable("m", attempts=("a: 429", "b: 503")), 503, "UNAVAILABLE"),
        (UpstreamError("m"), 500, "INTERNAL"),
        (BrokenStream("m"), 500, "INTERNAL"),
        (LoginExpired("m"), 500, "INTERNAL"),
        (UpstreamTimeout("m"), 504, "DEADLINE_EXCEEDED"),
        (Refused("m"), 400, "INVALID_ARGUMENT"),
        (GatewayError("m"), 500, "INTERNAL"),
    ],
)
def test_b120_failures_in_the_callers_shape(error, status, word):
    got, out = DIALECT.render_error(error, "req1")
    assert got == status
    assert out["error"]["code"] == status
    assert out["error"]["status"] == word
    assert out["error"]["message"] == "m"
    reasons = [d["reason"] for d in out["error"]["details"] if "reason" in d]
    assert reasons == [error.code.upper()]
    raised = sdk_errors.APIError(got, out)
    assert (raised.code, raised.message, raised.status) == (status, "m", word)


def test_nothing_of_a_failure_is_lost():
    error = RateLimited(
        "m", retry_after_s=34.5, details=[FieldProblem("a", "b")], upstream_status=429, upstream_code="C"
    )
    _, out = DIALECT.render_error(error, "req1")
    details = {d["@type"].removeprefix(RPC): d for d in out["error"]["details"]}
    assert details["RetryInfo"]["retryDelay"] == "34.5s"
    assert details["BadRequest"]["fieldViolations"] == [{"field": "a", "description": "b"}]
    assert details["ErrorInfo"]["metadata"] == {"upstreamStatus": "429", "upstreamCode": "C"}
    assert details["RequestInfo"]["requestId"] == "req1"
    _, out = DIALECT.render_error(Unavailable("m", attempts=("one", "two")), "req1")
    assert {"@type": RPC + "DebugInfo", "stackEntries": ["one", "two"]} in out["error"]["details"]


def test_what_is_told_here_is_read_here():
    status, out = DIALECT.render_error(RateLimited("m", retry_after_s=2.25), "req1")
    again = DIALECT.parse_error(status, {}, orjson.dumps(out))
    assert type(again) is RateLimited
    assert again.retry_after_s == 2.25
