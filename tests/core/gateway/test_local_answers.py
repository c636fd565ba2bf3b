"""Answers of providers that make them up themselves, without a network."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from omniroute_hooks import Connection, Provider, Stop, Target, Text
from omniroute_hooks.events import Begin, Signal, Stopped, Terminal, TextDelta

from core.gateway.answering.speaking import StreamSpeaker, one_by_one

TARGET = Target(Provider(id="p", prefix="p"), "m", Connection("c", "p", "mine", {}), "http://h")


@pytest.mark.parametrize("whole", [True, False])
async def test_whoever_makes_an_answer_up_is_stopped_with_it(whole: bool) -> None:
    stopped = []

    async def made() -> AsyncIterator[Signal]:
        try:
            yield Begin()
            yield TextDelta("t", "Here.")
            if whole:
                yield Stopped(Stop("end"))
                yield Terminal()
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    speaker = StreamSpeaker(one_by_one(made()), TARGET, "a")
    await speaker.start()
    if whole:
        assert (await speaker.collected()).parts == (Text("Here."),)
    await speaker.aclose()

    assert stopped == [True]
