"""Fixtures of the client tests: the programs, and a task whose outcome nobody can guess."""

from __future__ import annotations

from pathlib import Path

import npm_prefix
import pytest
from task import Task, prepare


@pytest.fixture(scope="session")
def executables() -> Path:
    return npm_prefix.installed()


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return prepare(tmp_path / "work")
