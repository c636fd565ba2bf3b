"""What the contract's README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import omniroute_hooks

README = (Path(omniroute_hooks.__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_example_provider_keeps_the_contract(tmp_path):
    (tmp_path / "omniroute_example.py").write_text(blocks("python")[0], encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--omniroute-plugin", "omniroute_example"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_entry_point_names_the_module_that_is_shown():
    [toml] = blocks("toml")

    assert tomllib.loads("[project]\n" + toml)["project"]["entry-points"]["omniroute"] == {
        "example": "omniroute_example"
    }
