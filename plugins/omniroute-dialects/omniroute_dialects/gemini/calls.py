"""Calls and results that come without ids, paired as this dialect pairs them: by name and order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Pairing:
    """Gives every call of one conversation an id, and every result the id of its call.

    Made-up ids come from the position in the conversation, so a longer history begins with the same ones.
    """

    def __init__(self, contents: Iterable[Any]) -> None:
        self._taken = set(_given_ids(contents))
        self._open: list[tuple[str, str]] = []  # (id, name) of calls that still have no result
        self._made: set[str] = set()

    def call(self, given: str | None, name: str, turn: int, position: int) -> str:
        """The id of a call: its own, or one for this place."""
        id = given
        if not id:
            id = f"call_{turn}_{position}"
            while id in self._taken:
                id += "_"
            self._taken.add(id)
            self._made.add(id)
        self._open.append((id, name))
        return id

    def result(self, given: str | None, name: str, turn: int, position: int) -> str:
        """The id of the call that this result answers: by id, else the first open call of that name."""
        found = None
        if given:
            found = next((c for c in self._open if c[0] == given), None)
            if found is None:  # some clients make up ids for results of calls that had none
                found = next((c for c in self._open if c[1] == name and c[0] in self._made), None)
        else:
            found = next((c for c in self._open if c[1] == name), None)
        if found is None:
            return given or f"result_{turn}_{position}"
        self._open.remove(found)
        return found[0]


def _given_ids(contents: Iterable[Any]) -> Iterable[str]:
    for content in contents:
        parts = content.get("parts") if isinstance(content, Mapping) else None
        for part in parts if isinstance(parts, list) else ():
            call = (part.get("functionCall") or part.get("function_call")) if isinstance(part, Mapping) else None
            if isinstance(call, Mapping) and isinstance(call.get("id"), str):
                yield call["id"]
