"""Nodes: upstreams of the user's own."""

import pytest

NODE = {"name": "Mine", "prefix": "mine", "baseUrl": "http://127.0.0.1:9/v1/messages/"}


async def test_node_is_made_read_changed_and_removed_with_its_connections(gateway):
    node = (await gateway.ask("POST", "/api/provider-nodes", NODE, expect=201))["node"]
    assert node["id"].startswith("plain-compatible-")
    assert {key: node[key] for key in ("type", "name", "prefix", "apiType", "baseUrl")} == {
        "type": "plain-compatible",
        "name": "Mine",
        "prefix": "mine",
        "apiType": "chat",
        "baseUrl": "http://127.0.0.1:9/v1",
    }
    assert gateway.kernel.snapshot.by_prefix["mine"].base_url == "http://127.0.0.1:9/v1"
    path = f"/api/provider-nodes/{node['id']}"
    assert (await gateway.ask("GET", path, expect=200))["node"] == node

    body = {"prefix": "yours", "apiType": "responses"}
    changed = (await gateway.ask("PATCH", path, body, expect=200))["node"]
    assert (changed["prefix"], changed["apiType"], changed["name"]) == ("yours", "responses", "Mine")
    assert "mine" not in gateway.kernel.snapshot.by_prefix
    assert gateway.kernel.snapshot.by_prefix["yours"].dialect == "other"
    await gateway.ask("PUT", path, {"name": "Renamed"}, expect=200)

    body = {"provider": "yours", "name": "one"}
    made = (await gateway.ask("POST", "/api/providers", {**body, "apiKey": "k"}, expect=201))["connection"]
    assert made["provider"] == node["id"]
    await gateway.ask("POST", "/api/provider-models", {"provider": "yours", "modelId": "m"}, expect=200)

    assert await gateway.ask("DELETE", path, expect=200) == {"success": True}
    assert (await gateway.ask("GET", "/api/provider-nodes", expect=200))["nodes"] == []
    assert (await gateway.ask("GET", "/api/providers", expect=200))["connections"] == []
    assert await gateway.ask("GET", "/api/provider-models", expect=200) == {"models": {}}
    assert "yours" not in gateway.kernel.snapshot.by_prefix
    for method in ("GET", "DELETE"):
        await gateway.ask(method, path, expect=404)
    await gateway.ask("PATCH", path, {"name": "x"}, expect=404)


async def test_types_are_those_of_the_plugins(gateway):
    types = (await gateway.ask("GET", "/api/provider-nodes", expect=200))["types"]
    assert [(t["id"], t["apiTypes"], t["default"]) for t in types] == [
        ("plain-compatible", ["chat", "responses"], True),
        ("quiet-compatible", [], False),
    ]
    body = {"name": "n", "prefix": "q", "type": "quiet-compatible", "baseUrl": "https://q.example"}
    assert (await gateway.ask("POST", "/api/provider-nodes", body, expect=201))["node"]["apiType"] is None


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        pytest.param({"prefix": "has space"}, 400, "prefix", id="space"),
        pytest.param({"prefix": "has/slash"}, 400, "prefix", id="slash"),
        pytest.param({"prefix": "UPPER"}, 400, "prefix", id="upper-case"),
        pytest.param({"prefix": ""}, 400, "prefix", id="empty-prefix"),
        pytest.param({"prefix": "ac"}, 409, None, id="prefix-of-a-provider"),
        pytest.param({"name": " "}, 400, "name", id="blank-name"),
        pytest.param({"type": "nothing"}, 400, "type", id="unknown-type"),
        pytest.param({"apiType": "embeddings"}, 400, "apiType", id="unknown-api-type"),
        pytest.param({"type": "quiet-compatible", "apiType": "chat"}, 400, "apiType", id="type-without-api-types"),
        pytest.param({"baseUrl": "notaurl"}, 400, "baseUrl", id="no-url"),
        pytest.param({"baseUrl": "http://user:pw@host/"}, 400, "baseUrl", id="password-in-url"),
        pytest.param({"baseUrl": "http://"}, 400, "baseUrl", id="no-host"),
        pytest.param({"baseUrl": "http://h/?key=1"}, 400, "baseUrl", id="query"),
        pytest.param({"type": "quiet-compatible", "baseUrl": "file:///etc"}, 400, "baseUrl", id="file"),
        pytest.param({"type": "quiet-compatible", "baseUrl": ""}, 400, "baseUrl", id="no-default"),
        pytest.param({"chatPath": "/x"}, 400, "chatPath", id="field-without-meaning"),
    ],
)
async def test_wrong_node_is_refused(gateway, changes, status, field):
    answer = await gateway.ask("POST", "/api/provider-nodes", {**NODE, **changes}, expect=status)
    if field is not None:
        assert [detail["field"] for detail in answer["error"]["details"]] == [field]
    assert (await gateway.ask("GET", "/api/provider-nodes", expect=200))["nodes"] == []


