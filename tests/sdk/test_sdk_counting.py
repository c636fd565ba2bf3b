"""Each library that counts tokens is told the provider's own count, or an estimate where it has none."""

from __future__ import annotations

from typing import Any

import pytest
from conformance.house import House
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from sdk import Library

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNTED: dict[str, tuple[str, dict[str, Any]]] = {
    OPENAI_RESPONSES: ("/responses/input_tokens", {"object": "response.input_tokens", "input_tokens": 42}),
    ANTHROPIC: ("/messages/count_tokens", {"input_tokens": 42}),
    GEMINI: (":countTokens", {"totalTokens": 42}),
}
callers = pytest.mark.parametrize("caller", COUNTED)


@callers
@pytest.mark.parametrize("provider", COUNTED)
async def test_the_provider_counts(house: House, libraries: dict[str, Library], caller: str, provider: str) -> None:
    path, counted = COUNTED[provider]
    house.upstream(provider).reply(json=counted, path=path)

    assert await libraries[caller].count(house.model(provider), "How long is this?") == 42


@callers
async def test_a_provider_that_cannot_count_costs_an_estimate_and_no_request(
    house: House, libraries: dict[str, Library], caller: str
) -> None:
    words = "How long is this? " * 100

    estimate = await libraries[caller].count(house.model(OPENAI_CHAT), words)

    assert len(words) / 8 < estimate < len(words)
    assert not house.upstream(OPENAI_CHAT).requests


@callers
@pytest.mark.parametrize("provider", COUNTED)
async def test_a_provider_that_fails_to_count_costs_an_estimate(
    house: House, libraries: dict[str, Library], caller: str, provider: str
) -> None:
    house.upstream(provider).reply(404, json={"error": {"message": "no such address"}})

    assert await libraries[caller].count(house.model(provider), "How long is this?") > 0
