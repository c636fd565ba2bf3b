"""Keeping: cooldowns outlive the process, and all processes know of them within a second.

Changes are written behind, as they happen, to a board that all processes read; a request never waits for it. Each
process looks for what is new there on a timer. Monotonic times mean nothing to another process, so wall time is
written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol, get_args

from attrs import evolve

from core.store.records import RestRecord

from .cooldown import LONGEST_HINT_S, PROBE_OVER_S, Cooldown, Cooldowns, Kind, connection_of, probe_interval

log = logging.getLogger("omniroute.resilience")
SHORTEST_S = 2.0  # what is over before others have read of it is not worth a write
ENDED_KEPT_S = 600.0  # how long it is told that a rest has ended
RESET_KEPT_S = 60.0
PAUSE_S = 0.1  # between writes, so that a storm of failures is few of them
RETRY_S = 1.0
CLOSE_S = 5.0
SAME_S = 0.05  # two clocks that tell one moment differ by less
MOST_TIMES = 20_000
RESET = "/"  # begins the keys of resets; no connection's id is empty
_KINDS = frozenset(get_args(Kind))
Json = Any


class Board(Protocol):
    """Where processes read of each other's changes. Numbers of revisions only mean something to the board."""

    async def rests_since(self, revision: int) -> tuple[int, Sequence[RestRecord]]:
        """What is new since ``revision`` (0: everything), in the order of writing, and the number of now."""

    async def put_rests(self, records: Sequence[RestRecord]) -> None:
        """Tells everybody. A record that is older than what stands under its key changes nothing."""


def as_kept(cooldown: Cooldown, offset_s: float) -> dict[str, Json]:
    """For the board. ``offset_s``: wall time minus monotonic time."""
    probe_at_s = cooldown.probe_at_s
    return {
        "until": cooldown.until_s + offset_s,
        "step": cooldown.step,
        "reason": cooldown.reason,
        "kind": cooldown.kind,
        "probeAt": None if probe_at_s is None else probe_at_s + offset_s,
        "probes": cooldown.probes,
    }


def as_rest(key: str, kept: Json, now_s: float, wall_s: float) -> Cooldown | None:
    """From the board; None for what is over, or was written by a release that meant something else.

    A wall clock that has been set back must not make a rest endless: it is bounded as a hint is.
    """
    try:
        until = float(kept["until"])
        step, probes = int(kept["step"]), int(kept["probes"])
        reason, kind = str(kept["reason"]), kept["kind"]
        probe_at = kept["probeAt"]
        left_s = min(until - wall_s, LONGEST_HINT_S)
        if not left_s > 0 or kind not in _KINDS:
            return None
        probe_at_s = None if probe_at is None else now_s + min(float(probe_at) - wall_s, probe_interval(probes))
        if probe_at_s is None and left_s > PROBE_OVER_S:
            probe_at_s = now_s + PROBE_OVER_S
        return Cooldown(key, now_s + left_s, max(0, step), reason, kind, probe_at_s, max(0, probes))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def agreed(mine: Cooldown, theirs: Cooldown) -> Cooldown:
    """What counts where two processes say different things of one rest that is under way.

    The longer one, since nobody may be asked too early; but a probe has asked the provider anew, and knows better.
    """
    if theirs.probes > mine.probes:
        return theirs
    if theirs.until_s < mine.until_s - SAME_S:
        return mine
    return evolve(theirs, until_s=max(mine.until_s, theirs.until_s), step=max(mine.step, theirs.step))


