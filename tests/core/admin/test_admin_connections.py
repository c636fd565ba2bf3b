"""Connections: made, changed, tried out, and never showing their secret."""

import pytest
from omniroute_hooks import RateLimited

from core.gateway.naming.deadlines import Deadlines

SECRET = "sk-very-secret-0123456789"
ACME = {"provider": "acme", "name": "one", "apiKey": SECRET}


async def add(gateway, **more):
    return (await gateway.ask("POST", "/api/providers", {**ACME, **more}, expect=201))["connection"]


async def login_of(gateway, **more):
    record = await gateway.kernel.store.create_connection(
        provider="club", auth_type="oauth", name="me", credential={"access_token": "at", "refresh_token": "rt"}, **more
    )
    await gateway.kernel.reload()
    return record.id


async def test_connection_is_made_read_changed_and_removed(gateway):
    made = await add(gateway, defaultModel="acme-1", maxConcurrent=2)
    expected = {
        "provider": "acme",
        "providerName": "Acme",
        "prefix": "ac",
        "authType": "apikey",
        "name": "one",
        "priority": 1,
        "isActive": True,
        "defaultModel": "acme-1",
        "maxConcurrent": 2,
        "testStatus": "unknown",
        "quota": None,
        "expiresAt": None,
    }
    assert {key: made[key] for key in expected} == expected
    assert [line.connection.id for line in gateway.kernel.snapshot.lines["acme"]] == [made["id"]]
    assert (await add(gateway, name="two"))["priority"] == 2

    path = f"/api/providers/{made['id']}"
    body = {"isActive": False, "name": "renamed", "defaultModel": None, "priority": 5}
    changed = (await gateway.ask("PATCH", path, body, expect=200))["connection"]
    assert {key: changed[key] for key in body} == body
    assert made["id"] not in [line.connection.id for line in gateway.kernel.snapshot.lines["acme"]]
    assert (await gateway.ask("GET", path, expect=200))["connection"] == changed
    assert [c["name"] for c in (await gateway.ask("GET", "/api/providers", expect=200))["connections"]] == [
        "two",
        "renamed",
    ]
    await gateway.ask("DELETE", path, expect=200)
    for method, body in (("GET", None), ("DELETE", None), ("PUT", {"name": "x"}), ("POST", None)):
        await gateway.ask(method, path + ("/test" if method == "POST" else ""), body, expect=404)


async def test_no_answer_holds_a_secret(gateway, outside):
    outside.reply("/acme/models", {"error": SECRET}, 401)
    made = await add(gateway)
    path = f"/api/providers/{made['id']}"
    asked = [
        await gateway.client.get("/api/providers"),
        await gateway.client.get(path),
        await gateway.client.patch(path, json={"apiKey": SECRET + "2"}),
        await gateway.client.post(path + "/test"),
        await gateway.client.get("/api/providers/catalog"),
        await gateway.client.post("/api/providers", json={**ACME, "apiKey": SECRET + "\n" + "x"}),
        await gateway.client.post("/api/providers", json={**ACME, "api_key": SECRET}),
    ]
    assert [answer.status_code for answer in asked] == [200, 200, 200, 200, 200, 400, 400]
    assert not [answer.text for answer in asked if SECRET in answer.text]
    line = gateway.kernel.snapshot.lines["acme"][0]
    assert line.connection.credential == {"api_key": SECRET + "2"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"provider": "nobody"}, "provider", id="unknown-provider"),
        pytest.param({"provider": "club"}, "provider", id="login-only-provider"),
        pytest.param({"apiKey": None}, "apiKey", id="no-key"),
        pytest.param({"apiKey": "  "}, "apiKey", id="blank-key"),
        pytest.param({"apiKey": "sk–dash"}, "apiKey", id="typographic-dash"),
        pytest.param({"provider": "free"}, "apiKey", id="key-for-a-free-provider"),
        pytest.param({"authType": "none"}, "authType", id="wrong-auth-type"),
        pytest.param({"priority": 0}, "priority", id="priority-0"),
        pytest.param({"isActive": "no"}, "isActive", id="text-for-a-flag"),
        pytest.param({"globalPriority": 1}, "globalPriority", id="unknown-field"),
        pytest.param(
            {"providerSpecificData": {"baseUrl": "ftp://x"}}, "providerSpecificData.baseUrl", id="bad-address"
        ),
        pytest.param({"providerSpecificData": {"baseUrl": 5}}, "providerSpecificData.baseUrl", id="no-text"),
        pytest.param({"providerSpecificData": {"api_key": "x"}}, "providerSpecificData.api_key", id="misplaced-key"),
        pytest.param({"providerSpecificData": {"x": "y" * 20000}}, "providerSpecificData", id="too-much-data"),
    ],
)
async def test_wrong_connection_is_refused(gateway, changes, field):
    answer = await gateway.ask("POST", "/api/providers", {**ACME, **changes}, expect=400)
    assert [detail["field"] for detail in answer["error"]["details"]] == [field]
    assert (await gateway.ask("GET", "/api/providers", expect=200))["connections"] == []


