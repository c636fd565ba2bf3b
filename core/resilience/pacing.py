"""Pacing: requests per minute, a minimum gap and a number at once, for each connection, with a queue in order.

Off unless set, and then it costs one look into a dict. Who has to wait longer than allowed is told at once, as
far as that can be foreseen. Whoever leaves the queue, for whatever reason, leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from attrs import define, evolve, field, frozen

from .policy import RequestQueue
from .verdict import Busy, NotNow, Verdict, span

MINUTE_S = 60.0
EPSILON_S = 1e-6  # two clocks add up a sum in two ways
Refusal = Callable[[], NotNow | None]


@frozen
class Limits:
    """Of one connection. None and 0: no such limit."""

    per_minute: int | None = None
    gap_s: float = 0.0
    at_once: int | None = None
    max_wait_s: float = 30.0
    max_queued: int = 1000

    @property
    def off(self) -> bool:
        return self.per_minute is None and not self.gap_s and self.at_once is None


def limits_of(queue: RequestQueue) -> Limits:
    """The limits that count for every connection."""
    return Limits(
        queue.requests_per_minute,
        queue.min_time_between_requests_ms / 1000,
        queue.concurrent_requests,
        queue.max_wait_ms / 1000,
        queue.max_queued,
    )


@define(eq=False)
class Waiter:
    """One caller in the queue. ``refusal`` says whether it still may be asked at all."""

    turn: asyncio.Future[None]
    refusal: Refusal
    alarm: asyncio.TimerHandle | None = None


@define(eq=False)
class Lane:
    """One connection's pace: when requests went out within the last minute, and who waits."""

    limits: Limits
    started: deque[float] = field(factory=deque)
    last_s: float = -math.inf
    waiting: deque[Waiter] = field(factory=deque)
    timer: asyncio.TimerHandle | None = None

    def foreseen(self, now_s: float, ahead: int = 0) -> float:
        """The earliest start of somebody with ``ahead`` others in front, by minute and gap. How long others take
        is not known, so it may be later."""
        limits = self.limits
        at_s = now_s
        if limits.gap_s:
            at_s = max(now_s, self.last_s + limits.gap_s) + ahead * limits.gap_s
        if limits.per_minute is not None:
            self._drop_old(now_s)
            minutes, rest = divmod(ahead, limits.per_minute)
            behind = len(self.started) + rest - limits.per_minute  # this one has to be a minute old by then
            free_s = now_s if behind < 0 else max(now_s, self.started[behind] + MINUTE_S)
            at_s = max(at_s, free_s + minutes * MINUTE_S)
        return at_s

    def start(self, now_s: float) -> None:
        """One more has gone out."""
        self.last_s = now_s
        if self.limits.per_minute is not None:
            self.started.append(now_s)

    def unstart(self) -> None:
        """The last one has not gone out after all."""
        if self.started:
            self.started.pop()

    def idle(self, now_s: float) -> bool:
        """Whether nothing would be lost with it."""
        self._drop_old(now_s)
        return not self.waiting and not self.started and self.last_s + self.limits.gap_s <= now_s

    def _drop_old(self, now_s: float) -> None:
        while self.started and self.started[0] + MINUTE_S <= now_s:
            self.started.popleft()


