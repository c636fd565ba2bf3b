"""A gateway between strict callers and providers that are ill, with one that is well behind them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
from attrs import define, evolve, field
from faults.behaviours import answers
from faults.catalogue import FAULTS
from faults.certificates import self_signed
from faults.ends import DIALECTS
from faults.fault import Fault, Place
from faults.stand import PATIENCE_S, Stand, bound, standing
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES, Model, Provider
from omniroute_hooks.testing import SPEAKERS, Ask, raw_server
from running import Running, running

from core.plugins.registry import Registry, build

KEY = "sk-secret-of-the-upstream-0123456789"
_NODE_TYPES = {
    OPENAI_CHAT: "openai-compatible",
    OPENAI_RESPONSES: "openai-compatible",
    ANTHROPIC: "anthropic-compatible",
    GEMINI: "gemini-compatible",
}
_BASE = {OPENAI_CHAT: "/v1", OPENAI_RESPONSES: "/v1", ANTHROPIC: "/v1", GEMINI: "/v1beta"}
_MOVED = "moved"  # the provider whose address is changed
_SOUND = "sound"
MODEL = "m"


@define
class House:
    """``ill`` are the providers that are told to fail, by dialect; ``sound`` is the one that never does."""

    gateway: Running
    ill: Mapping[str, Stand]
    sound: Stand
    names: Names
    tls_url: str
    no_tls_url: str
    stuck_url: str
    moved_connection: str
    _tasks: Counter[str] = field(factory=Counter)
    _numbers: itertools.count[int] = field(factory=lambda: itertools.count(1))

    async def ask(self, caller: str, model: str, stream: bool) -> tuple[httpx.Response, bytes]:
        """The head and the body of the answer to a small request. Errors: `httpx.RemoteProtocolError` at a cut."""
        speaker = SPEAKERS[caller]
        ask = Ask(model=model, stream=stream)
        for stand in self.ill.values():
            stand.heard.clear() if stream else stand.heard.set()
        pieces = []
        http = self.gateway.http
        async with http.stream("POST", speaker.path(ask), json=speaker.request_of(ask)) as response:
            async for piece in response.aiter_raw():
                pieces.append(piece)
                for stand in self.ill.values():
                    stand.heard.set()
        return response, b"".join(pieces)

    @contextlib.asynccontextmanager
    async def visit(self, fault: Fault) -> AsyncIterator[Visit]:
        """One provider is ill in this way; in the end nothing is left of it."""
        stand = self.ill[fault.dialect]
        stand.does(fault.behaviour)
        self.sound.does(answers(fault.sound))
        visit = Visit(self, fault, stand)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.gateway.kernel.resilience.reset)
            await visit.move_in(stack)
            yield visit

    async def move(self, url: str) -> None:
        """Puts the provider that moves at this address."""
        kernel = self.gateway.kernel
        await kernel.store.update_connection(self.moved_connection, provider_specific_data={"baseUrl": url})
        await kernel.reload()

    async def settled(self) -> None:
        """Waits until nothing of any request is left. Errors: `AssertionError` that tells what is."""
        for stand in (*self.ill.values(), self.sound):
            await stand.settled()
        ends_at_s = time.monotonic() + PATIENCE_S
        while left := self._left_over():
            assert time.monotonic() < ends_at_s, left
            await asyncio.sleep(0.002)

    def _left_over(self) -> Counter[str]:
        """Requests, slots and tasks beyond those that there were when the house was idle."""
        kernel, front = self.gateway.kernel, self.gateway.application.front
        assert front is not None
        running = sum(queue.running for queue in kernel.resilience.live().queues.values())
        return +(task_names() - self._tasks + Counter({"requests": front.running, "slots": running}))

    def remember_tasks(self) -> None:
        """The house is idle: what runs now may run."""
        self._tasks = task_names()


def task_names() -> Counter[str]:
    """The tasks of this loop by what they run. Those that serve kept connections come and go, and do not count."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    found = (getattr(task.get_coro(), "__qualname__", "") for task in others)
    return Counter(name for name in found if not name.startswith(("Stand.", "TCPServer.", "raw_server.")))


@define
class Visit:
    """One fault at work."""

    house: House
    fault: Fault
    stand: Stand
    _name: str = ""
    _port: socket.socket | None = None
    _door: Stand | None = None

    @property
    def model(self) -> str:
        """The ill provider's model, as callers write it."""
        if self.fault.at is not Place.STAND:
            return f"{_MOVED}/{MODEL}"
        return f"{_ill(self.fault.dialect, self.fault.stream_only)}/{MODEL}"

    @property
    def provider(self) -> str:
        """Its id."""
        return self.model.removesuffix(f"/{MODEL}")

    @property
    def alone(self) -> str:
        """The combo of it alone."""
        return f"{self.fault.slug}-alone"

    @property
    def combo(self) -> str:
        """The combo of it and the others."""
        return f"{self.fault.slug}-and-others"

    async def move_in(self, stack: contextlib.AsyncExitStack) -> None:
        """Puts the provider where the fault has it."""
        house, place = self.house, self.fault.at
        if place is Place.UNKNOWN_NAME:
            self._name = f"provider-{next(house._numbers)}.test"
            await house.move(f"http://{self._name}:{self.stand.port}/v1")
        elif place is Place.REFUSING:
            self._port = stack.enter_context(bound())
            await house.move(f"http://127.0.0.1:{self._port.getsockname()[1]}/v1")
            stack.push_async_callback(self._shut)
        elif place is not Place.STAND:
            urls = {Place.UNTRUSTED: house.tls_url, Place.NO_TLS: house.no_tls_url, Place.STUCK_TLS: house.stuck_url}
            await house.move(urls[place] + "/v1")

    async def lift(self) -> None:
        """The fault is over, and nobody rests any more."""
        house = self.house
        self.stand.does(answers())
        if self._name:
            house.names.known.add(self._name)
        elif self._port is not None:
            self._door = Stand(OPENAI_CHAT, answers())
            await self._door.open(bound(self._port.getsockname()[1]))
        elif self.fault.at is not Place.STAND:  # the user corrects the address
            await house.move(f"http://127.0.0.1:{self.stand.port}/v1")
        house.gateway.kernel.resilience.reset()

    async def _shut(self) -> None:
        if self._door is not None:
            await self._door.close()


