"""Fallback chains over the management API."""

import asyncio

import pytest

from core.gateway.naming.resolve import resolve

PATH = "/api/fallback/chains"


async def made(gateway, name, *models, **more):
    body = {"name": name, "models": list(models), **more}
    return (await gateway.ask("POST", PATH, body, expect=201))["chain"]


async def test_a_chain_is_kept_and_counts_from_the_next_request_on(gateway):
    chain = await made(gateway, "production", "fr/a", "ac/acme-1", "fr/b")
    assert chain["enabled"] is True
    assert chain["appliesTo"] == "all"
    assert list(chain["problems"]) == ["ac/acme-1"]  # nobody has connected it
    assert (await gateway.ask("GET", PATH, expect=200))["chains"] == [chain]

    def models():
        return [choice.model for choice in resolve(gateway.kernel.snapshot, "fr/a").choices]

    assert models() == ["a", "b"]
    path = f"{PATH}/production"
    changed = await gateway.ask("PATCH", path, {"models": ["fr/c", "fr/a"]}, expect=200)
    assert changed["chain"]["models"] == ["fr/c", "fr/a"]
    assert models() == ["a", "c"]
    await gateway.ask("PUT", path, {"enabled": False}, expect=200)
    assert models() == ["a"]
    assert (await gateway.ask("GET", path))["chain"]["enabled"] is False
    assert await gateway.ask("DELETE", path, expect=200) == {"success": True}
    for method, body in (("DELETE", None), ("GET", None), ("PUT", {"enabled": True})):
        await gateway.ask(method, path, body, expect=404)


async def test_chains_are_looked_through_in_the_users_order(gateway):
    for name in ("z", "a", "m"):
        await made(gateway, name, "fr/x", f"fr/{name}")
    await gateway.ask("POST", PATH, {"name": "z", "models": []}, expect=409)

    def after():
        return [choice.model for choice in resolve(gateway.kernel.snapshot, "fr/x").choices][1:]

    assert after() == ["z"]
    answer = await gateway.ask("POST", f"{PATH}/reorder", {"names": ["m", "nobody"]}, expect=200)
    assert [chain["name"] for chain in answer["chains"]] == ["m", "z", "a"]
    assert after() == ["m"]
    await made(gateway, "last", "fr/x")
    assert [chain["name"] for chain in (await gateway.ask("GET", PATH))["chains"]] == ["m", "z", "a", "last"]


async def test_chains_made_at_once_are_all_kept(gateway):
    bodies = [{"name": f"c{n}", "models": ["fr/x"]} for n in range(6)]
    answers = await asyncio.gather(*(gateway.client.post(PATH, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {201}
    assert {chain["name"] for chain in (await gateway.ask("GET", PATH))["chains"]} == {f"c{n}" for n in range(6)}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"models": ["m"]}, "name"),
        ({"name": "c"}, "models"),
        ({"name": "c/d", "models": []}, "name"),
        ({"name": "c", "models": [""]}, "models[0]"),
        ({"name": "c", "models": [7]}, "models[0]"),
        ({"name": "c", "models": ["m"], "appliesTo": "some"}, "appliesTo"),
        ({"name": "c", "models": ["m"], "enabled": 1}, "enabled"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_field(gateway, body, field):
    error = (await gateway.ask("POST", PATH, body, expect=400))["error"]
    assert field in [detail["field"] for detail in error["details"]]
