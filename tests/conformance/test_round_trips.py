"""Whatever is asked and answered survives any pair of dialects, and the way back."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from attrs import evolve
from conformance.imagined import asks, says, wild_ids
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_dialects.anthropic import DIALECT as MESSAGES
from omniroute_dialects.gemini import DIALECT as CONTENTS
from omniroute_dialects.openai_chat import DIALECT as CHAT
from omniroute_dialects.openai_responses import DIALECT as RESPONSES
from omniroute_hooks import Dialect
from omniroute_hooks.testing import SPEAKERS, Ask, Call, Result, Say
from omniroute_hooks.testing.matrix import ask_for, expected
from omniroute_hooks.testing.relaying import asked_at, encoded, events_of, parse, reply_to, target
from omniroute_hooks.testing.wire import dumps, loads

DIALECTS = (CHAT, RESPONSES, MESSAGES, CONTENTS)
pairs = pytest.mark.parametrize(
    ("caller", "provider"),
    [pytest.param(a, b, id=f"{a.id}-over-{b.id}") for a in DIALECTS for b in DIALECTS],
)
quickly = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def there_and_back(caller: Dialect, provider: Dialect, ask: Ask) -> tuple[Ask, Ask]:
    """What the provider is asked, and what a provider of the caller's dialect would be asked by it in turn."""
    conversation = parse(caller, SPEAKERS[caller.id], ask)
    there = loads(dumps(provider.render_request(conversation, target(provider), ask.stream).body))
    asked = asked_at(provider, SPEAKERS[provider.id], ask)
    again = provider.parse_request(there, asked)
    back = loads(dumps(caller.render_request(again, target(caller), ask.stream).body))
    return SPEAKERS[provider.id].read_request(there), SPEAKERS[caller.id].read_request(back)


@pairs
@quickly
@given(ask=asks(), stream=st.booleans())
def test_a_request_survives_the_way_there_and_back(caller: Dialect, provider: Dialect, ask: Ask, stream: bool) -> None:
    ask = evolve(ask, stream=stream)

    there, back = there_and_back(caller, provider, ask)

    assert there == ask
    assert back == ask


@pairs
@quickly
@given(ask=asks(wild_ids))
def test_ids_that_must_be_changed_still_pair_calls_with_results(caller: Dialect, provider: Dialect, ask: Ask) -> None:
    for arrived in there_and_back(caller, provider, ask):
        assert renumbered(arrived) == renumbered(ask)


def renumbered(ask: Ask) -> Ask:
    """The request with ids replaced by their place."""
    places: dict[str, str] = {}

    def place(ids: Iterable[str]) -> None:
        for id_ in ids:
            places.setdefault(id_, str(len(places)))

    for turn in ask.turns:
        place(call.id for call in turn.calls)
    turns = tuple(
        evolve(
            turn,
            calls=tuple(Call(places[call.id], call.name, call.args) for call in turn.calls),
            results=tuple(Result(places[r.id], r.name, r.text) for r in turn.results),
        )
        for turn in ask.turns
    )
    return evolve(ask, turns=turns)


@pairs
@quickly
@given(say=says())
def test_an_answer_survives_whole(caller: Dialect, provider: Dialect, say: Say) -> None:
    mine, theirs = SPEAKERS[caller.id], SPEAKERS[provider.id]
    ask = ask_for(say)
    asked = asked_at(caller, mine, ask)
    reply = reply_to(caller.parse_request(mine.request_of(ask), asked), asked)

    answer = provider.parse_answer(loads(dumps(theirs.answer(say))))
    heard = mine.read_answer(loads(dumps(caller.render_answer(answer, reply))))

    assert heard == expected(say, mine, theirs)


@pairs
@quickly
@given(say=says(), size=st.integers(1, 60))
def test_an_answer_survives_in_pieces(caller: Dialect, provider: Dialect, say: Say, size: int) -> None:
    mine, theirs = SPEAKERS[caller.id], SPEAKERS[provider.id]
    ask = evolve(ask_for(say), stream=True)
    asked = asked_at(caller, mine, ask)
    reply = reply_to(caller.parse_request(mine.request_of(ask), asked), asked)
    data = b"".join(theirs.chunks(say))

    events = events_of(provider, [data[at : at + size] for at in range(0, len(data), size)])

    assert mine.read_stream(encoded(caller, events, reply)) == expected(say, mine, theirs)
