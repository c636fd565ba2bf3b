"""Logging in: the first run, sessions, passwords, and who is turned away."""

import asyncio

import pytest

PASSWORD = "a password of the tests"


@pytest.fixture
async def gateway(opened):
    """A gateway with a password, and a browser that is logged in."""
    async with opened(initial_password=PASSWORD) as gateway:
        await gateway.log_in()
        yield gateway


def token_of(link):
    return link.partition("token=")[2]


async def test_first_run_prints_a_link_that_sets_the_password_once(opened):
    async with opened() as gateway:
        assert gateway.link.startswith("/setup?token=")
        assert await gateway.ask("GET", "/api/settings/require-login") == {
            "requireLogin": True,
            "hasPassword": False,
            "setupComplete": False,
        }
        refused = await gateway.ask("POST", "/api/auth/login", {"password": "123456"}, expect=403)
        assert refused["error"]["code"] == "needs_setup"

        body = {"token": token_of(gateway.link), "password": PASSWORD}
        await gateway.ask("POST", "/api/setup", body, expect=200)

        assert (await gateway.ask("GET", "/api/auth/status")) == {"authenticated": True}
        assert (await gateway.ask("GET", "/api/settings", expect=200))["hasPassword"] is True
        again = await gateway.ask("POST", "/api/setup", body, expect=409)
        assert "already" in again["error"]["message"]
        async with gateway.browser() as other:
            assert (await other.post("/api/auth/login", json={"password": PASSWORD})).status_code == 200


async def test_two_who_use_one_link_at_once_do_not_both_get_in(opened):
    async with opened() as gateway:
        bodies = [{"token": token_of(gateway.link), "password": f"password number {n}"} for n in range(2)]
        answers = await asyncio.gather(*(gateway.client.post("/api/setup", json=body) for body in bodies))
        assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 409])


async def test_link_of_an_earlier_start_still_works_and_the_store_has_no_token(opened, tmp_path):
    async with opened() as gateway:
        first = gateway.link
    async with opened() as gateway:
        assert gateway.link != first
        stored = str(await gateway.kernel.store.get_values("setup"))
        assert token_of(first) not in stored
        await gateway.ask("POST", "/api/setup", {"token": token_of(first), "password": PASSWORD}, expect=200)
        assert list(await gateway.kernel.store.get_values("setup")) == ["password"]
        assert "scrypt" not in str(gateway.kernel.snapshot.settings)
    async with opened() as gateway:
        assert gateway.link is None


async def test_wrong_link_says_what_to_do_and_counts_as_an_attempt(opened):
    async with opened() as gateway:
        wrong = {"token": "nonsense", "password": PASSWORD}
        answer = await gateway.ask("POST", "/api/setup", wrong, expect=403)
        assert "prints a new link" in answer["error"]["message"]
        for _ in range(4):
            await gateway.ask("POST", "/api/setup", wrong)
        right = {"token": token_of(gateway.link), "password": PASSWORD}
        assert (await gateway.client.post("/api/setup", json=right)).status_code == 429


async def test_short_password_is_refused_and_the_link_lives_on(opened):
    async with opened() as gateway:
        token = token_of(gateway.link)
        answer = await gateway.ask("POST", "/api/setup", {"token": token, "password": "short"}, expect=400)
        assert answer["error"]["details"][0]["field"] == "password"
        await gateway.ask("POST", "/api/setup", {"token": token, "password": PASSWORD}, expect=200)


async def test_initial_password_is_the_first_one_only(opened):
    async with opened(initial_password=PASSWORD) as gateway:
        assert gateway.link is None
        await gateway.log_in()
        body = {"currentPassword": PASSWORD, "newPassword": "another password"}
        await gateway.ask("PATCH", "/api/settings", body, expect=200)
    async with opened(initial_password=PASSWORD) as gateway:
        assert (await gateway.client.post("/api/auth/login", json={"password": PASSWORD})).status_code == 401
        await gateway.log_in("another password")


