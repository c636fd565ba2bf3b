"""One gateway and one client of each library for all tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from conformance.house import House, housed
from sdk import Library
from sdk_anthropic import Anthropic
from sdk_genai import GoogleGenai
from sdk_openai_chat import OpenAIChat
from sdk_openai_responses import OpenAIResponses

LIBRARIES: dict[str, Callable[[str, str], Library]] = {
    library.dialect: library for library in (OpenAIChat, OpenAIResponses, Anthropic, GoogleGenai)
}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def open_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with housed(tmp_path_factory.mktemp("sdk")) as house:
        yield house


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def libraries(open_house: House) -> AsyncIterator[dict[str, Library]]:
    """A client of each library, by dialect, with a key of the gateway's."""
    made = {dialect: library(open_house.url, open_house.key) for dialect, library in LIBRARIES.items()}
    yield made
    for library in made.values():
        await library.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def house(open_house: House) -> AsyncIterator[House]:
    """The gateway and the four providers, with nothing scripted yet."""
    async with open_house.visit():
        yield open_house
