"""Live state in this process: the state store that needs no setting, for one worker; and how another is chosen."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from attrs import frozen
from omniroute_hooks import State, StateStore

from core.store.errors import StoreError

MAX_ENTRIES = 100_000
PROBE = "omniroute/probe"


class StateUnavailable(StoreError):
    """The state store that the user chose is not installed, or does not answer."""


@frozen
class _Entry:
    value: bytes
    until_s: float


class MemoryState:
    """`State` in a dict. Times are seconds on ``clock``; over ``max_entries`` the longest untouched go first."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._max = max_entries
        self._clock = clock

    async def get(self, key: str) -> bytes | None:
        """The value, until its time is over."""
        entry = self._live(key)
        return None if entry is None else entry.value

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keeps ``value`` for ``ttl_s`` seconds."""
        self._entries[key] = _Entry(value, self._clock() + ttl_s)
        self._entries.move_to_end(key)
        while len(self._entries) > self._max:
            self._entries.popitem(last=False)

    async def delete(self, key: str) -> None:
        """Forgets a value."""
        self._entries.pop(key, None)

    async def add(self, key: str, delta: float, ttl_s: float) -> float:
        """Adds to a number and gives the sum. Its time begins with the first ``add`` and is not prolonged."""
        entry = self._live(key)
        if entry is None:
            await self.set(key, repr(float(delta)).encode(), ttl_s)
            return float(delta)
        total = float(entry.value) + delta
        self._entries[key] = _Entry(repr(total).encode(), entry.until_s)
        return total

    async def scan(self, prefix: str) -> Mapping[str, bytes]:
        """All live values whose keys begin with ``prefix``."""
        now_s = self._clock()
        return {
            key: entry.value for key, entry in self._entries.items() if key.startswith(prefix) and entry.until_s > now_s
        }

    async def acquire(self, key: str, owner: str, ttl_s: float) -> bool:
        """Takes or prolongs a lease; False while somebody else holds it."""
        entry = self._live(key)
        if entry is not None and entry.value != owner.encode():
            return False
        await self.set(key, owner.encode(), ttl_s)
        return True

    async def release(self, key: str, owner: str) -> None:
        """Gives a lease up; nothing happens to somebody else's."""
        entry = self._live(key)
        if entry is not None and entry.value == owner.encode():
            del self._entries[key]

    async def aclose(self) -> None:
        """Forgets everything."""
        self._entries.clear()

    def _live(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None and entry.until_s <= self._clock():
            del self._entries[key]
            return None
        return entry


async def open_state(url: str, stores: Mapping[str, StateStore]) -> State:
    """The state store that the scheme of ``url`` selects, once it has proven to work. "memory:" is this process.

    Errors: `StateUnavailable`, which never shows the URL's password.
    """
    scheme = urlsplit(url).scheme or url
    if scheme == "memory":
        return MemoryState()
    store = stores.get(scheme)
    if store is None:
        known = ", ".join(sorted({"memory", *stores}))
        raise StateUnavailable(
            f"OMNIROUTE_STATE_URL: no installed plugin keeps state at {scheme}: (installed: {known})."
        )
    try:
        state = await store.open(url)
    except Exception as exc:
        raise StateUnavailable(f"OMNIROUTE_STATE_URL: {store.id} cannot be opened ({type(exc).__name__}).") from exc
    try:
        await check(state)
    except Exception as exc:
        await state.aclose()
        raise StateUnavailable(f"OMNIROUTE_STATE_URL: {store.id} does not keep what it is given.") from exc
    return state


async def check(state: State) -> None:
    """Whether the store keeps a value and gives it back. Errors: `StateUnavailable`, and whatever it raises itself."""
    await state.set(PROBE, b"1", 10.0)
    if await state.get(PROBE) != b"1":
        raise StateUnavailable("The state store does not give back what it was given.")
    await state.delete(PROBE)
