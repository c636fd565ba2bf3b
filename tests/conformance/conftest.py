"""One gateway for the whole matrix."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from conformance.house import House, housed


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def open_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with housed(tmp_path_factory.mktemp("matrix")) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def house(open_house: House) -> AsyncIterator[House]:
    """The gateway and the four providers, with nothing scripted yet."""
    async with open_house.visit():
        yield open_house
