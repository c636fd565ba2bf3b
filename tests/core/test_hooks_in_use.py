"""Every hook is in use: what a plugin declares with it, the kernel really calls, serves or obeys."""

import asyncio
import json

import every_hook
import httpx
import importlib_metadata
import pytest
from attrs import evolve
from every_hook import KEPT, SEEN
from omniroute_hooks import Job
from omniroute_hooks.testing import ScriptedUpstream, serving
from running import PASSWORD, running

from core.kernel import Kernel
from core.plugins import discovery
from core.plugins import registry as plugins
from core.plugins.discovery import HOOKS
from core.resilience.memory_state import MemoryState, StateUnavailable
from core.settings import Settings

PATIENCE_S = 10.0
CHAT = {"model": "loud/voice", "messages": [{"role": "user", "content": "psst"}]}


@pytest.fixture(autouse=True)
def nothing_seen_yet():
    SEEN.clear()
    KEPT.clear()


@pytest.fixture(scope="module")
def registry():
    """All installed plugins, and the one that implements everything."""
    point = importlib_metadata.EntryPoint(name="every-hook", value="every_hook", group=discovery.GROUP)
    return plugins.build(entry_points=[*discovery.find(), point])


@pytest.fixture
async def gateway(tmp_path, registry):
    async with running(tmp_path / "data", registry, initial_password=None) as instance:
        instance.http.cookies.set("auth_token", await instance.kernel.sessions.create())
        yield instance


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


