"""What every part of the store works with. The parts (connections, keys, ...) together make `Store`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

from core.store.database import StoreDatabase
from core.store.vault import Vault


class StorePart:
    """The open database, the vault and the clock (unix seconds)."""

    def __init__(self, database: StoreDatabase, vault: Vault, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock


def new_id() -> str:
    return str(uuid.uuid4())


def require_known(changes: Mapping[str, Any], allowed: Collection[str]) -> None:
    """A change to a field that does not exist is a mistake in the program. Errors: TypeError."""
    unknown = sorted(set(changes) - set(allowed))
    if unknown:
        raise TypeError(f"these fields cannot be changed: {', '.join(unknown)}")
