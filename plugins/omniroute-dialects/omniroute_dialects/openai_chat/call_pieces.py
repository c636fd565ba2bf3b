"""Which tool call a streamed fragment belongs to: providers number their calls in many ways."""

from __future__ import annotations

from typing import Any

import orjson


class CallPieces:
    """A tool call in the making. ``pieces`` are kept to tell at a bare ``[DONE]`` whether it is complete."""

    __slots__ = ("id", "key", "kind", "name", "pieces")

    def __init__(self, key: int) -> None:
        self.key = key
        self.id = ""
        self.name = ""
        self.kind = ""
        self.pieces: list[str] = []

    @property
    def whole(self) -> bool:
        """Whether the arguments so far are complete JSON."""
        text = "".join(self.pieces)
        if self.kind == "custom" or not text.strip():
            return True
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            return False
        return True


class CallsInPieces:
    """The calls of one answer. Keys are running numbers from 0."""

    __slots__ = ("_by_index", "_count", "last")

    def __init__(self) -> None:
        self._by_index: dict[int, CallPieces] = {}
        self._count = 0
        self.last: CallPieces | None = None

    @property
    def whole(self) -> bool:
        """Whether no call is cut."""
        return all(call.whole for call in self._by_index.values())

    def at(self, index: Any) -> CallPieces | None:
        """The call under this index, if it is known."""
        return self._by_index.get(index) if type(index) is int else None

    def find(self, index: Any, call_id: str, name: str) -> CallPieces:
        """The call that a fragment belongs to: by its index, else by its id, else the last one.

        Some providers give every call of a turn the index 0, and some leave it out: there another id or
        another name begins another call.
        """
        if type(index) is int:
            known = self._by_index.get(index)
            if known is not None and call_id and known.id and known.id != call_id:
                other = self._by_id(call_id)
                if other is not None:
                    known = other
                elif name:
                    self._by_index[-1 - self._count] = known
                    known = None
        else:
            index = -1 - self._count  # a place of its own
            last = self.last
            known = self._by_id(call_id) if call_id else None
            if known is None and last is not None:
                if call_id:
                    known = last if not last.id and not name else None
                elif not name or not last.name or (last.name == name and not last.whole):
                    known = last
        if known is None:
            known = CallPieces(self._count)
            self._count += 1
            self._by_index[index] = known
        self.last = known
        return known

    def _by_id(self, call_id: str) -> CallPieces | None:
        return next((call for call in self._by_index.values() if call.id == call_id), None)
