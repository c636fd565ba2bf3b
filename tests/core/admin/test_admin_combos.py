"""Combos over the management API: made, changed, ordered, checked, with defaults, counted; and patterns of aliases."""

import asyncio
import time

import pytest

from core.gateway.naming.resolve import resolve
from core.ledger.usage_record import UsageRecord


async def made(gateway, name, *models, **more):
    return await gateway.ask("POST", "/api/combos", {"name": name, "models": list(models), **more}, expect=201)


async def refused(gateway, method, path, body, field):
    error = (await gateway.ask(method, path, body, expect=400))["error"]
    assert field in [detail["field"] for detail in error["details"]], error
    return next(detail["message"] for detail in error["details"] if detail["field"] == field)


async def listed(gateway):
    return [combo["name"] for combo in (await gateway.ask("GET", "/api/combos", expect=200))["combos"]]


# Making and changing ------------------------------------------------------------------------------------------------


async def test_a_combo_is_kept_as_it_was_made(gateway):
    steps = [
        "fr/one",
        {"model": "fr/two", "weight": 30},
        {"kind": "combo-ref", "comboName": "combo/other"},
        {"comboName": "third"},
    ]
    shown = await made(
        gateway, "best-of/v1.0", *steps, strategy="fill-first", config={"maxRetries": 0, "totalMs": 9000}
    )
    assert [(m["kind"], m.get("model", m.get("comboName")), m["weight"]) for m in shown["models"]] == [
        ("model", "fr/one", 1.0),
        ("model", "fr/two", 30.0),
        ("combo-ref", "other", 1.0),
        ("combo-ref", "third", 1.0),
    ]
    assert (shown["strategy"], shown["config"]) == ("fill-first", {"maxRetries": 0, "totalMs": 9000})
    assert shown["effective"]["maxRetries"] == 0
    assert shown["effective"]["stream"] == "direct"
    assert [m["problem"] is None for m in shown["models"]] == [True, True, False, False]
    again = await gateway.ask("GET", f"/api/combos/{shown['id']}", expect=200)
    assert again == shown
    back = {key: again[key] for key in ("name", "models", "strategy", "config", "isActive")}
    assert (await gateway.ask("PUT", f"/api/combos/{shown['id']}", back, expect=200))["models"] == shown["models"]


async def test_a_change_counts_at_once(gateway):
    combo = await made(gateway, "c", "fr/one", config={"idleMs": 5, "maxRetries": 3})
    snapshot = gateway.kernel.snapshot
    assert [choice.model for choice in resolve(snapshot, "c").choices] == ["one"]
    path = f"/api/combos/{combo['id']}"
    changed = await gateway.ask("PATCH", path, {"models": ["fr/two"], "config": {"idleMs": None}}, expect=200)
    assert changed["config"] == {"maxRetries": 3}
    plan = resolve(gateway.kernel.snapshot, "c")
    assert [choice.model for choice in plan.choices] == ["two"]
    assert (plan.config.idle_ms, plan.config.max_retries) == (None, 3)
    assert [choice.model for choice in resolve(snapshot, "c").choices] == ["one"]  # a running request's own plan
    await gateway.ask("PUT", path, {"isActive": False}, expect=200)
    assert gateway.kernel.snapshot.combo("c") is None
    await gateway.ask("DELETE", path, expect=200)
    await gateway.ask("GET", path, expect=404)
    await gateway.ask("DELETE", path, expect=404)
    await gateway.ask("PUT", path, {"name": "x"}, expect=404)


