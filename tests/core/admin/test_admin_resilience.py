"""The resilience policy, its live state and its reset, the gateway's health and its providers' latencies, over HTTP."""

from __future__ import annotations

import os

import pytest
from omniroute_hooks import QuotaExhausted, RateLimited, UpstreamError

from core import __version__

ACME = ("acme", "apikey")


async def connect(gateway, name="main", provider="acme", **more):
    values = {"auth_type": "apikey", "credential": {"api_key": "sk-secret-of-the-tests"}, **more}
    record = await gateway.kernel.store.create_connection(provider=provider, name=name, **values)
    await gateway.kernel.reload()
    return record.id


async def fail(gateway, connection_id, error, scope="connection", model="acme-1"):
    async with gateway.kernel.resilience.slot(*ACME, connection_id, model) as passage:
        passage.failed(error, scope)


async def open_breaker(gateway):
    for number in range(12):
        await fail(gateway, f"c{number}", UpstreamError("HTTP 500"))


def lockout(body, connection_id):
    (found,) = [entry for entry in body["lockouts"] if entry["connectionId"] == connection_id]
    return found


# the policy ---------------------------------------------------------------------------------------------------


async def test_policy_has_defaults_with_pacing_off(gateway):
    policy = await gateway.ask("GET", "/api/resilience", expect=200)
    assert set(policy) == {"requestQueue", "connectionCooldown", "providerBreaker", "waitForCooldown"}
    assert policy["requestQueue"]["requestsPerMinute"] is None
    assert policy["waitForCooldown"] == {"enabled": True, "maxRetries": 3, "maxRetryWaitSec": 30}


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_change_counts_from_the_next_request_on_and_survives_a_restart(opened, method):
    change = {"connectionCooldown": {"apikey": {"baseCooldownMs": 500}}, "requestQueue": {"concurrentRequests": 2}}
    async with opened() as gateway:
        await gateway.enter()
        before = await gateway.ask("GET", "/api/resilience", expect=200)
        changed = await gateway.ask(method, "/api/resilience", change, expect=200)
        assert changed.pop("ok") is True
        assert changed["connectionCooldown"]["apikey"]["baseCooldownMs"] == 500
        assert changed["connectionCooldown"]["oauth"] == before["connectionCooldown"]["oauth"]
        assert changed["requestQueue"] == {**before["requestQueue"], "concurrentRequests": 2}
        assert gateway.kernel.resilience.policy.resting("apikey").base_cooldown_ms == 500
        assert gateway.kernel.resilience.limits("any").at_once == 2
        assert await gateway.ask(method, "/api/resilience", {}, expect=200) == {"ok": True, **changed}
    async with opened() as gateway:
        await gateway.enter()
        assert await gateway.ask("GET", "/api/resilience", expect=200) == changed
        assert gateway.kernel.resilience.limits("any").at_once == 2


async def test_wrong_fields_are_all_named_and_nothing_changes(gateway):
    wrong = {
        "requestQueue": {"requestsPerMinute": 0, "concurrentRequests": 5},
        "providerBreaker": {"oauth": {"resetTimeoutMs": "1"}},
        "legacy": {},
    }
    before = await gateway.ask("GET", "/api/resilience", expect=200)
    answer = await gateway.ask("PATCH", "/api/resilience", wrong, expect=400)
    assert {detail["field"] for detail in answer["error"]["details"]} == {
        "requestQueue.requestsPerMinute",
        "providerBreaker.oauth.resetTimeoutMs",
        "legacy",
    }
    assert await gateway.ask("GET", "/api/resilience", expect=200) == before
    await gateway.ask("PATCH", "/api/resilience", [1], expect=400)


async def test_connections_own_concurrency_counts_as_soon_as_it_is_set(gateway):
    id_ = await connect(gateway)
    await gateway.ask("PATCH", f"/api/providers/{id_}", {"maxConcurrent": 3}, expect=200)
    assert gateway.kernel.resilience.limits(id_).at_once == 3
    await gateway.ask("PATCH", f"/api/providers/{id_}", {"maxConcurrent": None}, expect=200)
    assert gateway.kernel.resilience.limits(id_).off


async def test_new_key_and_a_removed_connection_end_their_rests(gateway):
    one, two = await connect(gateway, "one"), await connect(gateway, "two")
    for id_ in (one, two):
        await fail(gateway, id_, RateLimited("slow down", retry_after_s=600))
    await gateway.ask("PATCH", f"/api/providers/{one}", {"name": "still one"}, expect=200)
    assert len((await gateway.ask("GET", "/api/rate-limits", expect=200))["lockouts"]) == 2
    await gateway.ask("PATCH", f"/api/providers/{one}", {"apiKey": "sk-another"}, expect=200)
    await gateway.ask("DELETE", f"/api/providers/{two}", expect=200)
    assert (await gateway.ask("GET", "/api/rate-limits", expect=200))["lockouts"] == []


# live state ---------------------------------------------------------------------------------------------------