async def test_key_is_optional_where_the_node_type_says_so_and_unwanted_where_nothing_is_proven(gateway):
    node = await gateway.ask("POST", "/api/provider-nodes", {"name": "n", "prefix": "n"}, expect=201)
    body = {"provider": node["node"]["id"], "name": "local"}
    assert (await gateway.ask("POST", "/api/providers", body, expect=201))["connection"]["authType"] == "apikey"
    made = await gateway.ask("POST", "/api/providers", {"provider": "free", "name": "x"}, expect=201)
    assert made["connection"]["authType"] == "none"


async def test_name_of_another_connection_is_a_conflict_and_overwrites_nothing(gateway):
    made = await add(gateway, defaultModel="acme-1")
    await gateway.ask("POST", "/api/providers", {**ACME, "apiKey": "other"}, expect=409)
    second = await add(gateway, name="two")
    await gateway.ask("PATCH", f"/api/providers/{second['id']}", {"name": "one"}, expect=409)
    assert (await gateway.ask("GET", f"/api/providers/{made['id']}"))["connection"]["defaultModel"] == "acme-1"


async def test_own_address_wins_and_data_is_merged(gateway):
    made = await add(gateway, providerSpecificData={"baseUrl": "http://127.0.0.1:9/v1/", "region": "eu"})
    assert gateway.kernel.snapshot.lines["acme"][0].base_url == "http://127.0.0.1:9/v1"
    body = {"providerSpecificData": {"baseUrl": None, "zone": 1}}
    changed = await gateway.ask("PATCH", f"/api/providers/{made['id']}", body, expect=200)
    assert changed["connection"]["providerSpecificData"] == {"region": "eu", "zone": 1}
    assert gateway.kernel.snapshot.lines["acme"][0].base_url.endswith("/acme")


async def test_change_of_nothing_or_to_null_is_refused(gateway):
    path = f"/api/providers/{(await add(gateway))['id']}"
    assert "No valid fields" in (await gateway.ask("PATCH", path, {}, expect=400))["error"]["message"]
    for body in ({"name": None}, {"isActive": None}, {"apiKey": None}, {"provider": "club"}):
        await gateway.ask("PATCH", path, body, expect=400)


async def test_test_asks_the_provider_and_notes_the_outcome(gateway, outside):
    outside.reply("/acme/models", {"data": [{"id": "m"}]})
    path = f"/api/providers/{(await add(gateway))['id']}"
    answer = await gateway.ask("POST", path + "/test", {}, expect=200)
    assert (answer["valid"], answer["error"], answer["diagnosis"], answer["refreshed"]) == (True, None, None, False)
    assert answer["latencyMs"] >= 0
    assert answer["testedAt"].endswith("Z")
    assert (await gateway.ask("GET", path))["connection"]["testStatus"] == "active"
    assert outside.headers("/acme/models")[0]["Authorization"] == f"Bearer {SECRET}"

    outside.answers.clear()
    outside.reply("/acme/models", {}, 401)
    answer = await gateway.ask("POST", path + "/test", {}, expect=200)
    assert (answer["valid"], answer["statusCode"], answer["diagnosis"]["type"]) == (False, 401, "credential")
    shown = (await gateway.ask("GET", path))["connection"]
    assert (shown["testStatus"], shown["lastError"]) == ("error", "The provider refuses this credential.")

    changed = await gateway.ask("PUT", path, {"apiKey": "sk-new"}, expect=200)
    assert (changed["connection"]["testStatus"], changed["connection"]["lastError"]) == ("unknown", None)


async def test_test_says_when_there_is_nothing_to_ask(gateway):
    path = f"/api/providers/{(await add(gateway, provider='mute'))['id']}"
    answer = await gateway.ask("POST", path + "/test", expect=200)
    assert answer["valid"] is None
    assert "for free" in answer["warning"]
    assert (await gateway.ask("GET", path))["connection"]["testStatus"] == "unknown"


async def test_test_of_a_refused_login_renews_it_once(gateway, outside):
    outside.reply("/club/models", {}, 401)
    outside.reply("/club/models", {"data": []})
    outside.reply("/token", {"access_token": "at-2", "refresh_token": "rt-2", "expires_in": 3600})
    connection_id = await login_of(gateway)
    answer = await gateway.ask("POST", f"/api/providers/{connection_id}/test", expect=200)
    assert (answer["valid"], answer["refreshed"]) == (True, True)
    asked = [headers["Authorization"] for headers in outside.headers("/club/models")]
    assert asked == ["Bearer at", "Bearer at-2"]
    assert [body["refresh_token"] for body in outside.bodies("/token")] == ["rt"]


