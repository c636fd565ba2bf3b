"""Logging in at a provider: by pasting, by a port of this machine, by device code, and from a file."""

import asyncio
import base64
import hashlib
import socket

import httpx
import pytest

TOKENS = {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 3600, "email": "me@example.com"}
SECRETS = ("at-1", "rt-1", "at-2")


async def begin(gateway, way="paste"):
    return await gateway.ask("GET", f"/api/oauth/club/authorize?redirect={way}", expect=200)


async def connections(gateway):
    return (await gateway.ask("GET", "/api/providers", expect=200))["connections"]


async def poll(gateway, state):
    return await gateway.ask("POST", "/api/oauth/club/poll-callback", {"state": state}, expect=200)


async def browse(url, **params):
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=10) as browser:
        return await browser.get(url, params=params or None)


# pasting ------------------------------------------------------------------------------------------------------


async def test_address_for_the_browser_holds_a_challenge_and_never_the_verifier(gateway, outside, query_of):
    outside.reply("/token", TOKENS)
    begun = await begin(gateway)
    query = query_of(begun["authUrl"])
    assert begun["authUrl"].startswith(f"{outside.url}/authorize?")
    assert (query["client_id"], query["scope"], query["code_challenge_method"]) == ("id-1", "a b", "S256")
    assert (query["state"], query["redirect_uri"]) == (begun["state"], f"{outside.url}/show-code")
    assert "erifier" not in str(begun)
    assert "erifier" not in str(await gateway.kernel.store.live_values())

    await gateway.ask("POST", "/api/oauth/club/exchange", {"code": "c-1", "state": begun["state"]}, expect=200)
    (spent,) = outside.bodies("/token")
    digest = hashlib.sha256(spent["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == query["code_challenge"]
    assert (spent["code"], spent["redirect_uri"]) == ("c-1", query["redirect_uri"])


@pytest.mark.parametrize(
    "pasted",
    [
        pytest.param(lambda begun: {"code": "c-1", "state": begun["state"]}, id="bare-code"),
        pytest.param(lambda begun: {"code": f" c-1#{begun['state']}\n"}, id="code-and-state"),
        pytest.param(lambda begun: {"url": f"{begun['redirectUri']}?code=c-1&state={begun['state']}"}, id="address"),
        pytest.param(lambda begun: {"code": f"http://x/?state={begun['state']}&code=c-1"}, id="address-as-code"),
    ],
)
@pytest.mark.parametrize("way", ["paste", "loopback"])
async def test_pasted_code_becomes_a_connection(gateway, outside, pasted, way, registry_for):
    outside.reply("/token", TOKENS)
    begun = await begin(gateway, way)
    done = await gateway.ask("POST", "/api/oauth/club/exchange", pasted(begun), expect=200)
    assert done["success"] is True
    connection = done["connection"]
    assert (connection["authType"], connection["name"], connection["email"]) == (
        "oauth",
        "me@example.com",
        "me@example.com",
    )
    assert connection["testStatus"] == "active"
    assert connection["expiresAt"].endswith("Z")
    assert not [secret for secret in SECRETS if secret in str(done)]
    (line,) = gateway.kernel.snapshot.lines["club"]
    assert line.connection.credential["refresh_token"] == "rt-1"
    assert (await poll(gateway, begun["state"]))["connection"]["id"] == connection["id"]


@pytest.mark.parametrize(
    ("pasted", "says"),
    [
        pytest.param(lambda begun: {"code": "c-1"}, "state", id="no-state"),
        pytest.param(lambda begun: {"code": "c-1", "state": "made up"}, "expired", id="unknown-state"),
        pytest.param(lambda begun: {"code": "c-1#other", "state": begun["state"]}, "another login", id="two-states"),
        pytest.param(lambda begun: {"url": "http://x/?error=access_denied"}, "access_denied", id="refusal"),
        pytest.param(lambda begun: {"state": begun["state"]}, "code", id="nothing"),
        pytest.param(lambda begun: {"code": "c", "url": "http://x", "state": "s"}, "code", id="both"),
        pytest.param(lambda begun: {"code": 5, "state": "s"}, "string", id="number"),
        pytest.param(lambda begun: {"code": "c", "codeVerifier": "v"}, "codeVerifier", id="verifier-of-a-browser"),
    ],
)
async def test_wrong_paste_is_refused_and_spends_nothing(gateway, outside, pasted, says):
    outside.reply("/token", TOKENS)
    begun = await begin(gateway)
    answer = await gateway.ask("POST", "/api/oauth/club/exchange", pasted(begun), expect=400)
    assert says in answer["error"]["message"]
    assert outside.bodies("/token") == []
    assert await connections(gateway) == []
    await gateway.ask("POST", "/api/oauth/club/exchange", {"code": "c", "state": begun["state"]}, expect=200)


async def test_state_is_good_for_one_exchange(gateway, outside):
    outside.reply("/token", TOKENS)
    begun = await begin(gateway)
    body = {"code": "c-1", "state": begun["state"]}
    answers = await asyncio.gather(*(gateway.client.post("/api/oauth/club/exchange", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert len(outside.bodies("/token")) == 1


async def test_refused_code_says_so_and_the_login_begins_again(gateway, outside):
    outside.reply("/token", {"error": "invalid_grant", "error_description": "code is old"}, 400)
    begun = await begin(gateway)
    body = {"code": "c-1", "state": begun["state"]}
    answer = await gateway.ask("POST", "/api/oauth/club/exchange", body, expect=400)
    assert "code is old" in answer["error"]["message"]
    assert "again" in answer["error"]["message"]
    told = await poll(gateway, begun["state"])
    assert (told["success"], told["pending"]) == (False, False)
    assert "code is old" in told["error"]


async def test_broken_login_server_is_a_bad_gateway(gateway, outside):
    outside.reply("/token", "<html>down</html>", 503)
    begun = await begin(gateway)
    body = {"code": "c-1", "state": begun["state"]}
    answer = await gateway.ask("POST", "/api/oauth/club/exchange", body, expect=502)
    assert answer["error"]["code"] == "upstream_error"


async def test_browser_that_goes_away_does_not_lose_the_code(gateway, outside):
    outside.reply("/token", TOKENS)
    outside.gates["/token"] = asyncio.Event()
    begun = await begin(gateway)
    body = {"code": "c-1", "state": begun["state"]}
    request = asyncio.create_task(gateway.client.post("/api/oauth/club/exchange", json=body))
    await outside.arrived.wait()
    assert (await poll(gateway, begun["state"]))["pending"] is True
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    assert (await poll(gateway, begun["state"]))["pending"] is True
    outside.gates["/token"].set()
    for _ in range(500):
        if not (told := await poll(gateway, begun["state"]))["pending"]:
            break
    assert told["success"] is True
    assert [c["name"] for c in await connections(gateway)] == ["me@example.com"]


# one account, one connection ----------------------------------------------------------------------------------


async def log_in(gateway, outside, **tokens):
    outside.answers["/token"] = [(200, {**TOKENS, **tokens})]
    begun = await begin(gateway)
    body = {"code": "c", "state": begun["state"]}
    return (await gateway.ask("POST", "/api/oauth/club/exchange", body, expect=200))["connection"]


async def test_second_login_of_an_account_renews_its_connection(gateway, outside):
    first = await log_in(gateway, outside, data={"plan": "basic"})
    path = f"/api/providers/{first['id']}"
    await gateway.ask("PATCH", path, {"name": "my own name", "providerSpecificData": {"note": 1}}, expect=200)
    await gateway.kernel.store.update_connection(first["id"], state="expired", last_error="over")

    second = await log_in(gateway, outside, access_token="at-2", data={"plan": "max"})

    assert second["id"] == first["id"]
    assert (second["name"], second["testStatus"], second["lastError"]) == ("my own name", "active", None)
    assert second["providerSpecificData"] == {"note": 1, "plan": "max"}
    (line,) = gateway.kernel.snapshot.lines["club"]
    assert line.connection.credential["access_token"] == "at-2"


async def test_other_accounts_get_connections_of_their_own(gateway, outside):
    await log_in(gateway, outside)
    await log_in(gateway, outside, email="you@example.com")
    await log_in(gateway, outside, data={"organizationId": "team"})
    await log_in(gateway, outside, data={"organizationId": "home"})
    await log_in(gateway, outside, email=None)
    names = [c["name"] for c in await connections(gateway)]
    assert names == ["me@example.com", "you@example.com", "me@example.com 2", "Club"]


# a port of this machine ---------------------------------------------------------------------------------------


async def test_login_comes_back_to_a_port_of_this_machine(gateway, outside, query_of):
    outside.reply("/token", TOKENS)
    begun = await gateway.ask("POST", "/api/oauth/club/start-callback-server", expect=200)
    redirect = begun["redirectUri"]
    assert redirect == f"http://localhost:{begun['serverPort']}/callback"
    assert query_of(begun["authUrl"])["redirect_uri"] == redirect
    assert await poll(gateway, begun["state"]) == {"success": False, "pending": True, "error": None}

    for path in ("/", "/callback/x", "/api/keys", "/favicon.ico"):
        assert (await browse(f"http://localhost:{begun['serverPort']}{path}")).status_code == 404
    stray = await browse(redirect, code="c", state="made up")
    assert "expired" in stray.text

    page = await browse(redirect, code="c-1", state=begun["state"])

    assert page.status_code == 200
    assert "me@example.com is connected" in page.text
    assert "unsafe" not in page.headers["content-security-policy"]
    told = await gateway.ask("GET", f"/api/oauth/club/poll-callback?state={begun['state']}", expect=200)
    assert (told["success"], told["connection"]["name"]) == (True, "me@example.com")
    assert outside.bodies("/token")[0]["redirect_uri"] == redirect
    async with asyncio.timeout(5):
        while True:
            try:
                await browse(redirect)
            except httpx.ConnectError:
                break


async def test_refusal_comes_back_too_and_what_it_says_is_no_html(gateway):
    begun = await gateway.ask("POST", "/api/oauth/club/start-callback-server", expect=200)
    page = await browse(
        begun["redirectUri"], error="access_denied", error_description="<b>no</b>", state=begun["state"]
    )
    assert "&lt;b&gt;no&lt;/b&gt;" in page.text
    told = await poll(gateway, begun["state"])
    assert (told["pending"], told["success"]) == (False, False)
    assert "<b>no</b>" in told["error"]


async def test_refused_code_of_the_listener_is_told_to_the_dashboard(gateway, outside):
    outside.reply("/token", {"error": "invalid_grant"}, 400)
    begun = await gateway.ask("POST", "/api/oauth/club/start-callback-server", expect=200)
    page = await browse(begun["redirectUri"], code="c", state=begun["state"])
    assert "Not logged in" in page.text
    assert "invalid_grant" in (await poll(gateway, begun["state"]))["error"]


async def test_listener_hears_this_machine_only_and_answers_to_its_own_name_only(gateway):
    begun = await gateway.ask("POST", "/api/oauth/club/start-callback-server", expect=200)
    async with httpx.AsyncClient(trust_env=False) as browser:
        headers = {"Host": f"evil.example:{begun['serverPort']}"}
        url = f"http://127.0.0.1:{begun['serverPort']}/callback?code=c&state={begun['state']}"
        assert (await browser.get(url, headers=headers)).status_code == 400
        assert (await browser.post(url)).status_code == 405
    with pytest.raises(OSError, match=r"."), socket.create_connection(("127.0.0.2", begun["serverPort"]), timeout=2):
        pass
    assert (await poll(gateway, begun["state"]))["pending"] is True


@pytest.fixture
def fixed(registry_for, outside, unused_tcp_port):
    """Plugins whose login comes back to one certain port."""
    return registry_for(outside.url, f"http://localhost:{unused_tcp_port}/callback"), unused_tcp_port


async def test_port_that_another_program_has_is_said_clearly(opened, fixed):
    registry, port = fixed
    async with opened(registry) as gateway:
        await gateway.enter()
        with socket.create_server(("127.0.0.1", port)):
            answer = await gateway.ask("POST", "/api/oauth/club/start-callback-server", expect=409)
        assert f"Port {port}" in answer["error"]["message"]
        assert "pasting" in answer["error"]["message"]
        await gateway.ask("POST", "/api/oauth/club/start-callback-server", expect=200)


async def test_login_begun_again_is_heard_by_the_listener_of_the_first_try_even_in_another_process(
    opened, fixed, outside
):
    registry, _ = fixed
    outside.reply("/token", TOKENS)
    async with opened(registry) as gateway, opened(registry) as other:
        await gateway.enter()
        await other.enter()
        first = await gateway.ask("POST", "/api/oauth/club/start-callback-server", expect=200)
        second = await gateway.ask("POST", "/api/oauth/club/start-callback-server", expect=200)
        third = await other.ask("POST", "/api/oauth/club/start-callback-server", expect=200)
        assert len({begun["state"] for begun in (first, second, third)}) == 3
        page = await browse(third["redirectUri"], code="c", state=third["state"])
        assert "connected" in page.text
        assert (await poll(other, third["state"]))["success"] is True
        assert (await poll(gateway, first["state"]))["pending"] is True


async def test_listener_is_gone_when_the_gateway_stops(opened, fixed):
    registry, port = fixed
    async with opened(registry) as gateway:
        await gateway.enter()
        begun = await gateway.ask("POST", "/api/oauth/club/start-callback-server", expect=200)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)  # a browser that says nothing
    with pytest.raises(httpx.ConnectError):
        await browse(begun["redirectUri"])
    assert await reader.read() == b""
    writer.close()


# device code, file --------------------------------------------------------------------------------------------


async def test_device_login(gateway, outside):
    outside.reply("/device", {"user_code": "AB-12", "device_code": "dc-secret", "interval": 0})
    for reply in ({"error": "pending"}, {"access_token": "at-1", "email": "tv@example.com"}):
        outside.reply("/device/token", reply)
    begun = await gateway.ask("GET", "/api/oauth/club/device-code", expect=200)
    assert (begun["user_code"], begun["verification_uri"]) == ("AB-12", f"{outside.url}/enter")
    assert "dc-secret" not in str(begun)
    body = {"deviceCode": begun["device_code"]}
    first = await gateway.ask("POST", "/api/oauth/club/poll", body, expect=200)
    assert first == {"success": False, "pending": True, "error": None}
    second = await gateway.ask("POST", "/api/oauth/club/poll", body, expect=200)
    assert second["connection"]["name"] == "tv@example.com"
    assert (await gateway.ask("POST", "/api/oauth/club/poll", body, expect=200))["success"] is True
    assert [asked["device"] for asked in outside.bodies("/device/token")] == ["dc-secret", "dc-secret"]


async def test_device_login_is_not_asked_for_more_often_than_the_vendor_likes(gateway, outside):
    outside.reply("/device", {"user_code": "AB-12", "device_code": "dc", "interval": 60})
    outside.reply("/device/token", {"error": "pending"})
    begun = await gateway.ask("GET", "/api/oauth/club/device-code", expect=200)
    for _ in range(3):
        told = await gateway.ask("POST", "/api/oauth/club/poll", {"deviceCode": begun["device_code"]}, expect=200)
        assert told["pending"] is True
    assert len(outside.bodies("/device/token")) == 1


async def test_denied_device_login_ends(gateway, outside):
    outside.reply("/device", {"user_code": "AB-12", "device_code": "dc", "interval": 0})
    outside.reply("/device/token", {"error": "denied"})
    begun = await gateway.ask("GET", "/api/oauth/club/device-code", expect=200)
    for _ in range(2):
        told = await gateway.ask("POST", "/api/oauth/club/poll", {"deviceCode": begun["device_code"]}, expect=200)
        assert told == {"success": False, "pending": False, "error": "The user said no."}
    assert len(outside.bodies("/device/token")) == 1
    told = await gateway.ask("POST", "/api/oauth/club/poll", {"deviceCode": "made up"}, expect=200)
    assert told["pending"] is False


async def test_login_of_another_program_is_taken_over(gateway, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    missing = await gateway.ask("POST", "/api/oauth/club/import", expect=404)
    assert "~/.clubtool" in missing["error"]["message"]
    (tmp_path / ".clubtool").mkdir()
    (tmp_path / ".clubtool" / "login.json").write_text("at-file\n")
    for _ in range(2):
        done = await gateway.ask("POST", "/api/oauth/club/import", expect=200)
        assert (done["connection"]["name"], done["connection"]["authType"]) == ("From file", "oauth")
    assert len(await connections(gateway)) == 1
    (tmp_path / ".clubtool" / "login.json").write_bytes(b"\xff\xfe")
    await gateway.ask("POST", "/api/oauth/club/import", expect=400)


# everything else ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/api/oauth/nobody/authorize", 404, id="unknown-provider"),
        pytest.param("GET", "/api/oauth/acme/authorize", 400, id="provider-without-login"),
        pytest.param("GET", "/api/oauth/acme/device-code", 400, id="no-device-flow"),
        pytest.param("GET", "/api/oauth/club/dance", 400, id="unknown-action"),
        pytest.param("GET", "/api/oauth/club/authorize?redirect=elsewhere", 400, id="unknown-way"),
        pytest.param("POST", "/api/oauth/club/authorize", 405, id="wrong-method"),
        pytest.param("GET", "/api/oauth/club/start-callback-server", 405, id="a-link-opens-no-port"),
        pytest.param("GET", "/api/oauth/club/poll-callback", 400, id="no-state"),
    ],
)
async def test_wrong_step_is_refused(gateway, method, path, status):
    await gateway.ask(method, path, {} if method == "POST" else None, expect=status)


async def test_login_of_one_provider_is_not_finished_as_anothers(gateway, outside):
    begun = await begin(gateway)
    body = {"code": "c", "state": begun["state"]}
    await gateway.ask("POST", "/api/oauth/acme/exchange", body, expect=400)
    answer = await gateway.ask("POST", "/api/oauth/acme/poll-callback", {"state": begun["state"]}, expect=200)
    assert answer["pending"] is False
    outside.reply("/token", TOKENS)
    await gateway.ask("POST", "/api/oauth/club/exchange", body, expect=200)
