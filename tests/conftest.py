"""Fixtures that every folder uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from running import Running, running


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway with the installed plugins and an empty store."""
    async with running(tmp_path / "data") as instance:
        yield instance
