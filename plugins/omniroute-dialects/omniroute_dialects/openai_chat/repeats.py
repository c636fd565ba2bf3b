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
        self._least = 0
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
        if end == len(raw):
            return
        self._head, self._tail = raw[:start], raw[end:]
        self._least = len(self._head) + len(self._tail) + 2

    def fits(self, data: bytes, start: int, end: int) -> bool:
        """Whether the frame that stands there differs from the one that was learnt in nothing but its text."""
        head, tail = self._head, self._tail
        return end - start >= self._least > 0 and data.startswith(head, start, end) and data.endswith(tail, start, end)

    def text(self, data: bytes, start: int, end: int) -> str:
        """The text of a frame that fits; empty where it has to be read in full."""
        try:
            text = orjson.loads(data[start + len(self._head) : end - len(self._tail)])
        except orjson.JSONDecodeError:
            return ""
        return text if type(text) is str else ""

    def run(self, data: bytes, start: int) -> tuple[list[str], list[bytes], int]:
        """The texts of the frames from ``start`` on, as far as they fit, the JSON strings that they stood in, and the
        place behind the last of them. ``data`` are whole frames without the last blank line.

        Nothing is looked at frame by frame: between two texts stands always the same, which no text can hold, since
        line ends are escaped in it. None of the texts is empty; there are none where anything is odd.
        """
        head, tail = self._head, self._tail
        literals = data[start + len(head) :].split(tail + b"\n\n" + head)
        last = literals.pop()
        behind = last.find(tail + b"\n\n")
        if behind >= 0:
            literals.append(last[:behind])
            end = len(data) - len(last) + behind + len(tail) + 2
        elif last.endswith(tail):
            literals.append(last[: -len(tail)])
            end = len(data)
        else:
            end = len(data) - len(last) - len(head)
        try:
            texts = orjson.loads(b"[" + b",".join(literals) + b"]")
        except orjson.JSONDecodeError:
            return [], [], start
        if len(texts) != len(literals) or set(map(type, texts)) != {str} or "" in texts:
            return [], [], start
        return texts, literals, end
