"""A whole gateway in this process, on a real port, over real files."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from attrs import field, frozen
from hypercorn.asyncio import serve
from hypercorn.config import Config

from core.app import Application
from core.kernel import Kernel
from core.plugins.registry import Registry
from core.settings import Settings

PASSWORD = "correct-horse-battery"


@frozen
class Running:
    """``http`` talks to ``url`` as a caller; `login` makes it an administrator too."""

    url: str
    application: Application
    http: httpx.AsyncClient = field(repr=False)

    @property
    def kernel(self) -> Kernel:
        assert self.application.kernel is not None
        return self.application.kernel

    async def login(self) -> None:
        answer = await self.http.post("/api/auth/login", json={"password": PASSWORD})
        assert answer.status_code == 200, answer.text

    async def add_node(
        self, base_url: str, type_: str, prefix: str, api_type: str | None = None, api_key: str | None = "sk-upstream"
    ) -> str:
        """A node of the user's with one connection; its provider id."""
        node = await self.kernel.store.create_node(
            type=type_, name=prefix, prefix=prefix, api_type=api_type, base_url=base_url
        )
        if api_key is not None:
            await self.add_connection(node.id, {"api_key": api_key})
        else:
            await self.kernel.reload()
        return node.id

    async def add_connection(self, provider: str, credential: dict[str, Any], name: str = "main", **more: Any) -> str:
        """A connection; its id."""
        auth_type = more.pop("auth_type", "apikey")
        record = await self.kernel.store.create_connection(
            provider=provider, auth_type=auth_type, name=name, credential=credential, **more
        )
        await self.kernel.reload()
        return record.id


@contextlib.asynccontextmanager
async def running(
    data_dir: Path, registry: Registry | None = None, patient: bool = False, **settings: Any
) -> AsyncIterator[Running]:
    """Starts the gateway and stops it in the end.

    Unless it is ``patient``, it asks everybody once and waits for nobody, so that a script has one reply a request.
    """
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    port = listener.getsockname()[1]
    settings = {"initial_password": PASSWORD, "port": port, **settings}
    application = Application(Settings(data_dir=data_dir, **settings), registry)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # the server closes it
    config.graceful_timeout = 2
    config.errorlog = None
    config.accesslog = None
    stop = asyncio.Event()
    server = asyncio.create_task(serve(application, config, shutdown_trigger=stop.wait))
    url = f"http://127.0.0.1:{port}"
    try:
        while application.front is None or application.kernel is None:
            if server.done():
                server.result()
                raise RuntimeError("the gateway did not start")
            await asyncio.sleep(0.01)
        if not patient:
            impatience = {"requestRetry": 0, "resilience": {"waitForCooldown": {"enabled": False}}}
            await application.kernel.store.patch_settings(impatience)
            await application.kernel.reload()
        async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
            yield Running(url, application, http)
    finally:
        stop.set()
        await asyncio.wait_for(server, 15)
