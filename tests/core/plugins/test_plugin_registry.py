"""Plugins are found in a defined order, and what they bring stands in tables that tell where it came from."""

from __future__ import annotations

import importlib_metadata
from plugin_sources import provider

from core.plugins import discovery, registry


def ours(found: registry.Registry, *names: str) -> list[str]:
    return [record.name for record in found.records if record.name in names]


def test_plugins_count_by_distribution_and_then_by_name_wherever_they_are_installed(install, site):
    for distribution in ("omniroute-m", "omniroute-z", "omniroute-a"):
        install(distribution, provider(distribution[10:]))
    more = site / "omniroute_m-1.0.dist-info" / "entry_points.txt"
    more.write_text("[omniroute]\nx = omniroute_m\nm = omniroute_m\n")

    assert ours(registry.build(), "a", "m", "x", "z") == ["a", "m", "x", "z"]


def test_a_distribution_that_is_seen_twice_counts_once(install, site, monkeypatch):
    install("omniroute-twice", provider("twice"))
    monkeypatch.syspath_prepend(str(site))

    assert ours(registry.build(), "twice") == ["twice"]


def test_records_say_what_each_plugin_brings(install):
    install("omniroute-mine", provider("mine"), version="2.5")

    [record] = [record for record in registry.build().records if record.name == "mine"]

    assert (record.version, record.module, record.state) == ("2.5", "omniroute_mine", "active")
    assert record.brings == {"providers": ("mine",)}


def test_an_address_of_the_users_replaces_the_declared_one(install):
    install("omniroute-mine", provider("mine"))

    def override(provider_id, name):
        return "http://127.0.0.1:9/v1/" if (provider_id, name) == ("mine", "BASE_URL") else None

    assert registry.build(override=override).providers["mine"].base_url == "http://127.0.0.1:9/v1"
    assert registry.build().providers["mine"].base_url == "https://api.example.com"


def test_what_a_login_uses_can_be_replaced_too(install):
    source = """
from omniroute_hooks import OAuthCode, hookimpl

@hookimpl
def omniroute_auth_flows():
    return [OAuthCode(provider="mine", authorize_url="https://a.example", token_url="https://t.example",
                      client_id="c", paste="https://p.example")]
"""
    install("omniroute-mine", source)

    [flow] = registry.build(override=lambda who, name: {"CLIENT_ID": "other"}.get(name)).auth_flows["mine"]

    assert (flow.client_id, flow.token_url) == ("other", "https://t.example")


def test_entry_points_of_other_groups_are_not_plugins(install, site):
    install("omniroute-other", provider("other"))
    (site / "omniroute_other-1.0.dist-info" / "entry_points.txt").write_text("[other]\nother = omniroute_other\n")

    assert ours(registry.build(), "other") == []


def test_discovery_can_be_replaced():
    point = importlib_metadata.EntryPoint("priority", "omniroute_priority", discovery.GROUP)

    found = registry.build(entry_points=[point])

    assert [record.name for record in found.records] == ["priority"]
    assert "priority" in found.strategies
    assert not found.providers
