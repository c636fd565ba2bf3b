"""Frames that differ from the one before in nothing but their text.

Nearly every frame of a stream repeats the last one around a new piece of text. Once a frame has been read in
full, its bytes before and after that text are a mould: a frame that fits it is that text, and need not be
parsed. A frame that fits in any other way than by one JSON string in the middle is no fit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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

    def texts(self, raws: Sequence[bytes], start: int) -> list[str]:
        """The texts of the frames from ``start`` on, up to the first that has to be read. None of them is empty."""
        head, tail, least = self._head, self._tail, self._least
        found: list[str] = []
        if not head:
            return found
        begin, end = len(head), len(tail)
        loads = orjson.loads
        try:
            for place in range(start, len(raws)):
                raw = raws[place]
                if len(raw) < least or not raw.startswith(head) or not raw.endswith(tail):
                    break
                value = loads(raw[begin : len(raw) - end])
                if type(value) is not str or not value:
                    break
                found.append(value)
        except orjson.JSONDecodeError:
            pass
        return found
