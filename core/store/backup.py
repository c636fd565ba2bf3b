"""Copies of a SQLite file: made while it may be in use, checked, and bounded in number."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from core.store.errors import StoreBusy, StoreCorrupt, StoreError

BACKUP_DIR = "backups"
KEPT_MIGRATION_COPIES = 10
SIDE_FILES = ("-wal", "-shm", "-journal")


def make_private_dir(path: Path) -> None:
    """Make ``path``, open to its owner only. One that is there already keeps the rights its owner gave it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make the empty file ``path``, readable by its owner only. SQLite gives its side files the same rights.

    Errors: FileExistsError.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A plain connection to ``path`` whose errors say what they mean for the user's store.

    Errors: `StoreCorrupt` for a damaged file, `StoreBusy` for a locked one, `StoreError` for anything else.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
            yield connection
    except sqlite3.OperationalError as exc:
        if "locked" in str(exc) or "busy" in str(exc):
            raise StoreBusy(f"{path} is in use by another program ({exc}).") from exc
        raise StoreError(f"{path} cannot be used: {exc}.") from exc
    except sqlite3.DatabaseError as exc:
        raise StoreCorrupt(damaged(path, str(exc))) from exc


def damaged(path: Path, reason: str) -> str:
    return (
        f"{path} is damaged ({reason}). It was left as it is. Put back the newest good copy from "
        f"{path.parent / BACKUP_DIR}, or move the file away to begin with a new store."
    )


def check_file(path: Path) -> None:
    """Check every page, index and foreign key of the file. Errors: `StoreCorrupt` with the first finding."""
    with reading(path) as connection:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != ("ok",):
            raise StoreCorrupt(damaged(path, str(found[0] if found else "no answer")))
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise StoreCorrupt(damaged(path, f"a row of {broken[0]} refers to a missing row of {broken[2]}"))


def copy_file(source: Path, target: Path) -> None:
    """Copy a database with everything that is committed, also while others write to it. ``target`` must not exist.

    Errors: FileExistsError, and those of `reading`.
    """
    make_private_file(target)
    try:
        with reading(source) as origin, contextlib.closing(sqlite3.connect(target)) as copy:
            origin.backup(copy)
            # A copy has no reader of its own yet, so it needs no side files beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
        sync_file(target)
    except BaseException:
        remove_file(target)
        raise


def remove_file(path: Path) -> None:
    """Remove a database that is ours to remove (a draft or an old copy), with its side files."""
    for each in (path, *(path.with_name(path.name + side) for side in SIDE_FILES)):
        each.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Have the file's content on the disk before anything refers to it."""
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_dir(path: Path) -> None:
    """Have a rename inside the directory on the disk. Only POSIX systems can and need to."""
    if os.name == "posix":
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def keep_migration_copy(database: Path, version: int) -> Path:
    """Copy the store as it is before a migration into the backups, and drop the oldest such copies."""
    folder = database.parent / BACKUP_DIR
    make_private_dir(folder)
    stem = f"{database.stem}-before-migration"
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target, again = folder / f"{stem}-{stamp}-v{version}.db", 0
    while target.exists():
        again += 1
        target = folder / f"{stem}-{stamp}-v{version}.{again}.db"
    copy_file(database, target)

    ours = re.compile(re.escape(stem) + r"-\d{8}T\d{6}Z-v\d+(\.\d+)?\.db")
    copies = [each for each in folder.iterdir() if ours.fullmatch(each.name)]
    copies.sort(key=lambda each: (each.stat().st_mtime_ns, each.name))
    for old in copies[:-KEPT_MIGRATION_COPIES]:
        remove_file(old)
    return target