async def test_login_cookie_is_kept_from_scripts_and_other_sites(opened):
    async with opened(initial_password=PASSWORD) as gateway:
        answer = await gateway.client.post("/api/auth/login", json={"password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("auth_token=")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert answer.json() == {"success": True}
    async with opened(initial_password=PASSWORD, auth_cookie_secure=True) as gateway:
        answer = await gateway.client.post("/api/auth/login", json={"password": PASSWORD})
        assert "Secure" in answer.headers["set-cookie"].split("; ")


async def test_fifth_wrong_password_blocks_the_address_whatever_headers_say(opened):
    async with opened(initial_password=PASSWORD) as gateway:
        answers = [
            await gateway.client.post(
                "/api/auth/login",
                json={"password": f"wrong {n}"},
                headers={"X-Forwarded-For": f"10.0.0.{n}", "Remote-Addr": f"10.0.0.{n}"},
            )
            for n in range(5)
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 429]
        assert answers[0].json()["error"]["message"] == "Invalid password"
        right = await gateway.client.post("/api/auth/login", json={"password": PASSWORD})
        assert right.status_code == 429
        assert 0 < int(right.headers["retry-after"]) <= 900


async def test_logout_ends_the_session_itself(gateway):
    stolen = gateway.client.cookies["auth_token"]
    await gateway.ask("POST", "/api/auth/logout", expect=200)
    assert await gateway.ask("GET", "/api/auth/status") == {"authenticated": False}
    async with gateway.browser(cookies={"auth_token": stolen}) as thief:
        assert (await thief.get("/api/settings")).status_code == 401


async def test_new_password_ends_all_other_sessions(gateway):
    async with gateway.browser() as other:
        await other.post("/api/auth/login", json={"password": PASSWORD})
        assert (await other.get("/api/settings")).status_code == 200
        before = gateway.client.cookies["auth_token"]

        body = {"currentPassword": PASSWORD, "newPassword": "a new password"}
        await gateway.ask("PATCH", "/api/settings", body, expect=200)

        assert gateway.client.cookies["auth_token"] != before
        await gateway.ask("GET", "/api/settings", expect=200)
        assert (await other.get("/api/settings")).status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        pytest.param({"newPassword": "long enough"}, 400, "Current password required", id="no-current"),
        pytest.param(
            {"currentPassword": "x", "newPassword": "long enough"}, 401, "Invalid current password", id="wrong"
        ),
        pytest.param({"currentPassword": PASSWORD, "newPassword": "1"}, 400, "8 to 1024", id="short"),
        pytest.param({"currentPassword": PASSWORD}, 400, "is required", id="no-new"),
    ],
)
async def test_password_stays_when_the_change_is_wrong(gateway, body, status, says):
    answer = await gateway.ask("PATCH", "/api/settings", {**body, "theme": "dark"}, expect=status)
    assert says in answer["error"]["message"]
    assert (await gateway.ask("GET", "/api/settings", expect=200))["theme"] == "system"
    await gateway.log_in()


async def test_set_up_page_sets_the_password_without_a_script(opened):
    async with opened() as gateway:
        page = await gateway.client.get(gateway.link)
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
        style = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        assert (await gateway.client.get(style)).headers["content-type"].startswith("text/css")

        form = {"token": token_of(gateway.link), "password": PASSWORD, "again": "something else"}
        headers = {"Origin": gateway.url}
        differing = await gateway.client.post("/setup", data=form, headers=headers)
        assert (differing.status_code, "differ" in differing.text) == (400, True)

        done = await gateway.client.post("/setup", data={**form, "again": PASSWORD}, headers=headers)
        assert (done.status_code, done.headers["location"]) == (303, "/")
        await gateway.ask("GET", "/api/settings", expect=200)
        used = await gateway.client.get(gateway.link)
        assert (used.status_code, "already" in used.text) == (409, True)


async def test_set_up_page_explains_a_link_that_does_not_work(opened):
    async with opened() as gateway:
        for path in ("/setup", "/setup?token=%3Cscript%3E"):
            page = await gateway.client.get(path)
            assert page.status_code == 403
            assert "console" in page.text
            assert "<script" not in page.text


async def test_start_page_points_to_set_up_only_while_there_is_no_password(opened):
    async with opened() as gateway:
        page = await gateway.client.get("/")
        assert page.status_code == 200
        assert "running" in page.text
        assert 'href="/setup"' in page.text
        assert token_of(gateway.link) not in page.text
        head = await gateway.client.head("/")
        assert (head.status_code, head.content) == (200, b"")
    async with opened(initial_password=PASSWORD) as gateway:
        assert 'href="/setup"' not in (await gateway.client.get("/")).text
