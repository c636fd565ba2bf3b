"""One gateway for the whole catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from faults.house import House, housed


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """The gateway, the providers that can be made ill, and one that is well."""
    async with housed(tmp_path_factory.mktemp("faults")) as house:
        yield house
