"""Starting and stopping the processes of a run: the upstream, and Hypercorn with one worker around an application."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from tests.bench.cpus import Cores, pinned

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.01
# A proxy of the developer's must not get between the processes of a run.
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


@attrs.frozen
class Server:
    """A running process that listens on 127.0.0.1:`port`; what it prints goes to `log`."""

    process: subprocess.Popen[str]
    port: int
    log: Path
    started_s: float  # time.perf_counter() just before the process began

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


@attrs.frozen
class Call:
    """One HTTP request, for set-up and for telling whether a server answers yet."""

    path: str
    body: dict[str, Any] | None = None
    headers: dict[str, str] = attrs.Factory(dict)


def environment(**extra: str) -> dict[str, str]:
    """This process's environment with the checkout importable, no proxy, and `extra`."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in PROXY_VARIABLES}
    return {**kept, "PYTHONPATH": str(ROOT), **extra}


def start_upstream(cores: Cores, events_per_write: int, log: Path) -> Server:
    """The scripted upstream, listening when this returns."""
    started_s = time.perf_counter()
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.upstream", "--events-per-write", str(events_per_write)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(),
            preexec_fn=pinned(cores),
            start_new_session=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the upstream did not start: {log.read_text()}")
    return Server(process, int(line), log, started_s)


def start_hypercorn(application: str, variables: dict[str, str], cores: Cores, directory: Path, log: Path) -> Server:
    """`hypercorn <application>` with one worker, run in `directory`; it may not answer yet when this returns."""
    port = free_port()
    started_s = time.perf_counter()
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hypercorn", "--workers", "1", "--bind", f"127.0.0.1:{port}", application],
            stdout=output,
            stderr=output,
            text=True,
            env=environment(**variables),
            cwd=directory,
            preexec_fn=pinned(cores),
            start_new_session=True,
        )
    return Server(process, port, log, started_s)


def wait_until(server: Server, call: Call, good: Callable[[int], bool]) -> float:
    """Repeat `call` until its status is `good`. Returns the seconds since the process began.

    Raises RuntimeError when the process ends or a minute has passed.
    """
    last = "no answer"
    while time.perf_counter() - server.started_s < START_TIMEOUT_S:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended with {server.process.returncode}:\n{server.tail()}")
        try:
            status, body = send(server.port, call)
        except OSError:
            time.sleep(POLL_S)
            continue
        if good(status):
            return time.perf_counter() - server.started_s
        last = f"status {status}: {body[:300]!r}"
        time.sleep(POLL_S)
    raise RuntimeError(f"no good answer within {START_TIMEOUT_S:.0f} s; the last was {last}\n{server.tail()}")


def send(port: int, call: Call) -> tuple[int, bytes]:
    """One request on a connection of its own: GET without a body, POST with one. OSError when nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        method = "GET" if call.body is None else "POST"
        data = None if call.body is None else json.dumps(call.body).encode()
        connection.request(method, call.path, body=data, headers={"Content-Type": "application/json", **call.headers})
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as broken:
        raise ConnectionError(str(broken)) from broken
    finally:
        connection.close()


def stop(server: Server) -> bool:
    """SIGTERM, then SIGKILL to the process and its children if it does not end. Returns whether it ended by itself."""
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
    try:
        server.process.wait(STOP_TIMEOUT_S)
        return True
    except subprocess.TimeoutExpired:
        os.killpg(server.process.pid, signal.SIGKILL)  # the group is its own: see start_new_session
        server.process.wait()
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