@define
class Names:
    """A name service for names that end in ``.test``, so that nothing is looked up outside of this machine."""

    known: set[str] = field(factory=set)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Answers this process's look-ups while the block runs; those of other names go their usual way."""
        usual = socket.getaddrinfo

        def look_up(host: Any, *more: Any, **named: Any) -> Any:
            if not isinstance(host, str) or not host.endswith(".test"):
                return usual(host, *more, **named)
            if host not in self.known:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return usual("127.0.0.1", *more, **named)

        socket.getaddrinfo = look_up
        try:
            yield
        finally:
            socket.getaddrinfo = usual


def _ill(dialect: str, stream_only: bool) -> str:
    return f"ill-{dialect}-streams" if stream_only else f"ill-{dialect}"


def _registry(ill: Mapping[str, Stand], sound: Stand) -> Registry:
    """The installed plugins, and these providers. The ill ones' model is of middle size."""
    registry = build()
    made: list[Provider] = []
    for dialect, stand in ill.items():
        auth = registry.node_types[_NODE_TYPES[dialect]].auth
        for stream_only in (False, True):
            name = _ill(dialect, stream_only)
            url = f"http://127.0.0.1:{stand.port}{_BASE[dialect]}"
            model = Model(MODEL, context=8192)
            made.append(
                Provider(
                    id=name,
                    prefix=name,
                    base_url=url,
                    dialect=dialect,
                    auth=auth,
                    models=(model,),
                    stream_only=stream_only,
                )
            )
    chat = made[0]
    made.append(evolve(chat, id=_MOVED, prefix=_MOVED))
    sizes = (Model("small", context=4096), Model("large", context=200_000))
    made.append(
        evolve(chat, id=_SOUND, prefix=_SOUND, base_url=f"http://127.0.0.1:{sound.port}/v1", models=sizes),
    )
    return evolve(
        registry,
        providers={**registry.providers, **{p.id: p for p in made}},
        by_prefix={**registry.by_prefix, **{p.prefix: p for p in made}},
    )


async def _combos(house: House) -> None:
    """For each fault one of the ill provider alone, with the fault's deadlines, and one with others behind that."""
    store = house.gateway.kernel.store
    quick = {"retryDelayMs": 5}
    for fault in FAULTS:
        visit = Visit(house, fault, house.ill[fault.dialect])
        await store.create_combo(name=visit.alone, models=[visit.model], config={**quick, **fault.limits})
        await store.create_combo(name=visit.combo, models=[{"comboName": visit.alone}, *fault.others], config=quick)
    await house.gateway.kernel.reload()


async def _no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a plain web server says to a TLS handshake."""
    await reader.read(65536)
    writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    await writer.drain()


async def _stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A TLS handshake that never gets anywhere."""
    while await reader.read(65536):
        pass


@contextlib.asynccontextmanager
async def housed(data_dir: Path) -> AsyncIterator[House]:
    """Starts the gateway and all providers."""
    async with contextlib.AsyncExitStack() as stack:
        names = Names()
        stack.enter_context(names.serving())
        ill = {dialect: await stack.enter_async_context(standing(dialect, answers())) for dialect in DIALECTS}
        sound = await stack.enter_async_context(standing(OPENAI_CHAT, answers()))
        tls = await stack.enter_async_context(standing(OPENAI_CHAT, answers(), self_signed(data_dir)))
        no_tls = await stack.enter_async_context(raw_server(_no_tls))
        stuck = await stack.enter_async_context(raw_server(_stuck))
        registry = _registry(ill, sound)
        gateway = await stack.enter_async_context(running(data_dir / "data", registry, initial_password=None))
        ids = {}
        for provider in (*(_ill(d, s) for d in ill for s in (False, True)), _MOVED, _SOUND):
            ids[provider] = await gateway.add_connection(provider, {"api_key": KEY})
        gateway.http.cookies.set("auth_token", await gateway.kernel.sessions.create())
        house = House(
            gateway,
            ill,
            sound,
            names,
            f"https://127.0.0.1:{tls.port}",
            no_tls.url.replace("http:", "https:"),
            stuck.url.replace("http:", "https:"),
            ids[_MOVED],
        )
        await _combos(house)
        for dialect in DIALECTS:  # what is made when first needed is made
            for model in (f"{_SOUND}/large", *(f"{_ill(d, True)}/{MODEL}" for d in DIALECTS)):
                assert (await house.ask(dialect, model, True))[0].status_code == 200
        house.remember_tasks()
        yield house
