"""The composition root: ``hypercorn core.app:app``.

Builds the ASGI application out of the data plane and the control plane, and opens
and closes the kernel with the server. It wires, and does nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from core.admin import app as control_plane
from core.admin import guard
from core.admin.setup import ensure_setup
from core.draining import Draining
from core.gateway.asking import transcribe
from core.gateway.intake.front import Front
from core.jobs import Jobs
from core.kernel import Kernel
from core.plugins.registry import Registry
from core.settings import Settings, load_settings

log = logging.getLogger("omniroute")
# What a request leaves behind is nearly all gone with it; Python's own 700 would look for the rest in each one.
COLLECTED_AFTER = (20_000, 20, 20)
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Application:
    """The whole gateway as one ASGI application. ``kernel`` and ``front`` are there while the server runs."""

    def __init__(self, settings: Settings | None = None, registry: Registry | None = None) -> None:
        self._settings = settings
        self._registry = registry
        self.kernel: Kernel | None = None
        self.front: Front | None = None
        self._draining = Draining()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            assert self.front is not None, "the server did not announce its start (ASGI lifespan)"
            running, task = self._draining.running, asyncio.current_task()
            running.add(task)
            try:
                await self.front(scope, receive, send)
            finally:
                running.discard(task)

    def drain(self) -> None:
        """The server is about to stop: running answers go on for as long as the settings say, new ones are refused."""
        if self.kernel is not None:
            self.kernel.draining = True
            self._draining.begin(self.kernel.settings.drain_timeout_s)

    async def start(self) -> None:
        """Opens everything. Errors: `SettingsError`, `StoreError`: both say what to do."""
        settings = self._settings or load_settings()
        self.kernel = kernel = await Kernel.open(settings, self._registry)
        try:
            await self._build(kernel, settings)
        except BaseException:
            self.kernel = self.front = None
            await kernel.aclose()
            raise
        # What start-up made stays for good: the collector need not look at it again and again while requests wait.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTED_AFTER)

    async def _build(self, kernel: Kernel, settings: Settings) -> None:
        quart = control_plane.build(lambda: kernel, kernel.registry)
        self.front = Front(kernel, quart)
        limit = settings.max_body_bytes
        guard.register(quart, transcribe.blueprint(self.front), "own", max_body_bytes=limit)
        self._quart = quart
        self._jobs = Jobs(kernel, self._welcome)
        await quart.startup()
        await self._jobs.start()

    async def _welcome(self) -> None:
        """First run: one process of all prints how to get in."""
        assert self.kernel is not None
        self.kernel.setup_link = link = await ensure_setup(self.kernel)
        if link is None:
            return
        settings = self.kernel.settings
        # A plain ASGI server binds where it likes and does not tell us; a wrong address is worse than none.
        known = self._settings is not None or settings.base_url != f"http://localhost:{settings.port}"
        where = settings.base_url + link if known else f"the address where your server listens, under {link}"
        print(f"First run: set your password at {where}", file=sys.stderr, flush=True)

    async def stop(self) -> None:
        """Closes everything, in reverse."""
        if self.front is not None:
            await self._jobs.aclose()
            await self.front.aclose()
        if self.kernel is not None:
            await self._quart.shutdown()
            await self.kernel.aclose()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except Exception as exc:
                    log.error("OmniRoute cannot start: %s", exc)
                    await send({"type": "lifespan.startup.failed", "message": str(exc)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await asyncio.shield(self.stop())
                await send({"type": "lifespan.shutdown.complete"})
                return


app = Application()
