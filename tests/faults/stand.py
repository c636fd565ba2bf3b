"""A stand: an address on which a provider stands that does as it is told, down to the single byte.

What it does is a `Behaviour`, and can be changed at any time. It counts what it is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from attrs import field, frozen
from omniroute_hooks.testing import SPEAKERS, Say, Speaker
from omniroute_hooks.testing.rawserver import read_request
from omniroute_hooks.testing.wire import dumps

Json = Any
PATIENCE_S = 5.0
FIRST_WORDS_S = 0.3
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: closing sends RST


@frozen
class Turn:
    """One request at the provider. ``number`` counts from 1 since the behaviour began. ``heard`` is set once the caller
    has the first bytes of a stream, and at once where it wants none."""

    number: int
    speaker: Speaker
    stream: bool
    model: str
    heard: asyncio.Event = field(repr=False)

    async def first_words_heard(self) -> None:
        """Waits for that; not for long, since some dialects say nothing before a part is whole."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.heard.wait(), FIRST_WORDS_S)

    def answer(self, say: Say) -> bytes:
        """The whole answer's JSON."""
        return dumps(self.speaker.answer(say)).encode()


class Line:
    """The provider's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Sends. Errors: `ConnectionError` where the caller has left."""
        self._writer.write(data)
        await self._writer.drain()

    async def drip(self, data: bytes, pause_s: float) -> None:
        """Sends a byte at a time, for as long as somebody listens."""
        for byte in data:
            await self.send(bytes((byte,)))
            await asyncio.sleep(pause_s)

    async def silence(self) -> None:
        """Says nothing until the caller leaves."""
        while await self._reader.read(65536):
            pass

    def reset(self) -> None:
        """Breaks the connection off with a RST."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()


Behaviour = Callable[[Turn, Line], Awaitable[bool]]  # whether the connection may be asked on again


class Stand:
    """Where one provider stands. ``turns`` are the requests since it was last told what to do."""

    def __init__(self, dialect: str, behaviour: Behaviour) -> None:
        self.turns: list[Turn] = []
        self.heard = asyncio.Event()
        self.port = 0
        self._speaker = SPEAKERS[dialect]
        self._behaviour = behaviour
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self._answering = 0
        self._idle = asyncio.Event()

    def does(self, behaviour: Behaviour) -> None:
        """From now on it behaves so."""
        self._behaviour = behaviour
        self.turns = []

    async def settled(self) -> None:
        """Waits until nobody is being answered: whoever was not let finish has been left by the gateway.

        Errors: `TimeoutError` where the gateway holds on to a connection that it has no use for.
        """
        async with asyncio.timeout(PATIENCE_S):
            while self._answering:
                self._idle.clear()
                await self._idle.wait()

    async def open(self, listener: socket.socket | None = None, tls: ssl.SSLContext | None = None) -> None:
        """Begins to listen."""
        if listener is None:
            listener = bound()
        self._server = await asyncio.start_server(self._accept, sock=listener, ssl=tls)
        self.port = listener.getsockname()[1]

    async def close(self) -> None:
        """Stops listening, and breaks off what it has."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in tuple(self._lines):
            task.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        try:
            line = Line(reader, writer)
            while await self._serve(await read_request(reader), line):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass  # the gateway went first, or the test is over
        finally:
            self._lines.discard(task)
            writer.close()

    async def _serve(self, raw: bytes, line: Line) -> bool:
        head, _, body = raw.partition(b"\r\n\r\n")
        asked = json.loads(body)
        stream = bool(asked.get("stream")) or b":streamGenerateContent" in head
        turn = Turn(len(self.turns) + 1, self._speaker, stream, asked.get("model", ""), self.heard)
        self.turns.append(turn)
        self._answering += 1
        try:
            return await self._behaviour(turn, line)
        finally:
            self._answering -= 1
            self._idle.set()


def bound(port: int = 0) -> socket.socket:
    """A socket with an address that does not listen yet: whoever calls it is refused. Several may share one."""
    # Named, or asyncio leaves Nagle's algorithm on, and the second small piece of a stream comes 40 ms late.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    return listener


@contextlib.asynccontextmanager
async def standing(dialect: str, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Stand]:
    """A stand that is open while the block runs."""
    stand = Stand(dialect, behaviour)
    await stand.open(tls=tls)
    try:
        yield stand
    finally:
        await stand.close()
