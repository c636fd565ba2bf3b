"""The gateway as a user runs it: its own process, set up from empty through the management API."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from attrs import field, frozen
from scripted.server import ScriptedModel

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 15
PASSWORD = "correct horse battery"
PREFIX = "scripted"
RUNNING_ON = re.compile(rb"Running on (http://127\.0\.0\.1:\d+)")


class GatewayDidNotStart(Exception):
    """The process ended, or said nothing of an address in time; the message holds what it printed."""


@frozen
class Gateway:
    """A running gateway: its address and a client key of its own."""

    url: str
    key: str = field(repr=False)


@asynccontextmanager
async def gateway_before(model: ScriptedModel, folder: Path) -> AsyncIterator[Gateway]:
    """Run a gateway with its data in `folder`, whose models `scripted/…` come from `model`.

    Errors: `GatewayDidNotStart`; `httpx.HTTPStatusError` when a step of the set-up is refused.
    """
    async with _running(folder) as url:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as api:
            await _created(api, "/api/auth/login", {"password": PASSWORD})
            address = {"name": "Scripted", "prefix": PREFIX, "baseUrl": model.base_url}
            node = await _created(api, "/api/provider-nodes", address | dict(model.wire.node))
            connection = {"provider": node["node"]["id"], "name": "scripted", "apiKey": model.key}
            await _created(api, "/api/providers", connection)
            key = await _created(api, "/api/keys", {"name": "client"})
        yield Gateway(url, str(key["key"]))


async def _created(api: httpx.AsyncClient, path: str, body: dict[str, str]) -> dict[str, dict[str, str]]:
    response = await api.post(path, json=body)
    if response.is_error:
        message = f"{path} answered {response.status_code}: {response.text}"
        raise httpx.HTTPStatusError(message, request=response.request, response=response)
    answer: dict[str, dict[str, str]] = response.json()
    return answer


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[str]:
    """The server process on a port that the system chose; yields its address and ends it with SIGTERM."""
    environment = _home(folder)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hypercorn", "core.app:app", "--bind", "127.0.0.1:0"),
        cwd=folder,  # no .env of the checkout takes part
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr
    log: list[bytes] = []
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reading = asyncio.create_task(_read_log(process.stderr, log, address))
    try:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                url = await asyncio.shield(address)
        except (TimeoutError, EOFError) as exc:
            raise GatewayDidNotStart(b"".join(log).decode()) from exc
        yield url
    finally:
        await _stop(process)
        await reading
        # pytest shows this for a failed test only, and then it is the first thing to read
        print(b"".join(log).decode(errors="replace"))


def _home(folder: Path) -> dict[str, str]:
    """Make `folder` a home with nothing in it, and give the environment that leads there."""
    folder.mkdir()
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "DATA_DIR": str(folder / "data"),
        "INITIAL_PASSWORD": PASSWORD,
        "REQUIRE_API_KEY": "true",
    }


async def _read_log(stream: asyncio.StreamReader, log: list[bytes], address: asyncio.Future[str]) -> None:
    """Keep the pipe empty, so that the server never blocks on its log, and find the address in it."""
    async for line in stream:
        log.append(line)
        found = RUNNING_ON.search(line)
        if found and not address.done():
            address.set_result(found[1].decode())
    if not address.done():
        address.set_exception(EOFError("the log ended"))


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
    # The server's workers are processes too: one left behind would hold the log open for ever.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
