"""Every installed plugin keeps the contract, and every pair of dialects carries what both can say."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from omniroute_hooks.testing.contract import ask, checks, find_plugin
from omniroute_hooks.testing.matrix import cells
from omniroute_hooks.testing.relaying import carry
from omniroute_hooks.testing.speakers import SPEAKERS

PLUGINS = sorted(point.name for point in entry_points(group="omniroute"))
CHECKS = [(plugin, item) for plugin in PLUGINS for item in checks(find_plugin(plugin))]
DIALECTS = {dialect.id: dialect for name in PLUGINS for dialect in ask(find_plugin(name)).get("omniroute_dialects", ())}


def test_the_plugins_of_this_repository_are_among_them():
    assert {"echo", "openai", "claude", "gemini", "deepseek", "deepgram", "priority"} <= set(PLUGINS)
    assert set(SPEAKERS) <= set(DIALECTS)


@pytest.mark.parametrize("item", [pytest.param(item, id=f"{plugin}: {item.name}") for plugin, item in CHECKS])
def test_it_keeps_the_contract(item):
    item.run()


@pytest.mark.parametrize("cell", cells())
def test_a_caller_of_any_dialect_understands_a_provider_of_any_other(cell):
    understood, heard = carry(DIALECTS[cell.caller.id], DIALECTS[cell.provider.id], cell)

    assert understood == cell.ask
    assert heard == cell.expected