class Keeper:
    """One process's end of the board. Used by the loop it was made in.

    ``close_breakers`` (a provider id, None for all) is called where another process has reset them.
    """

    def __init__(
        self,
        board: Board,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
        close_breakers: Callable[[str | None], None] = lambda provider_id: None,
    ) -> None:
        self._board = board
        self._clock = clock
        self._wall = wall
        self._close_breakers = close_breakers
        self._writer = uuid.uuid4().hex
        self._seen = 0
        self._waiting: dict[str, tuple[Cooldown | Json, float]] = {}  # by key: what to tell, and since when it holds
        self._kept: dict[str, float] = {}  # what stands on the board, and until when, on this clock
        self._times: dict[str, float] = {}  # of the latest change of each key, wall time, the newest last
        self._taking_over = False
        self._unread = False
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._write_behind(), name="resilience-keeper")

    async def restored(self) -> list[Cooldown]:
        """What earlier processes have left and is not over. Errors: the board's."""
        self._seen, records = await self._board.rests_since(0)
        found = list(self._rests(records))
        self._kept.update((cooldown.key, cooldown.until_s) for cooldown in found)
        return found

    def _rests(self, records: Sequence[RestRecord]) -> Iterator[Cooldown]:
        now_s, wall_s = self._clock(), self._wall()
        for record in records:
            if not record.key.startswith(RESET):
                cooldown = as_rest(record.key, record.value, now_s, wall_s)
                if cooldown is not None:
                    self._note_time(record.key, record.changed_at)
                    yield cooldown

    # telling others -------------------------------------------------------------------------------------------

    def note(self, key: str, cooldown: Cooldown | None) -> None:
        """A change here. What ends soon is not told, unless it takes the place of something that was.

        Nor is the end of what was over anyway: others may have put the same key to rest anew by then.
        """
        if self._taking_over:
            return
        at, now_s = self._wall(), self._clock()
        if cooldown is not None:
            self._note_time(key, at)
            if cooldown.until_s - now_s >= SHORTEST_S:
                self._tell(key, cooldown, at)
                return
        waiting = self._waiting.pop(key, (None, at))[0]
        told_until_s = max(self._kept.get(key, 0.0), 0.0 if waiting is None else waiting.until_s)
        if told_until_s > now_s:
            self._note_time(key, at)
            self._tell(key, None, at)

    def note_reset(self, provider_id: str | None, connection_ids: Collection[str] | None) -> None:
        """The user has reset these; see `core.resilience.guard.Resilience.reset`."""
        ids = None if connection_ids is None else sorted(connection_ids)
        self._tell(f"{RESET}{uuid.uuid4().hex}", {"provider": provider_id, "connections": ids}, self._wall())

    def _tell(self, key: str, change: Cooldown | Json, at: float) -> None:
        self._waiting[key] = (change, at)
        self._idle.clear()
        self._wake.set()

    def _note_time(self, key: str, at: float) -> None:
        self._times.pop(key, None)
        self._times[key] = at
        if len(self._times) > MOST_TIMES:
            del self._times[next(iter(self._times))]

    async def _write_behind(self) -> None:
        failing = False
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, {}
            try:
                if batch:
                    await self._board.put_rests([self._record(key, *told) for key, told in batch.items()])
                failing = False
            except Exception:
                if not failing:
                    log.exception("Cooldowns could not be written down; it is tried again.")
                failing = True
                self._waiting = {**batch, **self._waiting}
                self._wake.set()
                await asyncio.sleep(RETRY_S)
                continue
            if not self._waiting:
                self._idle.set()
            await asyncio.sleep(PAUSE_S)

    def _record(self, key: str, change: Cooldown | Json, at: float) -> RestRecord:
        if key.startswith(RESET):
            return RestRecord(key=key, value=change, changed_at=at, expires_at=at + RESET_KEPT_S, writer=self._writer)
        if change is None:
            self._kept.pop(key, None)
            return RestRecord(key=key, value=None, changed_at=at, expires_at=at + ENDED_KEPT_S, writer=self._writer)
        self._kept[key] = change.until_s  # before it is: whoever ends it meanwhile has to undo this write
        offset_s = self._wall() - self._clock()
        until = change.until_s + offset_s
        return RestRecord(
            key=key, value=as_kept(change, offset_s), changed_at=at, expires_at=until, writer=self._writer
        )

    # hearing of others ----------------------------------------------------------------------------------------

    async def follow(self, cooldowns: Cooldowns) -> bool:
        """Takes over what other processes have changed since the last time; whether there was anything.

        A board that cannot be read is logged once; it is read again next time.
        """
        try:
            self._seen, records = await self._board.rests_since(self._seen)
            news = sorted((r for r in records if r.writer != self._writer), key=lambda r: r.changed_at)
            for record in news:
                self._take(record, cooldowns)
        except Exception:
            if not self._unread:
                log.exception("Cooldowns of other processes cannot be read; it is tried again.")
            self._unread = True
            return False
        self._unread = False
        return bool(news)

    def _take(self, record: RestRecord, cooldowns: Cooldowns) -> None:
        if record.key.startswith(RESET):
            self._take_reset(record, cooldowns)
        elif record.value is None:
            self._take_end(record.key, record.changed_at, cooldowns)
        else:
            self._take_rest(record, cooldowns)

    def _take_rest(self, record: RestRecord, cooldowns: Cooldowns) -> None:
        now_s = self._clock()
        theirs = as_rest(record.key, record.value, now_s, self._wall())
        if theirs is None:
            return
        mine = cooldowns.get(record.key)
        if mine is None or mine.until_s <= now_s:
            if self._is_news(record.key, record.changed_at):
                self._put(theirs, record.changed_at, cooldowns)
            return
        both = agreed(mine, theirs)
        if both is mine:
            self.note(record.key, mine)
        else:
            self._put(both, record.changed_at, cooldowns)

    def _put(self, cooldown: Cooldown, at: float, cooldowns: Cooldowns) -> None:
        self._kept[cooldown.key] = cooldown.until_s
        self._note_time(cooldown.key, at)
        with self._quietly():
            cooldowns.put(cooldown)

    def _take_end(self, key: str, at: float, cooldowns: Cooldowns) -> None:
        if self._is_news(key, at):
            self._kept.pop(key, None)
            self._note_time(key, at)
            with self._quietly():
                cooldowns.end(key)

    def _take_reset(self, record: RestRecord, cooldowns: Cooldowns) -> None:
        provider_id, ids = record.value.get("provider"), record.value.get("connections")
        for key in [c.key for c in cooldowns]:
            if connection_of(key) in (ids or ()) or (provider_id is None and ids is None):
                self._take_end(key, record.changed_at, cooldowns)
        if provider_id is not None or ids is None:
            self._close_breakers(provider_id)

    def _is_news(self, key: str, at: float) -> bool:
        """Whether nothing has happened to this key here since."""
        return self._times.get(key, 0.0) <= at

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """What is taken over from others is not told to them again."""
        self._taking_over = True
        try:
            yield
        finally:
            self._taking_over = False

    async def written(self) -> None:
        """Waits until nothing waits to be written."""
        await self._idle.wait()

    async def aclose(self) -> None:
        """Writes what waits, for a few seconds at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.written(), CLOSE_S)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
