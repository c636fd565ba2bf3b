"""Aliases: the user's own names for models, exact ones and patterns with ``*`` and ``?``.

``*`` stands for any characters, slashes included, ``?`` for one. An exact alias comes
before patterns; of several patterns that fit, the one with the longest text before
its first wildcard, and of those the one that stands first in the user's list. Targets
may be exact aliases again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

MAX_STEPS = 8
MAX_NAME = 300  # no model has a longer name, so no pattern is tried on one
WILDCARDS = re.compile(r"[*?]")


@frozen
class Part:
    """A piece of a pattern between two stars; ``regex`` only where there is a question mark in it."""

    text: str
    regex: re.Pattern[str] | None = None

    def begins(self, name: str, place: int) -> bool:
        """Whether it stands at ``place``."""
        if self.regex is not None:
            return self.regex.match(name, place) is not None
        return name.startswith(self.text, place)

    def find(self, name: str, place: int) -> int:
        """Its first place from ``place`` on, or -1."""
        if self.regex is None:
            return name.find(self.text, place)
        match = self.regex.search(name, place)
        return match.start() if match is not None else -1


@frozen
class Wildcard:
    """A pattern and the name it stands for. ``parts`` are the pieces between its stars."""

    pattern: str
    target: str
    order: int
    parts: tuple[Part, ...] = field(repr=False)

    def fits(self, name: str) -> bool:
        """Whether the whole name matches. Never goes back in the name, whatever the pattern."""
        first, *rest = self.parts
        if not first.begins(name, 0):
            return False
        place = len(first.text)
        if not rest:
            return place == len(name)
        *middle, last = rest
        for part in middle:  # the leftmost place leaves the most room for the parts behind it
            found = part.find(name, place)
            if found < 0:
                return False
            place = found + len(part.text)
        end = len(name) - len(last.text)
        return end >= place and last.begins(name, end)


@define
class _Bucket:
    """The patterns that begin alike. ``by_end``: by the text behind their last wildcard."""

    by_end: dict[str, list[Wildcard]] = field(factory=dict)
    end_lengths: tuple[int, ...] = ()


class Wildcards:
    """All patterns, prepared so that looking a name up does not go through them one by one."""

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self.entries = tuple(compiled(pattern, target, order) for order, (pattern, target) in enumerate(entries))
        for wildcard in self.entries:
            head, tail = _head(wildcard.pattern), _tail(wildcard.pattern)
            self._buckets.setdefault(head, _Bucket()).by_end.setdefault(tail, []).append(wildcard)
        for bucket in self._buckets.values():
            bucket.end_lengths = tuple(sorted({len(tail) for tail in bucket.by_end}))
        self._head_lengths = tuple(sorted({len(head) for head in self._buckets}, reverse=True))

    def __bool__(self) -> bool:
        return bool(self.entries)

    def find(self, name: str) -> Wildcard | None:
        """The pattern that counts for this name."""
        if len(name) > MAX_NAME:
            return None
        for length in self._head_lengths:
            bucket = self._buckets.get(name[:length]) if length <= len(name) else None
            if bucket is not None:
                found = _first(bucket, name)
                if found is not None:
                    return found
        return None


@frozen(eq=False)
class Aliases:
    """Exact aliases, and patterns."""

    exact: Mapping[str, str]
    wildcards: Wildcards

    def follow(self, name: str) -> tuple[str, bool]:
        """What a caller's name stands for in the end, and whether an alias was involved."""
        if name not in self.exact:
            wildcard = self.wildcards.find(name) if self.wildcards else None
            if wildcard is None or wildcard.target == name:
                return name, False
            return self.exactly(wildcard.target), True
        found = self.exactly(name)
        return found, found != name

    def exactly(self, name: str) -> str:
        """The same for a name that the user wrote down: a target, a step of a combo, a chain's member.

        Patterns are for what callers ask. Here a ``*`` would be put in the place of everything that the user named.
        """
        for _ in range(MAX_STEPS):
            target = self.exact.get(name)
            if target is None or target == name:
                break
            name = target
        return name


def aliases_of(exact: Mapping[str, Any], patterns: Any) -> Aliases:
    """The aliases as they are stored: exact ones by name, patterns as a list of ``{"pattern", "target"}``.

    Entries that are neither count as not there.
    """
    return Aliases({str(k): str(v) for k, v in exact.items()}, Wildcards(pattern_entries(patterns)))


def pattern_entries(stored: Any) -> list[tuple[str, str]]:
    """The stored patterns that can be used, in their order."""
    entries: Sequence[Any] = stored if isinstance(stored, list) else ()
    pairs = [(e.get("pattern"), e.get("target")) for e in entries if isinstance(e, dict)]
    return [(p, t) for p, t in pairs if isinstance(p, str) and isinstance(t, str) and WILDCARDS.search(p) and t]


def compiled(pattern: str, target: str, order: int = 0) -> Wildcard:
    """One pattern, ready to be matched."""
    return Wildcard(pattern, target, order, tuple(_part(piece) for piece in re.sub(r"\*+", "*", pattern).split("*")))


def _part(text: str) -> Part:
    if "?" not in text:
        return Part(text)
    return Part(text, re.compile("".join("." if c == "?" else re.escape(c) for c in text), re.DOTALL))


def _head(pattern: str) -> str:
    return WILDCARDS.split(pattern, maxsplit=1)[0]


def _tail(pattern: str) -> str:
    return WILDCARDS.split(pattern)[-1]


def _first(bucket: _Bucket, name: str) -> Wildcard | None:
    best: Wildcard | None = None
    for length in bucket.end_lengths:
        if length > len(name):
            break
        for wildcard in bucket.by_end.get(name[len(name) - length :], ()):
            if best is not None and wildcard.order > best.order:
                break
            if wildcard.fits(name):
                best = wildcard
    return best
