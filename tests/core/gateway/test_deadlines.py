"""Deadlines: of a provider, of a connection and of a combo, the more particular one counts."""

import asyncio
import json

import pytest
from gateway_kit import PATIENCE_S, add_node, ask, request_in
from omniroute_hooks import Provider
from omniroute_hooks.testing import SPEAKERS, Reply, Say, ScriptedUpstream, serving
from routing_kit import connection, enter, provider, snapshot_of

from core.gateway.choosing.picks import Pick
from core.gateway.naming.combos import ComboConfig
from core.gateway.naming.deadlines import NO_DEADLINES, Deadlines, deadlines_of, declared
from core.gateway.naming.resolve import resolve
from core.gateway.naming.snapshot import Snapshot

QUICK = 60
STREAM = {"content-type": "text/event-stream"}


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


def first_line(snapshot: Snapshot, name: str):
    return resolve(snapshot, name).choices[0].lines[0]


# Which one counts -------------------------------------------------------------------------------------------------


def hurried(prefix, **options) -> Provider:
    """A provider whose plugin declares options."""
    plain = provider(prefix, "m-1")
    return Provider(
        id=plain.id, prefix=prefix, base_url=plain.base_url, dialect="plain", models=plain.models, options=options
    )


def test_a_connections_deadlines_come_before_its_providers_and_a_combos_before_both():
    declaring = hurried("up", first_token_ms=20_000, idle_ms=5000, total_ms=90_000)
    own = {"idleMs": 7000, "connectMs": 100}
    snapshot = snapshot_of(
        [declaring], [connection("up", provider_specific_data=own), connection("up", "2", priority=2)]
    )
    first, second = resolve(snapshot, "up/m-1").choices[0].lines
    assert first.deadlines == Deadlines(0.1, 20.0, 7.0, 90.0)
    assert second.deadlines == Deadlines(None, 20.0, 5.0, 90.0)

    choice = resolve(snapshot, "up/m-1").choices[0]
    assert Pick(choice, first).deadlines is first.deadlines  # made once, not for each request
    combo = ComboConfig(first_token_ms=300, total_ms=1000)
    assert Pick(choice, first, config=combo).deadlines == Deadlines(0.1, 0.3, 7.0, 1.0)


def test_without_any_there_are_none():
    snapshot = snapshot_of([provider("up", "m-1")])
    assert first_line(snapshot, "up/m-1").deadlines is NO_DEADLINES


@pytest.mark.parametrize("value", [0, -1, "5", 1.5, True, None, 86_400_001, [5]])
def test_a_stored_value_that_is_no_deadline_counts_as_unset(value):
    otherwise = Deadlines(idle_s=3.0)
    assert deadlines_of({"idleMs": value, "totalMs": 10}, otherwise) == Deadlines(idle_s=3.0, total_s=0.01)
    assert declared({"idle_ms": value}) == NO_DEADLINES


# On the wire ------------------------------------------------------------------------------------------------------


async def hurry(gateway, upstream, **data):
    """A provider ``up`` whose one connection has these deadlines; the connection's id."""
    node = await gateway.add_node(upstream.url + "/v1", "openai-compatible", "up", "chat", None)
    return await gateway.add_connection(node, {"api_key": "k"}, provider_specific_data=data)


@pytest.mark.parametrize(
    "data", [{"firstTokenMs": QUICK}, {"totalMs": QUICK}, {"firstTokenMs": QUICK, "totalMs": 9000}]
)
async def test_a_connection_that_says_nothing_in_time_is_given_up(gateway, upstream, data):
    await hurry(gateway, upstream, **data)
    upstream.hang()
    path, body = request_in("openai-chat", stream=True)

    async with asyncio.timeout(PATIENCE_S):
        answer = await ask(gateway, "POST", path, body)

    assert answer.status == 504
    assert "said nothing for 0.06 s" in answer.json["error"]["message"]
    async with asyncio.timeout(PATIENCE_S):
        await upstream.requests[0].gone.wait()


