"""Connections in the store: their sealed credentials, and the lease under which one of many callers refreshes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from omniroute_hooks.errors import NotFound
from peewee import fn

from core.store.database import first_row, rows
from core.store.errors import Conflict, Duplicate, LeaseLost, VaultLocked
from core.store.part import StorePart, new_id, require_known
from core.store.records import AuthType, ConnectionRecord, ConnectionState
from core.store.tables import ConnectionRow
from core.store.vault import Vault

logger = logging.getLogger(__name__)

SEALED_AS = "connection"
UNREADABLE = "The stored credential cannot be unsealed. Enter it again."
CHANGEABLE = frozenset(
    {
        "auth_type",
        "name",
        "email",
        "priority",
        "is_active",
        "default_model",
        "max_concurrent",
        "credential",
        "provider_specific_data",
        "expires_at",
        "state",
        "last_error",
        "last_error_at",
    }
)


class Connections(StorePart):
    """Reading, writing and refreshing connections."""

    async def connections(self) -> list[ConnectionRecord]:
        """All connections: by provider, then priority, then age."""
        return await self._database.read(lambda db: all_connections(db, self._vault))

    async def connection(self, connection_id: str) -> ConnectionRecord | None:
        return await self._database.read(lambda db: _find(db, self._vault, connection_id))

    async def create_connection(
        self,
        *,
        provider: str,
        auth_type: AuthType,
        name: str,
        credential: Mapping[str, Any],
        email: str | None = None,
        priority: int | None = None,
        is_active: bool = True,
        default_model: str | None = None,
        max_concurrent: int | None = None,
        provider_specific_data: Mapping[str, Any] | None = None,
        expires_at: float | None = None,
        state: ConnectionState = "unknown",
    ) -> ConnectionRecord:
        """Add a connection; without ``priority`` it comes last among its provider's. ``credential`` is sealed and
        holds JSON values; ``provider_specific_data`` is kept as it is and must hold no secret.

        Errors: `Conflict` when the provider has a connection of that name.
        """
        connection_id, now_s = new_id(), self._clock()

        def work(db: Any) -> ConnectionRecord:
            rank = _last_priority(db, provider) + 1 if priority is None else priority
            ConnectionRow.insert(
                id=connection_id,
                provider=provider,
                auth_type=auth_type,
                name=name,
                email=email,
                priority=rank,
                is_active=is_active,
                default_model=default_model,
                max_concurrent=max_concurrent,
                secret=_seal(self._vault, connection_id, credential),
                provider_specific_data=dict(provider_specific_data or {}),
                expires_at=expires_at,
                state=state,
                created_at=now_s,
                updated_at=now_s,
            ).execute(db)
            return _get(db, self._vault, connection_id)

        try:
            return await self._database.configure(work)
        except Duplicate as exc:
            raise Conflict(f"Provider {provider!r} already has a connection named {name!r}.") from exc

    async def update_connection(self, connection_id: str, **changes: Any) -> ConnectionRecord:
        """Change some of a connection's fields (`CHANGEABLE`). A new ``credential`` also ends a refresh that is
        under way, so that its result cannot overwrite what the user has just entered.

        Errors: `NotFound`; `Conflict` when the provider has another connection of that name; TypeError.
        """
        require_known(changes, CHANGEABLE)
        values = {**changes, "updated_at": self._clock()}
        if "credential" in values:
            values["secret"] = _seal(self._vault, connection_id, values.pop("credential"))
            values |= {"refresh_lease_owner": None, "refresh_lease_until": None}

        def work(db: Any) -> ConnectionRecord:
            ConnectionRow.update(**values).where(ConnectionRow.id == connection_id).execute(db)
            return _get(db, self._vault, connection_id)

        try:
            return await self._database.configure(work)
        except Duplicate as exc:
            raise Conflict(f"The provider already has a connection named {changes.get('name')!r}.") from exc

    async def delete_connection(self, connection_id: str) -> bool:
        """Whether there was such a connection. API keys limited to it stay limited: they may then use none."""
        return await self._database.configure(
            lambda db: bool(ConnectionRow.delete().where(ConnectionRow.id == connection_id).execute(db))
        )

    async def begin_refresh(
        self, connection_id: str, owner: str, now_s: float, ttl_s: float
    ) -> ConnectionRecord | None:
        """Take the right to refresh this connection's credential, among all processes, for ``ttl_s`` seconds.

        Returns the row as it is now, or None when somebody holds that right, the same ``owner`` included. Look at
        the credential again before spending it: another process may have refreshed it since you last read it.
        The right ends with `finish_refresh` or `abandon_refresh`, or by itself after ``ttl_s`` (a crash).

        Errors: `NotFound`.
        """

        def work(db: Any) -> ConnectionRecord | None:
            record = _get(db, self._vault, connection_id)
            if record.refresh_lease_until is not None and record.refresh_lease_until > now_s:
                return None
            ConnectionRow.update(refresh_lease_owner=owner, refresh_lease_until=now_s + ttl_s).where(
                ConnectionRow.id == connection_id
            ).execute(db)
            return _get(db, self._vault, connection_id)

        return await self._database.write(work)

    async def finish_refresh(
        self, connection_id: str, owner: str, credential: Mapping[str, Any], expires_at: float | None
    ) -> ConnectionRecord:
        """Keep the refreshed credential and give up the right to refresh. An expired connection is active again.

        Errors: `LeaseLost` when the right has passed to another owner or a new credential was entered meanwhile:
        what is stored then is newer, use that. `NotFound`.
        """
        now_s = self._clock()

        def work(db: Any) -> ConnectionRecord:
            record = _get(db, self._vault, connection_id)
            if record.refresh_lease_owner != owner:
                raise LeaseLost(f"The refresh of connection {connection_id} was overtaken.")
            values: dict[str, Any] = {
                "secret": _seal(self._vault, connection_id, credential),
                "expires_at": expires_at,
                "refresh_lease_owner": None,
                "refresh_lease_until": None,
                "updated_at": now_s,
            }
            if record.state in ("unknown", "expired"):
                values |= {"state": "active", "last_error": None, "last_error_at": None}
            ConnectionRow.update(**values).where(ConnectionRow.id == connection_id).execute(db)
            return _get(db, self._vault, connection_id)

        return await self._database.configure(work)

    async def abandon_refresh(self, connection_id: str, owner: str) -> None:
        """Give up the right to refresh without a new credential, so that the next caller need not wait."""
        await self._database.write(
            lambda db: (
                ConnectionRow.update(refresh_lease_owner=None, refresh_lease_until=None)
                .where((ConnectionRow.id == connection_id) & (ConnectionRow.refresh_lease_owner == owner))
                .execute(db)
            )
        )


def all_connections(db: Any, vault: Vault) -> list[ConnectionRecord]:
    """Every connection, inside the caller's transaction."""
    query = ConnectionRow.select().order_by(
        ConnectionRow.provider, ConnectionRow.priority, ConnectionRow.created_at, ConnectionRow.id
    )
    return [_record(vault, row) for row in rows(db, query)]


