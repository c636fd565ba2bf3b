"""What processes tell each other through the store: named leases, and live state that outlives a restart."""

from __future__ import annotations

from typing import Any

from core.store.database import rows
from core.store.part import StorePart
from core.store.tables import LeaseRow, LiveStateRow


class Coordination(StorePart):
    """Leases and live state. Neither is configuration, so neither raises its version."""

    async def acquire_lease(self, name: str, owner: str, ttl_s: float) -> bool:
        """Take or prolong the lease ``name`` for ``ttl_s`` seconds; False while somebody else holds it."""
        now_s = self._clock()

        def work(db: Any) -> bool:
            LeaseRow.insert(name=name, owner=owner, until=now_s + ttl_s).on_conflict(
                conflict_target=[LeaseRow.name],
                preserve=[LeaseRow.owner, LeaseRow.until],
                where=(LeaseRow.owner == owner) | (LeaseRow.until <= now_s),
            ).execute(db)
            (held,) = rows(db, LeaseRow.select(LeaseRow.owner).where(LeaseRow.name == name))
            return bool(held["owner"] == owner)

        return await self._database.write(work)

    async def release_lease(self, name: str, owner: str) -> None:
        """Give the lease up; nothing happens to somebody else's."""
        held = (LeaseRow.name == name) & (LeaseRow.owner == owner)
        await self._database.write(lambda db: LeaseRow.delete().where(held).execute(db))

    async def live_values(self) -> dict[str, Any]:
        """The live state that has not expired, by key."""
        query = LiveStateRow.select().where(LiveStateRow.expires_at > self._clock())
        return await self._database.read(lambda db: {row["key"]: row["value"] for row in rows(db, query)})

    async def put_live_value(self, key: str, value: Any, expires_at: float) -> None:
        """Keep a JSON value until ``expires_at``; what has expired is cleared out on the way."""
        now_s = self._clock()

        def work(db: Any) -> None:
            LiveStateRow.delete().where(LiveStateRow.expires_at <= now_s).execute(db)
            LiveStateRow.insert(key=key, value=value, expires_at=expires_at).on_conflict(
                conflict_target=[LiveStateRow.key], preserve=[LiveStateRow.value, LiveStateRow.expires_at]
            ).execute(db)

        await self._database.write(work)

    async def delete_live_value(self, key: str) -> None:
        await self._database.write(lambda db: LiveStateRow.delete().where(LiveStateRow.key == key).execute(db))