async def test_refresh_renews_a_login_and_nothing_else(gateway, outside):
    outside.reply("/token", {"access_token": "at-2", "expires_in": 3600})
    connection_id = await login_of(gateway)
    answer = await gateway.ask("POST", f"/api/providers/{connection_id}/refresh", expect=200)
    assert answer["connection"]["expiresAt"].endswith("Z")
    assert "at-2" not in str(answer)
    plain = await add(gateway)
    refused = await gateway.ask("POST", f"/api/providers/{plain['id']}/refresh", expect=400)
    assert "Only OAuth" in refused["error"]["message"]
    await gateway.ask("PATCH", f"/api/providers/{connection_id}", {"apiKey": "k"}, expect=400)


async def test_refused_refresh_marks_the_login_as_expired(gateway, outside):
    outside.reply("/token", {"error": "invalid_grant"}, 400)
    connection_id = await login_of(gateway)
    answer = await gateway.ask("POST", f"/api/providers/{connection_id}/refresh", expect=502)
    assert answer["error"]["code"] == "login_expired"
    shown = (await gateway.ask("GET", f"/api/providers/{connection_id}"))["connection"]
    assert shown["testStatus"] == "expired"


async def test_quota_windows_are_read_and_shown_everywhere(gateway, outside):
    outside.reply("/quota", {"used": 75})
    connection_id = await login_of(gateway)
    path = f"/api/providers/{connection_id}/quota"
    assert (await gateway.ask("GET", path, expect=200))["quota"] is None

    read = (await gateway.ask("POST", path, expect=200))["quota"]
    assert (read["source"], read["stale"], read["error"]) == ("endpoint", False, None)
    assert read["windows"][0] == {
        "name": "5h",
        "model": None,
        "used": 75.0,
        "limit": 100,
        "unit": "percent",
        "percentRemaining": 25.0,
        "resetsAt": "2031-01-02T03:04:05.000Z",
    }
    assert (await gateway.ask("GET", path))["quota"] == read
    assert (await gateway.ask("GET", f"/api/providers/{connection_id}"))["connection"]["quota"] == read
    (summary,) = (await gateway.ask("GET", "/api/usage/quota", expect=200))["providers"]
    assert (summary["connectionId"], summary["percentRemaining"], summary["tokenStatus"]) == (
        connection_id,
        25.0,
        "valid",
    )
    assert len(outside.headers("/quota")) == 1
    assert (await gateway.ask("GET", f"/api/providers/{(await add(gateway))['id']}/quota"))["supported"] is False


async def test_a_test_that_succeeds_ends_the_connections_rest_and_no_others(gateway, outside):
    tested, other = await add(gateway), await add(gateway, name="two")
    resilience = gateway.kernel.resilience
    for connection in (tested, other):
        for model, scope in (("acme-1", "model"), ("acme-2", "connection")):
            async with resilience.slot("acme", "apikey", connection["id"], model) as passage:
                passage.failed(RateLimited("Too many.", retry_after_s=600), scope)

    def resting():
        return {cooldown.key.partition("/")[0] for cooldown in resilience.live().cooldowns}

    outside.reply("/acme/models", {}, 500)
    outside.reply("/acme/models", {"data": [{"id": "m"}]})
    path = f"/api/providers/{tested['id']}/test"
    assert (await gateway.ask("POST", path, {}, expect=200))["valid"] is False
    assert resting() == {tested["id"], other["id"]}
    assert (await gateway.ask("POST", path, {}, expect=200))["valid"] is True
    assert resting() == {other["id"]}


DEADLINES = {"connectMs": 1000, "firstTokenMs": 20_000, "idleMs": 5000, "totalMs": 60_000}


async def test_deadlines_of_a_connection_are_kept_changed_and_taken_back(gateway):
    made = await add(gateway, providerSpecificData={**DEADLINES, "weight": 2})
    path = f"/api/providers/{made['id']}"

    def in_force():
        return gateway.kernel.snapshot.lines["acme"][0].deadlines

    assert made["providerSpecificData"] == {**DEADLINES, "weight": 2}
    assert in_force() == Deadlines(1.0, 20.0, 5.0, 60.0)
    await gateway.ask("PATCH", path, {"providerSpecificData": {"idleMs": None, "totalMs": 70_000}}, expect=200)
    assert in_force() == Deadlines(1.0, 20.0, None, 70.0)


async def test_wrong_deadlines_are_refused_by_name(gateway):
    made = await add(gateway)
    body = {"providerSpecificData": {"connectMs": 0, "idleMs": "5", "totalMs": 1.5, "firstTokenMs": 86_400_001}}
    for method, path, more in (
        ("POST", "/api/providers", {**ACME, "name": "two"}),
        ("PATCH", f"/api/providers/{made['id']}", {}),
    ):
        told = (await gateway.ask(method, path, {**more, **body}, expect=400))["error"]["details"]
        assert {detail["field"] for detail in told} == {f"providerSpecificData.{name}" for name in DEADLINES}
    assert len((await gateway.ask("GET", "/api/providers"))["connections"]) == 1
