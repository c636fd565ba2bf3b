"""What a user says of a node beyond its address: checked, kept, and heard by the dialect from the next request on."""

from __future__ import annotations

import pytest
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, serving
from running import running

NODE = {"name": "Mine", "prefix": "mine", "type": "openai-compatible", "baseUrl": "http://127.0.0.1:9/v1"}


@pytest.fixture
async def admin(tmp_path):
    """A gateway with the installed plugins, and its administrator."""
    async with running(tmp_path / "data", initial_password=None) as gateway:
        gateway.http.cookies.set("auth_token", await gateway.kernel.sessions.create())
        yield gateway


async def made(admin, **more):
    answer = await admin.http.post("/api/provider-nodes", json={**NODE, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()["node"]


def options(admin):
    return admin.kernel.snapshot.by_prefix["mine"].options


async def test_options_are_set_changed_and_taken_back(admin):
    node = await made(admin, providerSpecificData={"continues": "prefix", "replayReasoning": True})
    assert node["providerSpecificData"] == {"continues": "prefix", "replayReasoning": True}
    assert options(admin)["continues"] == "prefix"
    assert options(admin)["replay_reasoning"] is True

    path = f"/api/provider-nodes/{node['id']}"
    answer = await admin.http.patch(path, json={"providerSpecificData": {"continues": True, "replayReasoning": None}})
    assert answer.json()["node"]["providerSpecificData"] == {"continues": True}
    assert options(admin)["continues"] is True
    assert "replay_reasoning" not in options(admin)

    await admin.http.patch(path, json={"name": "Other"})
    assert options(admin)["continues"] is True


async def test_a_node_without_any_has_those_of_its_kind(admin):
    assert (await made(admin))["providerSpecificData"] == {}
    assert options(admin) == admin.kernel.registry.node_types["openai-compatible"].options


async def test_deadlines_of_a_node_hold_for_its_connections(admin):
    node = await made(admin, providerSpecificData={"firstTokenMs": 2500})
    await admin.add_connection(node["id"], {"api_key": "k"})
    await admin.add_connection(
        node["id"], {"api_key": "k"}, "hasty", provider_specific_data={"firstTokenMs": 900, "idleMs": 70}
    )

    ordinary, hasty = (line.deadlines for line in admin.kernel.snapshot.lines[node["id"]])

    assert (ordinary.first_token_s, ordinary.idle_s) == (2.5, None)
    assert (hasty.first_token_s, hasty.idle_s) == (0.9, 0.07)


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        pytest.param("openai-compatible", {"continues": "suffix"}, "continues", id="unknown-way"),
        pytest.param("openai-compatible", {"continues": 1}, "continues", id="one-is-not-true"),
        pytest.param("openai-compatible", {"replayReasoning": "yes"}, "replayReasoning", id="word-for-yes"),
        pytest.param("openai-compatible", {"replay_reasoning": True}, "replay_reasoning", id="other-spelling"),
        pytest.param("openai-compatible", {"apiKey": "sk-1"}, "apiKey", id="no-secret"),
        pytest.param("openai-compatible", {"totalMs": -1}, "totalMs", id="deadline"),
        pytest.param("anthropic-compatible", {"continues": "prefix"}, "continues", id="a-way-of-another-kind"),
        pytest.param("gemini-compatible", {"replayReasoning": True}, "replayReasoning", id="an-option-of-another-kind"),
    ],
)
async def test_what_the_kind_does_not_know_is_refused_by_name(admin, kind, data, field):
    node = await made(admin, type=kind)
    for method, path, body in (
        ("POST", "/api/provider-nodes", {**NODE, "prefix": "other", "type": kind}),
        ("PATCH", f"/api/provider-nodes/{node['id']}", {}),
    ):
        answer = await admin.http.request(method, path, json={**body, "providerSpecificData": data})
        assert answer.status_code == 400, answer.text
        assert [each["field"] for each in answer.json()["error"]["details"]] == [f"providerSpecificData.{field}"]
    assert options(admin) == admin.kernel.registry.node_types[kind].options


async def test_the_list_of_types_tells_what_can_be_set(admin):
    types = (await admin.http.get("/api/provider-nodes")).json()["types"]
    (chat,) = (kind for kind in types if kind["id"] == "openai-compatible")
    assert chat["providerSpecificData"]["continues"] == [False, True, "prefix", "partial", "continue_final_message"]
    assert chat["providerSpecificData"]["replayReasoning"] == [False, True]


async def test_what_no_plugin_knows_any_more_counts_as_unset(admin):
    node = await made(admin)
    await admin.kernel.store.update_node(node["id"], provider_specific_data={"continues": "by magic", "idleMs": "soon"})
    await admin.kernel.reload()
    await admin.add_connection(node["id"], {"api_key": "k"})
    assert "continues" not in options(admin)
    assert admin.kernel.snapshot.lines[node["id"]][0].deadlines.idle_s is None


@pytest.mark.parametrize("replays", [True, False])
async def test_reasoning_goes_back_to_a_node_that_wants_it(admin, replays):
    async with serving(ScriptedUpstream()) as upstream:
        data = {"replayReasoning": True} if replays else {}
        node = await made(admin, baseUrl=f"{upstream.url}/v1", providerSpecificData=data)
        await admin.add_connection(node["id"], {"api_key": "k"})
        SPEAKERS["openai-chat"].play(upstream, Say(text="Yes."), stream=False)
        thought = {"role": "assistant", "content": "4", "reasoning_content": "two and two"}
        turns = [{"role": "user", "content": "2+2"}, thought, {"role": "user", "content": "sure?"}]

        await admin.http.post("/v1/chat/completions", json={"model": "mine/m", "messages": turns})

        assert ("reasoning_content" in upstream.requests[0].json["messages"][1]) is replays
