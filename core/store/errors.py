"""What can go wrong with the store.

`StoreError` and its kin are for whoever starts the gateway: each message says what happened, that nothing
was changed, and what to do. `Conflict` is for a caller of the management API.
"""

from __future__ import annotations

from omniroute_hooks.errors import GatewayError


class StoreError(Exception):
    """The store cannot be used as things stand."""


class StoreCorrupt(StoreError):
    """The database file is damaged, or is not one of ours."""


class StoreTooNew(StoreError):
    """A newer release has written this store."""


class StoreBusy(StoreError):
    """Another process holds the store for too long."""


class MigrationFailed(StoreError):
    """A migration did not work on the copy; the store itself is as it was."""


class VaultLocked(StoreError):
    """Sealed values cannot be opened with the key at hand."""


class LeaseLost(StoreError):
    """The lease that a write depended on has expired and passed on, or was cleared by a newer write."""


class Duplicate(StoreError):
    """A write met a unique name or key that is taken. The parts of the store turn it into a `Conflict` with words."""


class Conflict(GatewayError):
    """A record with the same unique name exists already; nothing was written."""

    status, code, kind, blames = 409, "conflict", "bad_request", "caller"
