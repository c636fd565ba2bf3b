"""The log of requests over the management API: each request once, its attempts within, and nothing of its text."""

import time

import pytest

from core.ledger.usage_record import UsageRecord


def record(gateway, id_, request_id, **more):
    fields = {
        "at": time.time(),
        "endpoint": "/v1/chat/completions",
        "dialect": "openai-chat",
        "provider": "free",
        "requested_model": "pair",
        "model": "a",
        "status": 200,
        "latency_ms": 100.0,
        **more,
    }
    gateway.kernel.usage_log.record(UsageRecord(id=id_, request_id=request_id, **fields))


@pytest.fixture
def logged(gateway):
    """One request that fell back, one that was asked twice of the same, and one that failed."""
    broken = {"final": False, "outcome": "failed", "error_code": "overloaded", "combo": "pair", "path": "pair › 1"}
    record(gateway, "r1.1", "r1", status=503, cost_usd=0.5, input_fresh=10, **broken)
    record(gateway, "r1", "r1", attempt=2, model="b", combo="pair", cost_usd=0.25, cache_read=5, output_visible=7)
    record(gateway, "r2.1", "r2", status=500, cost_usd=0.0, **broken)
    record(gateway, "r2", "r2", attempt=2, combo="pair", cost_usd=None)
    record(gateway, "r3", "r3", provider="", model="", status=404, error_code="model_not_found", requested_model="x")


async def test_each_request_is_listed_once_with_its_attempts_within(gateway, logged):
    listed = await gateway.ask("GET", "/api/usage/call-logs", expect=200)

    assert [entry["id"] for entry in listed] == ["r3", "r2", "r1"]
    unknown, twice, fell_back = listed
    assert [attempt["model"] for attempt in fell_back["attempts"]] == ["a", "b"]
    assert [attempt["final"] for attempt in fell_back["attempts"]] == [False, True]
    assert fell_back["tokens"] == {"in": 15, "out": 7, "cacheRead": 5, "cacheWrite": 0, "reasoning": 0}
    assert (fell_back["costUsd"], fell_back["comboName"], fell_back["model"]) == (0.75, "pair", "b")
    assert twice["costUsd"] is None  # one price is missing
    assert (unknown["attempts"], unknown["provider"], unknown["error"]) == ([], None, "model_not_found")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=1", ["r3"]),
        ("limit=1&offset=1", ["r2"]),
        ("status=error", ["r3"]),
        ("status=ok", ["r2", "r1"]),
        ("combo=pair&model=b", ["r1"]),
        ("provider=nobody", []),
    ],
)
async def test_the_list_can_be_narrowed(gateway, logged, query, expected):
    listed = await gateway.ask("GET", f"/api/usage/call-logs?{query}", expect=200)
    assert [entry["id"] for entry in listed] == expected


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=501", "offset=-1", "limit=1e3", "status=maybe"])
async def test_a_wrong_query_is_refused(gateway, query):
    error = (await gateway.ask("GET", f"/api/usage/call-logs?{query}", expect=400))["error"]
    assert error["details"][0]["field"] == query.partition("=")[0]


async def test_one_request_is_shown_by_its_id(gateway, logged):
    shown = await gateway.ask("GET", "/api/usage/call-logs/r1", expect=200)
    assert (shown["id"], len(shown["attempts"]), shown["story"]) == ("r1", 2, None)  # no longer remembered
    await gateway.ask("GET", "/api/usage/call-logs/r1.1", expect=404)
    await gateway.ask("GET", "/api/usage/call-logs/nothing", expect=404)


async def test_metrics_of_combos_count_requests_and_not_attempts(gateway, logged):
    metrics = await gateway.ask("GET", "/api/combos/metrics", expect=200)

    assert metrics["requests"] == 3
    pair = metrics["metrics"]["pair"]
    assert (pair["totalRequests"], pair["totalSuccesses"]) == (2, 2)
    assert pair["totalFallbacks"] == 1  # asking the same candidate again is none
    assert pair["avgLatencyMs"] == 100.0
