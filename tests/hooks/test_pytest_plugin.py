"""``pytest --omniroute-plugin``: a plugin's author holds it to the contract from outside this repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """
from omniroute_hooks import OPENAI_CHAT, Model, Provider, hookimpl

@hookimpl
def omniroute_providers():
    return [Provider(id="mine", prefix="mine", base_url="https://api.example.com", dialect=OPENAI_CHAT,
                     models=(Model("m"),))]
"""
BAD = GOOD.replace('prefix="mine"', 'prefix="Mine/"')


@pytest.fixture
def author(tmp_path):
    """Runs pytest in a folder of its own, with these files in it."""

    def run(*arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
        for name, text in files.items():
            Path(tmp_path, f"{name}.py").write_text(text)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_good_plugin_passes_by_its_modules_name(author):
    done = author("--omniroute-plugin", "good_plugin", good_plugin=GOOD)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "providers mine: A provider's own data PASSED" in done.stdout
    assert "hooks do no I/O and are quick PASSED" in done.stdout


def test_a_bad_plugin_fails_with_the_complaint_and_no_traceback(author):
    done = author("--omniroute-plugin", "bad_plugin", bad_plugin=BAD)

    assert done.returncode == 1
    assert "the prefix 'Mine/' must be lower-case" in done.stdout
    assert "Traceback" not in done.stdout
    assert "1 failed" in done.stdout


def test_an_installed_plugin_is_found_by_its_entry_point_and_more_than_one_can_be_named(author):
    done = author("--omniroute-plugin", "echo", "--omniroute-plugin", "good_plugin", good_plugin=GOOD)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "providers echo: A provider that answers by itself gives a whole answer PASSED" in done.stdout
    assert "providers mine" in done.stdout


def test_checks_can_be_chosen_like_tests(author):
    done = author("--omniroute-plugin", "good_plugin", "-k", "dialect", good_plugin=GOOD)

    assert "Its dialect exists PASSED" in done.stdout
    assert "1 passed" in done.stdout
    assert "deselected" in done.stdout


def test_a_plugin_that_is_not_there_is_a_wrong_call(author):
    done = author("--omniroute-plugin", "nobody_has_this")

    assert done.returncode == 4
    assert "nobody_has_this" in done.stderr


FIXTURE = """
import httpx
import pytest

@pytest.mark.asyncio
async def test_it(scripted_upstream):
    scripted_upstream.reply(200, json={"ok": True})
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(scripted_upstream.url)).json() == {"ok": True}
"""


def test_without_the_option_nothing_is_checked_and_the_fixture_is_there(author):
    done = author(test_mine=FIXTURE)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_project_that_tests_something_else_is_left_alone(author):
    # Hypercorn and the dialects' bodies are loaded only by whoever uses them.
    done = author(
        test_other="import sys\n\ndef test_it():\n    assert not [m for m in sys.modules if 'hypercorn' in m]\n"
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_gateway_never_loads_the_test_kit():
    code = "import sys, core.plugins.registry as r; r.build(); print([m for m in sys.modules if 'hooks.testing' in m])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"
