"""Faults below HTTP: connections that close, reset or fall silent where no web server would let them.

async with raw_server(drops()) as server:
    ...  # every request to server.url loses its connection before an answer
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from attrs import define

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: closing sends RST


@define
class RawServer:
    """Where it listens, without a slash at the end; ``connections`` counts those accepted so far."""

    url: str
    connections: int = 0


@asynccontextmanager
async def raw_server(handler: Handler) -> AsyncIterator[RawServer]:
    """Hands each connection to ``handler`` while the block runs; a connection closes when its handler returns."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went first, or the test is over
        finally:
            if task is not None:
                tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    served = RawServer(f"http://{host}:{port}")
    try:
        yield served
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def drops(after: bytes = b"") -> Handler:
    """Reads a request, writes these raw bytes and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(after)
        await writer.drain()

    return handle


def resets(after: bytes = b"") -> Handler:
    """Reads a request, writes these raw bytes and resets the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(after)
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()

    return handle


def stalls(after: bytes = b"") -> Handler:
    """Reads a request, writes these raw bytes and says nothing more until the client goes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(after)
        await writer.drain()
        await reader.read()

    return handle


def goes_stale(response: bytes) -> Handler:
    """Answers the first request of a connection properly, and closes when a second one comes over it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(response)
        await writer.drain()
        await reader.read(1)

    return handle


def response(status: int, body: bytes, headers: Mapping[str, str] = {}) -> bytes:
    """A whole HTTP/1.1 response."""
    lines = [f"HTTP/1.1 {status} Scripted", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request off the wire, head and body, as it came (no chunked bodies).

    Errors: `asyncio.IncompleteReadError` where the client leaves first.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return head + await reader.readexactly(int(value))
    return head
