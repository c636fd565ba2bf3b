"""Plugins made on the spot: real distributions in a folder on the import path, found through their metadata."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site-packages folder of this test alone, first on the import path."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def install(site) -> Callable[..., None]:
    """Puts a distribution there: ``install("omniroute-x", source)`` brings a module and one entry point for it."""

    def put(
        distribution: str,
        source: str,
        *,
        name: str | None = None,
        requires: tuple[str, ...] = ("omniroute-hooks",),
        version: str = "1.0",
    ) -> None:
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text(source)
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        metadata = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(metadata) + "\n")
        entry = name or distribution.removeprefix("omniroute-")
        (info / "entry_points.txt").write_text(f"[omniroute]\n{entry} = {module}\n")
        (info / "RECORD").write_text(f"{module}.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")

    return put
