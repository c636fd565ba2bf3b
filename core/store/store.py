"""The store: configuration that outlives a restart, in ``DATA_DIR/omniroute.db``.

Its methods come from the parts, one module a resource. Nothing here is for the hot path: that reads a snapshot
built from `Store.load_all`, rebuilt when `Store.version` goes up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from core.settings import Settings
from core.store.combos import Combos, all_combos
from core.store.connections import Connections, all_connections
from core.store.coordination import Coordination
from core.store.database import config_version, first_row, open_database
from core.store.key_values import KeyValues, all_values
from core.store.keys import ApiKeys, all_api_keys
from core.store.logins import Logins
from core.store.migrations import Migration, known_migrations
from core.store.nodes import Nodes, all_nodes
from core.store.records import StoreContents
from core.store.rests import Rests
from core.store.tables import VaultCheckRow
from core.store.vault import Vault, open_vault

FILE_NAME = "omniroute.db"


class Store(Connections, Nodes, Combos, ApiKeys, KeyValues, Logins, Rests, Coordination):
    """The open store. ``async with await Store.open(settings) as store: ...``"""

    @classmethod
    async def open(
        cls,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        migrations: tuple[Migration, ...] | None = None,
    ) -> Store:
        """Open the store of ``settings.data_dir``, making or migrating it first. Several processes may do so at once.

        ``clock`` gives unix seconds. Errors: `StoreCorrupt`, `StoreTooNew`, `StoreBusy`, `MigrationFailed`,
        `VaultLocked`, `StoreError`; the files are then left as they were, and nothing stays open.
        """
        path = settings.data_dir / FILE_NAME
        known = known_migrations() if migrations is None else migrations
        database, vault = await open_database(path, known, lambda db: _proven_vault(db, settings))
        return cls(database, vault, clock)

    @property
    def vault(self) -> Vault:
        """Seals secrets and holds the derived ones."""
        return self._vault

    async def version(self) -> int:
        """A number that goes up with every change of configuration by any process. Cheap enough to poll."""
        return await self._database.version()

    async def load_all(self) -> StoreContents:
        """The whole configuration as it was at one moment."""

        def work(db: Any) -> StoreContents:
            return StoreContents(
                version=config_version(db),
                connections=tuple(all_connections(db, self._vault)),
                nodes=tuple(all_nodes(db)),
                api_keys=tuple(all_api_keys(db)),
                combos=tuple(all_combos(db)),
                key_values=all_values(db),
            )

        return await self._database.read(work)

    async def aclose(self) -> None:
        """Close the database. Harmless when done twice."""
        await self._database.aclose()

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _proven_vault(db: Any, settings: Settings) -> Vault:
    """The vault whose key this store was sealed with; a new store takes the key at hand.

    Errors: `VaultLocked` when the key is missing or another one.
    """
    known = first_row(db, VaultCheckRow.select())
    vault = open_vault(settings, may_create=known is None)
    if known is None:
        VaultCheckRow.insert(id=1, proof=vault.proof()).execute(db)
    else:
        vault.verify(known["proof"])
    return vault
