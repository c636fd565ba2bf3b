"""Fixtures of the data plane's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway_kit import mint
from running import Running, running


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway with the installed plugins and an empty store; without a password, since hashing one takes its time."""
    async with running(tmp_path / "data", initial_password=None) as instance:
        yield instance


@pytest.fixture
async def minted(gateway: Running) -> str:
    """An API key of the gateway's, in full."""
    return await mint(gateway)
