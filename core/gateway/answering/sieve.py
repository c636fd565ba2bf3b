"""Leaves out the events of a stream that its caller did not ask for, and touches nothing else."""

from __future__ import annotations

from omniroute_hooks import Drop
from omniroute_hooks.sse import FrameSplitter

from .whole_events import MOST_HELD


class Sieve:
    """Bytes in, the bytes of whole events out. Most chunks hold nothing to drop, and go on as they are."""

    __slots__ = ("_drop", "_rest", "_splitter")

    def __init__(self, drop: Drop) -> None:
        self._drop = drop
        self._rest = b""
        self._splitter: FrameSplitter | None = None  # knows every line end and events of any length, for a price

    def feed(self, chunk: bytes) -> bytes:
        """What goes on to the caller. Errors: `BrokenStream` for an event without end."""
        if self._splitter is not None:
            return self._joined(self._splitter.feed(chunk))
        data = self._rest + chunk if self._rest else chunk
        border = data.rfind(b"\n\n") + 2
        if b"\r" in chunk or len(data) - border > MOST_HELD:
            self._splitter, self._rest = FrameSplitter(), b""
            return self._joined(self._splitter.feed(data))
        if border < 2:
            self._rest = data
            return b""
        self._rest = data[border:]
        whole = data[:border]
        for mark in self._drop.marks:
            if mark in whole:
                return self._joined(whole.split(b"\n\n"))
        return whole

    def end(self) -> bytes:
        """What is left of it when the provider closes the stream."""
        splitter = self._splitter or FrameSplitter()
        rest, self._rest = self._rest, b""
        return self._joined([*splitter.feed(rest), *splitter.end()])

    def _joined(self, frames: list[bytes]) -> bytes:
        kept = [frame for frame in frames if frame and not self._drop.unwanted(frame)]
        return b"\n\n".join(kept) + b"\n\n" if kept else b""