async def until(true):
    """Waits for something that nobody announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def ask(gateway, method, path, expect=200, **more):
    answer = await gateway.http.request(method, path, **more)
    assert answer.status_code == expect, answer.text
    return answer.json()


def test_the_plugin_implements_every_hook_there_is(registry):
    [record] = [record for record in registry.records if record.name == "every-hook"]

    assert record.state == "active", record.reason
    assert {f"omniroute_{hook}" for hook in record.brings} == set(HOOKS)


async def test_a_provider_is_listed_and_answers_in_every_dialect(gateway):
    await gateway.add_connection("loud", {"api_key": "k"})

    listed = await ask(gateway, "GET", "/v1/models")
    chat = await ask(gateway, "POST", "/v1/chat/completions", json=CHAT)
    body = {"model": "voice", "max_tokens": 9, "messages": [{"role": "user", "content": "hey"}], "stream": True}
    stream = await gateway.http.post("/v1/messages", json=body)

    assert "loud/voice" in [model["id"] for model in listed["data"]]
    assert chat["choices"][0]["message"]["content"] == "PSST"
    assert '"text":"HEY"' in stream.text
    assert SEEN["generate"] == ["psst", "hey"]


async def test_a_dialect_is_served_at_its_address_and_spoken_to_nodes_of_its_type(gateway, upstream):
    types = (await ask(gateway, "GET", "/api/provider-nodes"))["types"]
    assert "shout-compatible" in [kind["id"] for kind in types]
    node = {"name": "Mine", "prefix": "mine", "type": "shout-compatible", "baseUrl": upstream.url}
    await ask(gateway, "POST", "/api/provider-nodes", 201, json=node)
    await ask(gateway, "POST", "/api/providers", 201, json={"provider": "mine", "name": "one", "apiKey": "k"})
    await gateway.add_connection("loud", {"api_key": "k"})
    upstream.reply(200, json={"said": "translated"})
    upstream.stream([b'data: {"word": "str"}\n\ndata: {"word": "eam"}\n\n', b'data: {"end": true}\n\n'])
    upstream.reply(200, json={"said": "passed on", "extra": 1})

    own = await ask(gateway, "POST", "/v1/shout", json={"model": "loud/voice", "say": "psst"})
    wrong = await ask(gateway, "POST", "/v1/shout", 400, json={"say": "psst"})
    whole = await ask(gateway, "POST", "/v1/chat/completions", json={**CHAT, "model": "mine/m"})
    stream = await gateway.http.post("/v1/chat/completions", json={**CHAT, "model": "mine/m", "stream": True})
    same = await ask(gateway, "POST", "/shout", json={"model": "mine/m", "say": "hey"})

    assert own == {"said": "PSST", "model": "loud/voice"}
    assert wrong["wrong"] == "model: is required"
    assert whole["choices"][0]["message"]["content"] == "translated"
    assert '"content":"str' in stream.text
    assert stream.text.endswith("data: [DONE]\n\n")
    assert same == {"said": "passed on", "extra": 1}
    assert [request.json["say"] for request in upstream.requests] == ["psst", "psst", "hey"]
    assert upstream.requests[0].headers["authorization"] == "Bearer k"


async def test_a_login_flow_is_offered_and_becomes_a_connection(gateway):
    begun = await ask(gateway, "GET", "/api/oauth/club/device-code")
    assert begun["user_code"] == "ABCD"
    assert "d-1" not in str(begun)
    poll = {"json": {"deviceCode": begun["device_code"]}}
    assert (await ask(gateway, "POST", "/api/oauth/club/poll", **poll))["pending"] is True

    done = await ask(gateway, "POST", "/api/oauth/club/poll", **poll)

    assert done["connection"]["email"] == "me@club.example"
    assert SEEN["polled"] == ["d-1", "d-1"]


async def add_club(gateway):
    return await gateway.add_connection("club", {"access_token": "at"}, auth_type="oauth")


async def test_a_model_source_fills_the_list_of_models(gateway):
    connection = await add_club(gateway)

    synced = await ask(gateway, "POST", f"/api/providers/{connection}/sync-models")

    assert synced["syncedModels"] == 1
    assert "club/listed-1" in [model["id"] for model in (await ask(gateway, "GET", "/v1/models"))["data"]]


async def test_a_quota_source_is_read_and_shown(gateway):
    connection = await add_club(gateway)

    reading = (await ask(gateway, "POST", f"/api/providers/{connection}/quota"))["quota"]

    [window] = reading["windows"]
    assert (window["name"], window["used"], window["percentRemaining"]) == ("day", 4, 60.0)


async def test_a_strategy_orders_connections_once_it_is_chosen(gateway, upstream):
    node = await gateway.add_node(upstream.url, "openai-compatible", "up", "chat", None)
    for key in ("k-1", "k-2"):
        await gateway.add_connection(node, {"api_key": key}, name=key)
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}
    upstream.always(200, json=answer)

    await ask(gateway, "POST", "/v1/chat/completions", json={**CHAT, "model": "up/m"})
    await ask(gateway, "PATCH", "/api/settings", json={"fallbackStrategy": "last-first"})
    await ask(gateway, "POST", "/v1/chat/completions", json={**CHAT, "model": "up/m"})

    assert [request.headers["authorization"] for request in upstream.requests] == ["Bearer k-1", "Bearer k-2"]


async def test_an_observer_is_told_of_finished_requests(gateway):
    await gateway.add_connection("loud", {"api_key": "k"})

    await ask(gateway, "POST", "/v1/chat/completions", json=CHAT)
    await ask(gateway, "POST", "/v1/chat/completions", 404, json={**CHAT, "model": "none/m"})
    await until(lambda: len(SEEN["finished"]) == 2)

    good, bad = SEEN["finished"]
    assert (good.provider, good.model, good.status, good.usage) == ("loud", "voice", 200, every_hook.COUNTS)
    assert (bad.status, bad.error_code) == (404, "model_not_found")


async def test_a_job_runs_again_and_again_with_the_guarded_client(gateway):
    await until(lambda: len(SEEN["runs"]) >= 3)

    assert isinstance(SEEN["runs"][0], httpx.AsyncClient)


async def test_jobs_go_on_in_another_worker_when_the_first_one_stops(tmp_path, registry):
    def last_run():
        return SEEN["runs"][-1] if SEEN["runs"] else None

    async with (
        running(tmp_path / "data", registry, initial_password=None) as one,
        running(tmp_path / "data", registry, initial_password=None) as two,
    ):
        await until(lambda: len(SEEN["runs"]) >= 3)
        assert set(SEEN["runs"]) == {one.kernel.http}
        await one.application._jobs.aclose()  # as its own stop does first
        SEEN["runs"].clear()

        await until(lambda: last_run() is two.kernel.http)

        assert set(SEEN["runs"]) == {two.kernel.http}


async def test_a_job_that_cannot_run_costs_only_itself(tmp_path, registry):
    async def fail(http):
        raise RuntimeError("broken")

    odd = (Job(id="quota", every_s=0.1, run=fail), Job(id="never", every_s=float("nan"), run=fail), *registry.jobs)
    async with running(tmp_path / "data", evolve(registry, jobs=odd), initial_password=None):
        await until(lambda: len(SEEN["runs"]) >= 3)


async def test_pages_are_served_to_those_who_may_have_them(gateway):
    key_required = {"host": "elsewhere.example"}
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as stranger:

        async def status(access, **more):
            return (await stranger.get(f"/every-hook/{access}", **more)).status_code

        assert await status("public") == 200
        assert await status("key") == 200  # a program on this machine
        assert await status("key", headers=key_required) == 403
        assert await status("session") == 401
    assert await ask(gateway, "GET", "/every-hook/session") == {"access": "session"}


# The cache ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def remembering(gateway):
    """The gateway with the plugin's cache switched on."""
    await gateway.add_connection("loud", {"api_key": "k"})
    await ask(gateway, "PATCH", "/api/settings", json={"cache": "notebook"})
    return gateway


