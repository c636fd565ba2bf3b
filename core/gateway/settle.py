"""Settle: what one request leaves behind: a usage record, and news for observers. Never in the caller's way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from omniroute_hooks import Finish, Observer, Usage

from core.ledger.prices import cost_usd
from core.ledger.usage_log import UsageLog
from core.ledger.usage_record import UsageRecord

from .choose import Pick
from .trace import Trace

log = logging.getLogger("omniroute.gateway")
MAX_WAITING = 10_000
_NOTHING = Usage()


class Settlement:
    """Writes down finished requests and tells observers, one after another, behind the answers."""

    def __init__(self, usage_log: UsageLog, observers: Sequence[Observer]) -> None:
        self._log = usage_log
        self._observers = tuple(observers)
        self._waiting: asyncio.Queue[Finish] = asyncio.Queue(MAX_WAITING)
        self._task: asyncio.Task[None] | None = None

    def settle(self, trace: Trace, pick: Pick | None) -> None:
        """Called once per request, after its last byte."""
        usage = trace.usage
        spec = pick.choice.spec if pick is not None else None
        cost = cost_usd(usage, spec)
        counts = usage or _NOTHING
        error = trace.error
        latency_ms = trace.elapsed_ms()
        first_ms = None if trace.first_byte is None else (trace.first_byte - trace.began) * 1000
        now_s = time.time()
        self._log.record(
            UsageRecord(
                id=trace.id,
                at=now_s,
                request_id=trace.id,
                endpoint=trace.endpoint,
                dialect=trace.dialect,
                api_key_id=trace.api_key_id,
                provider=trace.provider or "",
                connection_id=trace.connection_id,
                requested_model=trace.requested_model,
                model=trace.model or "",
                status=trace.status,
                stream=trace.stream,
                input_fresh=counts.input_fresh,
                cache_read=counts.cache_read,
                cache_write_5m=counts.cache_write_5m,
                cache_write_1h=counts.cache_write_1h,
                cache_write_other=counts.cache_write_other,
                output_visible=counts.output_visible,
                reasoning=counts.reasoning,
                estimated=counts.estimated,
                cost_usd=cost,
                latency_ms=latency_ms,
                first_token_ms=first_ms,
                attempt=len(trace.attempts),
                blames=error.blames if error is not None else None,
                error_code=error.code if error is not None else None,
            )
        )
        if not self._observers:
            return
        finish = Finish(
            request_id=trace.id,
            at_s=now_s,
            endpoint=trace.endpoint,
            dialect=trace.dialect,
            api_key_id=trace.api_key_id,
            requested_model=trace.requested_model,
            provider=trace.provider,
            model=trace.model,
            connection_id=trace.connection_id,
            status=trace.status,
            stream=trace.stream,
            latency_ms=latency_ms,
            first_token_ms=first_ms,
            usage=usage,
            cost_usd=cost,
            error_code=error.code if error is not None else None,
            attempts=trace.lines(),
        )
        if self._task is None:
            self._task = asyncio.create_task(self._tell())
        try:
            self._waiting.put_nowait(finish)
        except asyncio.QueueFull:
            log.warning("Observers are too slow; a finished request was not reported to them.")

    async def _tell(self) -> None:
        while True:
            finish = await self._waiting.get()
            for observer in self._observers:
                try:
                    await observer.finished(finish)
                except Exception:
                    log.exception("Observer %s failed.", observer.id)
            self._waiting.task_done()

    async def aclose(self) -> None:
        """Tells observers what is waiting, for a few seconds at most."""
        if self._task is not None:
            try:
                await asyncio.wait_for(self._waiting.join(), 5)
            except TimeoutError:
                log.warning("Observers were not told of the last requests: they take too long.")
            self._task.cancel()
