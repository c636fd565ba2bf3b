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


def _is_crlf(data: bytearray) -> bool:
    """Whether all lines end in CRLF, and one event at least is whole."""
    ends = data.count(b"\r\n")
    return ends == data.count(b"\n") == data.count(b"\r") and b"\r\n\r\n" in data


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
        if b"\r" not in chunk and b"\r" not in self._rest:  # nearly every provider ends lines with LF
            return [frame for frame in self._whole(chunk).split(b"\n\n") if frame]
        self._rest += chunk
        # The next commonest. Searching for all kinds of line ends takes ten times longer.
        if b"\n" in chunk and _is_crlf(self._rest):
            self._searched = 0
            whole, _, rest = bytes(self._rest).rpartition(b"\r\n\r\n")
            self._rest[:] = rest
            self._check()
            return [frame for frame in whole.split(b"\r\n\r\n") if frame]
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

    def skim(self, chunk: bytes, marks: tuple[bytes, ...]) -> list[bytes]:
        """As `feed`, but frames that hold none of ``marks`` may be left out: cheap where most are of no interest."""
        if b"\r" in chunk or b"\r" in self._rest:
            return self.feed(chunk)
        data = self._whole(chunk)
        spans: dict[int, int] = {}
        for mark in marks:
            at = data.find(mark)
            while at >= 0:
                before = data.rfind(b"\n\n", 0, at)
                end = data.find(b"\n\n", at)
                end = len(data) if end < 0 else end
                spans[before + 2 if before >= 0 else 0] = end
                at = data.find(mark, end)
        return [data[start : spans[start]] for start in sorted(spans)]

    def behind(self, chunk: bytes, dull: tuple[bytes, ...]) -> tuple[bytes, list[bytes]]:
        """The frames behind the last that holds a word of ``dull``, and the bytes of all before them, not cut up.

        Only the first of those words that occurs is looked for.
        """
        if b"\r" in chunk or b"\r" in self._rest:
            return b"", self.feed(chunk)
        data = self._whole(chunk)
        start = 0
        for word in dull:
            last = data.rfind(word)
            if last >= 0:
                start = data.find(b"\n\n", last)
                break
        if start < 0:
            return data, []
        return data[:start], [frame for frame in data[start:].split(b"\n\n") if frame]

    def whole(self, chunk: bytes) -> bytes | None:
        """The frames that are whole by now, as they came, without the last blank line; None where lines end otherwise
        than in LF: `feed` this chunk then."""
        return None if b"\r" in chunk or b"\r" in self._rest else self._whole(chunk)

    def _whole(self, chunk: bytes) -> bytes:
        """The frames that are whole by now, as they came, without the last blank line. Line ends are LF."""
        rest = self._rest
        if b"\n\n" not in chunk and not (chunk[:1] == b"\n" and rest[-1:] == b"\n"):
            rest += chunk
            self._check()
            return b""
        data = bytes(rest) + chunk if rest else chunk
        border = data.rfind(b"\n\n")
        rest[:] = data[border + 2 :]
        self._searched = 0
        self._check()
        return data[:border]

    def end(self) -> list[bytes]:
        """What is left when the stream closes: a last frame without its blank line."""
        rest = bytes(self._rest).strip(b"\r\n")
        self._rest.clear()
        return [frame for frame in _FRAME_END.split(rest) if frame] if rest else []