async def say(gateway, headers=None, path="/v1/chat/completions", **more):
    """The answer, once what it leaves behind is written."""
    body = {**CHAT, "temperature": 0, **more}
    answer = await gateway.http.post(path, json=body, headers=headers or {})
    assert answer.status_code == 200, answer.text
    await asyncio.gather(*gateway.application.front.memory._writes)
    return answer


async def test_the_same_question_is_answered_from_the_cache(remembering):
    first = await say(remembering)
    second = await say(remembering)

    assert (first.headers["x-omniroute-cache"], second.headers["x-omniroute-cache"]) == ("MISS", "HIT")
    assert second.content == first.content
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert SEEN["generate"] == ["psst"]
    [(key, ttl_s)] = SEEN["kept"]
    assert (len(key), ttl_s) == (64, 3600.0)
    newest, _ = await remembering.kernel.usage_log.recent(2)
    assert (newest.status, newest.output_visible) == (200, 0)  # nobody was asked, nothing was used


@pytest.mark.parametrize(
    ("headers", "more"),
    [
        pytest.param({}, {"temperature": 0.1}, id="warm"),
        pytest.param({}, {"temperature": None}, id="no-temperature"),
        pytest.param({}, {"stream": True}, id="stream"),
        pytest.param({"X-OmniRoute-No-Cache": "true"}, {}, id="told-not-to"),
        pytest.param({"X-OmniRoute-No-Cache": "1"}, {}, id="told-not-to-by-a-number"),
    ],
)
async def test_what_may_not_be_remembered_is_not(remembering, headers, more):
    for _ in range(2):
        answer = await say(remembering, headers, **more)
        assert "x-omniroute-cache" not in answer.headers

    assert SEEN["generate"] == ["psst", "psst"]
    assert not SEEN["asked-cache"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"user": "x"}, id="another-body"),
        pytest.param({"model": "voice"}, id="another-name"),
        pytest.param({"path": "/v1/shout", "say": "psst"}, id="another-address"),
    ],
)
async def test_another_question_is_not_the_same(remembering, more):
    await say(remembering)
    other = await say(remembering, **more)

    assert other.headers["x-omniroute-cache"] == "MISS"


async def test_what_one_key_was_told_is_not_told_to_another(tmp_path, registry):
    async with running(tmp_path / "data", registry) as gateway:
        await gateway.login()
        await gateway.add_connection("loud", {"api_key": "k"})
        await ask(gateway, "PATCH", "/api/settings", json={"cache": "notebook"})
        keys = [(await ask(gateway, "POST", "/api/keys", 201, json={"name": name}))["key"] for name in "ab"]

        answers = [await say(gateway, {"authorization": f"Bearer {key}"}) for key in (*keys, *keys)]

    assert [answer.headers["x-omniroute-cache"] for answer in answers] == ["MISS", "MISS", "HIT", "HIT"]