async def test_rate_limits_show_pace_queue_and_rests(gateway):
    resting = await connect(gateway, "resting")
    busy = await connect(gateway, "busy", max_concurrent=4)
    await fail(gateway, resting, RateLimited("Slow down.", retry_after_s=3600))
    await fail(gateway, busy, QuotaExhausted("Used up.", retry_after_s=60), "model", "big/model")
    async with gateway.kernel.resilience.slot(*ACME, busy, "acme-1"):
        body = await gateway.ask("GET", "/api/rate-limits", expect=200)
    shown = {connection["name"]: connection for connection in body["connections"]}
    assert shown["busy"]["limits"]["concurrentRequests"] == 4
    assert (shown["busy"]["enabled"], shown["busy"]["running"], shown["busy"]["queued"]) == (True, 1, 0)
    assert shown["busy"]["rest"] is None  # only one model of it rests
    assert (shown["resting"]["enabled"], shown["resting"]["providerName"]) == (False, "Acme")
    assert shown["resting"]["rest"]["reason"] == "Slow down."
    assert 3_590_000 < shown["resting"]["rest"]["remainingMs"] <= 3_600_000
    assert body["overview"] == {"queued": 0, "running": 1, "resting": 1}
    of_model, of_connection = lockout(body, busy), lockout(body, resting)
    assert (of_model["provider"], of_model["model"], of_model["kind"]) == ("acme", "big/model", "quota")
    assert (of_model["failureCount"], of_model["probeAt"]) == (1, None)
    assert (of_connection["model"], of_connection["kind"]) == (None, "limit")
    assert of_connection["probeAt"] < of_connection["until"]
    assert "sk-secret" not in str(body)


async def test_provider_that_needs_no_connection_is_named_too(gateway):
    async with gateway.kernel.resilience.slot("free", "none", "free:none", "m") as passage:
        passage.failed(RateLimited("slow down", retry_after_s=60))
    body = await gateway.ask("GET", "/api/rate-limits", expect=200)
    assert lockout(body, "free:none")["provider"] == "free"


@pytest.mark.parametrize(
    ("body", "count", "left"),
    [
        pytest.param(None, 4, set(), id="everything"),
        pytest.param({}, 4, set(), id="everything-asked-for-politely"),
        pytest.param({"provider": "acme"}, 3, {"free:none"}, id="a-provider"),
        pytest.param({"provider": "ac"}, 3, {"free:none"}, id="a-provider-by-its-prefix"),
        pytest.param({"provider": "free"}, 1, {"one", "two"}, id="a-provider-without-connections"),
        pytest.param({"connectionId": "one"}, 1, {"two", "free:none"}, id="a-connection"),
        pytest.param({"connectionId": "one", "provider": "acme"}, 1, {"two", "free:none"}, id="both"),
    ],
)
async def test_reset(gateway, body, count, left):
    ids = {name: await connect(gateway, name) for name in ("one", "two")}
    names = {id_: name for name, id_ in ids.items()}
    for id_ in ids.values():
        await fail(gateway, id_, RateLimited("slow down", retry_after_s=60))
    await open_breaker(gateway)
    gateway.kernel.resilience.reset(None, [f"c{number}" for number in range(12)])  # leaves the breaker alone
    async with gateway.kernel.resilience.slot("free", "none", "free:none", "m") as passage:
        passage.failed(RateLimited("slow down", retry_after_s=60))
    if body and "connectionId" in body:
        body = {**body, "connectionId": ids[body["connectionId"]]}
    answer = await gateway.ask("POST", "/api/resilience/reset", body, expect=200)
    assert (answer["ok"], answer["resetCount"], answer["breakers"] + answer["cooldowns"]) == (True, count, count)
    state = await gateway.ask("GET", "/api/rate-limits", expect=200)
    assert {names.get(entry["connectionId"], entry["connectionId"]) for entry in state["lockouts"]} == left


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"provider": "nobody"}, 404),
        ({"connectionId": "nobody"}, 404),
        ({"provider": "acme", "connectionId": "free:none"}, 404),
        ({"providers": ["acme"]}, 400),
        ({"provider": 5}, 400),
        ([], 400),
    ],
)
async def test_reset_of_something_unknown_resets_nothing(gateway, body, status):
    await fail(gateway, await connect(gateway), RateLimited("slow down", retry_after_s=60))
    await gateway.ask("POST", "/api/resilience/reset", body, expect=status)
    assert len((await gateway.ask("GET", "/api/rate-limits", expect=200))["lockouts"]) == 1


# health -------------------------------------------------------------------------------------------------------


async def test_health_tells_anybody_next_to_nothing(gateway):
    await fail(gateway, await connect(gateway), RateLimited("slow down", retry_after_s=60))
    async with gateway.browser() as anybody:
        for headers in ({}, {"Cookie": "auth_token=made-up"}):
            answer = await anybody.get("/api/monitoring/health", headers=headers)
            assert answer.status_code == 200
            assert set(answer.json()) == {"status", "version", "uptime"}
            assert (answer.json()["status"], answer.json()["version"]) == ("healthy", __version__)
            assert 0 <= answer.json()["uptime"] < 600


