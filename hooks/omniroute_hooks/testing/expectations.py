"""Strictness: reading JSON as a suspicious client would, and saying exactly what is wrong.

Everything here raises `AssertionError`, and none of it is an ``assert`` statement: the checks
must hold under ``python -O`` too.
"""

from __future__ import annotations

from typing import Any

Json = Any


def must(condition: object, complaint: str) -> None:
    """Errors: `AssertionError` with ``complaint`` unless ``condition`` is true."""
    if not condition:
        raise AssertionError(complaint)


def text(holder: Json, name: str, *, filled: bool = False) -> str:
    """The string ``holder[name]``; with ``filled``, not an empty one."""
    value = _present(holder, name)
    must(isinstance(value, str), f"{name} must be a string, not {value!r}")
    must(value or not filled, f"{name} must not be empty")
    return str(value)


def number(holder: Json, name: str, *, least: int = 0) -> int:
    """The whole number ``holder[name]``, at least ``least``. True and 1.0 are not whole numbers."""
    value = _present(holder, name)
    must(isinstance(value, int) and not isinstance(value, bool), f"{name} must be a whole number, not {value!r}")
    must(value >= least, f"{name} must be at least {least}, not {value}")
    return int(value)


def array(holder: Json, name: str) -> list[Json]:
    """The list ``holder[name]``."""
    value = _present(holder, name)
    must(isinstance(value, list), f"{name} must be a list, not {value!r}")
    return list(value)


def mapping(holder: Json, name: str) -> dict[str, Json]:
    """The object ``holder[name]``."""
    value = _present(holder, name)
    must(isinstance(value, dict), f"{name} must be an object, not {value!r}")
    return dict(value)


def equal(holder: Json, name: str, wanted: object) -> None:
    """``holder[name]`` is exactly ``wanted``."""
    value = _present(holder, name)
    must(value == wanted and type(value) is type(wanted), f"{name} must be {wanted!r}, not {value!r}")


def one_of(holder: Json, name: str, allowed: tuple[str, ...]) -> str:
    """The string ``holder[name]``, one of ``allowed``."""
    value = text(holder, name)
    must(value in allowed, f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def present(holder: Json, *names: str) -> None:
    """All of ``names`` are there, null or not."""
    for name in names:
        _present(holder, name)


def _present(holder: Json, name: str) -> Json:
    must(isinstance(holder, dict), f"an object with {name} is missing: {holder!r}")
    must(name in holder, f"{name} is missing from {sorted(holder)}")
    return holder[name]