class Pacing:
    """The lanes of all connections. ``clock`` runs at the pace of the event loop's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._common = Limits()
        self._own: dict[str, Limits] = {}
        self._lanes: dict[str, Lane] = {}
        self._running: dict[str, int] = {}

    def update(self, queue: RequestQueue, at_once: Mapping[str, int]) -> None:
        """New limits, at once for those who wait already. ``at_once``: a connection's own number, by its id."""
        self._common = limits_of(queue)
        self._own = {id_: evolve(self._common, at_once=number) for id_, number in at_once.items()}
        now_s = self._clock()
        for id_, lane in list(self._lanes.items()):
            lane.limits = self.limits(id_)
            self._advance(id_, lane)
            if lane.idle(now_s):
                self._close(id_, lane)

    def limits(self, connection_id: str) -> Limits:
        """What counts for this connection."""
        return self._own.get(connection_id, self._common) if self._own else self._common

    def running(self, connection_id: str) -> int:
        """Requests through this connection now."""
        return self._running.get(connection_id, 0)

    def queued(self, connection_id: str) -> int:
        """Requests that wait for it."""
        lane = self._lanes.get(connection_id)
        return 0 if lane is None else len(lane.waiting)

    def enter_now(self, connection_id: str) -> bool:
        """Whether it was free at once; then it counts as running until `leave`."""
        limits = self.limits(connection_id)
        if not limits.off or connection_id in self._lanes:
            lane = self._lane(connection_id, limits)
            now_s = self._clock()
            if lane.waiting or self._full(connection_id, lane) or lane.foreseen(now_s) > now_s + EPSILON_S:
                return False
            lane.start(now_s)
        self._running[connection_id] = self._running.get(connection_id, 0) + 1
        return True

    async def enter(self, connection_id: str, refusal: Refusal, max_wait_s: float | None = None) -> None:
        """Waits for its turn; then it counts as running until `leave`.

        ``refusal`` is asked again whenever the connection's state gets worse, and when its turn comes.
        Errors: `Busy`; what ``refusal`` gives.
        """
        lane = self._lane(connection_id, self.limits(connection_id))
        wait_s = lane.limits.max_wait_s if max_wait_s is None else min(max_wait_s, lane.limits.max_wait_s)
        now_s = self._clock()
        ahead = len(lane.waiting)
        at_s = lane.foreseen(now_s, ahead)
        if ahead >= lane.limits.max_queued:
            raise _busy(f"Its queue is full ({ahead} wait).", at_s, now_s)
        if wait_s <= 0 or at_s > now_s + wait_s:
            raise _busy("Its turn would come too late.", at_s, now_s)
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop.create_future(), refusal)
        waiter.alarm = loop.call_later(wait_s, self._too_late, connection_id, lane, waiter, wait_s)
        lane.waiting.append(waiter)
        self._advance(connection_id, lane)
        try:
            await waiter.turn
        except BaseException:
            if waiter in lane.waiting:
                lane.waiting.remove(waiter)
                self._advance(connection_id, lane)
            elif waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self.leave(connection_id, unused=True)  # its turn came just when the caller went away
            raise
        finally:
            waiter.alarm.cancel()

    def leave(self, connection_id: str, unused: bool = False) -> None:
        """The request is over. ``unused``: none was sent."""
        left = self._running.get(connection_id, 0) - 1
        if left > 0:
            self._running[connection_id] = left
        else:
            self._running.pop(connection_id, None)
        if self._lanes:
            lane = self._lanes.get(connection_id)
            if lane is not None:
                if unused:
                    lane.unstart()
                self._advance(connection_id, lane)

    def again(self, connection_id: str) -> bool:
        """Whether one that is running may send once more at once, by minute and gap, ahead of those who wait."""
        lane = self._lanes.get(connection_id)
        if lane is None:
            return True
        now_s = self._clock()
        if lane.foreseen(now_s) > now_s + EPSILON_S:
            return False
        lane.start(now_s)
        return True

    def recheck(self, connection_id: str | None = None) -> None:
        """Sends away who waits in vain: for this connection, or for any. Costs nothing where nobody waits."""
        if not self._lanes:
            return
        for id_ in list(self._lanes) if connection_id is None else (connection_id,):
            lane = self._lanes.get(id_)
            if lane is None or not lane.waiting:
                continue
            staying: deque[Waiter] = deque()
            for waiter in lane.waiting:
                refused = waiter.refusal()
                if refused is None:
                    staying.append(waiter)
                elif not waiter.turn.done():
                    waiter.turn.set_exception(refused)
            lane.waiting = staying

    def connections(self) -> Iterable[str]:
        """Connections with somebody running or waiting."""
        return {*self._running, *(id_ for id_, lane in self._lanes.items() if lane.waiting)}

    def forget(self, connection_id: str) -> None:
        """The connection is gone. Who still waits for it is let through, and learns that from others."""
        lane = self._lanes.get(connection_id)
        if lane is not None and not lane.waiting:
            self._close(connection_id, lane)

    def _lane(self, connection_id: str, limits: Limits) -> Lane:
        lane = self._lanes.get(connection_id)
        if lane is None:
            lane = self._lanes[connection_id] = Lane(limits)
        return lane

    def _close(self, connection_id: str, lane: Lane) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
        del self._lanes[connection_id]

    def _full(self, connection_id: str, lane: Lane) -> bool:
        return lane.limits.at_once is not None and self.running(connection_id) >= lane.limits.at_once

    def _advance(self, connection_id: str, lane: Lane) -> None:
        """Lets in whose turn it is, and looks again when the next one's comes."""
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        while lane.waiting and not self._full(connection_id, lane):
            now_s = self._clock()
            at_s = lane.foreseen(now_s)
            if at_s > now_s + EPSILON_S:
                loop = asyncio.get_running_loop()
                lane.timer = loop.call_later(at_s - now_s, self._advance, connection_id, lane)
                return
            waiter = lane.waiting.popleft()
            if waiter.turn.done():
                continue
            refused = waiter.refusal()
            if refused is not None:
                waiter.turn.set_exception(refused)
                continue
            lane.start(now_s)
            self._running[connection_id] = self.running(connection_id) + 1
            waiter.turn.set_result(None)

    def _too_late(self, connection_id: str, lane: Lane, waiter: Waiter, waited_s: float) -> None:
        if waiter.turn.done():
            return
        now_s = self._clock()
        ahead = lane.waiting.index(waiter)
        lane.waiting.remove(waiter)
        at_s = lane.foreseen(now_s, ahead)
        waiter.turn.set_exception(_busy(f"It was too busy for {span(waited_s)}.", at_s, now_s))


def _busy(reason: str, at_s: float, now_s: float) -> Busy:
    # Who waits for another request's end cannot know how long that takes; a second is a polite guess.
    return Busy(Verdict(False, reason, max(at_s, now_s + 1.0)), now_s)
