"""The board of rests in a state store that the user chose, so that gateways on several machines share them.

Its clocks are those of the machines; they should agree to within a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import orjson
from omniroute_hooks import State

from core.store.records import RestRecord

PREFIX = "omniroute/rest/"
NUMBER = "omniroute/rests"
NUMBER_KEPT_S = 366 * 24 * 3600.0


class StateBoard:
    """A `core.resilience.keeping.Board`. Everything is read again when anything has changed: rests are few."""

    def __init__(self, state: State, wall: Callable[[], float] = time.time) -> None:
        self._state = state
        self._wall = wall

    async def rests_since(self, revision: int) -> tuple[int, Sequence[RestRecord]]:
        """Everything, if anything is new. Errors: the store's."""
        raw = await self._state.get(NUMBER)
        number = 0 if raw is None else int(float(raw))
        if number == revision and revision:
            return revision, ()
        found = await self._state.scan(PREFIX)
        records = [_read(key.removeprefix(PREFIX), value) for key, value in found.items()]
        return number, [record for record in records if record is not None]

    async def put_rests(self, records: Sequence[RestRecord]) -> None:
        """Errors: the store's; some may be written then, and all are to be written again."""
        now_s = self._wall()
        for record in records:
            left_s = record.expires_at - now_s
            known = await self._state.get(PREFIX + record.key)
            older = None if known is None else _read(record.key, known)
            if left_s > 0 and (older is None or older.changed_at <= record.changed_at):
                told = [record.value, record.changed_at, record.expires_at, record.writer]
                await self._state.set(PREFIX + record.key, orjson.dumps(told), left_s)
        await self._state.add(NUMBER, 1, NUMBER_KEPT_S)


def _read(key: str, raw: bytes) -> RestRecord | None:
    """None for what another release has written in another way."""
    try:
        value, changed_at, expires_at, writer = orjson.loads(raw)
        return RestRecord(
            key=key, value=value, changed_at=float(changed_at), expires_at=float(expires_at), writer=str(writer)
        )
    except (ValueError, TypeError):
        return None
