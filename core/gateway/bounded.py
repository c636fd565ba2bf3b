"""A cache of a fixed size: what was not asked for longest is forgotten."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """At most ``size`` entries."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The entry, which counts as asked for now; None where there is none."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> V:
        """Keeps ``value`` and gives it back."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self.size:
            self._entries.popitem(last=False)
        return value

    def drop(self, key: K) -> None:
        """Forgets an entry, if it is there."""
        self._entries.pop(key, None)

    def items(self) -> Iterator[tuple[K, V]]:
        """All entries, the one asked for last at the end."""
        yield from self._entries.items()

    def __len__(self) -> int:
        return len(self._entries)
