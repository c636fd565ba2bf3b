"""What else a plugin can bring: caches, state stores, observers, client tools, pages, jobs, commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from attrs import field, frozen

from .conversation import Usage

Json = Any


@frozen(kw_only=True)
class Cache:
    """Answers remembered. ``key`` is a digest over the caller's API key, the endpoint and the whole body.

    ``get(key)`` gives the stored value or None, ``put(key, value, ttl_s)`` stores it. Both are awaited in
    front of and behind a request, so they answer within milliseconds; an error counts as a miss.
    Size is the cache's own business, and it has a limit.
    """

    id: str
    name: str
    get: Callable[[str], Awaitable[bytes | None]]
    put: Callable[[str, bytes, float], Awaitable[None]]


class State(Protocol):
    """Live state shared by whoever serves requests. Values are small; ``ttl_s`` in seconds."""

    async def get(self, key: str) -> bytes | None: ...
    async def set(self, key: str, value: bytes, ttl_s: float) -> None: ...
    async def delete(self, key: str) -> None: ...
    async def add(self, key: str, delta: float, ttl_s: float) -> float: ...
    async def scan(self, prefix: str) -> Mapping[str, bytes]: ...
    async def acquire(self, key: str, owner: str, ttl_s: float) -> bool: ...
    async def release(self, key: str, owner: str) -> None: ...
    async def aclose(self) -> None: ...


@frozen(kw_only=True)
class StateStore:
    """A home for live state. ``open(url)`` connects; ``scheme`` is the URL scheme that selects it ("redis")."""

    id: str
    scheme: str
    open: Callable[[str], Awaitable[State]]


@frozen(kw_only=True)
class Finish:
    """One finished request. Times: ``at_s`` unix seconds, ``latency_ms`` and ``first_token_ms`` since intake.

    ``attempts`` holds one line in plain words each. ``cost_usd`` None where a price is unknown.
    """

    request_id: str
    at_s: float
    endpoint: str
    dialect: str
    api_key_id: str | None
    requested_model: str
    provider: str | None
    model: str | None
    connection_id: str | None
    status: int
    stream: bool
    latency_ms: float
    first_token_ms: float | None
    usage: Usage | None
    cost_usd: float | None
    error_code: str | None
    attempts: tuple[str, ...] = ()


@frozen(kw_only=True)
class Observer:
    """Told of every finished request, after the caller has the answer. An error is logged and forgotten."""

    id: str
    finished: Callable[[Finish], Awaitable[None]]


@frozen
class GatewayAddress:
    """What a client program needs. ``base_url`` without a version segment and without a slash at its end."""

    base_url: str
    api_key: str = field(repr=False)
    model: str


@frozen
class FileEdit:
    """New contents of one file of the user's; ``text=None`` removes it. The kernel keeps a copy of the old one."""

    path: Path
    text: str | None = field(repr=False)


@frozen(kw_only=True)
class ClientTool:
    """Sets up a client program. Functions are pure: they read under ``home`` and say what to write.

    ``is_installed(home)``; ``connect(home, address)`` and ``disconnect(home)`` give the edits.
    """

    id: str
    name: str
    is_installed: Callable[[Path], bool]
    connect: Callable[[Path, GatewayAddress], Sequence[FileEdit]]
    disconnect: Callable[[Path], Sequence[FileEdit]]


@frozen(kw_only=True)
class Mount:
    """A Quart blueprint and who may reach it: "session" (logged in), "key" (an API key), "public" (anybody)."""

    blueprint: Any
    access: Literal["session", "key", "public"] = "session"


@frozen(kw_only=True)
class Job:
    """Something to do now and then. ``run(http)`` is awaited every ``every_s`` seconds, by one process of all."""

    id: str
    every_s: float
    run: Callable[[Any], Awaitable[None]]
