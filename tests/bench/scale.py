"""Scale: what one request costs with 10, 1,000 and 10,000 connections, combos and aliases.

    python -m tests.bench.scale            # some three minutes
    python -m tests.bench.scale --quick    # a look
    python -m tests.bench.scale --check    # exit status 1 where a bound is not met

The gateway runs in this process, and requests go into its front as ASGI messages; the upstream is a process of its
own. ``whole`` is the processor time of a whole request here, answer included; ``names`` is finding the plan of a name
that was asked before, ``new names`` of one that was not; ``first`` is finding the candidate to try. Sizes are measured
in turns within each round, and compared within it. Only ratios mean anything.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from attrs import evolve, frozen
from omniroute_hooks import OPENAI_CHAT, ApiKey, Model, Provider

from core.app import Application
from core.gateway.choosing.choose import Chooser
from core.gateway.choosing.live import Live
from core.gateway.naming.combos import CHAINS
from core.gateway.naming.resolve import resolve
from core.gateway.naming.snapshot import ALIASES, WILDCARDS, Snapshot, build_snapshot
from core.plugins.registry import Registry, build
from core.settings import Settings
from core.store.records import ComboRecord, ConnectionRecord, StoreContents
from tests.bench import canned, cpus, servers

SIZES = (10, 1_000, 10_000)
STRATEGIES = ("priority", "round-robin", "p2c", "least-used", "weighted")
WHOLE_BOUND = 1.4  # of the cost with ten of everything: the depth of the tree, and a busy machine
BODY = {"messages": [{"role": "user", "content": "Say something short about benchmarks."}], "max_tokens": 64}


@frozen
class World:
    """How many of what there are."""

    connections: int = 10
    combos: int = 10
    aliases: int = 10
    strategy: str = "priority"


@frozen
class Series:
    """One thing that grows, and the name that is asked for. ``bound`` for its whole requests' ratio."""

    title: str
    world: Callable[[int], World]
    name: Callable[[int, int], str]  # how many there are, number of the request
    bound: float = WHOLE_BOUND
    rotates: bool = False


SERIES: tuple[Series, ...] = (
    *(
        Series(
            f"connections of one provider, {strategy}",
            lambda n, strategy=strategy: World(connections=n, strategy=strategy),  # type: ignore[misc]
            lambda n, i: "busy/m",
            rotates=True,
        )
        for strategy in STRATEGIES
    ),
    Series("combos", lambda n: World(combos=n), lambda n, i: f"combo-{(i * 7) % min(n, 500)}"),
    Series("exact aliases", lambda n: World(aliases=n), lambda n, i: f"alias-{(i * 7) % min(n, 500)}"),
    Series("patterns", lambda n: World(aliases=n), lambda n, i: f"pattern-{(i * 7) % min(n, 500)}-x"),
    Series(
        "all of them, a combo of combos",
        lambda n: World(n, n, n, "round-robin"),
        lambda n, i: f"nested-{(i * 7) % min(n, 500)}",
        rotates=True,
    ),
)


def contents(world: World, version: int) -> StoreContents:
    """A configuration of that size, as the store would hand it out."""
    connections = tuple(
        ConnectionRecord(
            id=f"connection-{n}",
            provider="busy",
            auth_type="apikey",
            name=str(n),
            priority=n + 1,
            is_active=True,
            credential={"api_key": "k"},
            provider_specific_data={},
            state="active",
            created_at=float(n),
            updated_at=0.0,
        )
        for n in range(world.connections)
    )
    combos = tuple(
        combo
        for n in range(world.combos)
        for combo in (_combo(f"combo-{n}", f"busy/m{n}", "busy/m"), _combo(f"nested-{n}", f"combo-{n}", "busy/other"))
    )
    patterns = [{"pattern": f"pattern-{n}-*", "target": f"busy/p{n}"} for n in range(world.aliases)]
    return StoreContents(
        version=version,
        connections=connections,
        nodes=(),
        api_keys=(),
        combos=combos,
        key_values={
            "settings": {"fallbackStrategy": world.strategy, WILDCARDS: patterns},
            ALIASES: {f"alias-{n}": f"busy/a{n}" for n in range(world.aliases)},
            CHAINS: {"all": {"models": ["busy/last"]}},
        },
    )


