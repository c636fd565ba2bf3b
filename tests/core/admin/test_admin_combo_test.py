"""Trying a combo out: each member is asked for a word, with a real request, and what became of it is told."""

import asyncio

import pytest
from omniroute_hooks import Overloaded, RateLimited
from omniroute_hooks.testing import ScriptedUpstream, serving
from omniroute_hooks.testing.scripted import whole
from running import running

PATIENCE_S = 10.0
OK = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "OK."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19},
}


def by_model(request):
    """Model m-1 is broken, the others are well."""
    if request.json["model"] == "m-1":
        return whole(500, {"error": {"message": "out of order"}})
    return whole(200, OK)


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


@pytest.fixture
async def gateway(tmp_path):
    async with running(tmp_path / "data", initial_password=None) as gateway:
        gateway.http.cookies.set("auth_token", await gateway.kernel.sessions.create())
        yield gateway


@pytest.fixture
async def node(gateway, upstream):
    """A provider ``up`` with one connection."""
    return await gateway.add_node(upstream.url + "/v1", "openai-compatible", "up", "chat", "k-1")


def connection(gateway, node):
    return gateway.kernel.snapshot.lines[node][0].connection.id


async def combo(gateway, name, *models, **more):
    await gateway.kernel.store.create_combo(name=name, models=models, **more)
    await gateway.kernel.reload()


async def tried(gateway, name, expect=200, **more):
    answer = await gateway.http.post("/api/combos/test", json={"comboName": name, **more})
    assert answer.status_code == expect, answer.text
    return answer.json()


async def rest(gateway, node, error, model="m-1", scope="connection"):
    """Puts a connection to rest, as a request that fails does."""
    key = (node, "apikey", connection(gateway, node), model)
    async with gateway.kernel.resilience.slot(*key) as passage:
        passage.failed(error, scope)


async def records(gateway, count):
    async with asyncio.timeout(PATIENCE_S):
        while len(found := await gateway.kernel.usage_log.recent(100)) < count:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.01)
    return found


async def test_every_member_is_asked_for_a_word_and_told_in_the_combos_order(gateway, upstream, node):
    await combo(gateway, "inner", "up/m-2", "nobody/x")
    await combo(gateway, "outer", "up/m-1", {"comboName": "inner"}, "echo/echo", {"model": "up/m-2"})
    upstream.otherwise(by_model)

    told = await tried(gateway, "combo/outer")

    assert [(r["stepId"], r["model"], r["status"]) for r in told["results"]] == [
        ("outer › 1", "up/m-1", "error"),
        ("outer › 2 › inner › 1", "up/m-2", "ok"),
        ("outer › 2 › inner › 2", "nobody/x", "error"),
        ("outer › 3", "echo/echo", "ok"),
    ]  # once: the fourth step is the same as the inner combo's first
    broken, good, unknown, echo = told["results"]
    assert (broken["statusCode"], broken["errorCode"], broken["blames"]) == (500, "upstream_error", "provider")
    assert "out of order" in broken["error"]
    assert (good["ok"], good["responseText"], good["statusCode"], good["error"]) == (True, "OK.", 200, None)
    assert (good["inputTokens"], good["outputTokens"]) == (12, 7)
    assert good["connectionId"] == connection(gateway, node)
    assert good["latencyMs"] >= 0
    assert "No provider has the prefix 'nobody'" in unknown["error"]
    assert "OK" in echo["responseText"]
    assert (told["comboName"], told["strategy"], told["resolvedBy"]) == ("outer", "priority", "up/m-2")
    assert told["resolvedByTarget"]["connectionId"] == connection(gateway, node)
    assert told["summary"] == {"total": 4, "ok": 2, "failed": 2, "resting": 0}
    assert "real requests" in told["warning"]
    models = sorted(request.json["model"] for request in upstream.requests)
    assert models == ["m-1", "m-1", "m-2"]  # a passing fault is tried once more, as in any request of a combo
    asked = upstream.requests[0].json
    assert (asked.get("max_tokens") or asked["max_completion_tokens"]) <= 16
    assert len(asked["messages"]) == 1


async def test_the_requests_are_in_the_books_and_what_they_cost_is_told(gateway, upstream):
    data = {"baseUrl": upstream.url}
    connection_id = await gateway.add_connection("deepseek", {"api_key": "k"}, provider_specific_data=data)
    await combo(gateway, "paid", "ds/deepseek-chat", "echo/echo")
    upstream.always(json=OK)

    told = await tried(gateway, "paid")

    assert told["costUsd"] > 0
    assert told["costUsd"] == pytest.approx(sum(r["costUsd"] or 0 for r in told["results"]))
    found = {record.requested_model: record for record in await records(gateway, 2)}
    paid = found["ds/deepseek-chat"]
    assert (paid.connection_id, paid.endpoint, paid.status) == (connection_id, "/api/combos/test", 200)
    assert (paid.input_fresh, paid.output_visible) == (12, 7)
    assert paid.cost_usd == pytest.approx(told["results"][0]["costUsd"])
    metrics = (await gateway.http.get("/api/combos/metrics")).json()["metrics"]
    assert metrics == {}  # nobody has called the combo


