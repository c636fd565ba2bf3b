"""Rests in the store: who may not be called until when, told from one process to all others and to the next one.

They are no configuration, so they do not raise its version. Each write has a number that is higher than all before
it; whoever knows up to which number it has read asks only for what is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peewee import fn

from core.store.database import rows
from core.store.part import StorePart
from core.store.records import RestRecord
from core.store.tables import RestRow

SKEW_S = 5.0  # a change from further ahead than this was made before the clock was set back


class Rests(StorePart):
    """Reading and writing rests."""

    async def rests_since(self, revision: int) -> tuple[int, list[RestRecord]]:
        """Whatever was written after ``revision`` and has not expired, and the number to ask from next time.

        0 for everything. One short query over an index, cheap enough to poll.
        """
        query = RestRow.select().where(RestRow.revision > revision).order_by(RestRow.revision, RestRow.changed_at)
        found = await self._database.read(lambda db: rows(db, query))
        latest = max((row["revision"] for row in found), default=revision)
        now_s = self._clock()
        return latest, [_record(row) for row in found if row["expires_at"] > now_s]

    async def put_rests(self, records: Sequence[RestRecord]) -> None:
        """Write changes, all or none. Of two changes of one key the later one stays, whichever is written first."""
        now_s = self._clock()

        def work(db: Any) -> None:
            (last,) = RestRow.select(fn.MAX(RestRow.revision)).tuples().execute(db)[0]
            # The newest row stays though it may have expired, so that numbers never go back.
            gone = (RestRow.expires_at <= now_s) & (RestRow.revision < (last or 0))
            RestRow.delete().where(gone).execute(db)
            for record in records:
                RestRow.insert(
                    key=record.key,
                    value=record.value,
                    changed_at=record.changed_at,
                    expires_at=record.expires_at,
                    writer=record.writer,
                    revision=(last or 0) + 1,
                ).on_conflict(
                    conflict_target=[RestRow.key],
                    preserve=[
                        RestRow.value,
                        RestRow.changed_at,
                        RestRow.expires_at,
                        RestRow.writer,
                        RestRow.revision,
                    ],
                    where=(RestRow.changed_at <= record.changed_at) | (RestRow.changed_at > now_s + SKEW_S),
                ).execute(db)

        await self._database.write(work)


def _record(row: dict[str, Any]) -> RestRecord:
    return RestRecord(
        key=row["key"],
        value=row["value"],
        changed_at=row["changed_at"],
        expires_at=row["expires_at"],
        writer=row["writer"],
    )
