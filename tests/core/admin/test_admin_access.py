"""Who may reach what: every route has a class, and nothing is open by mistake."""

import re

import pytest
from attrs import evolve
from omniroute_hooks import Mount
from quart import Blueprint, g

from core.access.api_keys import mint_api_key
from core.admin import guard
from core.admin.app import build
from core.plugins import registry as installed

ID = "00000000-0000-0000-0000-000000000000"
PUBLIC = {
    "/",
    "/setup",
    "/assets/page.css",
    "/api/auth/login",
    "/api/auth/logout",
    "/api/auth/status",
    "/api/settings/require-login",
    "/api/setup",
    "/api/monitoring/health",
}


def path_of(rule):
    return re.sub(r"<[^>]+>", ID, rule.rule)


def test_every_route_is_classified_and_only_these_are_public():
    app = build(lambda: pytest.fail("no kernel is needed to build"), installed.build())
    classes = {rule.rule: guard.class_of(app, rule.endpoint) for rule in app.url_map.iter_rules()}
    assert [rule for rule, access in classes.items() if access is None] == []
    assert {rule for rule, access in classes.items() if access == "public"} == PUBLIC
    assert len(classes) > 25


async def test_nobody_without_a_session_gets_past_a_session_route(opened):
    async with opened() as gateway:
        tried = 0
        rules = gateway.app.url_map.iter_rules()
        inner = [rule for rule in rules if guard.class_of(gateway.app, rule.endpoint) == "session"]
        for rule in inner:
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                for cookie in (b"", b"auth_token=made-up", b"auth_token=\xff\x7f; =;"):
                    answer = await gateway.client.request(method, path_of(rule), headers=[(b"Cookie", cookie)])
                    assert answer.status_code == 401, (method, rule.rule)
                    assert answer.json()["error"]["code"] == "login_required"
                    tried += 1
        assert tried > 90


async def test_route_without_a_class_is_refused_even_to_the_user(opened):
    async with opened() as gateway:
        forgotten = Blueprint("forgotten", __name__)
        forgotten.get("/api/forgotten")(lambda: {"secret": 1})
        gateway.app.register_blueprint(forgotten)
        await gateway.enter()
        answer = await gateway.ask("GET", "/api/forgotten", expect=403)
        assert "secret" not in answer
        assert answer["error"]["code"] == "permission_denied"


async def test_plugin_pages_get_the_class_of_their_mount(opened, registry_for, outside):
    def pages(name):
        blueprint = Blueprint(name, __name__)
        blueprint.route(f"/{name}", methods=["GET", "POST"])(lambda: {"page": name})
        return blueprint

    clash = pages("auth")  # the name of one of our own
    mounts = (
        Mount(blueprint=clash, access="public"),
        Mount(blueprint=pages("open"), access="public"),
        Mount(blueprint=pages("inside")),
        Mount(blueprint=pages("callers"), access="key"),
    )
    registry = evolve(registry_for(outside.url), mounts=mounts)
    async with opened(registry, require_api_key=True) as gateway:
        assert await gateway.ask("GET", "/open", expect=200) == {"page": "open"}
        await gateway.ask("GET", "/inside", expect=401)
        await gateway.ask("GET", "/callers", expect=401)
        minted = mint_api_key(gateway.kernel.store.vault.api_key_secret)
        await gateway.kernel.store.create_api_key(name="k", key_hash=minted.key_hash, key_hint=minted.key_hint)
        await gateway.kernel.reload()
        bearer = {"Authorization": f"Bearer {minted.key}"}
        assert await gateway.ask("GET", "/callers", expect=200, headers=bearer) == {"page": "callers"}
        await gateway.ask("GET", "/inside", expect=401, headers=bearer)
        await gateway.ask("GET", "/auth", expect=404)
        await gateway.enter()
        assert await gateway.ask("GET", "/inside", expect=200) == {"page": "inside"}


async def test_plugin_may_bring_the_start_page_but_no_page_of_the_api(opened, registry_for, outside):
    blueprint = Blueprint("dashboard", __name__)
    blueprint.get("/")(lambda: "the dashboard")
    blueprint.add_url_rule("/api/keys", "keys", lambda: "all your keys")
    registry = evolve(registry_for(outside.url), mounts=(Mount(blueprint=blueprint, access="public"),))
    async with opened(registry) as gateway:
        assert (await gateway.client.get("/")).text == "the dashboard"
        await gateway.ask("GET", "/api/keys", expect=401)


async def test_api_key_does_not_open_the_management_interface(gateway):
    made = await gateway.ask("POST", "/api/keys", {"name": "k"}, expect=201)
    async with gateway.browser(headers={"Authorization": f"Bearer {made['key']}"}) as caller:
        answer = await caller.get("/api/keys")
    assert answer.status_code == 401
    assert "API key" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        pytest.param({}, True, id="a-program"),
        pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True, id="own-page"),
        pytest.param({"Sec-Fetch-Site": "none"}, True, id="typed-by-the-user"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, False, id="other-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, False, id="other-port"),
        pytest.param({"Origin": "OWN"}, True, id="own-origin"),
        pytest.param({"Origin": "http://localhost:20128"}, True, id="base-url"),
        pytest.param({"Origin": "http://localhost:20129"}, False, id="other-port-origin"),
        pytest.param({"Origin": "https://evil.example"}, False, id="other-origin"),
        pytest.param({"Origin": "null"}, False, id="null-origin"),
        pytest.param({"Origin": "http://[bad"}, False, id="no-origin-at-all"),
    ],
)
@pytest.mark.parametrize("path", ["/api/keys", "/api/auth/logout"])
async def test_pages_of_other_sites_change_nothing(gateway, headers, allowed, path):
    headers = {name: gateway.url if value == "OWN" else value for name, value in headers.items()}
    answer = await gateway.client.post(path, json={"name": "k"}, headers=headers)
    assert (answer.status_code == 403) is not allowed
    reading = await gateway.client.get("/api/auth/status", headers=headers)
    assert reading.status_code == 200


async def test_every_answer_carries_the_security_headers(gateway):
    for path in ("/", "/api/keys", "/api/auth/status", "/nowhere", "/api/nowhere"):
        headers = (await gateway.client.get(path, headers={"X-Request-Id": "mine"})).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in headers  # plain http
        assert headers["x-request-id"] not in ("", "mine")
        assert "access-control-allow-origin" not in headers
    assert (await gateway.client.get("/api/keys")).headers["x-omniroute-route-class"] == "MANAGEMENT"
    assert (await gateway.client.get("/api/keys")).headers["cache-control"] == "no-store"


async def test_a_view_that_admits_its_own_callers_is_left_to_do_so_and_may_take_more(opened):
    async with opened() as gateway:
        uploads = Blueprint("uploads", __name__)

        @uploads.post("/v1/uploads")
        async def upload():
            from quart import request

            return {"size": len(await request.get_data()), "access": g.access}

        guard.register(gateway.app, uploads, "own", max_body_bytes=3 * 1024 * 1024)
        headers = {"Origin": "https://app.example"}
        answer = await gateway.client.post("/v1/uploads", content=b"x" * 2_000_000, headers=headers)
        assert answer.json() == {"size": 2_000_000, "access": "own"}
        answer = await gateway.client.post("/v1/uploads", content=b"x" * 4_000_000)
        assert answer.status_code == 413
