"""The matrix: every caller's dialect over every provider's, for every sample, whole and streamed.

@pytest.mark.parametrize("cell", cells())
async def test_every_caller_understands_every_provider(gateway, upstream, cell):
    cell.play(upstream)
    heard = await converse(gateway.url, cell.caller, cell.ask, model=gateway.models[cell.provider.id])
    assert heard == cell.expected
    assert cell.provider.read_request(upstream.requests[-1].json) == cell.ask
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from attrs import evolve, frozen

from .neutral import Ask, Heard, Say
from .samples import ASKS, BREAKS, SAYS
from .speaker import Scripted, Speaker
from .speakers import SPEAKERS


@frozen
class Cell:
    """One pair of dialects, with a request and what the provider says to it."""

    caller: Speaker
    provider: Speaker
    ask: Ask
    say: Say

    def play(self, upstream: Scripted) -> None:
        """Puts the provider's answer on ``upstream``'s script."""
        self.provider.play(upstream, self.say, self.ask.stream)

    @property
    def expected(self) -> Heard:
        """What the caller must understand."""
        return expected(self.say, self.caller, self.provider)


def expected(say: Say, caller: Speaker, provider: Speaker) -> Heard:
    """What arrives of ``say``: everything, but that Gemini does not count what goes into a cache."""
    if say.error:
        return Heard(text=say.text, thinking=say.thinking, stop=None, usage=None, error=say.error[1])
    usage = say.usage
    if "gemini" in (caller.id, provider.id):
        usage = evolve(usage, written=0)
    return Heard(text=say.text, thinking=say.thinking, tool_calls=say.tool_calls, stop=say.stop, usage=usage)


def pairs(callers: Iterable[str] = SPEAKERS, providers: Iterable[str] = SPEAKERS) -> list[Any]:
    """Parameters ``(caller, provider)``, for `pytest.mark.parametrize`. Dialect ids choose."""
    return [
        pytest.param(SPEAKERS[caller], SPEAKERS[provider], id=f"{caller}-over-{provider}")
        for caller in callers
        for provider in tuple(providers)
    ]


def cells(
    callers: Iterable[str] = SPEAKERS,
    providers: Iterable[str] = SPEAKERS,
    says: Mapping[str, Say] | None = None,
    streams: Iterable[bool] = (False, True),
) -> list[Any]:
    """Parameters ``cell``, for `pytest.mark.parametrize`. Without ``says``, all samples, and the streams that break.

    Answers with thinking go with a request that asks for it, answers with calls with one that has tools.
    """
    rows = list((SAYS if says is None else says).items())
    broken = list(BREAKS.items()) if says is None else []
    out = []
    for pair in pairs(callers, providers):
        caller, provider = pair.values
        for stream in streams:
            for name, say in rows + (broken if stream else []):
                ask = evolve(ask_for(say), stream=stream)
                how = "streamed" if stream else "whole"
                out.append(pytest.param(Cell(caller, provider, ask, say), id=f"{pair.id}-{name}-{how}"))
    return out


def ask_for(say: Say) -> Ask:
    """A request to which ``say`` is an answer."""
    if say.thinking:
        return evolve(ASKS["thinks"], tools=ASKS["tools"].tools if say.tool_calls else ())
    return ASKS["tools"] if say.tool_calls else ASKS["hello"]
