"""Values by namespace and key: the settings that change at run time, aliases, custom models, ..."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.store.database import first_row, rows
from core.store.part import StorePart
from core.store.tables import KeyValueRow

SETTINGS = "settings"


class KeyValues(StorePart):
    """Reading and writing values. A value is anything JSON can say, None included."""

    async def get_values(self, namespace: str) -> dict[str, Any]:
        """All values of a namespace, by key."""
        return await self._database.read(lambda db: _of_namespace(db, namespace))

    async def get_value(self, namespace: str, key: str, default: Any = None) -> Any:
        def work(db: Any) -> Any:
            here = (KeyValueRow.namespace == namespace) & (KeyValueRow.key == key)
            row = first_row(db, KeyValueRow.select(KeyValueRow.value).where(here))
            return default if row is None else row["value"]

        return await self._database.read(work)

    async def set_value(self, namespace: str, key: str, value: Any) -> None:
        await self._database.configure(lambda db: _put(db, namespace, key, value))

    async def delete_value(self, namespace: str, key: str) -> bool:
        """Whether there was such a value."""
        return await self._database.configure(lambda db: _drop(db, namespace, key))

    async def settings(self) -> dict[str, Any]:
        """The settings that were ever changed, by name. Defaults are the reader's business."""
        return await self.get_values(SETTINGS)

    async def patch_settings(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings, all or none; None takes one back to its default. Returns all settings."""

        def work(db: Any) -> dict[str, Any]:
            for key, value in changes.items():
                if value is None:
                    _drop(db, SETTINGS, key)
                else:
                    _put(db, SETTINGS, key, value)
            return _of_namespace(db, SETTINGS)

        return await self._database.configure(work)


def all_values(db: Any) -> dict[str, dict[str, Any]]:
    """Every value by namespace and key, inside the caller's transaction."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows(db, KeyValueRow.select().order_by(KeyValueRow.namespace, KeyValueRow.key)):
        found.setdefault(row["namespace"], {})[row["key"]] = row["value"]
    return found


def _of_namespace(db: Any, namespace: str) -> dict[str, Any]:
    query = KeyValueRow.select().where(KeyValueRow.namespace == namespace).order_by(KeyValueRow.key)
    return {row["key"]: row["value"] for row in rows(db, query)}


def _put(db: Any, namespace: str, key: str, value: Any) -> None:
    KeyValueRow.insert(namespace=namespace, key=key, value=value).on_conflict(
        conflict_target=[KeyValueRow.namespace, KeyValueRow.key], preserve=[KeyValueRow.value]
    ).execute(db)


def _drop(db: Any, namespace: str, key: str) -> bool:
    here = (KeyValueRow.namespace == namespace) & (KeyValueRow.key == key)
    return bool(KeyValueRow.delete().where(here).execute(db))
