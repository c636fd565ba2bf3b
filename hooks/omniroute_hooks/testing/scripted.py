"""A provider that does as it is told: it records what it is asked and plays a script of replies."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from attrs import field, frozen

from .serving import Hosted, Receive, Send

Json = Any
Chunk = bytes | asyncio.Event  # an event holds the stream back until a test sets it
NO_HEADERS: Mapping[str, str] = {}
NOT_SCRIPTED = 599  # no provider uses it, so a test that forgot a line of its script reads why


@frozen(eq=False)
class Request:
    """A request as it arrived. Header names in lower case; of repeats, the last counts.

    ``gone`` is set when the client leaves before it has the whole reply.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    gone: asyncio.Event = field(factory=asyncio.Event, repr=False)

    @property
    def json(self) -> Json:
        """The body as JSON."""
        return orjson.loads(self.body)


@frozen(kw_only=True)
class Reply:
    """What to send. ``status=None`` sends nothing at all; ``then`` says how it goes on after the chunks:
    "end" properly, "hang" in silence, or "cut" the connection."""

    status: int | None = 200
    headers: Mapping[str, str] = {}
    chunks: tuple[Chunk, ...] = ()
    pause_s: float = 0.0
    then: str = "end"


Answering = Callable[[Request], Reply]


class ScriptedUpstream(Hosted):
    """An ASGI app for `serving`. Replies are played in the order they were scripted, one a request.

    With ``path`` a reply waits for a request whose path ends so; others pass it by.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._script: deque[tuple[str, Reply]] = deque()
        self._otherwise: Answering = lambda request: whole(
            NOT_SCRIPTED, {"error": {"message": f"nothing is scripted for {request.method} {request.path}"}}
        )
        self._arrived = asyncio.Condition()
        self._closing = asyncio.Event()

    # the script ----------------------------------------------------------------------------------

    def reply(
        self,
        status: int = 200,
        *,
        json: Json = None,
        text: str | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] = NO_HEADERS,
        path: str = "",
    ) -> None:
        """A whole reply, with one of ``json``, ``text`` and ``body``."""
        self._script.append((path, whole(status, json, text, body, headers)))

    def stream(
        self,
        chunks: Iterable[Chunk],
        *,
        status: int = 200,
        headers: Mapping[str, str] = NO_HEADERS,
        pause_s: float = 0.0,
        path: str = "",
    ) -> None:
        """A reply in pieces, ``pause_s`` apart. An `asyncio.Event` among them holds the rest back until it is set."""
        self._script.append((path, streamed(chunks, status=status, headers=headers, pause_s=pause_s)))

    def hang(self, after: Iterable[Chunk] = (), *, headers: Mapping[str, str] = NO_HEADERS, path: str = "") -> None:
        """Silence: before the status line, or after these chunks. Ends when the client goes."""
        chunks = tuple(after)
        reply = streamed(chunks, headers=headers, then="hang") if chunks else Reply(status=None, then="hang")
        self._script.append((path, reply))

    def cut(self, after: bytes = b"", *, headers: Mapping[str, str] = NO_HEADERS, path: str = "") -> None:
        """A reply whose connection closes after these bytes of its body. For faults before the status line see
        `omniroute_hooks.testing.rawserver`."""
        chunks = (after,) if after else ()
        self._script.append((path, streamed(chunks, headers=headers, then="cut")))

    def always(
        self,
        status: int = 200,
        *,
        json: Json = None,
        text: str | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """What is replied whenever the script is at its end."""
        reply = whole(status, json, text, body, headers)
        self._otherwise = lambda request: reply

    def otherwise(self, answering: Answering) -> None:
        """A function that replies whenever the script is at its end."""
        self._otherwise = answering

    @property
    def unplayed(self) -> int:
        """How many scripted replies nobody has asked for yet."""
        return len(self._script)

    async def arrived(self, count: int = 1) -> Request:
        """Waits until ``count`` requests have come in all; gives the one that made it so. Cancel it, or wait with
        `asyncio.timeout`."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)
            return self.requests[count - 1]

    # the app -------------------------------------------------------------------------------------

    def closing(self) -> None:
        """Ends whatever hangs."""
        self._closing.set()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"A scripted upstream does not speak {scope['type']}.")
        request = await _read(scope, receive)
        async with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        await self._play(self._next(request), request, receive, send)

    def _next(self, request: Request) -> Reply:
        for place, (path, reply) in enumerate(self._script):
            if request.path.endswith(path):
                del self._script[place]
                return reply
        return self._otherwise(request)

    async def _play(self, reply: Reply, request: Request, receive: Receive, send: Send) -> None:
        """Sends ``reply``, unless the client goes or the test is over."""
        playing = asyncio.create_task(_send(reply, send))
        leaving = asyncio.create_task(_left(receive))
        ending = asyncio.create_task(self._closing.wait())
        tasks: set[asyncio.Task[Any]] = {playing, leaving, ending}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                playing.result()
            elif leaving.done():
                request.gone.set()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _read(scope: Mapping[str, Any], receive: Receive) -> Request:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=bytes(body),
    )


async def _send(reply: Reply, send: Send) -> None:
    if reply.status is not None:
        headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    for place, chunk in enumerate(reply.chunks):
        if isinstance(chunk, asyncio.Event):
            await chunk.wait()
            continue
        if place and reply.pause_s:
            await asyncio.sleep(reply.pause_s)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    if reply.then == "hang":
        await asyncio.Event().wait()
    elif reply.then == "end":
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    # "cut": an app that returns before the end makes Hypercorn close the connection


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def whole(
    status: int = 200,
    json: Json = None,
    text: str | None = None,
    body: bytes = b"",
    headers: Mapping[str, str] = NO_HEADERS,
) -> Reply:
    """A reply in one piece, for `ScriptedUpstream.otherwise`."""
    kind = "application/octet-stream"
    if json is not None:
        body, kind = orjson.dumps(json), "application/json"
    elif text is not None:
        body, kind = text.encode(), "text/plain; charset=utf-8"
    given = {name.lower(): value for name, value in headers.items()}
    complete = {"content-type": kind, "content-length": str(len(body)), **given}
    return Reply(status=status, headers=complete, chunks=(body,) if body else ())


def streamed(
    chunks: Iterable[Chunk],
    *,
    status: int = 200,
    headers: Mapping[str, str] = NO_HEADERS,
    pause_s: float = 0.0,
    then: str = "end",
) -> Reply:
    """A reply in pieces, for `ScriptedUpstream.otherwise`."""
    given = {name.lower(): value for name, value in headers.items()}
    complete = {"content-type": "text/event-stream", **given}
    return Reply(status=status, headers=complete, chunks=tuple(chunks), pause_s=pause_s, then=then)
