"""A vendor we script: a real server on a free local port, for what plugins ask over HTTP."""

from __future__ import annotations

import asyncio
import re
import socket
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import orjson
import pytest
from attrs import frozen
from hypercorn.asyncio import serve
from hypercorn.config import Config
from omniroute_hooks import Connection, GatewayError, Provider
from quart import Quart, Response
from quart import request as asked


@frozen
class Asked:
    """One request as it arrived. Header names in lower case; ``query`` keeps the last of repeats."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Vendor:
    """Answers each path with what was scripted for it, in that order; the last answer repeats."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self._replies: dict[str, deque[tuple[int, bytes, dict[str, str]]]] = defaultdict(deque)

    def reply(
        self, path: str, json: Any = None, *, status: int = 200, body: bytes = b"", headers: Mapping[str, str] = {}
    ) -> None:
        """The next answer of ``path``."""
        content = body if json is None else orjson.dumps(json)
        self._replies[path].append((status, content, {"Content-Type": "application/json", **headers}))

    def next_reply(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        replies = self._replies.get(path)
        if not replies:
            return 599, b'{"error": "nothing is scripted for this path"}', {}
        return replies[0] if len(replies) == 1 else replies.popleft()

    def connection(self, provider: str, credential: Mapping[str, str], **data: Any) -> Connection:
        """A connection of ``provider`` whose own base address is this server."""
        return Connection(
            id="c-1",
            provider=provider,
            name="test",
            credential=credential,
            data={"baseUrl": f"{self.url}/v1", **data},
        )


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = Vendor(f"http://127.0.0.1:{listener.getsockname()[1]}")
    app = Quart("vendor")

    @app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
    @app.route("/<path:path>", methods=["GET", "POST"])
    async def answer(path: str) -> Response:
        server.asked.append(
            Asked(
                method=asked.method,
                path=asked.path,
                query=asked.args.to_dict(),
                headers={name.lower(): value for name, value in asked.headers.items()},
                body=await asked.get_data(),
            )
        )
        status, body, headers = server.next_reply(asked.path)
        return Response(body, status=status, headers=headers)

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 1
    config.loglevel = "CRITICAL"
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield server
    finally:
        stop.set()
        await serving


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A plain client in the place of the kernel's."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def meaning() -> Callable[..., tuple[type[GatewayError], str] | None]:
    """What a provider's rules make of a failure, as `FailureRule` tells it: (error, scope), None for "nothing"."""

    def of(provider: Provider, status: int, code: str, message: str) -> tuple[type[GatewayError], str] | None:
        for rule in provider.failures:
            if (
                rule.status in (None, status)
                and rule.code in (None, code)
                and (rule.text is None or re.search(rule.text, message, re.IGNORECASE))
            ):
                return rule.error, rule.scope
        return None

    return of
