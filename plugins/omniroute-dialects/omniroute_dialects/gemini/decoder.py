"""A provider's stream: whole candidates' pieces, one after another, as server-sent events or as a JSON array.

Text and thoughts are increments; a call comes whole, or in pieces with paths on one platform. Nothing but the
closed connection ends the stream: some backends repeat the finish reason on every piece.
"""

from __future__ import annotations

from omniroute_hooks import BrokenStream
from omniroute_hooks.events import Broke, Signal, Terminal
from omniroute_hooks.jsonio import loads_upstream
from omniroute_hooks.sse import FrameSplitter, parse_frame

from .chunks import UNREADABLE, ChunkReader
from .json_stream import JsonSplitter

_ENDS = (b"\n\n", b"\r\n\r\n")
_SPACE = b"\xef\xbb\xbf \t\r\n"
_MARKS = (b"finishReason", b'"error"', b"blockReason", b"[DONE]")
_COUNTS = b"usageMetadata"  # in every piece; the last of them holds


class GeminiDecoder:
    """With ``watch``, pieces that hold neither an end nor the latest counts are passed over, and no content is
    decoded."""

    def __init__(self, watch: bool = False) -> None:
        self._watch = watch
        self._head = b""
        self._sse: FrameSplitter | None = None
        self._array: JsonSplitter | None = None
        self._clean = True  # whether the splitter holds no beginning of an event
        self._over = False
        self._reader = ChunkReader(content=not watch)

    def feed(self, chunk: bytes) -> list[Signal]:
        """Signals of everything that is whole by now."""
        if self._over:
            return []
        out: list[Signal] = []
        try:
            if self._sse is not None:
                self._events(self._sse, chunk, out)
            elif self._array is not None:
                self._objects(self._array, chunk, out)
            else:
                self._begin(chunk, out)
        except BrokenStream as exc:
            self._broke(exc, out)
        return out

    def end(self) -> list[Signal]:
        """What is left when the provider closes the connection."""
        out: list[Signal] = []
        if not self._over and self._sse is not None:
            self._frames(self._sse.end(), out)
        if not self._over:
            self._reader.close(out)
        return out

    def _begin(self, chunk: bytes, out: list[Signal]) -> None:
        """The first byte that is not space tells which form this is."""
        self._head += chunk
        head = self._head.lstrip(_SPACE)
        if not head:
            self._head = self._head[-3:]  # maybe a piece of a byte order mark
            return
        if head[:1] in (b"[", b"{"):
            self._array = JsonSplitter()
            self._objects(self._array, head, out)
        else:
            self._sse = FrameSplitter()
            self._events(self._sse, head, out)
        self._head = b""

    def _events(self, splitter: FrameSplitter, chunk: bytes, out: list[Signal]) -> None:
        """Events that are whole by now. Mostly that is one, and there is nothing to search for."""
        clean, self._clean = self._clean, chunk.endswith(_ENDS)
        if clean and self._clean and chunk.startswith(b"data: ") and chunk.count(b"\n") == 2:
            if not self._watch or self._tells([chunk]):
                self._data(chunk[6:-2], out)
            return
        self._frames(splitter.feed(chunk), out)

    def _tells(self, raws: list[bytes]) -> list[bytes]:
        """Those that have to be looked at."""
        last = next((place for place in range(len(raws) - 1, -1, -1) if _COUNTS in raws[place]), None)
        whole = b"".join(raws)
        marks = [mark for mark in _MARKS if mark in whole]  # mostly none, or one
        places = {place for mark in marks for place, raw in enumerate(raws) if mark in raw}
        return [raw for place, raw in enumerate(raws) if place == last or place in places]

    def _objects(self, splitter: JsonSplitter, chunk: bytes, out: list[Signal]) -> None:
        raws = splitter.feed(chunk)
        for raw in self._tells(raws) if self._watch else raws:
            if not self._over:
                self._data(raw, out)
        if splitter.closed and not self._over:
            self._over = True
            self._reader.close(out)
            out.append(Terminal())

    def _frames(self, raws: list[bytes], out: list[Signal]) -> None:
        for raw in self._tells(raws) if self._watch else raws:
            if self._over:
                return
            if raw.startswith(b"data: ") and b"\n" not in raw:  # by far the commonest
                self._data(raw[6:], out)
            else:
                frame = parse_frame(raw)
                if frame is not None:
                    self._data(frame.data, out)

    def _data(self, data: bytes, out: list[Signal]) -> None:
        try:
            value = loads_upstream(data)
        except (ValueError, RecursionError):
            self._over = True
            self._reader.close(out)
            # The mark is another dialect's, but proxies send it.
            out.append(Terminal() if data.strip() == b"[DONE]" else Broke(BrokenStream(UNREADABLE)))
            return
        self._reader.chunk(value, out)
        if out and type(out[-1]) is Broke:
            self._over = True

    def _broke(self, error: BrokenStream, out: list[Signal]) -> None:
        self._over = True
        self._reader.close(out)
        out.append(Broke(error))
