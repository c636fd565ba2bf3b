"""What the tests of the data plane share: a node of each dialect, requests in each, and a client of bare bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from attrs import define, frozen
from omniroute_hooks.testing import SPEAKERS, Ask, Speaker
from running import Running

from core.access.api_keys import mint_api_key
from core.ledger.usage_record import UsageRecord

PATIENCE_S = 10.0
UPSTREAM_KEY = "sk-upstream-secret-0123456789"

DIALECTS = ("openai-chat", "openai-responses", "anthropic", "gemini")
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)

_NODES: dict[str, tuple[str, str | None, str]] = {
    "openai-chat": ("openai-compatible", "chat", "/v1"),
    "openai-responses": ("openai-compatible", "responses", "/v1"),
    "anthropic": ("anthropic-compatible", None, "/v1"),
    "gemini": ("gemini-compatible", None, "/v1beta"),
}


@frozen
class Node:
    """A provider of the user's and its connections, in the order in which they are tried."""

    id: str
    connections: tuple[str, ...]


async def add_node(
    gateway: Running, dialect: str, url: str, *, prefix: str = "up", keys: Iterable[str] = (UPSTREAM_KEY,)
) -> Node:
    """A node of ``dialect`` at ``url`` with one connection for each key. Its models are ``<prefix>/<any name>``."""
    type_, api_type, version = _NODES[dialect]
    node = await gateway.add_node(url + version, type_, prefix, api_type, None)
    made = [
        await gateway.add_connection(node, {"api_key": key}, name=f"key {place}") for place, key in enumerate(keys, 1)
    ]
    return Node(node, tuple(made))


async def mint(gateway: Running, **more: Any) -> str:
    """A new API key of the gateway's, in full; ``more`` as `core.store.keys.ApiKeys.create_api_key` takes it."""
    store = gateway.kernel.store
    key = mint_api_key(store.vault.api_key_secret)
    await store.create_api_key(**{"name": "a key", "key_hash": key.key_hash, "key_hint": key.key_hint, **more})
    await gateway.kernel.reload()
    return key.key


def request_in(dialect: str, *, model: str = "up/m-1", stream: bool = False, **more: Any) -> tuple[str, bytes]:
    """(path, body) of a small request."""
    speaker = SPEAKERS[dialect]
    ask = Ask(model=model, stream=stream, **more)
    return speaker.path(ask), json.dumps(speaker.request_of(ask)).encode()


def words_of_error(dialect: str, status: int, body: bytes) -> str:
    """The message of an error answer, whose shape is checked on the way."""
    speaker: Speaker = SPEAKERS[dialect]
    return speaker.read_error(status, json.loads(body))


async def last_records(gateway: Running, count: int = 1) -> list[UsageRecord]:
    """The last records, the newest first, once there are so many: they are made behind the answers."""
    async with asyncio.timeout(PATIENCE_S):
        while len(found := await gateway.kernel.usage_log.recent(count)) < count:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.01)
    return found


# A client of bare bytes ---------------------------------------------------------------------------


@define
class Answer:
    """An answer as it stands on the wire. Header names in lower case; of repeats, the last counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """One connection to the gateway, a request on it at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._chunked = False
        self._left: int | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        host: str = "localhost",
    ) -> None:
        """Sends a request."""
        given = {"host": host, "content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in given.items())
        await self.send(head.encode("latin-1") + b"\r\n" + body)

    async def send(self, raw: bytes) -> None:
        self._writer.write(raw)
        await self._writer.drain()

    async def head(self) -> Answer:
        """Status and headers."""
        async with asyncio.timeout(PATIENCE_S):
            raw = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        self._chunked = headers.get("transfer-encoding") == "chunked"
        self._left = int(headers["content-length"]) if "content-length" in headers else None
        return Answer(int(first.split(" ")[1]), headers)

    async def piece(self) -> bytes:
        """The next piece of a streamed body; b"" at its proper end. Errors: EOFError where it is cut."""
        async with asyncio.timeout(PATIENCE_S):
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            data = await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        return data

    async def until(self, words: bytes) -> bytes:
        """The streamed body up to where ``words`` have come. Errors: EOFError where they never do."""
        seen = b""
        while words not in seen:
            data = await self.piece()
            if not data:
                raise EOFError(f"the stream ended without {words!r}: {seen!r}")
            seen += data
        return seen

    async def rest(self) -> bytes:
        """The body to its proper end. Errors: EOFError where it is cut."""
        if not self._chunked:
            async with asyncio.timeout(PATIENCE_S):
                return await self._reader.readexactly(self._left or 0)
        out = b""
        while data := await self.piece():
            out += data
        return out

    async def answer(self) -> Answer:
        """The whole answer."""
        answer = await self.head()
        answer.body = await self.rest()
        return answer

    def leave(self) -> None:
        """Closes the connection, whatever is on its way."""
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def calling(gateway: Running) -> AsyncIterator[Caller]:
    """A connection to the gateway."""
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**24)
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()


async def ask(
    gateway: Running,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    host: str = "localhost",
) -> Answer:
    """One request and its whole answer."""
    async with calling(gateway) as caller:
        await caller.ask(method, path, body, headers, host)
        return await caller.answer()
