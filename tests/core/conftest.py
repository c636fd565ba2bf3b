"""A store whose clock the test turns. Folders that need another one have fixtures of the same names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from clock import Clock

from core.settings import Settings
from core.store.store import Store


@pytest.fixture
def clock() -> Clock:
    """Unix time."""
    return Clock(1_700_000_000.0)


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    """An empty store in ``tmp_path``."""
    async with await Store.open(Settings(data_dir=tmp_path), clock=clock) as store:
        yield store
