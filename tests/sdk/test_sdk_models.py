"""Each library lists the gateway's models and finds one by the name it listed."""

from __future__ import annotations

import pytest
from conformance.house import DIALECTS, House
from omniroute_hooks import ANTHROPIC
from sdk import Library

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("caller", DIALECTS)
async def test_models_are_listed_and_found(house: House, libraries: dict[str, Library], caller: str) -> None:
    name = await house.list_model(ANTHROPIC)

    listed = await libraries[caller].listed()

    assert name in listed
    assert len(listed) == len(set(listed))
    assert await libraries[caller].known(name) == name
