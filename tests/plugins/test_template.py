"""The template, copied to anywhere and installed, is a plugin."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[2] / "plugins" / "_template"
LISTS_PROVIDERS = """
from importlib.metadata import entry_points
for point in entry_points(group="omniroute"):
    if point.dist.name == "{name}":
        for provider in point.load().omniroute_providers():
            print(point.name, *(f"{{provider.prefix}}/{{model.id}}" for model in provider.models))
"""


def copy(to: Path) -> Path:
    """What a user does first: copies the folder and renames the distribution and its module."""
    shutil.copytree(TEMPLATE, to, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    (to / "omniroute_template.py").rename(to / "omniroute_acme.py")
    (to / "test_omniroute_template.py").rename(to / "test_omniroute_acme.py")
    for name in ("pyproject.toml", "omniroute_acme.py", "test_omniroute_acme.py"):
        text = (to / name).read_text()
        (to / name).write_text(text.replace("omniroute-template", "omniroute-acme").replace("template", "acme"))
    return to


def install(project: Path) -> None:
    """What pip writes beside the module: the metadata that makes the entry point visible."""
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    points = declared["entry-points"]["omniroute"]
    folder = project / f"{declared['name'].replace('-', '_')}-{declared['version']}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {declared['name']}\nVersion: {declared['version']}\n"
    )
    lines = "".join(f"{name} = {module}\n" for name, module in points.items())
    (folder / "entry_points.txt").write_text(f"[omniroute]\n{lines}")


def run(project: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = copy(tmp_path / "omniroute-acme")
    install(made)
    return made


def test_a_copy_under_another_name_is_found_by_its_entry_point(project):
    out = run(project, "-c", LISTS_PROVIDERS.format(name="omniroute-acme"))

    assert out == "acme acme/example-model\n"


def test_the_copys_own_test_passes_outside_of_the_tree(project):
    out = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(project))

    assert "3 passed" in out


def test_the_wheel_holds_the_module_of_the_entry_point():
    declared = tomllib.loads((TEMPLATE / "pyproject.toml").read_text())
    [module] = declared["project"]["entry-points"]["omniroute"].values()

    assert declared["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == [f"{module}.py"]
    assert (TEMPLATE / f"{module}.py").is_file()
    assert "uv" not in declared["tool"]  # nothing that only works inside this workspace
