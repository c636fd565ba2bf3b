"""A stream that is one growing JSON array, or a single object: bytes in, whole objects out.

Source: the vendor streams like this without ``alt=sse``, and proxies forget that parameter.
"""

from __future__ import annotations

import re

from omniroute_hooks import BrokenStream
from omniroute_hooks.sse import MAX_FRAME_BYTES

_OUTSIDE = re.compile(rb'["{}\]]')
_INSIDE = re.compile(rb'["\\]')


class JsonSplitter:
    """Cuts the top-level objects out of a byte stream. ``closed`` once the array's bracket has come.

    Errors: `BrokenStream` where one object grows over ``limit`` bytes.
    """

    def __init__(self, limit: int = MAX_FRAME_BYTES) -> None:
        self.closed = False
        self._rest = bytearray()
        self._at = 0  # how far the rest has been looked at
        self._start = -1  # where the open object begins
        self._depth = 0
        self._in_string = False
        self._limit = limit

    def feed(self, chunk: bytes) -> list[bytes]:
        """Objects that are whole by now."""
        rest = self._rest
        rest += chunk
        out: list[bytes] = []
        at = self._at
        while not self.closed:
            found = (_INSIDE if self._in_string else _OUTSIDE).search(rest, at)
            if found is None:
                at = len(rest)
                break
            mark = found[0]
            at = found.end()
            if mark == b'"':
                self._in_string = not self._in_string
            elif mark == b"\\":
                if at == len(rest):
                    at -= 1  # what is escaped is still on its way
                    break
                at += 1
            elif mark == b"{":
                if self._depth == 0:
                    self._start = found.start()
                self._depth += 1
            elif mark == b"}":
                self._depth = max(0, self._depth - 1)
                if self._depth == 0 and self._start >= 0:
                    out.append(bytes(rest[self._start : at]))
                    self._start = -1
            elif self._depth == 0:
                self.closed = True
        done = at if self._start < 0 else self._start
        del rest[:done]
        self._at = at - done
        self._start = 0 if self._start >= 0 else -1
        if len(rest) > self._limit:
            raise BrokenStream("One event of the provider's stream is too long.")
        return out

    def end(self) -> list[bytes]:
        """Nothing: an object that is not closed is not whole."""
        return []
