"""The vendors' own libraries hold whole conversations through the gateway, with any provider behind it."""

from __future__ import annotations

import pytest
from conformance.house import DIALECTS, MODEL, House
from omniroute_hooks.testing import SPEAKERS, Ask, Request, Say, Tokens
from omniroute_hooks.testing.matrix import expected
from omniroute_hooks.testing.wire import loads
from sdk import Library, asked, run

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLAIN = Say(
    text='Grüezi 🙂, 你好.\n\ndata: [DONE]\n\n{"error": "no"}', usage=Tokens(1000, cached=900, written=50, output=21)
)
CALLS = Say(
    text="I look.",
    tool_calls=[
        ("call_1", "get_weather", {"city": "Zürich", "days": [1, 2.5, None], "deep": {"a": ""}}),
        ("call_2", "run_shell", {"command": 'echo "ö"\n'}),
    ],
    usage=Tokens(40, output=17),
)
THOUGHT = Say(
    thinking="Let me see…\nA call is due.",
    signature="c2lnbmVkIGJ5IHRoZSBtYWtlcg==",
    tool_calls=[("call_1", "run_shell", {})],
    usage=Tokens(20, output=30, reasoning=25),
)
DONE = Say(text="Fog, and you are root.", usage=Tokens(90, cached=30, written=40, output=6))

CELLS = [
    pytest.param(caller, provider, stream, id=f"{caller}-over-{provider}-{'streamed' if stream else 'whole'}")
    for caller in DIALECTS
    for provider in DIALECTS
    for stream in (False, True)
]
over = pytest.mark.parametrize(("caller", "provider", "stream"), CELLS)


def understood(provider: str, request: Request) -> Ask:
    """What the provider makes of a request."""
    return SPEAKERS[provider].read_request(loads(request.body))


@over
async def test_a_plain_answer_is_read_in_full(
    house: House, libraries: dict[str, Library], caller: str, provider: str, stream: bool
) -> None:
    speaker, upstream = SPEAKERS[provider], house.upstream(provider)
    speaker.play(upstream, PLAIN, stream)

    heard = await libraries[caller].talk(house.model(provider), stream).ask("Say hello.")

    assert heard == expected(PLAIN, SPEAKERS[caller], speaker)
    assert heard.model == (MODEL if caller == provider else house.model(provider))  # their own bytes go through
    assert understood(provider, upstream.requests[0]) == asked("Say hello.")


@over
async def test_counts_of_nothing_are_there_where_a_library_wants_them(
    house: House, libraries: dict[str, Library], caller: str, provider: str, stream: bool
) -> None:
    say = Say(text="Yes.")
    SPEAKERS[provider].play(house.upstream(provider), say, stream)

    heard = await libraries[caller].talk(house.model(provider), stream).ask("Are you there?")

    assert heard == expected(say, SPEAKERS[caller], SPEAKERS[provider])


@over
async def test_parallel_calls_are_run_and_answered(
    house: House, libraries: dict[str, Library], caller: str, provider: str, stream: bool
) -> None:
    speaker, upstream = SPEAKERS[provider], house.upstream(provider)
    speaker.play(upstream, CALLS, stream)
    speaker.play(upstream, DONE, stream)
    talk = libraries[caller].talk(house.model(provider), stream)

    heard = await talk.ask("The weather, and who am I?")
    results = run(heard.tool_calls)
    last = await talk.give(results)

    assert heard == expected(CALLS, SPEAKERS[caller], speaker)
    assert last == expected(DONE, SPEAKERS[caller], speaker)
    assert understood(provider, upstream.requests[1]) == asked("The weather, and who am I?", heard, results)


@over
async def test_signed_thinking_comes_back_to_its_maker_with_the_result(
    house: House, libraries: dict[str, Library], caller: str, provider: str, stream: bool
) -> None:
    speaker, upstream = SPEAKERS[provider], house.upstream(provider)
    speaker.play(upstream, THOUGHT, stream)
    speaker.play(upstream, DONE, stream)
    talk = libraries[caller].talk(house.replaying(provider), stream, thinks=True)

    heard = await talk.ask("Who am I?")
    results = run(heard.tool_calls)
    last = await talk.give(results)

    assert heard == expected(THOUGHT, SPEAKERS[caller], speaker)
    assert last == expected(DONE, SPEAKERS[caller], speaker)
    assert understood(provider, upstream.requests[1]) == asked("Who am I?", heard, results)
    assert THOUGHT.signature is not None
    assert THOUGHT.signature.encode() in upstream.requests[1].body
