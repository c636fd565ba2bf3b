"""Stillness: whether a piece of code touched files, the network or other processes.

Listens through `sys.addaudithook`, which no plugin can work around by accident. Importing modules
does not count: a hook may import what it returns.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.machinery import all_suffixes
from typing import Any

_WATCHED = (
    "open",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "sqlite3.connect",
    "subprocess.Popen",
    "os.system",
    "os.listdir",
    "os.scandir",
)
_seen: ContextVar[list[str] | None] = ContextVar("omniroute_stillness", default=None)
_listening = False


@contextmanager
def watching() -> Iterator[list[str]]:
    """Gives a list that fills with what the block does to the outside, one line each."""
    global _listening
    if not _listening:  # an audit hook cannot be taken out again, so there is one for all time
        sys.addaudithook(_notice)
        _listening = True
    seen: list[str] = []
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)


def _notice(event: str, args: tuple[Any, ...]) -> None:
    seen = _seen.get()
    if seen is None or event not in _WATCHED or _importing():
        return
    if event == "open" and str(args[0]).endswith(tuple(all_suffixes())):
        return
    seen.append(f"{event} {args[0] if args else ''}".strip())


def _importing() -> bool:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
