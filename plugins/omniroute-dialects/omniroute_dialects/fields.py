"""Reading a caller's JSON: every wrong field is found, named by its path, and reported in one error."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from omniroute_hooks import BadRequest, FieldProblem
from omniroute_hooks.jsonio import json_type


class Fields:
    """One JSON object of a request, read field by field.

    Wrong types are noted and read as absent, so that one pass finds them all; `check` raises them.
    null counts as absent everywhere but in `raw`. `rest` gives the fields that nobody has asked for.
    """

    def __init__(self, body: Mapping[str, Any], path: str = "", problems: list[FieldProblem] | None = None) -> None:
        self.body = body
        self.path = path
        self.problems: list[FieldProblem] = [] if problems is None else problems
        self._seen: set[str] = set()

    def at(self, name: str) -> str:
        """The path of a field, as callers read it."""
        return f"{self.path}.{name}" if self.path else name

    def wrong(self, name: str, problem: str) -> None:
        """Notes a problem with field ``name`` ("" is this object itself)."""
        self.problems.append(FieldProblem(self.at(name) if name else self.path or "body", problem))

    def check(self) -> None:
        """Errors: `BadRequest` with all that has been noted."""
        if self.problems:
            raise BadRequest.of(self.problems)

    def raw(self, name: str, default: Any = None) -> Any:
        """The value as it came."""
        self._seen.add(name)
        return self.body.get(name, default)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.body.get(name) is not None

    def text(self, name: str, *, required: bool = False) -> str | None:
        """A string."""
        return self._typed(name, str, "a string", required)  # type: ignore[no-any-return]

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        return self._typed(name, bool, "a boolean", False)  # type: ignore[no-any-return]

    def whole(self, name: str, low: int | None = None, *, required: bool = False) -> int | None:
        """An integer, at least ``low``. 3.0 counts as 3, as JSON has one kind of number."""
        value = self.raw(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None:
            if required:
                self.wrong(name, "is required")
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(name, f"must be an integer, not {json_type(value)}")
            return None
        if low is not None and value < low:
            self.wrong(name, f"must be at least {low}")
            return None
        return value

    def number(self, name: str, low: float | None = None, high: float | None = None) -> float | None:
        """A number within its bounds."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(name, f"must be a number, not {json_type(value)}")
            return None
        if (low is not None and value < low) or (high is not None and value > high):
            self.wrong(name, f"must be between {low} and {high}")
            return None
        return value

    def one_of(self, name: str, words: Collection[str]) -> str | None:
        """A string out of ``words``."""
        value = self.text(name)
        if value is not None and value not in words:
            self.wrong(name, "must be one of " + ", ".join(sorted(words)))
            return None
        return value

    def object(self, name: str, *, required: bool = False) -> Fields | None:
        """A nested object, reporting into the same list."""
        value = self._typed(name, dict, "an object", required)
        return None if value is None else Fields(value, self.at(name), self.problems)

    def mapping(self, name: str) -> dict[str, Any] | None:
        """A nested object as it came."""
        return self._typed(name, dict, "an object", False)  # type: ignore[no-any-return]

    def array(self, name: str, *, required: bool = False, filled: bool = False) -> list[Any] | None:
        """An array as it came; ``filled`` wants at least one item."""
        value = self._typed(name, list, "an array", required)
        if filled and value is not None and not value:
            self.wrong(name, "must not be empty")
        return value  # type: ignore[no-any-return]

    def objects(self, name: str, *, required: bool = False, filled: bool = False) -> Iterator[Fields]:
        """The objects of an array; items of another type are noted and passed over."""
        for position, item in enumerate(self.array(name, required=required, filled=filled) or ()):
            path = f"{self.at(name)}[{position}]"
            if isinstance(item, dict):
                yield Fields(item, path, self.problems)
            else:
                self.problems.append(FieldProblem(path, f"must be an object, not {json_type(item)}"))

    def texts(self, name: str) -> tuple[str, ...]:
        """An array of strings."""
        out: list[str] = []
        for position, item in enumerate(self.array(name) or ()):
            if isinstance(item, str):
                out.append(item)
            else:
                problem = f"must be a string, not {json_type(item)}"
                self.problems.append(FieldProblem(f"{self.at(name)}[{position}]", problem))
        return tuple(out)

    def rest(self, known: Sequence[str] = ()) -> dict[str, Any]:
        """Fields that were never read: they ride along."""
        return {k: v for k, v in self.body.items() if k not in self._seen and k not in known}

    def _typed(self, name: str, kind: type, words: str, required: bool) -> Any:
        value = self.raw(name)
        if value is None:
            if required:
                self.wrong(name, "is required")
            return None
        if not isinstance(value, kind):
            self.wrong(name, f"must be {words}, not {json_type(value)}")
            return None
        return value
