"""Server-sent events: bytes in, frames out, whatever the network did to their borders.

Source: HTML Living Standard, section 9.2 "Server-sent events"; line ends are LF,
CRLF or CR, several ``data:`` lines join with LF, and a last event without its
blank line still counts, because upstreams forget it.
"""

from __future__ import annotations

import re

from attrs import frozen

from .errors import BrokenStream

MAX_FRAME_BYTES = 64 * 1024 * 1024  # inline images make lines of tens of megabytes

_FRAME_END = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")  # a blank line, whatever ends it and the line before


@frozen
class Frame:
    """One event: ``event`` is its name ("" if it has none), ``data`` the joined data lines (UTF-8 bytes)."""

    event: str
    data: bytes


def parse_frame(raw: bytes) -> Frame | None:
    """The event in ``raw`` (without its blank line). None for comments, empty frames and bare ids."""
    if raw.startswith(b"data: ") and b"\n" not in raw and b"\r" not in raw:
        return Frame("", raw[6:])  # by far the commonest
    if raw.startswith(b"event: ") and b"\r" not in raw:
        first, _, second = raw.partition(b"\n")
        if second.startswith(b"data: ") and b"\n" not in second:
            return Frame(first[7:].decode("utf-8", "replace"), second[6:])
    name = ""
    data: list[bytes] = []
    for line in raw.splitlines():
        head, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if head == b"data":
            data.append(value)
        elif head == b"event":
            name = value.decode("utf-8", "replace")
    return Frame(name, b"\n".join(data)) if data else None


class FrameSplitter:
    """Cuts a byte stream into raw frames. Feed any pieces; a frame comes out once it is whole.

    Errors: `BrokenStream` where one frame grows over ``limit`` bytes.
    """

    def __init__(self, limit: int = MAX_FRAME_BYTES) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._limit = limit

    def feed(self, chunk: bytes) -> list[bytes]:
        """Raw frames that are complete by now, without their blank lines."""
        rest = self._rest
        if b"\r" not in chunk and b"\r" not in rest:  # nearly every provider ends lines with LF
            if rest:
                if b"\n\n" not in chunk and not (chunk[:1] == b"\n" and rest[-1:] == b"\n"):
                    rest += chunk
                    self._check()
                    return []
                chunk = bytes(rest) + chunk
                rest.clear()
            parts = chunk.split(b"\n\n")
            rest += parts.pop()
            self._searched = 0
            self._check()
            return [part for part in parts if part]
        rest += chunk
        out: list[bytes] = []
        start = 0
        position = max(0, self._searched - 3)
        while (found := _FRAME_END.search(self._rest, position)) is not None:
            if found.end() == len(self._rest) and self._rest.endswith(b"\r"):
                break  # the CR may be half of a CRLF whose LF is still on its way
            frame = bytes(self._rest[start : found.start()]).strip(b"\r\n")
            if frame:
                out.append(frame)
            start = position = found.end()
        if start:
            del self._rest[:start]
        self._searched = len(self._rest)
        self._check()
        return out

    def _check(self) -> None:
        if len(self._rest) > self._limit:
            raise BrokenStream("One event of the provider's stream is too long.")

    def skim(self, chunk: bytes, marks: tuple[bytes, ...], dull: bytes | None = None) -> list[bytes]:
        """As `feed`, but frames that hold none of ``marks`` may be left out: cheap where most are of no interest.

        ``dull``: what each frame of no interest holds once. Where the counts agree up to its last place, only what
        comes behind that place is looked at.
        """
        rest = self._rest
        if b"\r" in chunk or b"\r" in rest:
            return self.feed(chunk)
        if b"\n\n" not in chunk and not (chunk[:1] == b"\n" and rest[-1:] == b"\n"):
            rest += chunk
            self._check()
            return []
        data = bytes(rest) + chunk if rest else chunk
        border = data.rfind(b"\n\n")
        rest[:] = data[border + 2 :]
        self._searched = 0
        if dull is not None and (last := data.rfind(dull, 0, border)) >= 0:
            end = data.find(b"\n\n", last)
            if data.count(dull, 0, end) == data.count(b"\n\n", 0, end) + 1:
                return [frame for frame in data[end:border].split(b"\n\n") if frame]
        spans: dict[int, int] = {}
        for mark in marks:
            at = data.find(mark, 0, border)
            while at >= 0:
                before = data.rfind(b"\n\n", 0, at)
                end = data.find(b"\n\n", at)
                spans[before + 2 if before >= 0 else 0] = end
                at = data.find(mark, end, border)
        return [data[start : spans[start]] for start in sorted(spans)]

    def end(self) -> list[bytes]:
        """What is left when the stream closes: a last frame without its blank line."""
        rest = bytes(self._rest).strip(b"\r\n")
        self._rest.clear()
        return [frame for frame in _FRAME_END.split(rest) if frame] if rest else []
