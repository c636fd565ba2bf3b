"""One run: start the processes, measure in rounds with the targets interleaved, stop everything.

Direct, forwarder and gateway are measured one right after the other within each round, so that a slow
minute of the machine hits all three; the report then compares within rounds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import orjson

from tests.bench import cpus, gateway, proc, servers
from tests.bench.load import Outcome, run_in_process
from tests.bench.measures import CHAT, MEASURES, Measure, Target, load

REST_S = 1.0  # a server counts as at rest this long after its first answer


@attrs.frozen
class Options:
    """How much to measure. `starts` is how often the start is timed."""

    targets: tuple[str, ...]
    rounds: int
    seconds: float
    paced_s: int
    starts: int
    events_per_write: int
    pin: bool


@attrs.frozen
class Sample:
    """One target under one load in one round. `*_busy` is CPU time per wall time, None where it cannot be read."""

    outcome: Outcome
    server_busy: float | None
    upstream_busy: float


@attrs.frozen
class Footprint:
    """One server's starts and memory. `first_answer_s`: from process start to the first answered chat request."""

    first_answer_s: float
    at_rest: proc.Memory | None
    after_load: proc.Memory | None = None


@attrs.frozen
class Results:
    """Everything that was measured. `samples` has one list by measure and target names, in the order of the rounds."""

    samples: dict[tuple[str, str], list[Sample]]
    footprints: dict[str, Footprint]
    cores: cpus.Plan
    notes: list[str]


class BrokenRun(Exception):
    """An answer was wrong or missing, so no number of this run means anything."""


@attrs.frozen
class Running:
    """A server under test, with the target it serves."""

    target: Target
    server: servers.Server


@attrs.frozen
class Launch:
    """How to start a server once more, and what it is as a target on a given port."""

    start: Callable[[], servers.Server]
    target: Callable[[int], Target]


def run(options: Options) -> Results:
    """Measure. Raises `BrokenRun` on the first wrong answer, RuntimeError when a process does not start."""
    cores = cpus.plan(options.pin)
    notes: list[str] = []
    samples: dict[tuple[str, str], list[Sample]] = {}
    footprints: dict[str, Footprint] = {}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="omniroute-bench-")))
        upstream = servers.start_upstream(cores.upstream, options.events_per_write, directory / "upstream.log")
        stack.enter_context(stopping(upstream, "upstream", notes))
        running = {"direct": Running(Target("direct", upstream.port), upstream)}
        for name in options.targets:
            if name == "direct":
                continue
            progress(f"starting the {name} {options.starts} times")
            launch = prepare(name, directory, upstream, cores, notes)
            times_s = []
            for _ in range(options.starts - 1):
                with stopping(launch.start(), name, notes) as server:
                    times_s.append(first_answer_s(server, launch.target(server.port)))
            server = stack.enter_context(stopping(launch.start(), name, notes))
            running[name] = Running(launch.target(server.port), server)
            times_s.append(first_answer_s(server, running[name].target))
            time.sleep(REST_S)
            footprints[name] = Footprint(statistics.median(times_s), proc.memory(server.process.pid))
        for number in range(options.rounds):
            for measure in MEASURES:
                progress(f"round {number + 1} of {options.rounds}: {measure.title}")
                for name in rotated([n for n in measure.targets if n in running], number):
                    sample = take(measure, running[name], upstream, cores, options)
                    samples.setdefault((measure.name, name), []).append(sample)
        for name, footprint in footprints.items():
            after = proc.memory(running[name].server.process.pid)
            footprints[name] = attrs.evolve(footprint, after_load=after)
    return Results(samples, footprints, cores, notes)


def prepare(name: str, directory: Path, upstream: servers.Server, cores: cpus.Plan, notes: list[str]) -> Launch:
    """Everything that comes before the first timed start: for the gateway, its set-up in a start of its own."""
    if name == "forwarder":
        variables = {"BENCH_UPSTREAM": f"http://127.0.0.1:{upstream.port}"}
        log = directory / "forwarder.log"
        return Launch(
            lambda: servers.start_hypercorn("tests.bench.forwarder:app", variables, cores.server, directory, log),
            lambda port: Target(name, port),
        )
    with stopping(gateway.start(directory, cores.server), name, notes) as first:
        key = gateway.set_up(first, upstream.port)
    headers = {"Authorization": f"Bearer {key}"}
    return Launch(
        lambda: gateway.start(directory, cores.server),
        lambda port: Target(name, port, f"{gateway.PREFIX}/", headers),
    )


def first_answer_s(server: servers.Server, target: Target) -> float:
    """Seconds from the start of the process to its first good answer to a chat request."""
    asked = load(MEASURES[0], target, 1, 1)
    return servers.wait_until(server, servers.Call(CHAT, asked.body, target.headers), lambda status: status == 200)


def take(measure: Measure, running: Running, upstream: servers.Server, cores: cpus.Plan, options: Options) -> Sample:
    """Run one load and check it: no wrong answer, and every answer made by the upstream during this very load."""
    one = load(measure, running.target, options.seconds, options.paced_s)
    pid = running.server.process.pid
    answered, upstream_s = stats(upstream)
    server_s = proc.cpu_s(pid)
    outcome = run_in_process(one, cores.load, servers.environment())
    server_after_s, (answered_after, upstream_after_s) = proc.cpu_s(pid), stats(upstream)
    where = f"{measure.name} on {running.target.name}"
    if outcome.errors:
        listed = "\n  ".join(outcome.first_errors)
        raise BrokenRun(
            f"{where}: {outcome.errors} wrong answers\n  {listed}\n{running.server.tail()}{upstream.tail()}"
        )
    if outcome.answers > answered_after - answered:
        made = answered_after - answered
        raise BrokenRun(f"{where}: {outcome.answers} answers, but the upstream made only {made}: a cache answered")
    server_busy = None
    if server_s is not None and server_after_s is not None:
        server_busy = (server_after_s - server_s) / outcome.ran_s
    return Sample(outcome, server_busy, (upstream_after_s - upstream_s) / outcome.ran_s)


def stats(upstream: servers.Server) -> tuple[int, float]:
    """Answers the upstream began so far, and the CPU seconds it used."""
    read = orjson.loads(servers.send(upstream.port, servers.Call("/stats"))[1])
    return read["answered"], read["cpu_s"]


@contextmanager
def stopping(server: servers.Server, name: str, notes: list[str]) -> Iterator[servers.Server]:
    """Stop the server at the end, and note it when that took force."""
    try:
        yield server
    finally:
        if not servers.stop(server):
            notes.append(f"the {name} did not end on SIGTERM within {servers.STOP_TIMEOUT_S:.0f} s and was killed")


def rotated(names: list[str], number: int) -> list[str]:
    """Another order each round, so that no target always runs in the wake of the same other one."""
    turn = number % len(names)
    return names[turn:] + names[:turn]


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
