"""The load generator: a closed loop of connections in a process of its own, strict about every answer.

`run_in_process` starts this module with a `Load` as JSON on its standard input and reads an `Outcome` from its standard
output. An answer counts only if its status is 200, its body is whole, every `MARK` is in it and it ends as its
dialect ends.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from typing import Any

import attrs

from tests.bench import canned, eventloop
from tests.bench.cpus import pinned
from tests.bench.wire import Answer, Connection

CONNECT_AT_ONCE = 32  # stays below Hypercorn's listen backlog of 100
GRACE_S = 30.0  # answers still under way when time is up may take this long, then the run fails
RAMP_S = 0.5  # paced streams begin spread over this time, as callers do
ERRORS_KEPT = 5


@attrs.frozen
class Load:
    """What to ask, how hard and for how long.

    `marks` is the exact number of `canned.MARK` in a good answer; `ending` must occur in its last 80 bytes. A paced
    load asks once on each connection and `seconds` is how long the upstream's streams last.
    """

    port: int
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    marks: int
    ending: str
    connections: int
    seconds: float
    warmup_s: float = 0.5
    paced: bool = False


@attrs.frozen
class Outcome:
    """What was measured. Times in milliseconds, `busy` is this process's CPU time per wall time."""

    answers: int  # all good answers, those of the warm-up included
    errors: int
    first_errors: list[str]
    per_s: float  # answers a second in the measured time
    events_per_s: float
    events_per_answer: float
    p50_ms: float
    p99_ms: float
    gap_p50_ms: float  # time between two events of a paced stream; 0 when two came in one read
    gap_p99_ms: float
    first_event_p50_ms: float
    ran_s: float  # from the first request to the last answer
    busy: float
    loop: str


class Run:
    """One load, running."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.request = request_bytes(load)
        self.ending = load.ending.encode()
        self.answers = self.errors = self.events = self.measured = 0
        self.first_errors: list[str] = []
        self.latencies_s = array("d")
        self.first_event_s = array("d")
        self.gaps_s = array("d")

    def judge(self, answer: Answer) -> str | None:
        """Why this answer is not good, or None."""
        body = answer.body
        marks = body.count(canned.MARK)
        if answer.status != 200:
            return f"status {answer.status}: {body[:300]!r}"
        if not answer.complete:
            return f"the connection broke after {len(body)} bytes of the body"
        if marks != self.load.marks:
            return f"{marks} pieces of text, not {self.load.marks}: ...{body[-300:]!r}"
        if self.ending not in body[-80:]:
            return f"a wrong ending: ...{body[-300:]!r}"
        return None

    def fail(self, reason: str) -> None:
        self.errors += 1
        if len(self.first_errors) < ERRORS_KEPT:
            self.first_errors.append(reason)


async def measure(load: Load) -> Outcome:
    """Open the connections, run the load on all of them, and sum up."""
    run = Run(load)
    callers = [PacedCaller(run) if load.paced else Caller(run) for _ in range(load.connections)]
    for i in range(0, len(callers), CONNECT_AT_ONCE):
        await asyncio.gather(*(caller.connect() for caller in callers[i : i + CONNECT_AT_ONCE]))
    start_s = time.perf_counter()
    cpu_s = time.process_time()
    from_s = start_s if load.paced else start_s + load.warmup_s
    until_s = from_s + load.seconds
    for index, caller in enumerate(callers):
        caller.begin(from_s, until_s, delay_s=RAMP_S * index / len(callers) if load.paced else 0.0)
    done = asyncio.gather(*(caller.finished for caller in callers))
    try:
        await asyncio.wait_for(done, load.warmup_s + load.seconds + GRACE_S)
    except TimeoutError:
        run.fail(f"answers did not end within {GRACE_S:.0f} s after the time was up")
    end_s = time.perf_counter()
    ran_s = end_s - start_s
    busy = (time.process_time() - cpu_s) / ran_s
    for caller in callers:
        caller.close()
    span_s = ran_s if load.paced else load.seconds
    return Outcome(
        answers=run.answers,
        errors=run.errors,
        first_errors=run.first_errors,
        per_s=run.measured / span_s,
        events_per_s=run.events / span_s,
        events_per_answer=run.events / max(run.measured, 1),
        p50_ms=quantile(run.latencies_s, 0.50) * 1000,
        p99_ms=quantile(run.latencies_s, 0.99) * 1000,
        gap_p50_ms=quantile(run.gaps_s, 0.50) * 1000,
        gap_p99_ms=quantile(run.gaps_s, 0.99) * 1000,
        first_event_p50_ms=quantile(run.first_event_s, 0.50) * 1000,
        ran_s=ran_s,
        busy=busy,
        loop=eventloop.NAME,
    )


class Caller:
    """One connection's closed loop: ask, check, ask again."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tasks: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        on_piece: Callable[[Answer], None] | None = self.on_piece if self.run.load.paced else None
        _, self.connection = await loop.create_connection(
            lambda: Connection(on_piece, self.on_end), "127.0.0.1", self.run.load.port
        )

    def begin(self, from_s: float, until_s: float, delay_s: float) -> None:
        self.from_s, self.until_s = from_s, until_s
        asyncio.get_running_loop().call_later(delay_s, self.ask)

    def ask(self) -> None:
        if self.connection.lost:  # nothing was said about closing, and nothing is under way: not our doing
            return self.stop("the server closed an idle connection")
        self.asked_s = time.perf_counter()
        return self.connection.ask(self.run.request)

    def on_piece(self, answer: Answer) -> None:
        """Told of each read; the closed loop needs only whole answers."""

    def on_end(self, answer: Answer) -> None:
        now_s = time.perf_counter()
        run = self.run
        if reason := run.judge(answer):
            return self.stop(reason)
        run.answers += 1
        if run.load.paced or self.from_s <= now_s <= self.until_s:
            run.measured += 1
            run.latencies_s.append(now_s - self.asked_s)
            run.events += answer.body.count(b"\n\n")
        if now_s >= self.until_s or run.load.paced:
            return self.stop()
        if answer.closes:  # Hypercorn ends a connection after 1000 requests; the time to reconnect is not latency
            task = asyncio.get_running_loop().create_task(self.reconnect())
            self.tasks.add(task)
            return task.add_done_callback(self.tasks.discard)
        return self.ask()

    async def reconnect(self) -> None:
        self.connection.close()
        await self.connect()
        self.ask()

    def stop(self, reason: str | None = None) -> None:
        if reason:
            self.run.fail(reason)
        if not self.finished.done():
            self.finished.set_result(None)

    def close(self) -> None:
        self.connection.close()