async def test_a_new_name_is_followed_by_the_combos_that_name_it(gateway):
    inner = await made(gateway, "inner", "fr/one")
    outer = await made(gateway, "outer", {"comboName": "inner"}, "inner-model")
    await gateway.ask("PUT", f"/api/combos/{inner['id']}", {"name": "renamed"}, expect=200)
    shown = await gateway.ask("GET", f"/api/combos/{outer['id']}")
    assert [m.get("comboName", m.get("model")) for m in shown["models"]] == ["renamed", "inner-model"]
    await gateway.ask("DELETE", f"/api/combos/{inner['id']}", expect=200)
    shown = await gateway.ask("GET", f"/api/combos/{outer['id']}")
    assert "renamed" in shown["models"][0]["problem"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"models": ["m"]}, "name"),
        ({"name": "has space"}, "name"),
        ({"name": "combo/x"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "c", "models": "m"}, "models"),
        ({"name": "c", "models": [7]}, "models[0]"),
        ({"name": "c", "models": [{"weight": 1}]}, "models[0].model"),
        ({"name": "c", "models": [{"kind": "combo-ref", "model": "m"}]}, "models[0].comboName"),
        ({"name": "c", "models": [{"model": "m", "comboName": "n"}]}, "models[0].model"),
        ({"name": "c", "models": ["m", {"model": "n", "weight": 101}]}, "models[1].weight"),
        ({"name": "c", "models": [{"model": "n", "weight": True}]}, "models[0].weight"),
        ({"name": "c", "models": [{"model": "n", "oops": 1}]}, "models[0].oops"),
        ({"name": "c", "models": [{"comboName": "n", "connectionId": "x"}]}, "models[0].connectionId"),
        ({"name": "c", "models": ["m", "m"]}, "models"),
        ({"name": "c", "models": ["m"] * 101}, "models"),
        ({"name": "c", "models": [{"model": "m", "connectionId": "nobody"}]}, "models"),
        ({"name": "c", "models": ["c"]}, "models"),
        ({"name": "c", "models": [{"comboName": "c"}]}, "models"),
        ({"name": "c", "strategy": "magic"}, "strategy"),
        ({"name": "c", "strategy": 3}, "strategy"),
        ({"name": "c", "config": {"maxRetries": 11}}, "config.maxRetries"),
        ({"name": "c", "config": {"stream": "odd"}}, "config.stream"),
        ({"name": "c", "config": {"strategy": "fill-first"}}, "config.strategy"),
        ({"name": "c", "config": {"nope": 1}}, "config.nope"),
        ({"name": "c", "isActive": "yes"}, "isActive"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_field(gateway, body, field):
    await refused(gateway, "POST", "/api/combos", body, field)
    assert await listed(gateway) == []


async def test_names_are_unique(gateway):
    await made(gateway, "one")
    other = await made(gateway, "two")
    await gateway.ask("POST", "/api/combos", {"name": "one"}, expect=409)
    await gateway.ask("PUT", f"/api/combos/{other['id']}", {"name": "one"}, expect=409)


async def test_circles_are_refused_over_any_number_of_steps_and_through_aliases(gateway):
    await made(gateway, "a", "b")
    await made(gateway, "b", {"comboName": "c"})
    told = await refused(gateway, "POST", "/api/combos", {"name": "c", "models": ["combo/a"]}, "models")
    assert told == "circular combo reference: c → a → b → c"
    await gateway.ask("PUT", "/api/models/alias", {"alias": "all-round", "model": "a"}, expect=200)
    await refused(gateway, "POST", "/api/combos", {"name": "c", "models": ["all-round"]}, "models")
    third = await made(gateway, "c", "fr/m", isActive=False)
    path = f"/api/combos/{third['id']}"
    await refused(gateway, "PUT", path, {"models": ["a"]}, "models")
    await refused(gateway, "PUT", path, {"name": "b2", "models": ["b2"]}, "models")


async def test_the_order_is_the_users_and_outlives_a_restart(opened):
    async with opened() as gateway:
        await gateway.enter()
        ids = {name: (await made(gateway, name, "fr/m"))["id"] for name in "abcd"}
        order = {"comboIds": [ids["d"], "nobody", ids["b"]]}
        answer = await gateway.ask("POST", "/api/combos/reorder", order, expect=200)
        assert [combo["name"] for combo in answer["combos"]] == ["d", "b", "a", "c"]
        assert [entry.id for entry in gateway.kernel.snapshot.listed][:4] == ["d", "b", "a", "c"]
    async with opened() as gateway:
        await gateway.enter()
        assert await listed(gateway) == ["d", "b", "a", "c"]
        await made(gateway, "e")
        assert await listed(gateway) == ["d", "b", "a", "c", "e"]


async def test_combos_made_at_once_are_all_kept_in_an_order(gateway):
    bodies = [{"name": f"c{n}", "models": ["fr/m"]} for n in range(8)]
    answers = await asyncio.gather(*(gateway.client.post("/api/combos", json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {201}
    combos = (await gateway.ask("GET", "/api/combos"))["combos"]
    assert [combo["sortOrder"] for combo in combos] == list(range(8))


# Defaults -----------------------------------------------------------------------------------------------------------


async def test_defaults_are_merged_and_hold_for_combos_that_say_nothing(gateway):
    path = "/api/settings/combo-defaults"
    before = (await gateway.ask("GET", path, expect=200))["comboDefaults"]
    assert (before["strategy"], before["maxRetries"], before["hedgeAfterMs"]) == ("priority", 1, None)
    quiet = await made(gateway, "quiet", "fr/m")
    loud = await made(gateway, "loud", "fr/m", config={"maxRetries": 0})
    await gateway.ask("PATCH", path, {"comboDefaults": {"strategy": "fill-first", "maxRetries": 4}}, expect=200)
    after = (await gateway.ask("PATCH", path, {"comboDefaults": {"idleMs": 700}}, expect=200))["comboDefaults"]
    assert (after["strategy"], after["maxRetries"], after["idleMs"]) == ("fill-first", 4, 700)
    effective = {}
    for combo in (quiet, loud):
        effective[combo["name"]] = (await gateway.ask("GET", f"/api/combos/{combo['id']}"))["effective"]
    assert (effective["quiet"]["maxRetries"], effective["loud"]["maxRetries"]) == (4, 0)
    assert effective["loud"]["strategy"] == "fill-first"
    assert resolve(gateway.kernel.snapshot, "quiet").config.idle_ms == 700
    back = await gateway.ask("PATCH", path, {"comboDefaults": {"maxRetries": None, "strategy": None}}, expect=200)
    assert (back["comboDefaults"]["maxRetries"], back["comboDefaults"]["strategy"]) == (1, "priority")
    for wrong, field in (
        ({"comboDefaults": {"maxRetries": -1}}, "comboDefaults.maxRetries"),
        ({"comboDefaults": {"strategy": "magic"}}, "comboDefaults.strategy"),
        ({"maxRetries": 1}, "maxRetries"),
    ):
        await refused(gateway, "PATCH", path, wrong, field)


# Metrics ------------------------------------------------------------------------------------------------------------


async def test_metrics_count_what_was_asked_of_a_combo_by_any_name(gateway):
    await made(gateway, "pair", "fr/a", "fr/b")
    await gateway.ask("PUT", "/api/models/alias", {"alias": "mine", "model": "pair"}, expect=200)

    def told(number, asked, model, **more):
        fields = {"status": 200, "latency_ms": 100.0, "attempt": 1, **more}
        gateway.kernel.usage_log.record(
            UsageRecord(
                id=str(number),
                request_id=f"r{number}",
                at=time.time() + number,
                endpoint="/v1/x",
                dialect="plain",
                provider="free",
                requested_model=asked,
                model=model,
                **fields,
            )
        )

    told(1, "pair", "a")
    told(2, "combo/pair", "b", attempt=2, latency_ms=300.0)
    told(3, "mine", "b", status=503, error_code="overloaded", attempt=2)
    told(4, "fr/a", "a")
    told(5, "never-heard-of", "a", status=404)
    metrics = (await gateway.ask("GET", "/api/combos/metrics", expect=200))["metrics"]
    assert list(metrics) == ["pair"]
    pair = metrics["pair"]
    assert (pair["totalRequests"], pair["totalSuccesses"], pair["totalFailures"]) == (3, 2, 1)
    assert (pair["totalFallbacks"], pair["fallbackRate"], pair["lastStatus"]) == (2, 0.6667, 503)
    assert pair["avgLatencyMs"] == pytest.approx(166.7)
    assert {name: model["totalRequests"] for name, model in pair["byModel"].items()} == {"fr/b": 2, "fr/a": 1}


# Patterns -----------------------------------------------------------------------------------------------------------


async def test_patterns_are_kept_in_the_users_order_and_count_at_once(gateway):
    for pattern, target in (("gpt-*", "fr/a"), ("g?t-5", "fr/b"), ("*", "fr/c")):
        await gateway.ask("PUT", "/api/models/alias", {"alias": pattern, "model": target}, expect=200)
    await gateway.ask("PUT", "/api/models/alias", {"alias": "gpt-*", "model": "fr/new"}, expect=200)
    shown = await gateway.ask("GET", "/api/models/alias")
    assert [entry["pattern"] for entry in shown["wildcards"]] == ["gpt-*", "g?t-5", "*"]
    assert shown["aliases"] == {}
    assert gateway.kernel.snapshot.names.follow("gpt-5") == ("fr/new", True)
    turned = {"wildcards": [{"pattern": "*", "target": "fr/z"}, {"pattern": "gpt-*", "target": "fr/y"}]}
    await gateway.ask("PUT", "/api/models/alias/wildcards", turned, expect=200)
    assert (await gateway.ask("GET", "/api/models/alias"))["wildcards"] == turned["wildcards"]
    await gateway.ask("DELETE", "/api/models/alias?alias=gpt-*", expect=200)
    assert gateway.kernel.snapshot.names.follow("gpt-5") == ("fr/z", True)
    await refused(gateway, "PUT", "/api/models/alias", {"alias": "x*", "model": "y*"}, "model")
    for wrong, field in (
        ({"wildcards": [{"pattern": "plain", "target": "m"}]}, "wildcards[0].pattern"),
        ({"wildcards": [{"pattern": "a*"}]}, "wildcards[0].target"),
    ):
        await refused(gateway, "PUT", "/api/models/alias/wildcards", wrong, field)
