"""The kernel: what a running process holds, opened in order and closed in reverse.

Everything that answers requests is handed this one object. Its `snapshot` is
replaced whole whenever any process has changed the configuration.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from omniroute_hooks import Observer, State

from core.access.egress import Egress
from core.access.sessions import LoginThrottle, Sessions
from core.accounts.upkeep import Accounts
from core.gateway.choosing.live import Live, QuotaLeft, quota_left
from core.gateway.choosing.router import Router
from core.gateway.naming.snapshot import Snapshot, build_snapshot
from core.ledger.usage_log import UsageLog
from core.plugins import registry as plugins
from core.plugins.registry import Registry
from core.resilience.guard import Resilience
from core.resilience.memory_state import MemoryState, open_state
from core.resilience.policy import SETTING as RESILIENCE_SETTING
from core.resilience.policy import policy_of
from core.resilience.state_board import StateBoard
from core.settings import Settings
from core.store.store import Store

if TYPE_CHECKING:
    from core.accounts.quota import Quotas

log = logging.getLogger("omniroute.kernel")
RELOAD_EVERY_S = 0.4  # a change made in one worker counts in all of them within a second


class Kernel:
    """One process's services. Made by `Kernel.open`; ``owner`` names this process among all."""

    def __init__(self, settings: Settings, registry: Registry, store: Store, usage_log: UsageLog) -> None:
        self.settings = settings
        self.registry = registry
        self.store = store
        self.usage_log = usage_log
        self.owner = f"{os.getpid()}-{os.urandom(4).hex()}"
        self.started_s = time.time()
        self.egress = Egress()
        self.http: httpx.AsyncClient = self.egress.client()
        self.sessions = Sessions(store)
        self.throttle = LoginThrottle()
        self.accounts = Accounts(self)
        self.resilience = Resilience()
        self.live = Live(quota=self._quota_left)
        self.router = Router(self.resilience, self.live)
        self.state: State = MemoryState()
        self.quotas: Quotas = self.accounts.quotas
        self.snapshot: Snapshot
        self.draining = False
        self.setup_link: str | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, settings: Settings, registry: Registry | None = None) -> Kernel:
        """Opens the stores and builds the first snapshot. Errors: `StoreError` and its kinds; nothing stays open."""
        store = await Store.open(settings)
        try:
            if registry is None:
                disabled = (*settings.disabled_plugins, *(await store.settings()).get("disabledPlugins", ()))
                registry = plugins.build(disabled, settings.provider_override)
            usage_log = await UsageLog.open(Path(settings.data_dir) / "usage.db")
        except BaseException:
            await store.aclose()
            raise
        kernel = cls(settings, registry, store, usage_log)
        try:
            kernel.state = await open_state(settings.state_url, kernel.registry.state_stores)
            await kernel.reload()
            board = store if isinstance(kernel.state, MemoryState) else StateBoard(kernel.state)
            await kernel.resilience.restore(board)
        except BaseException:
            await kernel.aclose()
            raise
        kernel._tasks.append(asyncio.create_task(kernel._follow_changes()))
        return kernel

    async def reload(self) -> None:
        """Builds the snapshot anew from what the store holds now."""
        contents = await self.store.load_all()
        self.snapshot = build_snapshot(self.registry, contents, self.settings, self.store.vault.api_key_secret)
        self.accounts.settle(self.snapshot)
        policy = policy_of(self.snapshot.settings.get(RESILIENCE_SETTING, {}))
        self.resilience.update(policy, contents.connections, self.snapshot.providers)

    async def _follow_changes(self) -> None:
        """Notices what other processes have changed."""
        while True:
            await asyncio.sleep(RELOAD_EVERY_S)
            try:
                if await self.store.version() != self.snapshot.version:
                    await self.reload()
            except Exception:
                log.exception("The configuration could not be read again; the last one stays in force.")
            await self.resilience.follow()

    def _quota_left(self, connection_id: str, model: str) -> QuotaLeft | None:
        reading = self.quotas.of(connection_id)
        return None if reading is None or reading.stale else quota_left(reading.windows, model)

    @property
    def observers(self) -> tuple[Observer, ...]:
        """Who is told of finished requests."""
        return self.registry.observers

    async def aclose(self) -> None:
        """Stops the background work and closes what was opened, whatever goes wrong on the way."""
        async with AsyncExitStack() as closing:
            opened = (self.store, self.usage_log, self.egress, self.http, self.state, self.resilience, self.accounts)
            for part in opened:
                closing.push_async_callback(part.aclose)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
