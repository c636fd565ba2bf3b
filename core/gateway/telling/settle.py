"""Settle: what one request leaves behind: usage records, news for observers, and its story for a while.

Never in the caller's way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from omniroute_hooks import Finish, Observer, Usage

from core.ledger.prices import cost_usd
from core.ledger.usage_log import UsageLog
from core.ledger.usage_record import Outcome, UsageRecord

from .estimate import added
from .recent import Recent
from .trace import Attempt, Trace

log = logging.getLogger("omniroute.gateway")
MAX_WAITING = 10_000
CLIENT_CLOSED = 499  # as nginx counts it: the caller left before the answer
_NOTHING = Usage()
_NOBODY = Attempt("", "", "skipped")


class Settlement:
    """Writes down finished requests and tells observers, one after another, behind the answers."""

    def __init__(self, usage_log: UsageLog, observers: Sequence[Observer]) -> None:
        self._log = usage_log
        self._observers = tuple(observers)
        self._waiting: asyncio.Queue[Finish] = asyncio.Queue(MAX_WAITING)
        self._task: asyncio.Task[None] | None = None
        self.recent = Recent()

    def settle(self, trace: Trace) -> None:
        """Called once per request, after its last byte."""
        at_s = time.time()
        attempts = trace.attempts
        record = self._log.record
        if len(attempts) == 1 and attempts[0].asked:
            final = _final(trace, attempts[0], 1, at_s)
            record(final)
            costs: list[float | None] = [final.cost_usd]
        else:
            records = _records(trace, at_s)
            for each in records:
                record(each)
            costs = [each.cost_usd for each in records]
            final = records[-1]
        self.recent.add(trace)
        if self._observers:
            self._report(trace, final, costs)

    def _report(self, trace: Trace, final: UsageRecord, costs: list[float | None]) -> None:
        known = [cost for cost in costs if cost is not None]
        finish = Finish(
            request_id=trace.id,
            at_s=final.at,
            endpoint=trace.endpoint,
            dialect=trace.dialect,
            api_key_id=trace.api_key_id,
            requested_model=trace.requested_model,
            provider=trace.provider,
            model=trace.model,
            connection_id=trace.connection_id,
            status=trace.status,
            stream=trace.stream,
            latency_ms=final.latency_ms,
            first_token_ms=final.first_token_ms,
            usage=added([attempt.usage for attempt in trace.attempts if attempt.usage is not None]),
            cost_usd=sum(known) if len(known) == len(costs) else None,
            error_code=final.error_code,
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


def _records(trace: Trace, at_s: float) -> list[UsageRecord]:
    """One for each attempt that went out, the final one last; one in all where nobody was asked."""
    asked = [(place, attempt) for place, attempt in enumerate(trace.attempts, 1) if attempt.asked]
    if not asked:
        return [_final(trace, _NOBODY, len(trace.attempts), at_s)]
    last = next((each for each in reversed(asked) if each[1].outcome == "answered"), asked[-1])
    others = [_broken(trace, attempt, place, at_s) for place, attempt in asked if attempt is not last[1]]
    return [*others, _final(trace, last[1], last[0], at_s)]


def _final(trace: Trace, attempt: Attempt, place: int, at_s: float) -> UsageRecord:
    """The record of the attempt that ended the request, which stands for the request too."""
    error, status = trace.error, trace.status
    outcome: Outcome = "answered"
    if error is not None or status >= 400:
        outcome = "dropped" if status == CLIENT_CLOSED else "failed"
    return _record(
        trace,
        attempt,
        place,
        at_s,
        trace.id,
        status,
        outcome,
        trace.elapsed_ms(),
        None if trace.first_byte is None else (trace.first_byte - trace.began) * 1000,
        error.blames if error is not None else None,
        error.code if error is not None else None,
        True,
    )


def _broken(trace: Trace, attempt: Attempt, place: int, at_s: float) -> UsageRecord:
    """The record of an attempt that was not the last."""
    return _record(
        trace,
        attempt,
        place,
        at_s,
        f"{trace.id}.{place}",
        attempt.status or (200 if attempt.begun else 0),
        "failed" if attempt.outcome == "failed" else "dropped",
        attempt.ms,
        None,
        attempt.blames,
        attempt.code,
        False,
    )


def _record(
    trace: Trace,
    attempt: Attempt,
    place: int,
    at_s: float,
    id_: str,
    status: int,
    outcome: Outcome,
    latency_ms: float,
    first_token_ms: float | None,
    blames: str | None,
    error_code: str | None,
    final: bool,
) -> UsageRecord:
    counts = attempt.usage or _NOTHING
    return UsageRecord(
        id=id_,
        at=at_s,
        request_id=trace.id,
        endpoint=trace.endpoint,
        dialect=trace.dialect,
        api_key_id=trace.api_key_id,
        provider=attempt.provider,
        connection_id=attempt.connection_id or None,
        requested_model=trace.requested_model,
        model=attempt.model,
        status=status,
        stream=trace.stream,
        input_fresh=counts.input_fresh,
        cache_read=counts.cache_read,
        cache_write_5m=counts.cache_write_5m,
        cache_write_1h=counts.cache_write_1h,
        cache_write_other=counts.cache_write_other,
        output_visible=counts.output_visible,
        reasoning=counts.reasoning,
        estimated=counts.estimated,
        cost_usd=_cost(attempt),
        latency_ms=latency_ms,
        first_token_ms=first_token_ms,
        attempt=place,
        blames=blames,
        error_code=error_code,
        combo=trace.combo,
        path=attempt.path or None,
        outcome=outcome,
        final=final,
    )


def _cost(attempt: Attempt) -> float | None:
    """What it cost in US dollars; None where that is not known. Whoever has used nothing costs nothing."""
    if attempt.usage is None and attempt.outcome != "answered":
        return 0.0
    return cost_usd(attempt.usage, attempt.spec)
