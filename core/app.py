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
from core.gateway import transcribe
from core.gateway.front import Front
from core.jobs import Jobs
from core.kernel import Kernel
from core.plugins.registry import Registry
from core.settings import Settings, load_settings

log = logging.getLogger("omniroute")
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Application:
    """The whole gateway as one ASGI application. ``kernel`` and ``front`` are there while the server runs."""

    def __init__(self, settings: Settings | None = None, registry: Registry | None = None) -> None:
        self._settings = settings
        self._registry = registry
        self.kernel: Kernel | None = None
        self.front: Front | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            assert self.front is not None, "the server did not announce its start (ASGI lifespan)"
            await self.front(scope, receive, send)

    async def start(self) -> None:
        """Opens everything. Errors: `SettingsError`, `StoreError`: both say what to do."""
        settings = self._settings or load_settings()
        self.kernel = kernel = await Kernel.open(settings, self._registry)
        quart = control_plane.build(lambda: kernel, kernel.registry)
        self.front = Front(kernel, quart)
        limit = settings.max_body_bytes
        guard.register(quart, transcribe.blueprint(self.front), "own", max_body_bytes=limit)
        self._quart = quart
        self._jobs = Jobs(kernel, self._welcome)
        await quart.startup()
        await self._jobs.start()
        # What start-up made stays for good: the collector need not look at it again and again while requests wait.
        gc.collect()
        gc.freeze()

    async def _welcome(self) -> None:
        """First run: one process of all prints how to get in."""
        assert self.kernel is not None
        self.kernel.setup_link = await ensure_setup(self.kernel)
        if self.kernel.setup_link is not None:
            link = self.kernel.settings.base_url + self.kernel.setup_link
            print(f"First run: set your password at {link}", file=sys.stderr, flush=True)

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
