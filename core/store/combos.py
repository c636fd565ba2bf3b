"""Combos in the store, in the order that the user gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omniroute_hooks.errors import NotFound
from peewee import fn

from core.store.database import first_row, rows
from core.store.errors import Conflict, Duplicate
from core.store.part import StorePart, new_id, require_known
from core.store.records import ComboRecord
from core.store.tables import ComboRow

CHANGEABLE = frozenset({"name", "models", "strategy", "config", "is_active"})


class Combos(StorePart):
    """Reading and writing combos. What ``models`` and ``config`` mean: `core.gateway.naming.combos`."""

    async def combos(self) -> list[ComboRecord]:
        """All combos, in the user's order."""
        return await self._database.read(all_combos)

    async def combo(self, combo_id: str) -> ComboRecord | None:
        return await self._database.read(lambda db: _find(db, combo_id))

    async def create_combo(
        self,
        *,
        name: str,
        models: Sequence[Any],
        strategy: str = "",
        config: Mapping[str, Any] | None = None,
        is_active: bool = True,
    ) -> ComboRecord:
        """Add a combo behind the others. Errors: `Conflict` when another one has that name."""
        combo_id, now_s = new_id(), self._clock()

        def work(db: Any) -> ComboRecord:
            last = rows(db, ComboRow.select(fn.MAX(ComboRow.sort_order).alias("last")))[0]["last"]
            ComboRow.insert(
                id=combo_id,
                name=name,
                models=list(models),
                strategy=strategy,
                config=dict(config or {}),
                sort_order=0 if last is None else int(last) + 1,
                is_active=is_active,
                created_at=now_s,
                updated_at=now_s,
            ).execute(db)
            return _get(db, combo_id)

        try:
            return await self._database.configure(work)
        except Duplicate as exc:
            raise _taken(name) from exc

    async def update_combo(self, combo_id: str, **changes: Any) -> ComboRecord:
        """Change some of a combo's fields (`CHANGEABLE`). Steps of other combos follow a new name.

        Errors: `NotFound`; `Conflict` when another combo has that name; TypeError.
        """
        require_known(changes, CHANGEABLE)
        now_s = self._clock()

        def work(db: Any) -> ComboRecord:
            old = _get(db, combo_id)
            ComboRow.update(**changes, updated_at=now_s).where(ComboRow.id == combo_id).execute(db)
            if changes.get("name", old.name) != old.name:
                _follow(db, old.name, changes["name"], now_s)
            return _get(db, combo_id)

        try:
            return await self._database.configure(work)
        except Duplicate as exc:
            raise _taken(changes.get("name")) from exc

    async def delete_combo(self, combo_id: str) -> bool:
        """Whether there was such a combo. Others that name it keep a step that is passed over."""
        return await self._database.configure(
            lambda db: bool(ComboRow.delete().where(ComboRow.id == combo_id).execute(db))
        )

    async def reorder_combos(self, combo_ids: Sequence[str]) -> list[ComboRecord]:
        """Put the named combos first, in this order; the others keep theirs behind them. Unknown ids do nothing."""

        def work(db: Any) -> list[ComboRecord]:
            place = {id_: place for place, id_ in reversed(list(enumerate(combo_ids)))}
            known = all_combos(db)
            known.sort(key=lambda combo: place.get(combo.id, len(combo_ids)))
            for number, combo in enumerate(known):
                if combo.sort_order != number:
                    ComboRow.update(sort_order=number).where(ComboRow.id == combo.id).execute(db)
            return all_combos(db)

        return await self._database.configure(work)


def all_combos(db: Any) -> list[ComboRecord]:
    """Every combo, inside the caller's transaction."""
    return [_record(row) for row in rows(db, ComboRow.select().order_by(ComboRow.sort_order, ComboRow.name))]


def _follow(db: Any, old: str, new: str, now_s: float) -> None:
    """Steps that name a combo outright go on meaning it. Those that are models' names stay as they are."""
    for combo in all_combos(db):
        models = [
            {**step, "comboName": new} if isinstance(step, dict) and step.get("comboName") == old else step
            for step in combo.models
        ]
        if models != list(combo.models):
            ComboRow.update(models=models, updated_at=now_s).where(ComboRow.id == combo.id).execute(db)


def _find(db: Any, combo_id: str) -> ComboRecord | None:
    row = first_row(db, ComboRow.select().where(ComboRow.id == combo_id))
    return None if row is None else _record(row)


def _get(db: Any, combo_id: str) -> ComboRecord:
    record = _find(db, combo_id)
    if record is None:
        raise NotFound("Combo not found.")
    return record


def _record(row: dict[str, Any]) -> ComboRecord:
    return ComboRecord(**{**row, "models": tuple(row["models"])})


def _taken(name: object) -> Conflict:
    return Conflict(f"Combo name already exists: {name!r}.")
