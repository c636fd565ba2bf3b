"""Frames that differ from the one before in nothing but their text.

Nearly every frame of a stream repeats the last one around a new piece of text. Once a frame has been read in
full, its bytes before and after that text are a mould: a frame that fits it is that text, and need not be
parsed. A frame that fits in any other way than by one JSON string in the middle is no fit.
"""

from __future__ import annotations

import json
from json.decoder import scanstring  # type: ignore[attr-defined]

import orjson

_CONTENT = b'"content":'


class Mould:
    """The bytes around the text of the last frame that held nothing else."""

    __slots__ = ("_head", "_least", "_tail")

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._least = 0

    def learn(self, raw: bytes, text: str) -> None:
        """``raw`` was read in full and said ``text``, nothing else."""
        self._head = b""
        start = raw.find(_CONTENT)
        if start < 0:
            return
        start += len(_CONTENT)
        start += raw[start : start + 1] == b" "
        if raw[start : start + 1] != b'"':
            return
        try:
            found, length = scanstring(raw[start:].decode(), 1, True)
        except (json.JSONDecodeError, UnicodeDecodeError):
            return
        if found != text:
            return  # the text stood somewhere else in the frame
        end = start + len(raw[start:].decode()[:length].encode())
        self._head, self._tail = raw[:start], raw[end:]
        self._least = len(self._head) + len(self._tail) + 2

    def text(self, raw: bytes) -> str | None:
        """The text of a frame that fits; None where it has to be read."""
        head = self._head
        if not head or len(raw) < self._least or not raw.startswith(head) or not raw.endswith(self._tail):
            return None
        try:
            value = orjson.loads(raw[len(head) : len(raw) - len(self._tail)])
        except orjson.JSONDecodeError:
            return None
        return value if type(value) is str else None
