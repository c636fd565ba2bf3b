"""Characters cut in half: a provider that splits text by UTF-16 units sends a surrogate pair in two deltas."""

from __future__ import annotations

from collections.abc import Hashable


class Halves:
    """Holds the first half of a character back until the second comes; one place per part of the answer."""

    def __init__(self) -> None:
        self._held: dict[Hashable, str] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def join(self, key: Hashable, text: str) -> str:
        """``text`` with whole characters only; halves without a partner become U+FFFD."""
        text = self._held.pop(key, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._held[key] = text[-1]
            text = text[:-1]
        if text.isascii():
            return text
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
