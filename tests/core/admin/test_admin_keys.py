"""API keys: shown once, limited, and gone at once."""

import time

import pytest

from core.access.api_keys import ApiKeyDisabled, UnknownApiKey


def check(gateway, key):
    return gateway.kernel.snapshot.keys.check(key, time.time())


async def test_key_is_shown_once_and_masked_afterwards(gateway):
    made = await gateway.ask("POST", "/api/keys", {"name": "laptop", "noLog": True}, expect=201)
    key = made["key"]
    assert key.startswith("sk-omni-")
    assert check(gateway, key).id == made["id"]
    listed = await gateway.ask("GET", "/api/keys", expect=200)
    assert (listed["total"], listed["allowKeyReveal"]) == (1, False)
    one = await gateway.ask("GET", f"/api/keys/{made['id']}", expect=200)
    assert one == listed["keys"][0]
    assert (one["name"], one["noLog"], one["isActive"]) == ("laptop", True, True)
    assert one["key"].startswith("sk-omni-")
    assert key not in str(listed)
    await gateway.ask("POST", "/api/keys", {"name": "laptop"}, expect=201)


async def test_disabled_and_deleted_keys_stop_working_at_once(gateway):
    made = await gateway.ask("POST", "/api/keys", {"name": "k"}, expect=201)
    path = f"/api/keys/{made['id']}"
    changed = await gateway.ask("PATCH", path, {"isActive": False}, expect=200)
    assert changed == {"message": "API key settings updated successfully", "isActive": False}
    with pytest.raises(ApiKeyDisabled):
        check(gateway, made["key"])
    await gateway.ask("PATCH", path, {"isActive": True}, expect=200)
    check(gateway, made["key"])
    assert await gateway.ask("DELETE", path, expect=200) == {"message": "Key deleted successfully"}
    with pytest.raises(UnknownApiKey):
        check(gateway, made["key"])
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"name": "x"})):
        await gateway.ask(method, path, body, expect=404)


async def test_limits_of_a_key_are_kept_and_can_be_lifted(gateway):
    connection = await gateway.ask(
        "POST", "/api/providers", {"provider": "acme", "name": "one", "apiKey": "k"}, expect=201
    )
    connection_id = connection["connection"]["id"]
    body = {
        "name": "k",
        "allowedModels": ["ac/acme-1", "ac/acme-1"],
        "allowedConnections": [connection_id],
        "expiresAt": "2999-01-01T00:00:00Z",
    }
    made = await gateway.ask("POST", "/api/keys", body, expect=201)
    record = check(gateway, made["key"])
    assert (record.allowed_models, record.allowed_connections) == (("ac/acme-1",), (connection_id,))
    assert made["expiresAt"] == "2999-01-01T00:00:00.000Z"
    changed = await gateway.ask(
        "PATCH", f"/api/keys/{made['id']}", {"allowedModels": [], "expiresAt": None}, expect=200
    )
    assert (changed["allowedModels"], changed["expiresAt"]) == ([], None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({}, "name", id="no-name"),
        pytest.param({"name": "x" * 201}, "name", id="long-name"),
        pytest.param({"name": "a\nb"}, "name", id="line-break"),
        pytest.param({"name": "k", "allowedConnections": ["nowhere"]}, "allowedConnections", id="no-such-connection"),
        pytest.param({"name": "k", "expiresAt": "soon"}, "expiresAt", id="no-time"),
        pytest.param({"name": "k", "expiresAt": "2001-01-01"}, "expiresAt", id="past"),
        pytest.param({"name": "k", "maxSessions": 1}, "maxSessions", id="field-without-meaning"),
    ],
)
async def test_wrong_key_is_refused(gateway, body, field):
    answer = await gateway.ask("POST", "/api/keys", body, expect=400)
    assert [detail["field"] for detail in answer["error"]["details"]] == [field]


async def test_key_is_shown_again_only_where_the_environment_allows_it(opened):
    async with opened() as gateway:
        await gateway.enter()
        hidden = await gateway.ask("POST", "/api/keys", {"name": "hidden"}, expect=201)
        await gateway.ask("GET", f"/api/keys/{hidden['id']}/reveal", expect=403)
    async with opened(allow_api_key_reveal=True) as gateway:
        await gateway.enter()
        made = await gateway.ask("POST", "/api/keys", {"name": "shown"}, expect=201)
        assert await gateway.ask("GET", f"/api/keys/{made['id']}/reveal", expect=200) == {"key": made["key"]}
        await gateway.ask("GET", f"/api/keys/{hidden['id']}/reveal", expect=404)
        await gateway.ask("GET", "/api/keys/nowhere/reveal", expect=404)
