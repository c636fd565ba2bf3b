"""Logging in to a subscription, both ways, with the real plugin: from the first click to the first answer."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from scripted_subscription import PASTE

BODY = {"model": "cc/claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
TOKENS = ("sk-ant-oat01", "sk-ant-ort01")


async def visit(url, follow=False):
    async with httpx.AsyncClient(trust_env=False, timeout=10, follow_redirects=follow) as browser:
        return await browser.get(url)


async def test_a_pasted_code_becomes_a_connection_that_answers(gateway, vendor):
    begun = (await gateway.http.get("/api/oauth/cc/authorize")).json()
    query = {name: values[0] for name, values in parse_qs(urlsplit(begun["authUrl"]).query).items()}
    assert begun["authUrl"].startswith(f"{vendor.url}/oauth/authorize?")
    assert (query["redirect_uri"], query["state"]) == (PASTE, begun["state"])
    shown = httpx.URL((await visit(begun["authUrl"])).headers["location"]).params

    answer = await gateway.http.post("/api/oauth/cc/exchange", json={"code": f"{shown['code']}#{shown['state']}"})

    assert answer.status_code == 200, answer.text  # the vendor has checked the verifier against its challenge
    connection = answer.json()["connection"]
    assert (connection["email"], connection["testStatus"]) == ("me@example.com", "active")
    assert connection["providerSpecificData"]["tier"] == "default_claude_max_20x"
    assert "baseUrl" not in connection["providerSpecificData"]
    assert not [token for token in TOKENS if token in answer.text]
    said = await gateway.http.post("/v1/messages", json=BODY)
    assert said.json()["content"][0]["text"] == "Served from the subscription."
    [sent] = vendor.bodies("/v1/messages")
    assert sent["model"] == "claude-sonnet-4-5"


async def test_a_code_that_comes_back_to_this_machine_becomes_a_connection(gateway, vendor):
    begun = (await gateway.http.post("/api/oauth/cc/start-callback-server")).json()
    redirect = begun["redirectUri"]
    assert redirect == "http://localhost:54545/callback"
    waiting = (await gateway.http.get("/api/oauth/cc/poll-callback", params={"state": begun["state"]})).json()
    assert waiting["pending"] is True

    page = await visit(begun["authUrl"], follow=True)

    assert page.status_code == 200
    assert str(page.url).startswith(redirect)
    assert "me@example.com is connected" in page.text
    done = (await gateway.http.get("/api/oauth/cc/poll-callback", params={"state": begun["state"]})).json()
    assert done["success"] is True
    assert done["connection"]["email"] == "me@example.com"
    assert vendor.bodies("/v1/oauth/token")[0]["redirect_uri"] == redirect
    assert (await gateway.http.post("/v1/messages", json=BODY)).status_code == 200


async def test_nothing_asks_the_real_vendor(gateway, vendor, log_in):
    connection = await log_in(gateway)
    await gateway.http.post(f"/api/providers/{connection['id']}/quota")
    await gateway.http.post("/v1/messages", json=BODY)

    paths = [path for path, _ in vendor.asked]
    assert {"/oauth/authorize", "/v1/oauth/token", "/api/oauth/profile", "/api/oauth/usage", "/v1/messages"} <= set(
        paths
    )


async def test_a_second_login_of_the_same_account_renews_its_connection(gateway, vendor, log_in):
    first = await log_in(gateway)
    second = await log_in(gateway)

    assert second["id"] == first["id"]
    assert len((await gateway.http.get("/api/providers")).json()["connections"]) == 1


async def test_a_code_of_another_login_is_refused_by_the_vendor_and_said_so(gateway, vendor):
    begun = [(await gateway.http.get("/api/oauth/cc/authorize")).json() for _ in range(2)]
    shown = httpx.URL((await visit(begun[0]["authUrl"])).headers["location"]).params
    body = {"code": shown["code"], "state": begun[1]["state"]}

    answer = await gateway.http.post("/api/oauth/cc/exchange", json=body)

    assert answer.status_code == 400
    assert "The code does not fit." in answer.json()["error"]["message"]
    assert (await gateway.http.get("/api/providers")).json()["connections"] == []


async def test_what_a_subscription_needs_is_sent_along_and_nothing_of_the_caller(gateway, vendor, log_in):
    await log_in(gateway)

    headers = {"x-api-key": "sk-mine", "anthropic-beta": "mine-1", "authorization": "Bearer sk-omni-mine"}
    await gateway.http.post("/v1/messages", json=BODY, headers=headers)

    sent = vendor.headers[-1]
    assert sent["authorization"].startswith("Bearer sk-ant-oat01-")
    assert "x-api-key" not in sent
    assert set(sent["anthropic-beta"].split(",")) == {"mine-1", "oauth-2025-04-20", "claude-code-20250219"}
    assert "mine" not in sent["authorization"]


@pytest.mark.parametrize("path", ["/api/oauth/cc/authorize", "/api/oauth/cc/poll-callback?state=x"])
async def test_logging_in_needs_a_session(gateway, path):
    gateway.http.cookies.clear()

    assert (await gateway.http.get(path)).status_code == 401
