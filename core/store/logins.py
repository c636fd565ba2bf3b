"""Who is logging in: dashboard sessions, and OAuth logins that wait for the browser to come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from core.store.database import first_row, rows
from core.store.errors import Conflict, Duplicate, VaultLocked
from core.store.part import StorePart
from core.store.records import LoginRecord, SessionRecord
from core.store.tables import LoginRow, SessionRow

SEALED_AS = "login"


class Logins(StorePart):
    """Sessions by the hash of their token, and logins in progress by their state. Neither is configuration."""

    async def add_session(self, *, id_hash: str, expires_at: float, client: str | None = None) -> SessionRecord:
        """Add a session and clear out those that have expired."""
        now_s = self._clock()
        record = SessionRecord(
            id_hash=id_hash, created_at=now_s, last_seen_at=now_s, expires_at=expires_at, client=client
        )

        def work(db: Any) -> SessionRecord:
            SessionRow.delete().where(SessionRow.expires_at <= now_s).execute(db)
            SessionRow.insert(
                id_hash=id_hash, created_at=now_s, last_seen_at=now_s, expires_at=expires_at, client=client
            ).execute(db)
            return record

        return await self._database.write(work)

    async def session(self, id_hash: str) -> SessionRecord | None:
        """The session, if it has not expired."""
        live = (SessionRow.id_hash == id_hash) & (SessionRow.expires_at > self._clock())

        def work(db: Any) -> SessionRecord | None:
            row = first_row(db, SessionRow.select().where(live))
            return None if row is None else SessionRecord(**row)

        return await self._database.read(work)

    async def sessions(self) -> list[SessionRecord]:
        """All sessions that have not expired, the most recently used first."""
        query = (
            SessionRow.select()
            .where(SessionRow.expires_at > self._clock())
            .order_by(SessionRow.last_seen_at.desc(), SessionRow.id_hash)
        )
        return await self._database.read(lambda db: [SessionRecord(**row) for row in rows(db, query)])

    async def touch_session(self, id_hash: str, *, expires_at: float) -> None:
        """Note that the session is in use, and until when it now lives."""
        values = {"last_seen_at": self._clock(), "expires_at": expires_at}
        await self._database.write(
            lambda db: SessionRow.update(**values).where(SessionRow.id_hash == id_hash).execute(db)
        )

    async def delete_session(self, id_hash: str) -> bool:
        """Whether there was such a session."""
        return await self._database.write(
            lambda db: bool(SessionRow.delete().where(SessionRow.id_hash == id_hash).execute(db))
        )

    async def delete_sessions(self) -> int:
        """End every session. How many there were."""
        return await self._database.write(lambda db: int(SessionRow.delete().execute(db)))

    async def add_login(self, *, state: str, provider: str, data: Mapping[str, Any], expires_at: float) -> None:
        """Remember a login in progress; its ``data`` is sealed. Clears out those that have expired.

        Errors: `Conflict` when the state is in use.
        """
        now_s = self._clock()

        def work(db: Any) -> None:
            LoginRow.delete().where(LoginRow.expires_at <= now_s).execute(db)
            LoginRow.insert(
                state=state,
                provider=provider,
                data=self._vault.seal(SEALED_AS, state, orjson.dumps(dict(data)).decode()),
                created_at=now_s,
                expires_at=expires_at,
            ).execute(db)

        try:
            await self._database.write(work)
        except Duplicate as exc:
            raise Conflict("A login with this state is in progress already.") from exc

    async def login(self, state: str) -> LoginRecord | None:
        """The login in progress, left where it is (a device login asks again and again)."""
        return await self._database.read(lambda db: self._login(db, state))

    async def take_login(self, state: str) -> LoginRecord | None:
        """The login in progress, which ends with this: of several callers only one gets it."""

        def work(db: Any) -> LoginRecord | None:
            record = self._login(db, state)
            LoginRow.delete().where(LoginRow.state == state).execute(db)
            return record

        return await self._database.write(work)

    def _login(self, db: Any, state: str) -> LoginRecord | None:
        live = (LoginRow.state == state) & (LoginRow.expires_at > self._clock())
        row = first_row(db, LoginRow.select().where(live))
        if row is None:
            return None
        try:
            row["data"] = orjson.loads(self._vault.unseal(SEALED_AS, state, row["data"]))
        except VaultLocked:
            return None  # damaged: as good as expired, the user begins again
        return LoginRecord(**row)