async def test_who_rests_is_reported_and_not_asked(gateway, upstream, node):
    await combo(gateway, "c", "up/m-1", "echo/echo")
    await rest(gateway, node, RateLimited("Too many.", retry_after_s=60))
    upstream.always(json=OK)

    resting, echo = (await tried(gateway, "c"))["results"]

    assert not upstream.requests
    assert (resting["status"], resting["ok"], resting["errorCode"]) == ("resting", False, "resting")
    assert "Too many." in resting["error"]
    assert resting["retryAt"].endswith("Z")
    assert echo["status"] == "ok"
    assert len(await records(gateway, 1)) == 1  # in which nobody was asked leaves nothing


async def test_who_rests_is_asked_where_the_user_insists_and_an_answer_ends_the_rest(gateway, upstream, node):
    await combo(gateway, "c", "up/m-2")
    await rest(gateway, node, RateLimited("Too many.", retry_after_s=60))
    upstream.always(json=OK)

    told = await tried(gateway, "c", force=True)

    assert (told["results"][0]["status"], told["resolvedBy"]) == ("ok", "up/m-2")
    assert gateway.kernel.resilience.live().cooldowns == ()


async def test_a_failure_of_one_who_rests_makes_its_rest_no_longer(gateway, upstream, node):
    await combo(gateway, "c", "up/m-1")
    await rest(gateway, node, Overloaded("Busy.", retry_after_s=60))
    before = gateway.kernel.resilience.live()
    upstream.otherwise(by_model)

    told = await tried(gateway, "c", force=True)

    assert told["results"][0]["status"] == "error"
    after = gateway.kernel.resilience.live()
    assert (after.cooldowns, after.breakers) == (before.cooldowns, before.breakers)
    assert before.cooldowns


async def test_a_failure_puts_to_rest_as_any_request_does(gateway, upstream, node):
    await combo(gateway, "c", "up/m-1")
    upstream.reply(429, json={"error": {"message": "slow down"}}, headers={"retry-after": "90"})

    told = await tried(gateway, "c")

    assert (told["results"][0]["statusCode"], told["results"][0]["errorCode"]) == (429, "rate_limited")
    assert [c.key for c in gateway.kernel.resilience.live().cooldowns] == [connection(gateway, node)]
    assert (await tried(gateway, "c"))["results"][0]["status"] == "resting"
    assert len(upstream.requests) == 1


async def test_a_member_is_asked_through_the_first_account_that_does_not_rest(gateway, upstream, node):
    second = await gateway.add_connection(node, {"api_key": "k-2"}, name="second")
    await combo(gateway, "c", "up/m-2", {"model": "up/m-3", "connectionId": connection(gateway, node)})
    await rest(gateway, node, RateLimited("Too many.", retry_after_s=60))
    upstream.always(json=OK)

    other, tied = (await tried(gateway, "c"))["results"]

    assert (other["status"], other["connectionId"]) == ("ok", second)
    assert (tied["status"], tied["connectionId"]) == ("resting", connection(gateway, node))
    assert [request.headers["authorization"] for request in upstream.requests] == ["Bearer k-2"]


async def test_only_a_few_are_asked_at_once(gateway, upstream, node):
    await combo(gateway, "many", *(f"up/m-{n}" for n in range(2, 12)))
    gate = asyncio.Event()
    for _ in range(10):
        upstream.stream([gate, b"{}"], headers={"content-type": "application/json"})

    asking = asyncio.create_task(tried(gateway, "many"))
    async with asyncio.timeout(PATIENCE_S):
        await upstream.arrived(4)
        await gateway.http.get("/api/combos")  # time for a fifth, if there were one
        assert len(upstream.requests) == 4
        gate.set()
        told = await asking

    assert told["summary"] == {"total": 10, "ok": 0, "failed": 10, "resting": 0}


async def test_an_alias_of_the_same_name_is_not_in_the_way(gateway, upstream, node):
    await combo(gateway, "c", "echo/echo")
    await gateway.kernel.store.set_value("model-aliases", "c", "up/m-1")
    await gateway.kernel.reload()

    assert (await tried(gateway, "c"))["resolvedBy"] == "echo/echo"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        pytest.param({}, 400, "comboName: is required", id="no-name"),
        pytest.param({"comboName": "off", "force": "yes"}, 400, "force", id="wrong-type"),
        pytest.param({"comboName": "none"}, 404, "There is no combo 'none'", id="unknown"),
        pytest.param({"comboName": "off"}, 404, "switched off", id="switched-off"),
        pytest.param({"comboName": "empty"}, 404, "has no models", id="empty"),
    ],
)
async def test_what_cannot_be_tried_is_told(gateway, body, status, words):
    await combo(gateway, "off", "echo/echo", is_active=False)
    await combo(gateway, "empty")
    answer = await gateway.http.post("/api/combos/test", json=body)

    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