def _combo(name: str, *models: str) -> ComboRecord:
    return ComboRecord(
        id=name,
        name=name,
        models=models,
        strategy="round-robin",
        config={},
        sort_order=0,
        is_active=True,
        created_at=0.0,
        updated_at=0.0,
    )


class Bench:
    """The gateway in this process."""

    def __init__(self, application: Application, registry: Registry) -> None:
        self._application = application
        self._registry = registry
        self.headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]

    async def snapshot(self, world: World) -> Snapshot:
        """What the hot path reads in a world of that size."""
        kernel = self._application.kernel
        assert kernel is not None
        version = await kernel.store.version()  # or the kernel would read its own again
        return build_snapshot(self._registry, contents(world, version), kernel.settings, b"secret")

    async def whole(self, snapshot: Snapshot, names: Sequence[str]) -> float:
        """Microseconds of this process for a whole request."""
        kernel, front = self._application.kernel, self._application.front
        assert kernel is not None
        assert front is not None
        kernel.snapshot = snapshot
        bodies = [orjson.dumps({"model": name, **BODY}) for name in names]
        began = time.process_time()
        for body in bodies:
            await self._ask(front, body)
        return (time.process_time() - began) / len(names) * 1e6

    async def _ask(self, front: Any, body: bytes) -> None:
        length = (b"content-length", str(len(body)).encode())
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "query_string": b"",
            "headers": [*self.headers, length],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 1),
        }
        statuses: list[int] = []
        parts: list[bytes] = []
        told = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if told:
                return told.pop()
            await asyncio.Event().wait()  # the caller stays
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            if "status" in message:
                statuses.append(message["status"])
            parts.append(message.get("body", b""))

        await front(scope, receive, send)
        if statuses != [200] or canned.MARK not in b"".join(parts):
            raise RuntimeError(f"a wrong answer: {statuses} {b''.join(parts)[:300]!r}")


def known_names(snapshot: Snapshot, names: Sequence[str]) -> float:
    """Microseconds for the plan of a name that was asked before."""
    for name in names:
        resolve(snapshot, name)
    return _each(names, lambda name: resolve(snapshot, name))


def new_names(snapshot: Snapshot, names: Sequence[str]) -> float:
    """Microseconds for the plan of a name that was not asked before."""

    def plan(name: str) -> None:
        snapshot.plans.drop(name)
        resolve(snapshot, name)

    return _each(names, plan)


def first_candidate(snapshot: Snapshot, names: Sequence[str]) -> float:
    """Microseconds to find the candidate to try, and to note that it was."""
    live = Live()
    chooser = Chooser(1, live)
    plans = [resolve(snapshot, name) for name in names]

    def choose(plan: Any) -> None:
        pick = chooser.picks(snapshot, plan, rests=_never)[0]
        live.began(pick)
        live.finished(pick, True, 1.0)

    return _each(plans, choose)


def _never(pick: Any) -> float:
    return 0.0


def _each(items: Sequence[Any], work: Callable[[Any], Any]) -> float:
    began = time.perf_counter()
    for item in items:
        work(item)
    return (time.perf_counter() - began) / len(items) * 1e6


async def run(rounds: int, requests: int) -> list[tuple[Series, dict[str, list[list[float]]]]]:
    """Every series: by measure, one list a round with a figure for each size."""
    cores = cpus.plan(True)
    if cores.server is not None:
        os.sched_setaffinity(0, cores.server)
    with tempfile.TemporaryDirectory(prefix="omniroute-scale-") as name:
        folder = Path(name)
        upstream = servers.start_upstream(cores.upstream, 10, folder / "upstream.log")
        try:
            registry = with_provider(upstream.port)
            application = Application(
                Settings(data_dir=folder / "data", initial_password=secrets.token_hex()), registry
            )
            await application.start()
            try:
                bench = Bench(application, registry)
                return [(series, await measured(bench, series, rounds, requests)) for series in SERIES]
            finally:
                await application.stop()
        finally:
            servers.stop(upstream)


