"""Holds back half events of a stream that goes through, so that one that breaks ends between two of them.

A client can do nothing with half an event, and chokes on it where something else comes behind it.
"""

from __future__ import annotations

MOST_HELD = 64 * 1024  # a longer event goes on in pieces
_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n")


class WholeEvents:
    """Bytes in, the bytes of whole events out, as they came."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """What goes on to the caller."""
        data = self._rest + chunk if self._rest else chunk
        if data.endswith(_ENDS):  # as nearly always
            self._rest = b""
            return data
        border = max(at + len(end) if (at := data.rfind(end)) >= 0 else 0 for end in _ENDS)
        if len(data) - border > MOST_HELD:
            border = len(data)
        self._rest = data[border:]
        return data[:border]

    def end(self) -> bytes:
        """What is left of a stream that has ended: its last event may lack the blank line."""
        rest, self._rest = self._rest, b""
        return rest
