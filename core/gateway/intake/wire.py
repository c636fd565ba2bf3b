"""The caller's side of a request: a body in, an answer out, and news of a caller who has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from omniroute_hooks import BadRequest, TooLarge

from .after import After

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
RawHeaders = Sequence[tuple[bytes, bytes]]
LOOK_AFTER_S = 0.05  # a moment


class CallerGone(Exception):
    """The caller has closed the connection: nobody is left to answer."""


async def read_body(receive: Receive, headers: RawHeaders, limit: int) -> bytes:
    """The request's body, at most ``limit`` bytes.

    Errors: `TooLarge`, before anything is read where the length is announced; `CallerGone`.
    """
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and (len(value) > 15 or int(value) > limit):
            raise TooLarge(f"The body is larger than {limit // (1024 * 1024)} MB.")
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise BadRequest("content-encoding: send the body uncompressed.")
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise CallerGone
    if not message.get("more_body"):
        if len(body) > limit:
            raise TooLarge(f"The body is larger than {limit // (1024 * 1024)} MB.")
        return body
    pieces = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        piece = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise TooLarge(f"The body is larger than {limit // (1024 * 1024)} MB.")
    return b"".join(pieces)


class Wire:
    """Sends one answer. ``started`` tells whether the status is out: from then on it cannot change."""

    __slots__ = ("_closed", "_send", "busy", "started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.busy = False
        self._closed = False

    async def whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """A complete answer."""
        self.started = self._closed = True
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The head of a streamed answer."""
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        """A piece of it. ``busy`` while the caller has not taken it."""
        self.busy = True
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.busy = False

    async def close(self) -> None:
        """The end of it."""
        if not self._closed:
            self._closed = True
            await self._send({"type": "http.response.body", "body": b""})


class Departure:
    """Notices that the caller has closed the connection, cancels the request's task and sets ``gone``.

    Begins to look only after a moment: most requests are answered before it is worth a task. ``lingers`` is called
    in that moment.
    """

    __slots__ = ("_due", "_receive", "_task", "_watch", "gone", "lingers")

    def __init__(self, after: After, receive: Receive, task: asyncio.Task[Any]) -> None:
        self._receive = receive
        self._task = task
        self._watch: asyncio.Task[None] | None = None
        self.gone = False
        self.lingers: Callable[[], None] | None = None
        self._due = after.do(self._begin)

    def _begin(self) -> None:
        self._watch = asyncio.ensure_future(self._look())
        if self.lingers is not None:
            self.lingers()

    async def _look(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                self._task.cancel()
                return

    def stop(self) -> None:
        """The request is over."""
        self._due.cancel()
        if self._watch is not None:
            self._watch.cancel()
