"""Jobs: work on a timer, done by one process of all.

Every process asks for the leader's lease; who holds it runs the jobs. When it dies,
another takes over after the lease has run out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from apscheduler.schedulers.asyncio import AsyncIOScheduler

if TYPE_CHECKING:
    from core.kernel import Kernel

log = logging.getLogger("omniroute.jobs")
LEASE = "leader"
LEASE_S = 15.0
RENEW_EVERY_S = 3.0


class Jobs:
    """This process's part in the timer's work."""

    def __init__(self, kernel: Kernel, on_lead: Callable[[], Awaitable[None]]) -> None:
        """``on_lead`` is awaited whenever this process begins to lead."""
        self._kernel = kernel
        self._on_lead = on_lead
        self._scheduler: AsyncIOScheduler | None = None
        self._task: asyncio.Task[None] | None = None
        self.leads = False

    async def start(self) -> None:
        """Tries for the lease once, then keeps trying in the background."""
        await self._turn()
        self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._turn()
            except Exception:
                log.exception("The leader's lease could not be asked for.")

    async def _turn(self) -> None:
        leads = await self._kernel.store.acquire_lease(LEASE, self._kernel.owner, LEASE_S)
        began = leads and not self.leads
        if self.leads and not leads:
            self._end()
        self.leads = leads
        if began:
            self._begin()
            await self._on_lead()

    def _begin(self) -> None:
        kernel = self._kernel
        self._scheduler = AsyncIOScheduler(job_defaults={"coalesce": True, "max_instances": 1})
        every = kernel.settings.provider_limits_sync_interval_minutes * 60.0
        self._add("quota", every, kernel.accounts.quotas.refresh_all)
        for job in kernel.registry.jobs:
            self._add(job.id, job.every_s, partial(job.run, kernel.http))
        self._scheduler.start()

    def _add(self, name: str, every_s: float, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            try:
                await work()
            except Exception:
                log.exception("The job %s failed.", name)

        assert self._scheduler is not None
        try:  # names are not ids: two plugins may well have chosen the same word
            self._scheduler.add_job(run, "interval", seconds=every_s, name=name)
        except Exception:
            log.exception("The job %s cannot be put on a timer.", name)

    def _end(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    async def aclose(self) -> None:
        """Stops, and lets another process lead at once."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._end()
        if self.leads:
            await self._kernel.store.release_lease(LEASE, self._kernel.owner)
            self.leads = False
