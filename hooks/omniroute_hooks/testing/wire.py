"""Server-sent events as a strict client reads them, and as a provider writes them."""

from __future__ import annotations

import json
import re
from typing import Any

from attrs import frozen

from .expectations import must

Json = Any
_BLANK = re.compile(r"\r\n\r\n|\n\n")


@frozen
class Event:
    """One event: its name ("" if it has none) and its data."""

    name: str
    data: str

    @property
    def json(self) -> dict[str, Json]:
        """The data as a JSON object."""
        value = loads(self.data)
        must(isinstance(value, dict), f"an event's data must be a JSON object: {self.data!r}")
        return dict(value)


def dumps(value: Json) -> str:
    """Compact JSON, not escaped to ASCII, so that characters get cut in half by whoever cuts bytes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def loads(raw: str | bytes) -> Json:
    """JSON as the standard has it: no NaN, no Infinity, no repeated names."""

    def unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        names = [name for name, _ in pairs]
        must(len(names) == len(set(names)), f"a name is repeated in one object: {sorted(names)}")
        return dict(pairs)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    try:
        return json.loads(raw, object_pairs_hook=unique, parse_constant=refuse)
    except ValueError as exc:
        raise AssertionError(f"not JSON: {raw[:200]!r}: {exc}") from exc


def sse(data: Json, event: str = "", end: str = "\n") -> bytes:
    """One event on the wire; ``end`` is what the provider ends its lines with."""
    words = data if isinstance(data, str) else dumps(data)
    head = f"event: {event}{end}" if event else ""
    return f"{head}data: {words}{end}{end}".encode()


def events(stream: bytes, *, comments: bool = True) -> list[Event]:
    """All events of a finished stream.

    Errors: `AssertionError` on bad UTF-8, an event without its blank line, without data or with several
    data lines, fields other than ``event`` and ``data``, and comments where the dialect allows none.
    """
    *blocks, rest = _BLANK.split(stream.decode("utf-8", "strict"))
    must(not rest, f"the last event is not finished by a blank line: {rest[:200]!r}")
    out = []
    for block in blocks:
        name, data = "", []
        for line in block.splitlines():
            if line.startswith(":"):
                must(comments, f"this dialect's clients choke on comments: {line!r}")
            elif line.startswith("data: "):
                data.append(line[6:])
            elif line.startswith("event: "):
                name = line[7:]
            else:
                raise AssertionError(f"neither event nor data: {line[:200]!r}")
        must(len(data) <= 1, f"an event has {len(data)} data lines")
        must(data or not name, f"the event {name} has no data")
        if data:
            out.append(Event(name, data[0]))
    return out


def pieces(text: str, count: int = 3) -> list[str]:
    """``text`` cut into up to ``count`` non-empty pieces, as a model's tokens come."""
    size = max(1, -(-len(text) // count))
    return [text[i : i + size] for i in range(0, len(text), size)]
