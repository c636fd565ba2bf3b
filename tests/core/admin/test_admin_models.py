"""Models: listed by the provider, added by hand, in the catalog, and by other names; and what is installed."""

import asyncio


async def connect(gateway, **more):
    body = {"provider": "acme", "name": "one", "apiKey": "k", **more}
    return (await gateway.ask("POST", "/api/providers", body, expect=201))["connection"]["id"]


def ids(gateway, provider="acme"):
    return [model.id for model in gateway.kernel.snapshot.providers[provider].models]


async def test_looking_at_a_providers_list_stores_nothing(gateway, outside):
    outside.reply("/acme/models", {"data": [{"id": "new", "context": 5}]})
    path = f"/api/providers/{await connect(gateway)}/models"
    answer = await gateway.ask("GET", path, expect=200)
    assert (answer["source"], [m["id"] for m in answer["models"]]) == ("api", ["new"])
    assert answer["models"][0]["context_length"] == 5
    assert ids(gateway) == ["acme-1"]


async def test_synced_models_are_listed_until_the_next_sync(gateway, outside):
    outside.reply("/acme/models", {"data": [{"id": "a"}, {"id": "b"}]})
    outside.reply("/acme/models", {"data": [{"id": "b", "context": 9}, {"id": "c"}]})
    path = f"/api/providers/{await connect(gateway)}/sync-models"
    first = await gateway.ask("POST", path, expect=200)
    assert (first["syncedModels"], first["availableModelsCount"]) == (2, 3)
    assert ids(gateway) == ["acme-1", "a", "b"]
    second = await gateway.ask("POST", path, expect=200)
    assert second["modelChanges"] == {"added": 1, "removed": 1, "updated": 1, "total": 3}
    assert ids(gateway) == ["acme-1", "b", "c"]


async def test_failed_sync_keeps_the_old_list_and_a_mute_provider_has_none(gateway, outside):
    outside.reply("/acme/models", {"data": [{"id": "a"}]})
    outside.reply("/acme/models", {}, 500)
    path = f"/api/providers/{await connect(gateway)}/sync-models"
    await gateway.ask("POST", path, expect=200)
    assert (await gateway.ask("POST", path, expect=502))["error"]["code"] == "upstream_error"
    assert ids(gateway) == ["acme-1", "a"]
    mute = await connect(gateway, provider="mute")
    await gateway.ask("POST", f"/api/providers/{mute}/sync-models", expect=400)
    assert (await gateway.ask("GET", f"/api/providers/{mute}/models", expect=200))["source"] == "declared"


async def test_model_of_a_node_is_listed_by_its_type(gateway, outside):
    outside.reply("/node/models", {"data": [{"id": "local"}]})
    node = (await gateway.ask("POST", "/api/provider-nodes", {"name": "n", "prefix": "n"}, expect=201))["node"]
    connection = await connect(gateway, provider="n")
    await gateway.ask("POST", f"/api/providers/{connection}/sync-models", expect=200)
    assert ids(gateway, node["id"]) == ["local"]


async def test_models_added_by_hand(gateway):
    await connect(gateway)
    body = {"provider": "acme", "modelId": "preview", "modelName": "Preview"}
    made = await gateway.ask("POST", "/api/provider-models", body, expect=200)
    assert (made["model"]["id"], made["model"]["name"], made["model"]["source"]) == ("preview", "Preview", "manual")
    assert ids(gateway) == ["acme-1", "preview"]
    await gateway.ask("POST", "/api/provider-models", body, expect=409)
    listed = await gateway.ask("GET", "/api/provider-models?provider=acme", expect=200)
    assert [m["id"] for m in listed["models"]] == ["preview"]
    assert list((await gateway.ask("GET", "/api/provider-models"))["models"]) == ["acme"]
    path = "/api/provider-models?provider=acme&model=preview"
    assert await gateway.ask("DELETE", path, expect=200) == {"removed": True}
    assert await gateway.ask("DELETE", path, expect=200) == {"removed": False}
    assert ids(gateway) == ["acme-1"]
    for body in ({"provider": "nobody", "modelId": "m"}, {"provider": "acme", "modelId": " "}):
        await gateway.ask("POST", "/api/provider-models", body, expect=400)
    await gateway.ask("DELETE", "/api/provider-models?provider=acme", expect=400)


async def test_models_added_at_once_are_all_kept(gateway):
    bodies = [{"provider": "acme", "modelId": f"m{n}"} for n in range(8)]
    answers = await asyncio.gather(*(gateway.client.post("/api/provider-models", json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    assert set(ids(gateway)) == {"acme-1", *(f"m{n}" for n in range(8))}


async def test_catalog_shows_what_can_be_called_by_prefix(gateway):
    assert list((await gateway.ask("GET", "/api/models/catalog", expect=200))["catalog"]) == ["fr"]
    await connect(gateway)
    await gateway.ask("POST", "/api/provider-models", {"provider": "ac", "modelId": "mine"}, expect=200)
    acme = (await gateway.ask("GET", "/api/models/catalog"))["catalog"]["ac"]
    assert (acme["provider"], acme["providerId"]) == ("Acme", "acme")
    assert [(m["id"], m["type"], m["custom"]) for m in acme["models"]] == [
        ("acme-1", "chat", False),
        ("mine", "chat", True),
    ]


async def test_aliases_count_at_once_and_never_lead_in_a_circle(gateway):
    await gateway.ask("PUT", "/api/models/alias", {"alias": "fast", "model": "ac/acme-1"}, expect=200)
    await gateway.ask("PUT", "/api/models/alias", {"alias": "best", "model": "fast"}, expect=200)
    assert (await gateway.ask("GET", "/api/models/alias"))["aliases"] == {"fast": "ac/acme-1", "best": "fast"}
    assert gateway.kernel.snapshot.aliases["best"] == "fast"
    for alias, model in (("fast", "best"), ("x", "x")):
        await gateway.ask("PUT", "/api/models/alias", {"alias": alias, "model": model}, expect=400)
    assert await gateway.ask("DELETE", "/api/models/alias?alias=best", expect=200) == {"success": True}
    assert await gateway.ask("DELETE", "/api/models/alias?alias=best", expect=200) == {"success": True}
    await gateway.ask("DELETE", "/api/models/alias", expect=400)
    assert "best" not in gateway.kernel.snapshot.aliases


async def test_plugins_are_listed_with_the_reason_where_one_is_missing(gateway):
    plugins = (await gateway.ask("GET", "/api/plugins", expect=200))["plugins"]
    assert [(p["name"], p["state"], p["reason"]) for p in plugins] == [
        ("good", "active", None),
        ("bad", "broken", "It cannot be imported."),
    ]
    assert plugins[0] == {
        "name": "good",
        "distribution": "omniroute-good",
        "version": "1.2",
        "module": "good",
        "state": "active",
        "reason": None,
        "brings": {"providers": ["acme"]},
    }


async def test_providers_are_listed_with_the_ways_to_connect_them(gateway):
    await connect(gateway)
    shown = {p["id"]: p for p in (await gateway.ask("GET", "/api/providers/catalog", expect=200))["providers"]}
    assert (shown["acme"]["authType"], shown["acme"]["connections"], shown["acme"]["callable"]) == ("apikey", 1, True)
    assert [login["type"] for login in shown["club"]["logins"]] == ["authorization_code", "device_code", "import"]
    assert shown["club"]["callable"] is False
    assert shown["free"]["callable"] is True