async def test_a_failure_is_not_remembered(remembering, upstream):
    await remembering.add_node(upstream.url, "openai-compatible", "up", "chat")
    upstream.reply(400, json={"error": {"message": "not like this"}})
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}
    upstream.reply(200, json=answer)
    body = json.dumps({**CHAT, "model": "up/m", "temperature": 0})

    failed = await remembering.http.post("/v1/chat/completions", content=body)
    served = await remembering.http.post("/v1/chat/completions", content=body)

    assert (failed.status_code, served.status_code) == (400, 200)
    assert served.headers["x-omniroute-cache"] == "MISS"


@pytest.mark.parametrize("trouble", [RuntimeError("broken"), TimeoutError()])
async def test_a_cache_in_trouble_counts_as_a_miss(remembering, trouble):
    SEEN["cache-trouble"].append(trouble)

    answer = await say(remembering)

    assert answer.headers["x-omniroute-cache"] == "MISS"
    assert answer.json()["choices"][0]["message"]["content"] == "PSST"


async def test_without_a_word_of_the_user_nothing_is_remembered(gateway):
    await gateway.add_connection("loud", {"api_key": "k"})

    for _ in range(2):
        assert "x-omniroute-cache" not in (await say(gateway)).headers
    assert not SEEN["asked-cache"]


async def test_a_cache_that_is_not_installed_cannot_be_chosen(gateway):
    answer = await ask(gateway, "PATCH", "/api/settings", 400, json={"cache": "none-such"})

    assert "notebook" in str(answer)


# The state store ----------------------------------------------------------------------------------------------


async def test_a_state_store_is_opened_by_its_scheme_proven_and_closed(tmp_path, registry):
    async with running(tmp_path / "data", registry, initial_password=PASSWORD, state_url="shelf://there/1") as gateway:
        assert isinstance(gateway.kernel.state, every_hook.Shelf)
        assert SEEN["state"] == ["opened shelf://there/1"]

    assert SEEN["state"] == ["opened shelf://there/1", "closed"]


async def test_without_a_word_of_the_user_state_is_kept_in_memory(gateway):
    assert isinstance(gateway.kernel.state, MemoryState)
    assert not SEEN["state"]


@pytest.mark.parametrize(
    ("url", "words"),
    [("shelf://me:secret@there/broken", "shelf"), ("none://me:secret@there", "installed: memory, shelf")],
)
async def test_a_state_store_that_does_not_work_stops_the_start_with_a_reason(tmp_path, registry, url, words):
    with pytest.raises(StateUnavailable, match=words) as caught:
        await Kernel.open(Settings(data_dir=tmp_path / "data", state_url=url), registry)

    assert "OMNIROUTE_STATE_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_state_in_memory_forgets_in_time_and_has_a_limit():
    now = [100.0]
    state = MemoryState(max_entries=3, clock=lambda: now[0])

    await state.set("a/1", b"x", 10)
    await state.set("a/2", b"y", 20)
    assert await state.scan("a/") == {"a/1": b"x", "a/2": b"y"}
    assert [await state.add("n", 2, 5), await state.add("n", 0.5, 50)] == [2.0, 2.5]
    now[0] += 10

    assert await state.get("a/1") is None
    assert await state.scan("a/") == {"a/2": b"y"}
    assert await state.add("n", 1, 5) == 1.0  # its time is that of its first addition
    for number in range(5):
        await state.set(f"b/{number}", b"", 99)
    assert sorted(await state.scan("")) == ["b/2", "b/3", "b/4"]
    await state.delete("b/4")
    assert await state.get("b/4") is None


async def test_a_lease_in_memory_has_one_owner_until_its_time_is_over():
    now = [0.0]
    state = MemoryState(clock=lambda: now[0])

    assert await state.acquire("lead", "me", 5)
    assert await state.acquire("lead", "me", 5)
    assert not await state.acquire("lead", "you", 5)
    await state.release("lead", "you")
    assert not await state.acquire("lead", "you", 5)
    now[0] = 6.0
    assert await state.acquire("lead", "you", 5)
    await state.release("lead", "you")
    assert await state.acquire("lead", "me", 5)
