"""File locks between processes. The operating system drops them when their holder dies, so a crash frees them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType

from core.store.errors import StoreBusy

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

POLL_S = 0.02


class FileLock:
    """One hold on the lock file ``path``, exclusive or shared. Blocks its thread: not for the event loop.

    On Windows there are no shared locks here, and none are needed: they keep a running release's database from
    being swapped under it, and Windows refuses to replace an open file anyway.
    """

    def __init__(self, path: Path, *, shared: bool = False, timeout_s: float = 60.0) -> None:
        self._path = path
        self._shared = shared
        self._timeout_s = timeout_s
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock. Errors: `StoreBusy` after ``timeout_s`` seconds; OSError when the file cannot be made."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        deadline = time.monotonic() + self._timeout_s
        try:
            while not self._try(fd):
                if time.monotonic() >= deadline:
                    raise StoreBusy(f"Another process has been holding {self._path} for {self._timeout_s:g} s.")
                time.sleep(POLL_S)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Give the lock up; harmless when it is not held. The file stays, since deleting it would race."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def _try(self, fd: int) -> bool:
        try:
            if sys.platform == "win32":
                if not self._shared:
                    msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(fd, (fcntl.LOCK_SH if self._shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
