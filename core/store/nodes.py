"""Nodes in the store: upstreams that the user added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks.errors import NotFound

from core.store.database import first_row, rows
from core.store.errors import Conflict, Duplicate
from core.store.part import StorePart, new_id, require_known
from core.store.records import NodeRecord
from core.store.tables import ConnectionRow, NodeRow

CHANGEABLE = frozenset({"name", "prefix", "api_type", "base_url", "chat_path", "models_path", "provider_specific_data"})


class Nodes(StorePart):
    """Reading and writing nodes."""

    async def nodes(self) -> list[NodeRecord]:
        """All nodes, the oldest first."""
        return await self._database.read(all_nodes)

    async def node(self, node_id: str) -> NodeRecord | None:
        return await self._database.read(lambda db: _find(db, node_id))

    async def create_node(
        self,
        *,
        type: str,
        name: str,
        prefix: str,
        base_url: str,
        api_type: str | None = None,
        chat_path: str | None = None,
        models_path: str | None = None,
        provider_specific_data: Mapping[str, Any] | None = None,
    ) -> NodeRecord:
        """Add a node; its id is ``<type>-<uuid>``. Errors: `Conflict` when another node has that prefix."""
        node_id, now_s = f"{type}-{new_id()}", self._clock()

        def work(db: Any) -> NodeRecord:
            NodeRow.insert(
                id=node_id,
                type=type,
                name=name,
                prefix=prefix,
                api_type=api_type,
                base_url=base_url,
                chat_path=chat_path,
                models_path=models_path,
                provider_specific_data=dict(provider_specific_data or {}),
                created_at=now_s,
                updated_at=now_s,
            ).execute(db)
            return _get(db, node_id)

        try:
            return await self._database.configure(work)
        except Duplicate as exc:
            raise Conflict(f"Another node already uses the prefix {prefix!r}.") from exc

    async def update_node(self, node_id: str, **changes: Any) -> NodeRecord:
        """Change some of a node's fields (`CHANGEABLE`).

        Errors: `NotFound`; `Conflict` when another node has that prefix; TypeError.
        """
        require_known(changes, CHANGEABLE)

        def work(db: Any) -> NodeRecord:
            NodeRow.update(**changes, updated_at=self._clock()).where(NodeRow.id == node_id).execute(db)
            return _get(db, node_id)

        try:
            return await self._database.configure(work)
        except Duplicate as exc:
            raise Conflict(f"Another node already uses the prefix {changes.get('prefix')!r}.") from exc

    async def delete_node(self, node_id: str) -> bool:
        """Remove a node and the connections to it. Whether there was such a node."""

        def work(db: Any) -> bool:
            if not NodeRow.delete().where(NodeRow.id == node_id).execute(db):
                return False
            ConnectionRow.delete().where(ConnectionRow.provider == node_id).execute(db)
            return True

        return await self._database.configure(work)


def all_nodes(db: Any) -> list[NodeRecord]:
    """Every node, inside the caller's transaction."""
    return [NodeRecord(**row) for row in rows(db, NodeRow.select().order_by(NodeRow.created_at, NodeRow.id))]


def _find(db: Any, node_id: str) -> NodeRecord | None:
    row = first_row(db, NodeRow.select().where(NodeRow.id == node_id))
    return None if row is None else NodeRecord(**row)


def _get(db: Any, node_id: str) -> NodeRecord:
    record = _find(db, node_id)
    if record is None:
        raise NotFound("Provider node not found.")
    return record