class PacedCaller(Caller):
    """One paced stream: asks once, and times every event of the answer."""

    seen_parts = 0
    last_s = 0.0
    ended_in_newline = False

    def on_piece(self, answer: Answer) -> None:
        now_s = time.perf_counter()
        events = 0
        for part in answer.parts[self.seen_parts :]:
            # A server may cut an event anywhere, also between the two newlines that end it.
            events += part.count(b"\n\n") + (self.ended_in_newline and part[:1] == b"\n")
            self.ended_in_newline = part[-1:] == b"\n" and part[-2:] != b"\n\n"
        self.seen_parts = len(answer.parts)
        if not events:
            return
        if self.last_s:
            self.run.gaps_s.append(now_s - self.last_s)
        else:
            self.run.first_event_s.append(now_s - self.asked_s)
        self.run.gaps_s.extend([0.0] * (events - 1))
        self.last_s = now_s


def request_bytes(load: Load) -> bytes:
    body = json.dumps(load.body, separators=(",", ":")).encode()
    headers = {
        "Host": f"127.0.0.1:{load.port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **load.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {load.path} HTTP/1.1\r\n{head}\r\n".encode() + body


def quantile(values: array[float], q: float) -> float:
    """The nearest-rank quantile; 0 for no values."""
    if not values:
        return 0.0
    if q == 0.5:
        return statistics.median(values)
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def run_in_process(load: Load, cpus: set[int] | None, environment: dict[str, str]) -> Outcome:
    """Run `load` in a new process, on `cpus` where given. Raises RuntimeError when that process dies."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(attrs.asdict(load)),
        capture_output=True,
        text=True,
        env=environment,
        timeout=load.warmup_s + load.seconds + 2 * GRACE_S,
        preexec_fn=pinned(cpus),
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the load generator died: {done.stderr[-2000:]}")
    return Outcome(**json.loads(done.stdout))


if __name__ == "__main__":
    print(json.dumps(attrs.asdict(eventloop.run(measure(Load(**json.load(sys.stdin)))))))
