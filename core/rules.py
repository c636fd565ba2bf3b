"""Rules: what a value of a body must be like, beside its type, as in ``Annotated[str, Text(high=100)]``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Protocol
from urllib.parse import urlsplit

from attrs import frozen
from omniroute_hooks import FieldProblem
from omniroute_hooks.jsonio import dumps

Json = Any


class Wrong(ValueError):
    """A value does not fit. ``problems`` have paths relative to it ("" for the value itself)."""

    def __init__(self, problems: str | Sequence[FieldProblem]) -> None:
        self.problems = (FieldProblem("", problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("; ".join(f"{p.path} {p.problem}".strip() for p in self.problems))


class Rule(Protocol):
    """A limit on values of a type. ``check`` gives the value to use, or raises `Wrong`."""

    def check(self, value: Any) -> Any: ...


@frozen
class Text:
    """Text without blanks at its ends, ``low`` to ``high`` characters long, that matches ``pattern`` (whole)."""

    low: int = 1
    high: int = 200
    pattern: str | None = None
    says: str = "has characters that do not belong there"

    def check(self, value: str) -> str:
        value = value.strip()
        if not self.low <= len(value) <= self.high:
            raise Wrong("must not be empty" if not value else f"must have {self.low} to {self.high} characters")
        # Control characters are in no name, and would break up a header or a log line.
        if (self.pattern and not re.fullmatch(self.pattern, value)) or not value.isprintable():
            raise Wrong(self.says)
        return value


@frozen
class Secret:
    """A password as it was typed: nothing is cut off, and only its length is limited."""

    high: int = 1024

    def check(self, value: str) -> str:
        if not 1 <= len(value) <= self.high:
            raise Wrong(f"must have 1 to {self.high} characters")
        return value


@frozen
class Between:
    """A number in ``low..high``."""

    low: float
    high: float

    def check(self, value: float) -> float:
        if not self.low <= value <= self.high:
            raise Wrong(f"must be from {self.low:g} to {self.high:g}")
        return value


@frozen
class WebAddress:
    """An http or https address with a host and nothing behind its path; no credential in it."""

    def check(self, value: str) -> str:
        value = Text(high=2000).check(value)
        problem = "must be an http or https address such as https://api.example.com/v1"
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            raise Wrong(problem) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or " " in value:
            raise Wrong(problem)
        if parts.username is not None or parts.password is not None:
            raise Wrong("must not hold a user name or password; enter the key in its own field")
        if parts.query or parts.fragment:
            raise Wrong("must end with its path, without '?' or '#'")
        return value.rstrip("/")


@frozen
class Few:
    """A list of at most ``high`` different entries; a repeated one counts once."""

    high: int = 200

    def check(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(value) > self.high:
            raise Wrong(f"must have at most {self.high} entries")
        return tuple(dict.fromkeys(value))


@frozen
class Open:
    """A JSON object whose content belongs to somebody else, ``high`` bytes at most."""

    high: int = 16 * 1024

    def check(self, value: dict[str, Json]) -> dict[str, Json]:
        if len(dumps(value)) > self.high:
            raise Wrong(f"must not be larger than {self.high} bytes")
        return value


Name = Annotated[str, Text()]
Url = Annotated[str, WebAddress()]
# What a header can carry: a key pasted with a typographic dash or a line break would fail far from here.
ApiKeyText = Annotated[str, Text(high=8000, pattern=r"[\x21-\x7e]+", says="must be printable ASCII without spaces")]
Password = Annotated[str, Secret()]
