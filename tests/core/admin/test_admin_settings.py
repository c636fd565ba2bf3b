"""Runtime settings: one schema, strict on the way in, tolerant of what an older release stored."""

import pytest

from core.runtime_settings import RuntimeSettings, runtime_settings


async def test_defaults_and_what_follows_from_them(gateway):
    settings = await gateway.ask("GET", "/api/settings", expect=200)
    assert settings == {
        "requireApiKey": False,
        "fallbackStrategy": None,
        "stickyRoundRobinLimit": 3,
        "requestRetry": 1,
        "blockedProviders": [],
        "disabledPlugins": [],
        "cache": None,
        "wildcardAliases": [],
        "theme": "system",
        "hiddenSidebarItems": [],
        "hasPassword": False,
        "setupComplete": False,
        "version": "0.1.0",
    }


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_change_counts_at_once_and_leaves_the_rest(gateway, method):
    changed = await gateway.ask(method, "/api/settings", {"requireApiKey": True, "theme": "dark"}, expect=200)
    assert (changed["requireApiKey"], changed["theme"], changed["stickyRoundRobinLimit"]) == (True, "dark", 3)
    assert gateway.kernel.snapshot.require_api_key is True
    changed = await gateway.ask(method, "/api/settings", {"requireApiKey": None}, expect=200)
    assert (changed["requireApiKey"], changed["theme"]) == (False, "dark")
    assert gateway.kernel.snapshot.require_api_key is False
    await gateway.ask(method, "/api/settings", {}, expect=200)


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        pytest.param({"requireApiKey": "false"}, "requireApiKey", "not a string", id="text-for-a-flag"),
        pytest.param({"stickyRoundRobinLimit": 0}, "stickyRoundRobinLimit", "from 1", id="below"),
        pytest.param({"stickyRoundRobinLimit": 1001}, "stickyRoundRobinLimit", "to 1000", id="above"),
        pytest.param({"stickyRoundRobinLimit": 1.5}, "stickyRoundRobinLimit", "whole number", id="fraction"),
        pytest.param({"fallbackStrategy": "magic"}, "fallbackStrategy", "installed: fill-first", id="not-installed"),
        pytest.param({"blockedProviders": "acme"}, "blockedProviders", "an array", id="text-for-a-list"),
        pytest.param(
            {"wildcardAliases": [{"pattern": "a*", "target": "b"}, {"pattern": "a", "target": "b*"}]},
            "wildcardAliases[1].pattern",
            "must have a '*'",
            id="no-pattern",
        ),
        pytest.param(
            {"wildcardAliases": [{"pattern": "a*", "target": "b?"}]},
            "wildcardAliases[0].target",
            "is one name",
            id="pattern-for-a-target",
        ),
        pytest.param({"wildcardAliases": [{"pattern": "a*"}]}, "wildcardAliases[0].target", "required", id="no-target"),
        pytest.param({"theme": "pink"}, "theme", "system, light, dark", id="not-one-of"),
        pytest.param({"usageTokenBuffer": 1}, "usageTokenBuffer", "not a field", id="unknown"),
        pytest.param({"hasPassword": False}, "hasPassword", "not a field", id="derived"),
        pytest.param({"theme": "pink", "stickyRoundRobinLimit": 1}, "theme", "must be", id="nothing-is-half-done"),
    ],
)
async def test_wrong_value_is_named_and_nothing_changes(gateway, body, field, says):
    before = await gateway.ask("GET", "/api/settings", expect=200)
    answer = await gateway.ask("PATCH", "/api/settings", body, expect=400)
    details = {detail["field"]: detail["message"] for detail in answer["error"]["details"]}
    assert says in details[field]
    assert await gateway.ask("GET", "/api/settings", expect=200) == before


async def test_environment_can_only_be_made_stricter(opened):
    async with opened(require_api_key=True) as gateway:
        await gateway.enter()
        settings = await gateway.ask("GET", "/api/settings", expect=200)
        assert settings["requireApiKey"] is True
        answer = await gateway.ask("PATCH", "/api/settings", {"requireApiKey": False}, expect=400)
        assert "REQUIRE_API_KEY" in answer["error"]["message"]


async def test_settings_survive_a_restart(opened):
    async with opened() as gateway:
        await gateway.enter()
        await gateway.ask("PATCH", "/api/settings", {"disabledPlugins": ["a", "b", "a"]}, expect=200)
    async with opened() as gateway:
        await gateway.enter()
        assert (await gateway.ask("GET", "/api/settings", expect=200))["disabledPlugins"] == ["a", "b"]


def test_stored_values_that_no_longer_fit_count_as_unset():
    stored = {"stickyRoundRobinLimit": 0, "theme": 5, "blockedProviders": ["x"], "gone": 1}
    assert runtime_settings(stored) == RuntimeSettings(blockedProviders=("x",))


async def test_patterns_of_names_are_a_setting_too_and_the_same_everywhere(gateway):
    patterns = [{"pattern": "gpt-*", "target": "fr/one"}, {"pattern": "g*", "target": "fr/two"}]
    changed = await gateway.ask("PATCH", "/api/settings", {"wildcardAliases": patterns}, expect=200)
    assert changed["wildcardAliases"] == patterns
    assert gateway.kernel.snapshot.names.follow("gpt-9") == ("fr/one", True)
    assert (await gateway.ask("GET", "/api/models/alias", expect=200))["wildcards"] == patterns
    await gateway.ask("PUT", "/api/models/alias", {"alias": "c?", "model": "fr/three"}, expect=200)
    settings = await gateway.ask("GET", "/api/settings", expect=200)
    assert settings["wildcardAliases"] == [*patterns, {"pattern": "c?", "target": "fr/three"}]
    await gateway.ask("PATCH", "/api/settings", {"wildcardAliases": None}, expect=200)
    assert gateway.kernel.snapshot.names.follow("gpt-9") == ("gpt-9", False)