def _find(db: Any, vault: Vault, connection_id: str) -> ConnectionRecord | None:
    row = first_row(db, ConnectionRow.select().where(ConnectionRow.id == connection_id))
    return None if row is None else _record(vault, row)


def _get(db: Any, vault: Vault, connection_id: str) -> ConnectionRecord:
    record = _find(db, vault, connection_id)
    if record is None:
        raise NotFound("Connection not found.")
    return record


def _last_priority(db: Any, provider: str) -> int:
    query = ConnectionRow.select(fn.MAX(ConnectionRow.priority).alias("last")).where(ConnectionRow.provider == provider)
    return int(rows(db, query)[0]["last"] or 0)


def _seal(vault: Vault, connection_id: str, credential: Mapping[str, Any]) -> str:
    return vault.seal(SEALED_AS, connection_id, orjson.dumps(dict(credential)).decode())


def _record(vault: Vault, row: dict[str, Any]) -> ConnectionRecord:
    secret = row.pop("secret")
    try:
        credential = orjson.loads(vault.unseal(SEALED_AS, row["id"], secret))
    except VaultLocked:
        # The store's key was proven right when it opened, so this one row is damaged. It costs only itself.
        logger.warning("The credential of a connection cannot be unsealed; connection %s.", row["id"])
        credential = {}
        row |= {"state": "error", "last_error": UNREADABLE}
    return ConnectionRecord(credential=credential, **row)
