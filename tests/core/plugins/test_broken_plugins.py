"""A broken plugin costs nothing but itself: it is skipped, with a reason, and the one beside it works."""

from __future__ import annotations

import logging

import pytest
from plugin_sources import provider

from core.plugins import registry

GOOD = provider("good", "gd")
HOOK = "from omniroute_hooks import hookimpl\n"
NOT_MARKED = "def omniroute_providers():\n    return []\n"


@pytest.fixture
def good(install):
    """A plugin that works, behind the broken one in order."""
    install("omniroute-zz-good", GOOD)


def record_of(found: registry.Registry, name: str):
    [record] = [record for record in found.records if record.name == name]
    return record


def assert_only_the_other_works(found: registry.Registry, state: str, reason: str) -> None:
    broken = record_of(found, "broken")
    assert (broken.state, broken.distribution, broken.version) == (state, "omniroute-broken", "1.0")
    assert reason in broken.reason
    assert record_of(found, "zz-good").state == "active"
    assert found.by_prefix["gd"].id == "good"
    assert "broken" not in found.providers


def build(install, source: str, **how):
    install("omniroute-broken", source, **how)
    return registry.build()


@pytest.mark.usefixtures("good")
class TestEach:
    def test_cannot_be_imported(self, install):
        found = build(install, "import a_module_that_nobody_has\n")

        assert_only_the_other_works(found, "broken", "ModuleNotFoundError: No module named 'a_module_that_nobody_has'")

    def test_has_a_syntax_error(self, install):
        assert_only_the_other_works(build(install, "def (:\n"), "broken", "SyntaxError")

    def test_ends_the_program_at_import(self, install):
        assert_only_the_other_works(build(install, "raise SystemExit(3)\n"), "broken", "SystemExit: 3")

    def test_ends_the_program_in_a_hook(self, install):
        found = build(install, f"{HOOK}@hookimpl\ndef omniroute_providers():\n    raise SystemExit(3)\n")

        assert_only_the_other_works(found, "broken", "SystemExit: 3")

    def test_raises_in_a_hook(self, install):
        found = build(install, f"{HOOK}@hookimpl\ndef omniroute_providers():\n    return {{}}['key']\n")

        assert_only_the_other_works(found, "broken", "omniroute_providers raised KeyError: 'key'")

    def test_raises_while_its_hook_is_read(self, install):
        found = build(install, f"{HOOK}@hookimpl\ndef omniroute_providers():\n    yield 1 / 0\n")

        assert_only_the_other_works(found, "broken", "ZeroDivisionError")

    @pytest.mark.parametrize(
        ("returned", "reason"),
        [
            pytest.param("None", "must return a list, not NoneType", id="nothing"),
            pytest.param("'providers'", "must return a list, not str", id="text"),
            pytest.param("[{'id': 'x'}]", "wants Provider items, not dict", id="a-list-of-something-else"),
        ],
    )
    def test_returns_the_wrong_type(self, install, returned, reason):
        found = build(install, f"{HOOK}@hookimpl\ndef omniroute_providers():\n    return {returned}\n")

        assert_only_the_other_works(found, "broken", reason)

    def test_returns_a_command_that_is_none(self, install):
        found = build(install, f"{HOOK}@hookimpl\ndef omniroute_commands():\n    return [print]\n")

        assert_only_the_other_works(found, "broken", "click commands")

    def test_misspells_a_hook(self, install):
        found = build(install, f"{HOOK}@hookimpl\ndef omniroute_provider():\n    return []\n")

        assert_only_the_other_works(
            found, "broken", "There is no hook named omniroute_provider. Did you mean omniroute_providers?"
        )

    def test_forgets_to_mark_a_hook(self, install):
        assert_only_the_other_works(
            build(install, NOT_MARKED), "broken", "omniroute_providers is not marked with @hookimpl."
        )

    def test_gives_a_hook_arguments(self, install):
        found = build(install, f"{HOOK}@hookimpl\ndef omniroute_providers(settings):\n    return []\n")

        assert_only_the_other_works(found, "broken", "does not fit its specification")

    def test_speaks_a_dialect_that_nobody_brings(self, install):
        found = build(install, provider("broken", dialect="'klingon'"))

        assert_only_the_other_works(found, "broken", "the dialect 'klingon', which no installed plugin brings")

    def test_has_a_prefix_that_cannot_be_typed(self, install):
        assert_only_the_other_works(build(install, provider("broken", "a/b")), "broken", "the prefix 'a/b'")

    def test_needs_a_newer_contract_and_is_not_even_imported(self, install, tmp_path):
        trace = tmp_path / "imported"

        found = build(install, f"open({str(trace)!r}, 'w')\n", requires=("omniroute-hooks>=99",))

        assert_only_the_other_works(found, "refused", "It needs omniroute-hooks>=99, and 0.1.0 is installed.")
        assert not trace.exists()

    def test_needs_another_contract_only_elsewhere(self, install):
        install("omniroute-broken", provider("fine"), requires=('omniroute-hooks>=99; python_version < "3"',))

        assert record_of(registry.build(), "broken").state == "active"


def test_of_two_that_claim_one_prefix_the_first_keeps_it(install):
    install("omniroute-a-first", provider("first", "same"))
    install("omniroute-b-second", provider("second", "same"))
    install("omniroute-c-good", GOOD)

    found = registry.build()

    assert found.by_prefix["same"].id == "first"
    assert record_of(found, "b-second").state == "broken"
    assert record_of(found, "b-second").reason == "The provider prefix 'same' is already taken by a-first."
    assert record_of(found, "c-good").state == "active"


def test_a_plugin_that_claims_a_prefix_twice_is_left_out_whole(install):
    twice = provider("one", "same") + provider("two", "same").replace("omniroute_providers", "omniroute_providers_")
    twice += "\n_one = omniroute_providers\n@hookimpl\ndef omniroute_providers():\n"
    twice += "    return [*_one(), *omniroute_providers_()]\n"
    install("omniroute-twice", twice.replace("@hookimpl\ndef omniroute_providers_", "def omniroute_providers_"))

    found = registry.build()

    assert record_of(found, "twice").state == "broken"
    assert "same" not in found.by_prefix


def test_of_two_entry_points_with_one_name_the_first_distribution_keeps_it(install):
    install("omniroute-a", provider("first"), name="same")
    install("omniroute-b", provider("second"), name="same")

    states = {r.distribution: (r.state, r.reason) for r in registry.build().records if r.name == "same"}

    assert states["omniroute-a"][0] == "active"
    assert states["omniroute-b"] == ("refused", "Another distribution already brings a plugin named 'same'.")


@pytest.mark.parametrize("named", ["broken", "omniroute-broken", "Omniroute_Broken"])
def test_a_plugin_that_is_switched_off_is_never_imported(install, tmp_path, named):
    trace = tmp_path / "imported"
    source = f"open({str(trace)!r}, 'w')\n" + provider("off")
    install("omniroute-broken", source)
    install("omniroute-zz-good", GOOD)

    found = registry.build(disabled=[named])

    assert_only_the_other_works(found, "disabled", "Switched off by configuration.")
    assert not trace.exists()
    assert registry.build().providers["off"], "it is the switch that keeps it out"
    assert trace.exists()


def test_what_is_wrong_is_logged_once_each(install, caplog):
    install("omniroute-broken", "raise RuntimeError('no license')\n")

    with caplog.at_level(logging.WARNING, logger="omniroute.plugins"):
        registry.build()

    [line] = [record.getMessage() for record in caplog.records if "omniroute-broken" in record.getMessage()]
    assert "no license" in line