async def test_prefix_of_another_node_is_a_conflict(gateway):
    await gateway.ask("POST", "/api/provider-nodes", NODE, expect=201)
    await gateway.ask("POST", "/api/provider-nodes", NODE, expect=409)
    other = await gateway.ask("POST", "/api/provider-nodes", {**NODE, "prefix": "other"}, expect=201)
    path = f"/api/provider-nodes/{other['node']['id']}"
    await gateway.ask("PATCH", path, {"prefix": "mine"}, expect=409)
    await gateway.ask("PATCH", path, {"prefix": "other", "name": "same prefix"}, expect=200)
    await gateway.ask("PATCH", path, {"type": "quiet-compatible"}, expect=400)


async def test_missing_address_is_the_types_own(gateway, outside):
    node = (await gateway.ask("POST", "/api/provider-nodes", {"name": "n", "prefix": "n"}, expect=201))["node"]
    assert node["baseUrl"] == f"{outside.url}/node"


async def test_validate_asks_the_address(gateway, outside):
    outside.reply("/up/models", {"data": [{"id": "m"}]})
    body = {"baseUrl": f"{outside.url}/up", "apiKey": "sk-tried"}
    answer = await gateway.ask("POST", "/api/provider-nodes/validate", body, expect=200)
    assert (answer["valid"], answer["error"], answer["method"]) == (True, None, "models_endpoint")
    assert outside.headers("/up/models")[0]["Authorization"] == "Bearer sk-tried"


@pytest.mark.parametrize(
    ("status", "kind"), [pytest.param(401, "credential", id="key"), pytest.param(404, "provider", id="no-list")]
)
async def test_validate_tells_a_refused_key_from_a_wrong_address(gateway, outside, status, kind):
    outside.reply("/up/models", {}, status)
    answer = await gateway.ask("POST", "/api/provider-nodes/validate", {"baseUrl": f"{outside.url}/up"}, expect=200)
    assert (answer["valid"], answer["statusCode"], answer["diagnosis"]["type"]) == (False, status, kind)


async def test_validate_of_nobody_there_and_of_a_plugin_that_fails(gateway, outside, unused_tcp_port):
    body = {"baseUrl": f"http://127.0.0.1:{unused_tcp_port}"}
    answer = await gateway.ask("POST", "/api/provider-nodes/validate", body, expect=200)
    assert (answer["valid"], answer["diagnosis"]["type"]) == (False, "network")
    outside.reply("/up/models", {"surprise": True})
    answer = await gateway.ask("POST", "/api/provider-nodes/validate", {"baseUrl": f"{outside.url}/up"}, expect=200)
    assert answer["valid"] is False
    assert "could not be read" in answer["error"]
    body = {"type": "quiet-compatible", "baseUrl": outside.url}
    assert (await gateway.ask("POST", "/api/provider-nodes/validate", body, expect=200))["valid"] is None