def with_provider(port: int) -> Registry:
    """What is installed, with the upstream as the only provider."""
    busy = Provider(
        id="busy",
        prefix="busy",
        base_url=f"http://127.0.0.1:{port}/v1",
        dialect=OPENAI_CHAT,
        auth=ApiKey(),
        models=(Model("m"),),
    )
    return evolve(build(), providers={"busy": busy}, by_prefix={"busy": busy})


async def measured(bench: Bench, series: Series, rounds: int, requests: int) -> dict[str, list[list[float]]]:
    """One series; the sizes take turns at being first."""
    print(series.title, file=sys.stderr, flush=True)
    snapshots = {size: await bench.snapshot(series.world(size)) for size in SIZES}
    names = {size: [series.name(size, i) for i in range(requests)] for size in SIZES}
    figures: dict[str, list[list[float]]] = {name: [] for name in ("whole", "names", "new names", "first")}
    for size in SIZES:  # everybody once, so that nobody's first time is measured
        warm = min(size, requests * 20) if series.rotates else 50
        await bench.whole(snapshots[size], [names[size][i % requests] for i in range(warm)])
    for number in range(rounds):
        row: dict[str, dict[int, float]] = {name: {} for name in figures}
        for place in range(len(SIZES)):
            size = SIZES[(place + number) % len(SIZES)]
            snapshot, asked = snapshots[size], names[size]
            row["whole"][size] = await bench.whole(snapshot, asked)
            row["names"][size] = known_names(snapshot, asked)
            row["new names"][size] = new_names(snapshot, asked)
            row["first"][size] = first_candidate(snapshot, asked)
        for name, sizes in row.items():
            figures[name].append([sizes[size] for size in SIZES])
    return figures


def ratios(rounds: list[list[float]]) -> list[float]:
    """The median over the rounds of each size's share of the smallest's cost."""
    return [statistics.median(row[place] / row[0] for row in rounds) for place in range(len(SIZES))]


def text(results: list[tuple[Series, dict[str, list[list[float]]]]]) -> str:
    """The table."""
    head = f"{'what grows':<46}{'measure':<11}{'µs at 10':>9}" + "".join(f"{size:>9,}" for size in SIZES[1:])
    lines = [head, "-" * len(head)]
    for series, figures in results:
        for name, rounds in figures.items():
            base = statistics.median(row[0] for row in rounds)
            shares = "".join(f"{ratio:>8.2f}x" for ratio in ratios(rounds)[1:])
            lines.append(f"{series.title if name == 'whole' else '':<46}{name:<11}{base:>9.1f}{shares}")
    return "\n".join(lines)


def missed(results: list[tuple[Series, dict[str, list[list[float]]]]]) -> list[str]:
    """The bounds that were not met."""
    return [
        f"{series.title}: a whole request costs {worst:.2f} of what it costs with ten; {series.bound} is allowed"
        for series, figures in results
        if (worst := max(ratios(figures["whole"]))) > series.bound
    ]


def main() -> int:
    """Exit status: 0 measured, 1 a bound was not met and `--check` was given."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description="Cost by size of configuration.")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 100 requests: a look")
    parser.add_argument("--rounds", type=int, help="how many (7)")
    parser.add_argument("--requests", type=int, help="of each size in a round (500)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bound is not met")
    given = parser.parse_args()
    rounds = given.rounds or (2 if given.quick else 7)
    results = asyncio.run(run(rounds, given.requests or (100 if given.quick else 500)))
    print(text(results))
    problems = missed(results)
    print("\n".join(problems) if problems else f"No whole request costs more than {WHOLE_BOUND} of the smallest.")
    return 1 if given.check and problems else 0


if __name__ == "__main__":
    sys.exit(main())
