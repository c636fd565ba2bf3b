"""One HTTP/1.1 keep-alive client connection, written by hand so that the load generator stays cheap.

It sends a request whose bytes are ready, reads one whole answer (by length or chunked), and reports it. It knows
nothing of rounds, counts or clocks; `load` drives it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

HEAD_END = b"\r\n\r\n"


class Answer:
    """What has arrived of one answer: `parts` are the pieces of its body, framing removed."""

    __slots__ = ("closes", "complete", "parts", "status")

    def __init__(self) -> None:
        self.status = 0
        self.parts: list[bytes] = []
        self.complete = False
        self.closes = False  # the server said that it will close the connection after this answer

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


class Connection(asyncio.Protocol):
    """Sends one request at a time. `on_piece` sees each read, `on_end` the finished or broken answer."""

    def __init__(self, on_piece: Callable[[Answer], None] | None, on_end: Callable[[Answer], None]) -> None:
        self.on_piece = on_piece
        self.on_end = on_end
        self.pending = b""
        self.answer: Answer | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no check: uvloop's transports have the interface without the base class.
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self.answer is not None:
            self.end()

    def ask(self, request: bytes) -> None:
        self.answer = Answer()
        self.in_body = False
        self.chunked = False
        self.left = 0  # body bytes still to come, of the answer or of the present chunk
        self.skip = 0  # the line end after a chunk
        self.last = False  # the chunk of length zero has been seen
        self.transport.write(request)

    def close(self) -> None:
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        if answer is None:
            return self.transport.abort()  # bytes nobody asked for: the next `ask` will fail loudly
        if self.pending:
            data, self.pending = self.pending + data, b""
        if not self.in_body:
            end = data.find(HEAD_END)
            if end < 0:
                self.pending = data
                return None
            self.begin(answer, data[:end].lower())
            data = data[end + 4 :]
        if self.chunked:
            self.read_chunks(answer, data)
        else:
            answer.parts.append(data)
            self.left -= len(data)
            answer.complete = self.left == 0
        if self.on_piece is not None:
            self.on_piece(answer)
        if answer.complete:
            self.end()
        return None

    def begin(self, answer: Answer, head: bytes) -> None:
        answer.status = int(head[9:12])
        answer.closes = b"\r\nconnection: close" in head
        self.in_body = True
        self.chunked = b"\r\ntransfer-encoding: chunked" in head
        if not self.chunked:
            _, found, after = head.partition(b"\r\ncontent-length:")
            self.left = int(after.partition(b"\r\n")[0]) if found else -1  # -1: never complete, so an error

    def read_chunks(self, answer: Answer, data: bytes) -> None:
        at, size = 0, len(data)
        while at < size:
            if self.left:
                piece = data[at : at + self.left]
                answer.parts.append(piece)
                at += len(piece)
                self.left -= len(piece)
                self.skip = 2 if self.left == 0 else 0
            elif self.skip:
                step = min(self.skip, size - at)
                at += step
                self.skip -= step
                if self.last and self.skip == 0:
                    answer.complete = True
            else:
                line_end = data.find(b"\r\n", at)
                if line_end < 0:
                    self.pending = data[at:]
                    return
                self.left = int(data[at:line_end].partition(b";")[0], 16)
                at = line_end + 2
                if self.left == 0:
                    self.last, self.skip = True, 2

    def end(self) -> None:
        answer, self.answer = self.answer, None
        assert answer is not None
        self.on_end(answer)
