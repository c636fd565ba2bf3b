"""The usage log: one record for each upstream attempt, appended to ``usage.db``, never in the way of a request.

`UsageLog.record` appends to a bounded queue in memory; a worker thread writes what has gathered about twice a second.
The file is separate from the configuration store, so its size and its writes cost that one nothing. It is
written with plain SQL and not through models, because a busy gateway writes thousands of rows a second and shares
its interpreter lock with this thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from attrs import fields

from core.ledger.usage_record import UsageRecord, UsageTotals
from core.ledger.usage_schema import (
    COLUMNS,
    INSERT,
    SCHEMA_VERSION,
    Wanted,
    grouped,
    record_of,
    requests_sql,
    scripts_from,
    values_of,
)
from core.store.backup import make_private_dir, make_private_file
from core.store.errors import StoreBusy, StoreCorrupt, StoreError, StoreTooNew

logger = logging.getLogger(__name__)

T = TypeVar("T")

QUEUE_SIZE = 20_000
FLUSH_EVERY_S = 0.5
PRUNE_EVERY_S = 3600.0
PRUNE_ROWS = 5_000  # at a time, so that a large clean-up does not keep other processes from writing
BUSY_TIMEOUT_S = 5.0

# What SQLite and its driver raise for a value they cannot take, such as half of a surrogate pair in a model's name.
UNWRITABLE = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, UnicodeError, OverflowError)


class UsageLog:
    """The open log. Several processes may have the same file open."""

    def __init__(
        self,
        path: Path,
        executor: ThreadPoolExecutor,
        *,
        clock: Callable[[], float],
        queue_size: int,
        max_age_days: float,
        max_rows: int,
        busy_timeout_s: float,
    ) -> None:
        self._path = path
        self._executor = executor
        self._clock = clock
        self._queue: deque[UsageRecord] = deque()
        self._queue_size = queue_size
        self._max_age_s = max_age_days * 24 * 3600
        self._max_rows = max_rows
        self._busy_timeout_s = busy_timeout_s
        self._pruned_at: float | None = None
        self._dropped = 0
        self._dropped_and_told = 0
        self._connection: sqlite3.Connection | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._closing: Future[None] | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        queue_size: int = QUEUE_SIZE,
        max_age_days: float = 365,
        max_rows: int = 500_000,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> UsageLog:
        """Open the log, making the file if there is none, and write about twice a second from now on.

        Records older than ``max_age_days`` and all but the newest ``max_rows`` are cleared out now and then.
        Errors: `StoreCorrupt`, `StoreTooNew`, `StoreBusy`, `StoreError`; the file is left as it was.
        """
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="omniroute-usage")
        log = cls(
            path,
            executor,
            clock=clock,
            queue_size=queue_size,
            max_age_days=max_age_days,
            max_rows=max_rows,
            busy_timeout_s=busy_timeout_s,
        )
        try:
            await log._call(log._open_here)
        except BaseException:
            executor.submit(log._close_here)
            executor.shutdown(wait=False)
            raise
        log._flusher = asyncio.create_task(log._flush_now_and_then(), name="usage-log-flush")
        return log

    @property
    def dropped(self) -> int:
        """How many records were lost since the start because the queue was full."""
        return self._dropped

    def record(self, record: UsageRecord) -> None:
        """Take a record; it is written within about a second. Never blocks and never fails: when the file cannot be
        written for long enough to fill the queue, the oldest records go."""
        queue = self._queue
        if len(queue) >= self._queue_size:
            with contextlib.suppress(IndexError):  # the writer has just emptied it
                queue.popleft()
                self._dropped += 1
        queue.append(record)

    async def flush(self) -> None:
        """Write what has gathered. Errors: `StoreBusy`, `StoreError`; the records stay queued then."""
        await self._call(self._flush_here)

    async def recent(self, limit: int) -> list[UsageRecord]:
        """The last ``limit`` records, the newest first, those of other processes included."""

        def work() -> list[UsageRecord]:
            self._flush_before_reading()
            query = f"SELECT {', '.join(COLUMNS)} FROM usage ORDER BY seq DESC LIMIT ?"  # noqa: S608 (our own names)
            return [record_of(row) for row in self._query(query, (limit,))]

        return await self._call(work)

    async def requests(self, wanted: Wanted, limit: int, offset: int = 0) -> list[list[UsageRecord]]:
        """The last requests that are ``wanted``, the newest first: of each all records, in the order of attempts."""

        def work() -> list[list[UsageRecord]]:
            self._flush_before_reading()
            return grouped(self._query(*requests_sql(wanted, limit, offset)))

        return await self._call(work)

    async def totals(self, *, since_s: float | None = None) -> UsageTotals:
        """Sums over all records, or over those from ``since_s`` (unix seconds) on."""

        def work() -> UsageTotals:
            self._flush_before_reading()
            query = (
                "SELECT coalesce(sum(final), 0), "
                "coalesce(sum(CASE WHEN final AND (status >= 400 OR error_code IS NOT NULL) THEN 1 ELSE 0 END), 0), "
                "coalesce(sum(provider <> ''), 0), "
                "coalesce(sum(input_fresh), 0), coalesce(sum(cache_read), 0), "
                "coalesce(sum(cache_write_5m + cache_write_1h + cache_write_other), 0), "
                "coalesce(sum(output_visible), 0), coalesce(sum(reasoning), 0), coalesce(sum(cost_usd), 0.0), "
                "count(*) - count(cost_usd) FROM usage WHERE at >= ?"
            )
            (row,) = self._query(query, (float("-inf") if since_s is None else since_s,))
            names = (each.name for each in fields(UsageTotals))
            return UsageTotals(**dict(zip(names, row, strict=True)))

        return await self._call(work)

    async def prune(self) -> int:
        """Clear out what is too old or too much, now. How many records went."""
        return await self._call(self._prune_here)

    async def aclose(self) -> None:
        """Write what is left and close the file. Harmless when done twice."""
        if self._closing is None:
            if self._flusher is not None:
                self._flusher.cancel()
            self._closing = self._executor.submit(self._close_here)
            self._executor.shutdown(wait=False)
        # Shielded: a cancelled caller must not keep the last records from being written.
        await asyncio.shield(asyncio.wrap_future(self._closing))

    async def __aenter__(self) -> UsageLog:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def _flush_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                if self._queue:
                    await self.flush()
                if self._pruned_at is None or self._clock() - self._pruned_at >= PRUNE_EVERY_S:
                    self._pruned_at = self._clock()
                    await self.prune()
            except StoreError as exc:
                logger.warning("Usage records could not be written; they are kept and tried again: %s", exc)
            except Exception:
                logger.exception("The usage log stumbled; it goes on.")

    # Below: on the worker thread only.

    def _open_here(self) -> None:
        with self._errors():
            make_private_dir(self._path.parent)
            with contextlib.suppress(FileExistsError):
                make_private_file(self._path)
            self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=self._busy_timeout_s)
            with self._transaction() as connection:  # whoever is first makes the tables
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
                if version > SCHEMA_VERSION:
                    raise StoreTooNew(
                        f"{self._path} was written by a newer release of OmniRoute. Install that release again, or "
                        "move the file away to begin a new log. Nothing was changed."
                    )
                if version == 0 and tables:
                    raise StoreCorrupt(f"{self._path} is a database of some other program. Nothing was changed.")
                for script in scripts_from(version):
                    for statement in script.split(";"):
                        connection.execute(statement)
                if version != SCHEMA_VERSION:
                    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            self._enter_wal()

    def _enter_wal(self) -> None:
        """Switch to write-ahead logging, which stays with the file."""
        connection = self._require_connection()
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                # SQLite does not wait here by itself when another process is switching at the same moment.
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.02)
        # A power cut may cost the last moments of the log, and spares the disk a flush for every batch.
        connection.execute("PRAGMA synchronous = NORMAL")

    def _flush_here(self) -> None:
        self._warn_of_dropped()
        batch: list[UsageRecord] = []
        with contextlib.suppress(IndexError):
            while True:
                batch.append(self._queue.popleft())
        if not batch:
            return
        try:
            try:
                self._write(batch)
            except UNWRITABLE:
                self._write_one_by_one(batch)
        except BaseException:
            # Back to the front of the queue, the oldest giving way if it has filled up meanwhile. Should some have
            # been written after all, their ids keep them from being counted twice.
            room = max(self._queue_size - len(self._queue), 0)
            self._dropped += max(len(batch) - room, 0)
            self._queue.extendleft(reversed(batch[max(len(batch) - room, 0) :]))
            raise

    def _write(self, batch: Sequence[UsageRecord]) -> None:
        with self._errors(), self._transaction() as connection:
            connection.executemany(INSERT, map(values_of, batch))

    def _write_one_by_one(self, batch: Sequence[UsageRecord]) -> None:
        """A record that no database can hold costs only itself, not those that queue behind it."""
        for record in batch:
            try:
                self._write([record])
            except UNWRITABLE as exc:
                self._dropped += 1
                logger.warning("A usage record cannot be written; request %r: %r", record.request_id, exc)

    def _flush_before_reading(self) -> None:
        # Another process may be writing; what is in the file can be read all the same.
        with contextlib.suppress(StoreBusy):
            self._flush_here()

    def _warn_of_dropped(self) -> None:
        lost = self._dropped - self._dropped_and_told
        if lost:
            self._dropped_and_told += lost
            logger.warning("Usage records were lost because the queue was full: %d, %d in all.", lost, self._dropped)

    def _prune_here(self) -> int:
        gone = 0
        (newest,) = self._query("SELECT coalesce(max(seq), 0) FROM usage", ())[0]
        # Rows are numbered without gaps but for those cleared out at the old end, so a number tells their count.
        limits = (("at < ?", self._clock() - self._max_age_s), ("seq <= ?", newest - self._max_rows))
        for condition, bound in limits:
            some = f"SELECT seq FROM usage WHERE {condition} ORDER BY seq LIMIT {PRUNE_ROWS}"  # noqa: S608 (ours)
            statement = f"DELETE FROM usage WHERE seq IN ({some})"  # noqa: S608 (ours)
            while True:
                with self._errors(), self._transaction() as connection:
                    removed = connection.execute(statement, (bound,)).rowcount
                gone += removed
                if removed < PRUNE_ROWS:
                    break
        return gone

    def _close_here(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            self._flush_here()
        except StoreError as exc:
            logger.warning("The last usage records could not be written: %d of them: %s", len(self._queue), exc)
        finally:
            self._connection = None
            connection.close()

    def _query(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._errors():
            return self._require_connection().execute(statement, values).fetchall()

    def _require_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self._path} is closed.")
        return self._connection

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._require_connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as exc:
            if "locked" in str(exc) or "busy" in str(exc):
                raise StoreBusy(
                    f"{self._path} stayed locked by another process for {self._busy_timeout_s:g} s."
                ) from exc
            raise StoreError(f"{self._path} cannot be used: {exc}.") from exc
        except UNWRITABLE:
            raise
        except sqlite3.DatabaseError as exc:
            raise StoreCorrupt(
                f"{self._path} is damaged ({exc}). It was left as it is; move it away to begin a new log."
            ) from exc
