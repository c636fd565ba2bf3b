"""One database, one worker thread: the only place where the store meets blocking calls.

Work is a plain function that gets the database and runs inside one transaction on that thread, so a caller sees
either all of it or nothing. A cancelled caller does not stop work that has begun; it is then finished, or undone
by its own error.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from peewee import DatabaseError, IntegrityError, OperationalError, SqliteDatabase

from core.store import backup, migrate
from core.store.errors import Duplicate, StoreBusy, StoreCorrupt, StoreError
from core.store.migrations import Migration
from core.store.tables import ConfigVersionRow
from core.store.vault import Vault

T = TypeVar("T")

BUSY_TIMEOUT_S = 10.0
PRAGMAS = {
    "journal_mode": "wal",
    # Every commit reaches the disk: a refresh token that was spent and then lost locks the user out.
    "synchronous": "full",
    "foreign_keys": 1,
}


class StoreDatabase:
    """The open configuration database. Made by `open_database`; every method may be used from the event loop."""

    def __init__(self, path: Path, executor: ThreadPoolExecutor) -> None:
        self.path = path
        self._executor = executor
        self._db = SqliteDatabase(str(path), pragmas=PRAGMAS, timeout=BUSY_TIMEOUT_S, autoconnect=False)
        self._use_lock = migrate.use_lock(path)
        self._closing: Future[None] | None = None

    async def read(self, work: Callable[[Any], T]) -> T:
        """Run ``work(db)`` on one consistent state of the database."""
        return await self.call(lambda: self._transaction(work, "DEFERRED"))

    async def write(self, work: Callable[[Any], T]) -> T:
        """Run ``work(db)`` with the write lock held from the start, so that what it reads stays true.

        For state that is no configuration: sessions, leases, live state.
        """
        return await self.call(lambda: self._transaction(work, "IMMEDIATE"))

    async def configure(self, work: Callable[[Any], T]) -> T:
        """As `write`, and the configuration's version goes up with the change, which tells every worker."""

        def bumped(db: Any) -> T:
            result = work(db)
            ConfigVersionRow.update(version=ConfigVersionRow.version + 1).execute(db)
            return result

        return await self.write(bumped)

    async def version(self) -> int:
        """The configuration's version, with every process's writes. One short query, for polling."""
        return await self.call(lambda: self._transaction(config_version, None))

    async def call(self, work: Callable[[], T]) -> T:
        """Run ``work`` on the worker thread, outside of any transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def aclose(self) -> None:
        """Finish the work that was handed in, close the connection and end the thread. Harmless when done twice."""
        if not self._closing:
            self._closing = self._executor.submit(self.close_here)
            self._executor.shutdown(wait=False)
        # Shielded: a cancelled caller must not keep the file from being closed.
        await asyncio.shield(asyncio.wrap_future(self._closing))

    def open_here(self, migrations: tuple[Migration, ...], prepare: Callable[[Any], Vault]) -> Vault:
        """Migrate, connect, and run ``prepare(db)`` in a transaction, all before any other process may go on.
        On the worker thread only."""
        try:
            backup.make_private_dir(self.path.parent)
            with migrate.startup_lock(self.path):
                migrate.migrate(self.path, migrations)
                self._use_lock.acquire()
                with errors_of_the_database(self.path):
                    self._db.connect()
                return self._transaction(prepare, "IMMEDIATE")
        except BaseException as exc:
            self.close_here()
            if isinstance(exc, OSError):
                raise StoreError(f"{self.path.parent} cannot be used: {exc}.") from exc
            raise

    def close_here(self) -> None:
        """Let go of the file. On the worker thread only."""
        try:
            if not self._db.is_closed():
                self._db.close()
        finally:
            self._use_lock.release()

    def _transaction(self, work: Callable[[Any], T], kind: str | None) -> T:
        with errors_of_the_database(self.path):
            if kind is None:  # a single statement is a transaction of its own
                return work(self._db)
            with self._db.atomic(kind):
                return work(self._db)


@contextlib.contextmanager
def errors_of_the_database(path: Path) -> Iterator[None]:
    """Errors that the user can do something about, in words that say what; and `Duplicate`, which only the caller
    can put into words."""
    try:
        yield
    except IntegrityError as exc:
        if "unique" in str(exc).lower():  # SQLite's and Postgres's word for it
            raise Duplicate(str(exc)) from exc
        raise
    except OperationalError as exc:
        if "locked" in str(exc) or "busy" in str(exc):
            raise StoreBusy(f"{path} stayed locked by another process for {BUSY_TIMEOUT_S:g} s.") from exc
        raise StoreError(f"{path} cannot be used: {exc}.") from exc
    except DatabaseError as exc:
        raise StoreCorrupt(backup.damaged(path, str(exc))) from exc


async def open_database(
    path: Path, migrations: tuple[Migration, ...], prepare: Callable[[Any], Vault]
) -> tuple[StoreDatabase, Vault]:
    """Open the store's database, migrating it first.

    Errors: those of `migrate.migrate` and of ``prepare``; nothing stays open then.
    """
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="omniroute-store")
    database = StoreDatabase(path, executor)
    try:
        return database, await database.call(lambda: database.open_here(migrations, prepare))
    except BaseException:
        # Queued behind the opening, which a cancelled caller does not stop.
        executor.submit(database.close_here)
        executor.shutdown(wait=False)
        raise


def config_version(db: Any) -> int:
    """The configuration's version, inside a transaction of the caller's or alone."""
    return int(ConfigVersionRow.select(ConfigVersionRow.version).tuples().execute(db)[0][0])


def rows(db: Any, query: Any) -> list[dict[str, Any]]:
    """The rows of a select as dicts of plain values."""
    return list(query.dicts().execute(db))


def first_row(db: Any, query: Any) -> dict[str, Any] | None:
    """The first row of a select, or None."""
    found = rows(db, query.limit(1))
    return found[0] if found else None
