"""The scripted upstream: a hand-written HTTP/1.1 keep-alive server that answers from canned bytes.

`POST /v1/chat/completions` answers by the body it gets: small JSON; with `"stream": true` a stream of 200 events at
once; with the model `paced-<seconds>` a stream of 100 events a second for that long. `GET /v1/models` lists models and
`GET /stats` tells how many answers it began and how much CPU time it used, so that a run can prove that
every answer came from here and that this process was not the limit.

It prints its port on the first line of standard output once it listens, and ends on SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import time
from typing import cast

import orjson

from tests.bench import canned, eventloop

SLOTS = 10  # paced streams are spread over the 10 ms between two events, 1 ms apart
MODEL = re.compile(rb'"model"\s*:\s*"([^"]*)"')
STREAMING = re.compile(rb'"stream"\s*:\s*true')
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
PACED = b"paced-"
MODEL_IDS = ("test", "paced-5")

SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def framed(body: bytes) -> bytes:
    """`body` as one HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(body), body)


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole JSON response."""
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
    return head + body


class Script:
    """The bytes of every answer, made once, and the count of answers begun."""

    def __init__(self, events_per_write: int) -> None:
        self.json = answer(canned.completion())
        self.models = answer(canned.model_list(MODEL_IDS))
        events = canned.stream(canned.EVENTS)
        self.writes = [
            framed(b"".join(events[i : i + events_per_write])) for i in range(0, len(events), events_per_write)
        ]
        self.writes[-1] += b"0\r\n\r\n"
        self.paced: dict[int, list[bytes]] = {}
        self.answered = 0

    def paced_writes(self, seconds: int) -> list[bytes]:
        """One write an event; `[DONE]` and the end of the body go with the last event."""
        if seconds not in self.paced:
            *events, done = canned.stream(seconds * canned.PACE_HZ)
            writes = [framed(event) for event in events]
            writes[-1] += framed(done) + b"0\r\n\r\n"
            self.paced[seconds] = writes
        return self.paced[seconds]

    def stats(self) -> bytes:
        return answer(orjson.dumps({"answered": self.answered, "cpu_s": time.process_time()}))


class Pacer:
    """One clock for all paced streams. It keeps an absolute schedule: late ticks are caught up, never dropped."""

    def __init__(self) -> None:
        self.slots: list[dict[Upstream, tuple[list[bytes], int]]] = [{} for _ in range(SLOTS)]
        self.turn = 0
        self.due_s = 0.0
        self.active = 0

    def start(self, connection: Upstream, writes: list[bytes]) -> None:
        """Send the first event now and the others 10 ms apart, from the slot served just before this moment."""
        loop = asyncio.get_running_loop()
        if self.active == 0:
            self.due_s = loop.time() + 1 / (SLOTS * canned.PACE_HZ)
            loop.call_at(self.due_s, self.tick, loop)
        self.active += 1
        connection.send(SSE_HEAD + writes[0])
        self.slots[(self.turn - 1) % SLOTS][connection] = (writes, 1)

    def tick(self, loop: asyncio.AbstractEventLoop) -> None:
        while self.active and self.due_s <= loop.time():
            self.serve(self.slots[self.turn % SLOTS])
            self.turn += 1
            self.due_s += 1 / (SLOTS * canned.PACE_HZ)
        if self.active:
            loop.call_at(self.due_s, self.tick, loop)

    def serve(self, slot: dict[Upstream, tuple[list[bytes], int]]) -> None:
        for connection, (writes, at) in list(slot.items()):
            connection.send(writes[at])
            if at + 1 < len(writes) and not connection.closed:
                slot[connection] = (writes, at + 1)
            else:
                del slot[connection]
                self.active -= 1


class Upstream(asyncio.Protocol):
    """One connection. Requests on it are answered in order; a request arriving early waits in the buffer."""

    def __init__(self, script: Script, pacer: Pacer) -> None:
        self.script = script
        self.pacer = pacer
        self.buffer = b""
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no check: uvloop's transports have the interface without the base class.
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True

    def send(self, data: bytes) -> None:
        if not self.closed:
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.buffer, 0, end)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < stop:
                return
            head, body, self.buffer = self.buffer[:end], self.buffer[end + 4 : stop], self.buffer[stop:]
            self.respond(head, body)

    def respond(self, head: bytes, body: bytes) -> None:
        script = self.script
        if head.startswith(b"POST /v1/chat/completions "):
            script.answered += 1
            model = MODEL.search(body)
            if not STREAMING.search(body):
                self.send(script.json)
            elif model and model[1].startswith(PACED):
                self.pacer.start(self, script.paced_writes(int(model[1].removeprefix(PACED))))
            else:
                self.send(SSE_HEAD)
                for write in script.writes:
                    self.send(write)
        elif head.startswith(b"GET /v1/models "):
            self.send(script.models)
        elif head.startswith(b"GET /stats "):
            self.send(script.stats())
        else:
            self.send(answer(b'{"error":{"message":"nothing is scripted here"}}', b"404 Not Found"))


async def serve(port: int, events_per_write: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    script, pacer = Script(events_per_write), Pacer()
    server = await loop.create_server(lambda: Upstream(script, pacer), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--events-per-write", type=int, default=10, help="events of an unpaced stream per socket write")
    arguments = parser.parse_args()
    eventloop.run(serve(arguments.port, arguments.events_per_write))
