"""The gateway's own API keys in the store: hashes and restrictions, and the key itself, sealed, if it may be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omniroute_hooks.errors import NotFound

from core.store.database import first_row, rows
from core.store.errors import Conflict, Duplicate
from core.store.part import StorePart, new_id, require_known
from core.store.records import ApiKeyRecord
from core.store.tables import ApiKeyRow

SEALED_AS = "api_key"
CHANGEABLE = frozenset(
    {"name", "allowed_models", "allowed_connections", "is_active", "no_log", "scopes", "expires_at", "revoked_at"}
)
LISTS = ("allowed_models", "allowed_connections", "scopes")


class ApiKeys(StorePart):
    """Reading and writing API keys."""

    async def api_keys(self) -> list[ApiKeyRecord]:
        """All keys, the oldest first."""
        return await self._database.read(all_api_keys)

    async def api_key(self, key_id: str) -> ApiKeyRecord | None:
        return await self._database.read(lambda db: _find(db, key_id))

    async def create_api_key(
        self,
        *,
        name: str,
        key_hash: str,
        key_hint: str,
        key_to_seal: str | None = None,
        allowed_models: Sequence[str] = (),
        allowed_connections: Sequence[str] = (),
        no_log: bool = False,
        scopes: Sequence[str] = (),
        expires_at: float | None = None,
    ) -> ApiKeyRecord:
        """Add a key by its hash. With ``key_to_seal`` the key itself is kept, sealed, to be shown again.

        Errors: `Conflict` when the very same key is there already. Names may repeat.
        """
        key_id, now_s = new_id(), self._clock()

        def work(db: Any) -> ApiKeyRecord:
            ApiKeyRow.insert(
                id=key_id,
                name=name,
                key_hash=key_hash,
                key_hint=key_hint,
                sealed_key=None if key_to_seal is None else self._vault.seal(SEALED_AS, key_id, key_to_seal),
                allowed_models=list(allowed_models),
                allowed_connections=list(allowed_connections),
                is_active=True,
                no_log=no_log,
                scopes=list(scopes),
                created_at=now_s,
                expires_at=expires_at,
            ).execute(db)
            return _get(db, key_id)

        try:
            return await self._database.configure(work)
        except Duplicate as exc:
            raise Conflict("This API key exists already.") from exc

    async def update_api_key(self, key_id: str, **changes: Any) -> ApiKeyRecord:
        """Change some of a key's fields (`CHANGEABLE`). Errors: `NotFound`; TypeError."""
        require_known(changes, CHANGEABLE)
        values = {name: list(value) if name in LISTS else value for name, value in changes.items()}

        def work(db: Any) -> ApiKeyRecord:
            if values:
                ApiKeyRow.update(**values).where(ApiKeyRow.id == key_id).execute(db)
            return _get(db, key_id)

        return await self._database.configure(work)

    async def delete_api_key(self, key_id: str) -> bool:
        """Whether there was such a key."""
        return await self._database.configure(
            lambda db: bool(ApiKeyRow.delete().where(ApiKeyRow.id == key_id).execute(db))
        )

    async def reveal_api_key(self, key_id: str) -> str | None:
        """The key itself, or None when it was not kept. Errors: `NotFound`; `VaultLocked` for a damaged row."""

        def work(db: Any) -> str | None:
            row = first_row(db, ApiKeyRow.select(ApiKeyRow.sealed_key).where(ApiKeyRow.id == key_id))
            if row is None:
                raise NotFound("Key not found.")
            return None if row["sealed_key"] is None else self._vault.unseal(SEALED_AS, key_id, row["sealed_key"])

        return await self._database.read(work)

    async def note_api_key_use(self, used_at: Mapping[str, float]) -> None:
        """Write down when keys (id -> unix seconds) were last used. No configuration: workers need not hear of it."""

        def work(db: Any) -> None:
            for key_id, at in used_at.items():
                earlier = ApiKeyRow.last_used_at.is_null() | (ApiKeyRow.last_used_at < at)
                ApiKeyRow.update(last_used_at=at).where((ApiKeyRow.id == key_id) & earlier).execute(db)

        await self._database.write(work)


def all_api_keys(db: Any) -> list[ApiKeyRecord]:
    """Every key, inside the caller's transaction."""
    return [_record(row) for row in rows(db, ApiKeyRow.select().order_by(ApiKeyRow.created_at, ApiKeyRow.id))]


def _find(db: Any, key_id: str) -> ApiKeyRecord | None:
    row = first_row(db, ApiKeyRow.select().where(ApiKeyRow.id == key_id))
    return None if row is None else _record(row)


def _get(db: Any, key_id: str) -> ApiKeyRecord:
    record = _find(db, key_id)
    if record is None:
        raise NotFound("Key not found.")
    return record


def _record(row: dict[str, Any]) -> ApiKeyRecord:
    revealable = row.pop("sealed_key") is not None
    return ApiKeyRecord(revealable=revealable, **{**row, **{name: tuple(row[name]) for name in LISTS}})