async def test_health_tells_the_user_all(gateway):
    id_ = await connect(gateway)
    await fail(gateway, id_, RateLimited("slow down", retry_after_s=60))
    body = await gateway.ask("GET", "/api/monitoring/health", expect=200)
    assert (body["status"], body["problems"]) == ("healthy", [])
    assert body["system"]["pid"] == os.getpid()
    assert body["system"]["memoryBytes"] > 1_000_000
    assert body["providerSummary"] == {"catalogCount": 4, "configuredCount": 1, "activeCount": 2}
    assert body["activeConnections"] == 2
    assert body["circuitBreakers"] == {"open": 0, "halfOpen": 0, "closed": 2, "total": 2}
    assert body["lockouts"][0]["connectionId"] == id_
    assert body["plugins"]["broken"] == [
        {"name": "bad", "distribution": "omniroute-bad", "reason": "It cannot be imported."}
    ]
    assert body["quota"] == {"known": 0, "stale": 0, "low": []}
    assert "sk-secret" not in str(body)


async def test_health_is_degraded_while_a_breaker_is_not_closed(gateway):
    await connect(gateway)
    await open_breaker(gateway)
    body = await gateway.ask("GET", "/api/monitoring/health", expect=200)
    assert body["status"] == "degraded"
    assert "Acme is failing; its breaker is open." in body["problems"]
    assert body["circuitBreakers"] == {"open": 1, "halfOpen": 0, "closed": 1, "total": 2}
    (breaker,) = body["providerBreakers"]
    assert (breaker["provider"], breaker["name"], breaker["state"]) == ("acme", "Acme", "open")
    assert (breaker["failureCount"], breaker["reason"]) == (12, "HTTP 500")
    assert 0 < breaker["retryAfterMs"] <= 30_000
    async with gateway.browser() as anybody:
        assert (await anybody.get("/api/monitoring/health")).json()["status"] == "degraded"
    await gateway.ask("POST", "/api/resilience/reset", expect=200)
    body = await gateway.ask("GET", "/api/monitoring/health", expect=200)
    assert body["circuitBreakers"]["open"] == 0


async def test_health_is_degraded_while_many_attempts_fail(gateway):
    for number in range(9):
        async with gateway.kernel.resilience.slot(*ACME, f"c{number}", "m") as passage:
            if number % 3:
                passage.succeeded()
            else:
                passage.failed(UpstreamError("HTTP 500"))
    body = await gateway.ask("GET", "/api/monitoring/health", expect=200)
    assert (body["status"], body["problems"]) == ("degraded", ["3 of the last 9 attempts at Acme failed."])


async def test_health_sends_load_balancers_elsewhere_while_shutting_down(gateway):
    gateway.kernel.draining = True
    async with gateway.browser() as anybody:
        answer = await anybody.get("/api/monitoring/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")


async def test_quota_that_is_nearly_used_up_is_shown(gateway, outside):
    outside.reply("/quota", {"used": 95})
    id_ = await connect(gateway, "login", "club", auth_type="oauth", credential={"access_token": "t"})
    await gateway.ask("POST", f"/api/providers/{id_}/quota", expect=200)
    quota = (await gateway.ask("GET", "/api/monitoring/health", expect=200))["quota"]
    assert (quota["known"], quota["stale"]) == (1, 0)
    assert [(low["connectionId"], low["window"], low["percentRemaining"]) for low in quota["low"]] == [(id_, "5h", 5.0)]


async def test_telemetry_shows_percentiles_of_each_provider(gateway):
    resilience = gateway.kernel.resilience
    now_s = [0.0]
    resilience.clock = lambda: now_s[0]
    for ms in (*range(1, 100), 5000):
        async with resilience.slot(*ACME, "c", "m") as passage:
            now_s[0] += ms / 2000
            passage.answering()
            now_s[0] += ms / 2000
            passage.succeeded()
    async with resilience.slot("free", "none", "free:none", "m") as passage:
        passage.failed(UpstreamError("HTTP 500"))
    body = await gateway.ask("GET", "/api/telemetry/summary", expect=200)
    acme, free = body["providers"]["acme"], body["providers"]["free"]
    assert (acme["name"], acme["count"], acme["errorRate"]) == ("Acme", 100, 0)
    assert (acme["p50"], acme["p95"], acme["p99"]) == (50, 95, 99)
    assert acme["firstToken"]["p50"] == 25
    assert (free["count"], free["failures"], free["p50"]) == (1, 1, None)
    assert (body["count"], body["errorRate"], body["windowSeconds"]) == (101, pytest.approx(0.0099), 900)
    now_s[0] += 901
    assert (await gateway.ask("GET", "/api/telemetry/summary", expect=200))["providers"] == {}


async def test_telemetry_of_a_new_gateway_is_empty(gateway):
    body = await gateway.ask("GET", "/api/telemetry/summary", expect=200)
    assert (body["count"], body["p99"], body["providers"]) == (0, None, {})
