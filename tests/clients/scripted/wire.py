"""The shape of a dialect as a scripted model speaks it: where it listens, how it reads, how it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

from attrs import field, frozen

from scripted.plan import JsonObject, Reply, Seen


@frozen
class Wire:
    """One dialect.

    ``node`` is what the gateway's management API is told of a server that speaks it, and ``base`` the path
    that belongs to the address given there. ``endpoint`` matches the paths of a turn. ``asides`` answers the paths
    beside it (counting, model lists) from the path, or says None. ``key`` takes the caller's key out of the headers.
    """

    name: str
    node: Mapping[str, str]
    base: str
    endpoint: re.Pattern[str]
    key: Callable[[Mapping[str, str]], str | None]
    read: Callable[[str, JsonObject], Seen]
    whole: Callable[[Reply, Seen], JsonObject]
    stream: Callable[[Reply, Seen], Iterator[bytes]]
    refusal: Callable[[int, str], JsonObject]
    asides: Callable[[str], JsonObject | None] = field(default=lambda path: None)


def sse(data: JsonObject | str, event: str | None = None) -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data)
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {text}\n\n".encode()


def halves(text: str) -> tuple[str, str]:
    """`text` in two fragments, so that whoever reads a stream has to join."""
    middle = len(text) // 2
    return text[:middle], text[middle:]


def text_of(content: object) -> str:
    """The text of a content field: a string, or a list of parts of which those with text count."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else None
