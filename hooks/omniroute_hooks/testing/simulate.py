"""A simulator: what a strategy does with thousands of requests, under a clock that nobody waits for.

    python -m omniroute_hooks.testing.simulate round-robin --requests 10000 --candidates 3
    python -m omniroute_hooks.testing.simulate p2c --callers 200 --latencies 200,200,800 --down 1=60:300

Candidates fail, rest for a while as the gateway lets them, and return; callers take the order as it comes and move on
in it. Same arguments, same result. Times are seconds from 0, the start.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from heapq import heappop, heappush
from importlib.metadata import entry_points
from typing import Any, Literal

from attrs import define, field, frozen

from .. import Candidate, Round, Strategy

Level = Literal["accounts", "members"]
RECENT_S = 300.0  # what counts as a recent request
NEW_SHARE = 0.2  # of one measure in a moving mean
LONGEST_STEP = 5


@frozen
class Player:
    """One candidate of a simulation.

    ``latency_ms`` is its mean; each answer takes between half and one and a half of it. ``fails`` is the chance
    0..1 of a failure; within a span of ``down`` (from, to) it always fails. ``quota`` requests are allowed in each
    window of ``window_s`` seconds; None means no limit.
    """

    key: str
    weight: float = 1.0
    priority: int = 1
    usd_per_1m: float | None = None
    latency_ms: float = 500.0
    fails: float = 0.0
    down: tuple[tuple[float, float], ...] = ()
    quota: int | None = None
    window_s: float = 3600.0


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
class _State:
    """What the kernel would know of a candidate by now, and how it does."""

    player: Player
    position: int
    in_flight: int = 0
    last_used_s: float | None = None
    begun: deque[float] = field(factory=deque)
    latency_ms: float | None = None
    failure_rate: float = 0.0
    resting_until_s: float = 0.0
    step: int = -1
    window: int = 0
    spent: int = 0

    def seen(self, now_s: float) -> Candidate:
        """As a strategy sees it."""
        player = self.player
        while self.begun and self.begun[0] <= now_s - RECENT_S:
            self.begun.popleft()
        self._turn_window(now_s)
        limited = player.quota is not None
        return Candidate(
            key=player.key,
            provider="simulated",
            model=player.key,
            connection_id=player.key,
            position=self.position,
            priority=player.priority,
            weight=player.weight,
            in_flight=self.in_flight,
            last_used_s=self.last_used_s,
            uses=len(self.begun),
            latency_ms=self.latency_ms,
            failure_rate=self.failure_rate,
            usd_per_1m=player.usd_per_1m,
            quota_left=max(0.0, 1 - self.spent / player.quota) if player.quota else (0.0 if limited else None),
            quota_resets_s=(self.window + 1) * player.window_s - now_s if limited else None,
            resting_s=max(0.0, self.resting_until_s - now_s),
        )

    def begin(self, now_s: float, dice: random.Random) -> tuple[float, bool]:
        """A call begins: the seconds it will take, and whether it will be answered."""
        player = self.player
        self._turn_window(now_s)
        self.in_flight += 1
        self.last_used_s = now_s
        self.begun.append(now_s)
        self.spent += 1
        out_of_quota = player.quota is not None and self.spent > player.quota
        fails = dice.random() < player.fails or any(start <= now_s < end for start, end in player.down)
        return player.latency_ms / 1000 * dice.uniform(0.5, 1.5), not (fails or out_of_quota)

    def end(self, now_s: float, took_s: float, answered: bool, rest_s: float) -> None:
        """It is over: measured, and put to rest if it failed, twice as long each time in a row."""
        self.in_flight -= 1
        self.failure_rate += NEW_SHARE * ((0.0 if answered else 1.0) - self.failure_rate)
        if answered:
            known = took_s * 1000 if self.latency_ms is None else self.latency_ms
            self.latency_ms = known + NEW_SHARE * (took_s * 1000 - known)
            self.step, self.resting_until_s = -1, 0.0
        elif self.resting_until_s <= now_s:  # failures of calls that began before the rest do not lengthen it
            self.step = min(self.step + 1, LONGEST_STEP)
            self.resting_until_s = now_s + rest_s * 2**self.step
            if self.player.quota is not None and self.spent >= self.player.quota:
                self.resting_until_s = (self.window + 1) * self.player.window_s

    def _turn_window(self, now_s: float) -> None:
        window = int(now_s // self.player.window_s)
        if window != self.window:
            self.window, self.spent = window, 0


@define
class _Game:
    """Callers who share one list of candidates, one memory and one clock."""

    strategy: Strategy
    states: Mapping[str, _State]
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
        {player.key: _State(player, position) for position, player in enumerate(players)},
        lambda now_s: Round(now_s, rng, memory, level, settings),
        random.Random(seed + 1),  # noqa: S311  # its own dice: what happens does not depend on who was chosen how
        requests,
        pause_s,
        rest_s,
    )
    game.play(callers)
    return Played(tuple(game.calls), tuple(game.states), game.unanswered, game.now_s, memory)


def installed() -> dict[str, Strategy]:
    """The strategies of all installed plugins, by id."""
    from .contract import GROUP, ask

    out: dict[str, Strategy] = {}
    for point in entry_points(group=GROUP):
        with suppress(Exception, SystemExit):  # somebody else's plugin may be broken
            out.update({item.id: item for item in ask(point.load()).get("omniroute_strategies", ())})
    return out


def table(played: Played) -> str:
    """The distribution for people: picks are how often each came first."""
    picks, answers, failures = played.picks(), played.answers(), played.failures()
    total = max(1, sum(picks.values()))
    wide = max(9, *(len(key) for key in played.keys))
    lines = [f"{'candidate':{wide}}   picked    share  answered  failed"]
    lines += [
        f"{key:{wide}} {picks[key]:8}  {picks[key] / total:6.2%}  {answers[key]:8}  {failures[key]:6}"
        for key in played.keys
    ]
    if played.unanswered:
        lines.append(f"{played.unanswered} requests were answered by nobody.")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """The command line; exit status 2 for arguments that make no sense."""
    parser = argparse.ArgumentParser(prog="simulate", description="Shows how a strategy distributes requests.")
    parser.add_argument("strategy", help="the id of an installed strategy")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, default=None, help="how many; 3 unless a list below tells")
    parser.add_argument("--callers", type=int, default=1, help="how many ask at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--level", choices=["accounts", "members"], default="accounts")
    parser.add_argument("--pause", type=float, default=0.0, metavar="S", help="between an answer and the next request")
    for name, what in _LISTS.items():
        parser.add_argument(f"--{name}", type=_listed, default=[], metavar="A,B,…", help=what)
    parser.add_argument(
        "--down", type=_down, action="append", default=[], metavar="N=FROM:TO", help="candidate N (from 0) fails then"
    )
    parser.add_argument(
        "--setting", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="as in the gateway"
    )
    parser.add_argument("--json", action="store_true", help="counts as JSON")
    asked = parser.parse_args(words)
    strategies = installed()
    if asked.strategy not in strategies:
        parser.error(f"no strategy {asked.strategy!r} is installed; there are {', '.join(sorted(strategies))}")
    if min(asked.requests, asked.callers) < 1:
        parser.error("there must be at least one request and one caller")
    try:
        players = _players(asked)
    except ValueError as exc:
        parser.error(str(exc))
    strategy = strategies[asked.strategy]
    if asked.level not in strategy.levels:
        parser.error(f"{strategy.id} does not order {asked.level}")
    played = simulate(
        strategy,
        players,
        requests=asked.requests,
        callers=asked.callers,
        seed=asked.seed,
        level=asked.level,
        settings=dict(asked.setting),
        pause_s=asked.pause,
    )
    if asked.json:
        counts = {"picks": played.picks(), "answers": played.answers(), "failures": played.failures()}
        print(json.dumps({**counts, "unanswered": played.unanswered, "tookS": round(played.took_s, 3)}))
    else:
        who = "1 caller" if asked.callers == 1 else f"{asked.callers} callers"
        print(f"{strategy.name}: {asked.requests} requests of {who} in {played.took_s:.0f} s of the clock")
        print(table(played))
    return 0


_LISTS = {
    "weights": "the users' shares",
    "priorities": "1 is first",
    "prices": "US dollars per million tokens, - for unknown",
    "latencies": "mean milliseconds",
    "fails": "chances of a failure, 0 to 1",
    "quotas": "requests/seconds of each window, - for none",
}


def _players(asked: argparse.Namespace) -> list[Player]:
    """The candidates that the arguments describe. Errors: `ValueError` in words."""
    given = {name: getattr(asked, name) for name in _LISTS}
    count = asked.candidates or max((len(values) for values in given.values()), default=0) or 3
    for name, values in given.items():
        if len(values) not in (0, count):
            raise ValueError(f"--{name} has {len(values)} values for {count} candidates")
    if any(number >= count for number, _ in asked.down):
        raise ValueError(f"--down: there are only candidates 0 to {count - 1}")

    def of(name: str, number: int, default: str) -> str:
        return given[name][number] if given[name] else default

    players = []
    for number in range(count):
        price, quota = of("prices", number, "-"), of("quotas", number, "-")
        allowed, _, window_s = quota.partition("/")
        players.append(
            Player(
                key=f"c{number}",
                weight=float(of("weights", number, "1")),
                priority=int(of("priorities", number, "1")),
                usd_per_1m=None if price == "-" else float(price),
                latency_ms=float(of("latencies", number, "500")),
                fails=float(of("fails", number, "0")),
                down=tuple(span for who, span in asked.down if who == number),
                quota=None if quota == "-" else int(allowed),
                window_s=float(window_s or 3600),
            )
        )
    return players


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _down(text: str) -> tuple[int, tuple[float, float]]:
    who, _, span = text.partition("=")
    start, _, end = span.partition(":")
    return int(who), (float(start), float(end))


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    with suppress(ValueError):
        return name, json.loads(value)
    return name, value


if __name__ == "__main__":
    sys.exit(main())
