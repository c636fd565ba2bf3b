"""Keeping: cooldowns outlive the process. They are written behind, as they change; a request never waits for it.

Monotonic times mean nothing to the next process, so wall time is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, get_args

from .cooldown import LONGEST_HINT_S, PROBE_OVER_S, Cooldown, Kind, probe_interval

log = logging.getLogger("omniroute.resilience")
PREFIX = "cooldown/"
SHORTEST_S = 5.0  # what is over before a new process could ask is not worth a write
RETRY_S = 1.0
CLOSE_S = 5.0
_KINDS = frozenset(get_args(Kind))
Json = Any


class LiveStore(Protocol):
    """The part of the store that is needed. ``expires_at`` unix seconds."""

    async def live_values(self) -> Mapping[str, Json]: ...
    async def put_live_value(self, key: str, value: Json, expires_at: float) -> None: ...
    async def delete_live_value(self, key: str) -> None: ...


def as_kept(cooldown: Cooldown, offset_s: float) -> dict[str, Json]:
    """For the store. ``offset_s``: wall time minus monotonic time."""
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
    """From the store; None for what is over, or was written by a release that meant something else.

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


class Keeper:
    """Writes changes of cooldowns to a store, the latest of each key. Used by the loop it was made in."""

    def __init__(self, store: LiveStore, clock: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._wall = wall
        self._waiting: dict[str, Cooldown | None] = {}
        self._kept: set[str] = set()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._write_behind(), name="resilience-keeper")

    async def restored(self) -> list[Cooldown]:
        """What an earlier process has left and is not over. Errors: the store's."""
        values = await self._store.live_values()
        now_s, wall_s = self._clock(), self._wall()
        found = list(_restored(values, now_s, wall_s))
        self._kept.update(cooldown.key for cooldown in found)
        return found

    def note(self, key: str, cooldown: Cooldown | None) -> None:
        """A change. What ends soon is not written, unless it takes the place of something that was."""
        if cooldown is not None and cooldown.until_s - self._clock() < SHORTEST_S:
            cooldown = None
        if cooldown is None and key not in self._kept and key not in self._waiting:
            return
        self._waiting[key] = cooldown
        self._idle.clear()
        self._wake.set()

    async def _write_behind(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                key, cooldown = next(iter(self._waiting.items()))
                del self._waiting[key]
                try:
                    await self._write(key, cooldown)
                except Exception:
                    log.exception("A cooldown could not be written down; it is tried again.")
                    self._waiting.setdefault(key, cooldown)
                    await asyncio.sleep(RETRY_S)
            self._idle.set()

    async def _write(self, key: str, cooldown: Cooldown | None) -> None:
        if cooldown is None:
            await self._store.delete_live_value(PREFIX + key)
            self._kept.discard(key)
            return
        self._kept.add(key)  # before it is: whoever ends it meanwhile has to undo this write
        offset_s = self._wall() - self._clock()
        await self._store.put_live_value(PREFIX + key, as_kept(cooldown, offset_s), cooldown.until_s + offset_s)

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


def _restored(values: Mapping[str, Json], now_s: float, wall_s: float) -> Iterator[Cooldown]:
    for name, kept in values.items():
        if name.startswith(PREFIX):
            cooldown = as_rest(name.removeprefix(PREFIX), kept, now_s, wall_s)
            if cooldown is not None:
                yield cooldown
