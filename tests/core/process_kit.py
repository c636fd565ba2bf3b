"""The gateway as a process of its own, started as users start it, with an empty home and nobody's settings."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
from attrs import define, field

START_S = 30.0
STOP_S = 20.0
PASSWORD = "correct-horse-battery"
CLI = ("-m", "core.cli")
_KEPT = ("PATH", "PYTHONPATH", "LANG", "SYSTEMROOT")


def free_port() -> int:
    """A port of this machine that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@define(eq=False)
class Process:
    """A gateway under way. ``said`` is what it has printed so far, line by line, both streams together."""

    process: asyncio.subprocess.Process
    port: int
    said: list[str] = field(factory=list)
    _readers: list[asyncio.Task[None]] = field(factory=list)
    _changed: asyncio.Condition = field(factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    async def read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            async with self._changed:
                self.said.append(line.decode().rstrip())
                self._changed.notify_all()
        async with self._changed:
            self._changed.notify_all()

    async def line_with(self, words: str) -> str:
        """The first line that holds ``words``. Errors: AssertionError with all lines where the process ended first."""

        def found() -> str | None:
            return next((line for line in self.said if words in line), None)

        def ended() -> bool:
            return all(reader.done() for reader in self._readers)

        async with asyncio.timeout(START_S), self._changed:
            await self._changed.wait_for(lambda: found() is not None or ended())
        line = found()
        assert line is not None, f"it ended without {words!r}: {self.text}"
        return line

    async def answers(self) -> None:
        """Waits until requests are answered."""
        async with asyncio.timeout(START_S), httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get("/v1/models")).status_code in (200, 401):
                        return
                assert self.process.returncode is None, self.text
                await asyncio.sleep(0.05)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def exit_code(self) -> int:
        """Waits for the end; all that was printed is there then."""
        async with asyncio.timeout(STOP_S):
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return code


@contextlib.asynccontextmanager
async def starting(
    home: Path, *arguments: str, program: Sequence[str] = CLI, port: int | None = None, **environ: str
) -> AsyncIterator[Process]:
    """Starts ``python <program> <arguments>``; ``{port}`` in an argument becomes the port."""
    port = port or free_port()
    home.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 (a test has nobody else to hold up)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        *(argument.format(port=port) for argument in arguments),
        cwd=home,  # no .env of the checkout takes part
        env={**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1", **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    running = Process(process, port)
    running._readers += [asyncio.create_task(running.read(stream)) for stream in (process.stdout, process.stderr)]
    try:
        yield running
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its workers with it; the session is its own
            await process.wait()
        await asyncio.gather(*running._readers, return_exceptions=True)


def install(folder: Path, module: str, source: str) -> str:
    """Puts a distribution with one plugin into ``folder``; the PYTHONPATH on which it is found."""
    name = module.replace("_", "-")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[omniroute]\n{name} = {module}\n")
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@contextlib.asynccontextmanager
async def administrator(process: Process, password: str = PASSWORD) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that is logged in. Waits for the password where another worker is about to set it."""
    async with httpx.AsyncClient(base_url=process.url, trust_env=False, timeout=20) as http:
        async with asyncio.timeout(START_S):
            while "needs_setup" in (answer := await http.post("/api/auth/login", json={"password": password})).text:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert answer.status_code == 200, answer.text
        yield http


async def add_chat_node(http: httpx.AsyncClient, url: str, prefix: str = "up") -> str:
    """A node and its connection, over the management interface; the node's id."""
    node = {"name": prefix, "prefix": prefix, "type": "openai-compatible", "apiType": "chat", "baseUrl": f"{url}/v1"}
    made = await http.post("/api/provider-nodes", json=node)
    assert made.status_code == 201, made.text
    connection = {"provider": prefix, "name": "main", "apiKey": "sk-upstream"}
    added = await http.post("/api/providers", json=connection)
    assert added.status_code == 201, added.text
    return str(made.json()["node"]["id"])