@pytest.mark.parametrize(("field", "words"), [("idleMs", "was silent for 0.06 s"), ("totalMs", "longer")])
async def test_a_stream_that_stalls_is_told_as_broken(gateway, upstream, field, words):
    await hurry(gateway, upstream, **{field: QUICK})
    delta = {"index": 0, "delta": {"role": "assistant", "content": "Wo"}, "finish_reason": None}
    begun = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [delta]}
    for _ in range(3):  # it is tried once more, and stalls again
        upstream.hang([b"data: " + json.dumps(begun).encode() + b"\n\n"], headers=STREAM)
    path, body = request_in("openai-chat", stream=True)

    async with asyncio.timeout(PATIENCE_S):
        answer = await ask(gateway, "POST", path, body)

    assert answer.status == 200
    assert b"Wo" in answer.body
    assert words in answer.body.decode()
    assert b'"finish_reason":"stop"' not in answer.body


async def test_the_next_account_answers_where_the_first_takes_too_long(gateway, upstream):
    node = await add_node(gateway, "openai-chat", upstream.url, keys=("slow", "quick"))
    await gateway.kernel.store.update_connection(node.connections[0], provider_specific_data={"firstTokenMs": QUICK})
    await gateway.kernel.reload()
    upstream.hang()
    SPEAKERS["openai-chat"].play(upstream, Say(text="Here."), True)
    path, body = request_in("openai-chat", stream=True)

    answer = await ask(gateway, "POST", path, body)

    assert SPEAKERS["openai-chat"].read_stream(answer.body).text == "Here."
    assert [request.headers["authorization"] for request in upstream.requests] == ["Bearer slow", "Bearer quick"]


async def test_a_whole_answer_may_take_longer_than_the_first_word_of_a_stream(gateway, upstream):
    await hurry(gateway, upstream, firstTokenMs=QUICK)
    late = asyncio.Event()
    said = json.dumps(SPEAKERS["openai-chat"].answer(Say(text="Here."))).encode()
    upstream.otherwise(lambda request: Reply(headers={"content-type": "application/json"}, chunks=(late, said)))
    path, body = request_in("openai-chat")

    asking = asyncio.ensure_future(ask(gateway, "POST", path, body))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(4 * QUICK / 1000):
            await asyncio.shield(asking)
    late.set()

    assert (await asking).status == 200


async def test_a_combo_may_give_more_time_and_a_dry_run_tells_what_holds(gateway, upstream):
    await hurry(gateway, upstream, firstTokenMs=1, idleMs=9000)
    await gateway.kernel.store.create_combo(name="patient", models=["up/m-1"], config={"firstTokenMs": 5000})
    await gateway.kernel.reload()
    await enter(gateway)
    SPEAKERS["openai-chat"].play(upstream, Say(text="Here."), False)
    path, body = request_in("openai-chat", model="patient")

    answer = await ask(gateway, "POST", path, body)
    plan = (await gateway.http.post("/api/route/explain", content=body)).json()

    assert answer.status == 200, answer.body
    assert plan["candidates"][0]["deadlines"] == {"connect": None, "firstToken": 5.0, "idle": 9.0, "total": None}


async def test_a_nodes_deadlines_hold_for_its_connections(gateway, upstream):
    await enter(gateway)
    node = {
        "name": "Up",
        "prefix": "up",
        "type": "openai-compatible",
        "apiType": "chat",
        "baseUrl": upstream.url + "/v1",
        "providerSpecificData": {"firstTokenMs": QUICK, "idleMs": 9000},
    }
    made = (await gateway.http.post("/api/provider-nodes", json=node)).json()["node"]
    own = {"provider": made["id"], "name": "one", "apiKey": "k", "providerSpecificData": {"idleMs": 8000}}
    assert (await gateway.http.post("/api/providers", json=own)).status_code == 201
    upstream.hang()

    async with asyncio.timeout(PATIENCE_S):
        answer = await ask(gateway, "POST", *request_in("openai-chat", stream=True))
    wrong = await gateway.http.patch(f"/api/provider-nodes/{made['id']}", json={"providerSpecificData": {"idleMs": 0}})

    assert answer.status == 504
    assert first_line(gateway.kernel.snapshot, "up/m-1").deadlines == Deadlines(None, QUICK / 1000, 8.0, None)
    assert wrong.status_code == 400
    assert wrong.json()["error"]["details"][0]["field"] == "providerSpecificData.idleMs"
