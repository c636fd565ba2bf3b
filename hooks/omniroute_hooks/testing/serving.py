"""Serving an ASGI app for a test: in this process and loop, on a free port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar, cast, overload

from attrs import frozen

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

GRACE_S = 0.5  # for answers that are still on their way when a test is over
_LIFESPAN_S = 10.0


class Hosted:
    """An app that knows where it is served: `serving` gives back the app itself, with ``url`` filled in."""

    url = ""

    def closing(self) -> None:
        """The test is over: end whatever hangs."""


@frozen
class Served:
    """Where ``app`` answers; ``url`` without a slash at its end."""

    app: Any
    url: str


_H = TypeVar("_H", bound=Hosted)


@overload
def serving(app: _H) -> AbstractAsyncContextManager[_H]: ...
@overload
def serving(app: App) -> AbstractAsyncContextManager[Served]: ...
def serving(app: Any) -> AbstractAsyncContextManager[Any]:
    """Serves ``app`` with Hypercorn while the block runs; gives an object with ``url``.

    The app's lifespan runs around the block. Errors: what the app says where its start-up fails.
    """
    return _serving(app)


@asynccontextmanager
async def _serving(app: Any) -> AsyncIterator[Any]:
    try:
        from hypercorn.asyncio import serve
        from hypercorn.config import Config
    except ImportError as exc:
        raise ImportError("serving() needs Hypercorn: pip install 'omniroute-hooks[testing]'") from exc

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)  # clients may connect from here on; they wait until the server accepts
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = _LIFESPAN_S  # never reached: we end what is left before
    config.loglevel = "ERROR"
    stop = asyncio.Event()
    running: set[asyncio.Task[Any]] = set()
    # Hypercorn forgets an app's shutdown where a connection outlives its grace, and from Python 3.12 on waits for
    # connections without any; so both the lifespan and the grace are ours.
    async with _lifespan(app):
        task = asyncio.create_task(
            serve(cast(Any, _only_requests(app, running)), config, shutdown_trigger=stop.wait, mode="asgi")
        )
        try:
            if isinstance(app, Hosted):
                app.url = url
                yield app
            else:
                yield Served(app, url)
        finally:
            if isinstance(app, Hosted):
                app.closing()
            stop.set()
            await asyncio.wait({task}, timeout=GRACE_S)
            for request in tuple(running):
                request.cancel()
            await task


def _only_requests(app: App, running: set[asyncio.Task[Any]]) -> App:
    """``app`` without its lifespan; ``running`` holds the tasks of requests that are being answered."""

    async def only_requests(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
            return
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is answered outside of any task")
        running.add(task)
        try:
            await app(scope, receive, send)
        finally:
            running.discard(task)

    return only_requests


@asynccontextmanager
async def _lifespan(app: App) -> AsyncIterator[None]:
    """Start-up and shutdown of ``app`` by the ASGI lifespan protocol; an app that refuses it has none."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}

    async def run() -> None:
        await app(scope, inbox.get, outbox.put)

    task = asyncio.create_task(run())
    try:
        supported = await _phase("startup", task, inbox, outbox)
        try:
            yield
        finally:
            if supported:
                await _phase("shutdown", task, inbox, outbox)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _phase(
    name: str, task: asyncio.Task[None], inbox: asyncio.Queue[Message], outbox: asyncio.Queue[Message]
) -> bool:
    await inbox.put({"type": f"lifespan.{name}"})
    told = asyncio.create_task(outbox.get())
    try:
        done, _ = await asyncio.wait({told, task}, timeout=_LIFESPAN_S, return_when=asyncio.FIRST_COMPLETED)
        if told in done:
            message = told.result()
            if message["type"] == f"lifespan.{name}.failed":
                raise RuntimeError(f"The app's {name} failed: {message.get('message', '')}") from (
                    task.exception() if task.done() and not task.cancelled() else None
                )
            return True
        if not done:
            raise TimeoutError(f"The app's {name} takes longer than {_LIFESPAN_S:.0f} s.")
        return False  # it does not speak the protocol
    finally:
        told.cancel()
