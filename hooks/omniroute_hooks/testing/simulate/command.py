"""The simulator's command line: arguments into players, counts into a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any

from ... import Strategy
from ..contract import GROUP, ask
from .game import Played, simulate
from .players import Player

_LISTS = {
    "weights": "the users' shares",
    "priorities": "1 is first",
    "prices": "US dollars per million tokens, - for unknown",
    "latencies": "mean milliseconds",
    "fails": "chances of a failure, 0 to 1",
    "quotas": "requests/seconds of each window, - for none",
}


def installed() -> dict[str, Strategy]:
    """The strategies of all installed plugins, by id."""
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
