"""Callers and candidates under one clock: who is asked, what comes of it, and how it is counted."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Literal

from attrs import define, field, frozen

from ... import Round, Strategy
from .players import Player, Standing

Level = Literal["accounts", "members"]


@frozen
class Call:
    """One attempt: of which request, from 0, the how manieth of it, from 0, to whom, and when it began and ended."""

    request: int
    attempt: int
    key: str
    at_s: float
    ended_s: float
    answered: bool


@frozen
class Played:
    """What happened. ``calls`` in the order of their ends; ``unanswered`` counts requests that nobody answered."""

    calls: tuple[Call, ...]
    keys: tuple[str, ...]
    unanswered: int
    took_s: float
    memory: Mapping[str, Any]

    def picks(self, from_s: float = 0.0, to_s: float = float("inf")) -> dict[str, int]:
        """How often each came first, among requests that began within the span: the strategy's distribution."""
        return self._count(lambda call: call.attempt == 0 and from_s <= call.at_s < to_s)

    def answers(self) -> dict[str, int]:
        """How many requests each answered."""
        return self._count(lambda call: call.answered)

    def failures(self) -> dict[str, int]:
        """How many attempts failed at each."""
        return self._count(lambda call: not call.answered)

    def _count(self, wanted: Callable[[Call], bool]) -> dict[str, int]:
        out = dict.fromkeys(self.keys, 0)
        for call in self.calls:
            if wanted(call):
                out[call.key] += 1
        return out


@define
class _Game:
    """Callers who share one list of candidates, one memory and one clock."""

    strategy: Strategy
    states: Mapping[str, Standing]
    round_of: Callable[[float], Round]
    dice: random.Random
    requests: int
    pause_s: float
    rest_s: float
    now_s: float = 0.0
    begun: int = 0
    unanswered: int = 0
    calls: list[Call] = field(factory=list)

    def caller(self) -> Iterator[float]:
        """One caller's life; yields the seconds until it goes on."""
        while self.begun < self.requests:
            number = self.begun
            self.begun += 1
            answered = yield from self._request(number)
            if not answered:
                self.unanswered += 1
                yield 1.0  # as a client would wait before it asks again
            yield self.pause_s

    def _request(self, number: int) -> Generator[float, None, bool]:
        order = self.strategy.order([s.seen(self.now_s) for s in self.states.values()], self.round_of(self.now_s))
        attempt = 0
        for candidate in order:
            state = self.states[candidate.key]
            at_s = self.now_s
            if state.resting_until_s > at_s:
                continue
            took_s, answered = state.begin(at_s, self.dice)
            yield took_s
            state.end(self.now_s, took_s, answered, self.rest_s)
            self.calls.append(Call(number, attempt, candidate.key, at_s, self.now_s, answered))
            if answered:
                return True
            attempt += 1
        return False

    def play(self, callers: int) -> None:
        """Lets the callers run until all requests are over. Who wakes first goes first, in the order of sleeping."""
        asleep: list[tuple[float, int, Iterator[float]]] = []
        for number in range(callers):
            asleep.append((0.0, number, self.caller()))
        turn = callers
        while asleep:
            self.now_s, _, caller = heappop(asleep)
            for wait_s in caller:
                heappush(asleep, (self.now_s + wait_s, turn, caller))
                turn += 1
                break


def simulate(
    strategy: Strategy,
    players: Sequence[Player],
    *,
    requests: int = 10_000,
    callers: int = 1,
    seed: int = 1,
    level: Level = "accounts",
    settings: Mapping[str, Any] = {},
    pause_s: float = 0.0,
    rest_s: float = 3.0,
) -> Played:
    """Plays ``requests`` by ``callers`` at once, each with ``pause_s`` between an answer and its next request.

    A candidate that failed rests for ``rest_s`` seconds, twice as long for each further failure in a row, as the
    gateway's cooldowns do.
    """
    rng = random.Random(seed)  # noqa: S311  # dice, not secrets
    memory: dict[str, Any] = {}
    game = _Game(
        strategy,
        {player.key: Standing(player, position) for position, player in enumerate(players)},
        lambda now_s: Round(now_s, rng, memory, level, settings),
        random.Random(seed + 1),  # noqa: S311  # its own dice: what happens does not depend on who was chosen how
        requests,
        pause_s,
        rest_s,
    )
    game.play(callers)
    return Played(tuple(game.calls), tuple(game.states), game.unanswered, game.now_s, memory)
