"""Bringing the database file to this release's schema, so that a failure at any moment leaves the old one.

The store is copied, the copy is migrated and checked, and takes the store's name in one step. The same road
makes a new store. Nothing here ever replaces a file that cannot be read.

Two lock files stand beside the database. ``.lock`` is held by whoever is starting up, so several workers that
start at once migrate once. ``.inuse`` is held shared by every open store; a migration takes it exclusively, since
a process that still writes to the old file would lose its writes when that file is swapped.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peewee import SqliteDatabase

from core.store import backup
from core.store.errors import MigrationFailed, StoreBusy, StoreCorrupt, StoreError, StoreTooNew
from core.store.locks import FileLock
from core.store.migrations import Migration

logger = logging.getLogger(__name__)

SCHEMA_TABLE = (
    "CREATE TABLE IF NOT EXISTS schema_version "
    "(version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at DOUBLE PRECISION NOT NULL)"
)


def startup_lock(database: Path) -> FileLock:
    """Held while a store is being opened, from before `migrate` until its ``.inuse`` lock is taken."""
    return FileLock(database.with_name(database.name + ".lock"))


def use_lock(database: Path) -> FileLock:
    """Held for as long as a store is open."""
    return FileLock(database.with_name(database.name + ".inuse"), shared=True)


def migrate(database: Path, migrations: Sequence[Migration]) -> None:
    """Make or update the store at ``database``. The caller holds `startup_lock`; blocks, so not on the loop.

    Errors: `StoreCorrupt`, `StoreTooNew`, `StoreBusy` (another process uses the old schema), `MigrationFailed`.
    In every case the file is left as it was.
    """
    draft = database.with_name(database.name + ".migrating")
    backup.remove_file(draft)  # what a crash has left
    newest = migrations[-1].version
    version = schema_version(database)
    if version > newest:
        raise StoreTooNew(
            f"{database} was written by a newer release of OmniRoute (its schema is {version}, this release knows up "
            f"to {newest}). Install that release again. Nothing was changed."
        )
    if version == newest:
        return

    in_use = FileLock(database.with_name(database.name + ".inuse"), timeout_s=0)
    try:
        in_use.acquire()
    except StoreBusy:
        raise StoreBusy(
            f"Another OmniRoute process is using {database} with an older schema. Stop it, then start this release "
            "again. Nothing was changed."
        ) from None
    try:
        if version:
            _merge_side_files(database)
            kept = backup.keep_migration_copy(database, version)
            logger.info("Migrating the store; the copy from before is kept: %s", kept)
            backup.copy_file(database, draft)
        else:
            backup.make_private_file(draft)
        _apply(draft, [each for each in migrations if each.version > version])
        os.replace(draft, database)
        backup.sync_dir(database.parent)
    finally:
        backup.remove_file(draft)
        in_use.release()


def schema_version(database: Path) -> int:
    """The newest migration that the file has seen; 0 when there is no file.

    Errors: `StoreCorrupt` when there is one that cannot be read whole or is not a store of ours.
    """
    if not database.exists():
        wal = database.with_name(database.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise StoreCorrupt(
                f"{database} is missing, but {wal.name} beside it holds data of it. Put the database file back, or "
                "move both away to begin with a new store."
            )
        return 0
    if database.stat().st_size == 0:
        raise StoreCorrupt(backup.damaged(database, "it is empty"))
    with backup.reading(database) as connection:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise StoreCorrupt(backup.damaged(database, str(found[0] if found else "no answer")))
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        newest = None
        if "schema_version" in tables:
            (newest,) = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    if newest is None:
        raise StoreCorrupt(f"{database} is a database of some other program. Nothing was changed.")
    return int(newest)


def _merge_side_files(database: Path) -> None:
    """Bring the write-ahead log into the file and remove it, since it must not meet the file that comes next."""
    with backup.reading(database) as connection:
        # Leaving WAL mode does both, and fails as long as any other program has the file open.
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    wal = database.with_name(database.name + "-wal")
    if mode != "delete" or wal.exists():
        raise StoreBusy(f"{database} is open in another program. Close it and start again. Nothing was changed.")


def _apply(draft: Path, migrations: Sequence[Migration]) -> None:
    db: Any = SqliteDatabase(str(draft), pragmas={"foreign_keys": 0})
    current = "opening the copy"
    try:
        try:
            db.connect()
            for migration in migrations:
                current = f"migration {migration.version} ({migration.name})"
                with db.atomic("IMMEDIATE"):
                    db.execute_sql(SCHEMA_TABLE)
                    migration.apply(db)
                    db.execute_sql(
                        "INSERT INTO schema_version (version, name, applied_at) VALUES (?, ?, ?)",
                        (migration.version, migration.name, time.time()),
                    )
        finally:
            if not db.is_closed():
                db.close()
        current = "the check of the migrated copy"
        backup.check_file(draft)
        with backup.reading(draft) as connection:
            # Stays with the file. Set here, under the lock: two processes switching at once get "locked".
            connection.execute("PRAGMA journal_mode = WAL")
        backup.sync_file(draft)
    except Exception as exc:
        reason = exc if isinstance(exc, StoreError) else f"{type(exc).__name__}: {exc}"
        raise MigrationFailed(
            f"The store could not be brought to this release's schema; {current} failed ({reason}). The store itself "
            "was not changed: the release that wrote it still works with it."
        ) from exc
