"""Reasoning that comes as ``<think>…</think>`` at the very start of the visible text.

Servers of open models send it so when nobody told them to take it apart. Only an answer that *begins* with the
tag is read this way: later in a text the tag is something the model writes about. Tags may be cut anywhere.
"""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkTags:
    """Feed it the pieces of visible text; it gives (is reasoning, text) pairs. Call `end` once at the end."""

    def __init__(self) -> None:
        self._state = 0  # 0: may still begin with the tag, 1: inside, 2: after its end, 3: plain text from now on
        self._held = ""

    @property
    def plain(self) -> bool:
        """Whether all that follows is visible text: no need to feed it any more."""
        return self._state == 3

    def feed(self, piece: str) -> list[tuple[bool, str]]:
        """What of the text so far is certain."""
        out: list[tuple[bool, str]] = []
        text = self._held + piece
        self._held = ""
        if self._state == 0:
            bare = text.lstrip()
            if bare.startswith(_OPEN):
                self._state, text = 1, bare[len(_OPEN) :]
            elif _OPEN.startswith(bare):  # nothing but blanks, or part of the tag
                self._held = text
                return out
            else:
                self._state = 3
        if self._state == 1:
            at = text.find(_CLOSE)
            if at >= 0:
                _add(out, True, text[:at].rstrip("\n"))
                self._state, text = 2, text[at + len(_CLOSE) :]
            else:
                keep = _tail(text)
                _add(out, True, text[: len(text) - keep])
                self._held = text[len(text) - keep :]
                return out
        if self._state == 2:
            text = text.lstrip("\n")  # the blank lines that part reasoning from answer belong to neither
            if not text:
                return out
            self._state = 3
        _add(out, False, text)
        return out

    def end(self) -> list[tuple[bool, str]]:
        """What was held back."""
        held, self._held = self._held, ""
        out: list[tuple[bool, str]] = []
        _add(out, self._state == 1, held)
        return out


def split_think(text: str) -> tuple[str, str]:
    """Reasoning and visible text of a whole message."""
    tags = ThinkTags()
    pieces = tags.feed(text) + tags.end()
    return "".join(t for inside, t in pieces if inside), "".join(t for inside, t in pieces if not inside)


def _add(out: list[tuple[bool, str]], inside: bool, text: str) -> None:
    if text:
        out.append((inside, text))


def _tail(text: str) -> int:
    """How many characters at the end may be the beginning of the closing tag, newlines before it included."""
    longest = 0
    for size in range(1, len(_CLOSE)):
        if text.endswith(_CLOSE[:size]):
            longest = size
    rest = text[: len(text) - longest]
    return longest + len(rest) - len(rest.rstrip("\n"))
