"""A caller's JSON with its fields in camelCase or snake_case: the vendor's server takes both, so callers send both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from omniroute_hooks import FieldProblem
from omniroute_hooks.jsonio import json_type

from ..fields import Fields

_UPPER = re.compile(r"(?<!^)([A-Z])")
_LOWER = re.compile(r"_([a-z0-9])")


@lru_cache(maxsize=1024)
def snake(name: str) -> str:
    """ "thinkingConfig" -> "thinking_config"."""
    return _UPPER.sub(r"_\1", name).lower()


@lru_cache(maxsize=1024)
def camel(name: str) -> str:
    """ "thinking_config" -> "thinkingConfig". Only for names out of the vendor's own list."""
    return _LOWER.sub(lambda match: match[1].upper(), name)


class Body(Fields):
    """`Fields`, asked for by the camelCase name. Where both spellings are there, camelCase counts."""

    def at(self, name: str) -> str:
        """The path of a field in the caller's own spelling."""
        return super().at(name if name in self.body or snake(name) not in self.body else snake(name))

    def raw(self, name: str, default: Any = None) -> Any:
        """The value as it came, under either name."""
        value = super().raw(name)
        if value is not None:
            self._seen.add(snake(name))
            return value
        value = super().raw(snake(name))
        return default if value is None else value

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return super().has(name) or super().has(snake(name))

    def whole(self, name: str, low: int | None = None, *, required: bool = False) -> int | None:
        """An integer; protobuf's JSON also writes it as a string."""
        value = self.raw(name)
        if isinstance(value, str) and len(value) < 20 and value.lstrip("-").isdecimal():
            problem = None if low is None or int(value) >= low else f"must be at least {low}"
            if problem is None:
                return int(value)
            self.wrong(name, problem)
            return None
        return super().whole(name, low, required=required)

    def word(self, name: str) -> str | None:
        """An enumeration's value, in upper case."""
        value = self.text(name)
        return None if value is None else value.upper()

    def object(self, name: str, *, required: bool = False) -> Body | None:
        """A nested object, reporting into the same list."""
        fields = super().object(name, required=required)
        return None if fields is None else Body(fields.body, fields.path, self.problems)

    def objects(self, name: str, *, required: bool = False, filled: bool = False) -> Iterator[Body]:
        """The objects of an array. A single object counts as an array of one."""
        value = self.raw(name)
        if isinstance(value, dict):
            yield Body(value, self.at(name), self.problems)
            return
        for position, item in enumerate(self.array(name, required=required, filled=filled) or ()):
            path = f"{self.at(name)}[{position}]"
            if isinstance(item, dict):
                yield Body(item, path, self.problems)
            else:
                self.problems.append(FieldProblem(path, f"must be an object, not {json_type(item)}"))

    def rest(self, known: Sequence[str] = ()) -> dict[str, Any]:
        """Fields that were never read, under their camelCase names."""
        return {camel(name): value for name, value in super().rest(known).items() if value is not None}
