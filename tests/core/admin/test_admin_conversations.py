"""The conversations that are remembered, as the management interface lists them."""

import time

import pytest
from running import running

from core.access.api_keys import mint_api_key

TURNS = [
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Again."},
]


@pytest.fixture
async def gateway(tmp_path):
    async with running(tmp_path / "data", initial_password=None) as gateway:
        gateway.http.cookies.set("auth_token", await gateway.kernel.sessions.create())
        yield gateway


async def say(gateway, session_id, **headers):
    body = {"model": "echo/echo", "messages": TURNS}
    answer = await gateway.http.post("/v1/chat/completions", json=body, headers={"x-session-id": session_id, **headers})
    assert answer.status_code == 200, answer.text
    return answer.headers["x-omniroute-session-id"]


async def listed(gateway, query=""):
    answer = await gateway.http.get("/api/sessions" + query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_nothing_is_listed_before_anybody_has_asked(gateway):
    assert await listed(gateway) == {"count": 0, "sessions": [], "byApiKey": {}}


async def test_conversations_are_listed_with_their_account_and_times(gateway):
    before = time.time() * 1000
    key = mint_api_key(gateway.kernel.store.vault.api_key_secret)
    record = await gateway.kernel.store.create_api_key(name="k", key_hash=key.key_hash, key_hint=key.key_hint)
    await gateway.kernel.reload()
    for session_id in ("one", "one", "two"):
        await say(gateway, session_id)
    shown = await say(gateway, "mine", authorization=f"Bearer {key.key}")

    told = await listed(gateway)

    assert told["count"] == 3
    assert told["byApiKey"] == {"none": 2, record.id: 1}
    assert [(s["sessionId"], s["requestCount"]) for s in told["sessions"]] == [
        (shown, 1),
        ("ext:two", 1),
        ("ext:one", 2),
    ]
    mine, _, one = told["sessions"]
    assert (mine["apiKeyId"], one["apiKeyId"]) == (record.id, None)
    assert (one["connectionId"], one["provider"]) == ("echo:none", "echo")
    assert before - 1000 <= one["createdAt"] <= one["lastActive"] <= time.time() * 1000 + 1000
    assert 0 <= one["ageMs"] <= 60_000
    assert [s["sessionId"] for s in (await listed(gateway, "?limit=1"))["sessions"]] == [shown]


async def test_an_account_that_is_gone_leaves_its_id(gateway):
    await say(gateway, "one")
    await gateway.kernel.store.patch_settings({"blockedProviders": ["echo"]})
    await gateway.kernel.reload()

    (one,) = (await listed(gateway))["sessions"]

    assert (one["connectionId"], one["connectionName"], one["provider"]) == ("echo:none", None, None)


@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "10001", "9" * 30, "²"])
async def test_a_limit_that_is_none_is_refused(gateway, limit):
    answer = await gateway.http.get("/api/sessions", params={"limit": limit})

    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "limit"
