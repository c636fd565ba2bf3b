"""A stream that goes through as it is, looked at in passing: the counts, the end, a failure.

All of these stand behind the last frame that merely goes on, so as a rule nothing before it is looked at. Where no
counts have come by the end, what was passed over is searched for them.
"""

from __future__ import annotations

from typing import Any

from omniroute_hooks import BrokenStream, Stop
from omniroute_hooks.events import Broke, Signal, Stopped, Terminal
from omniroute_hooks.jsonio import loads_upstream
from omniroute_hooks.sse import FrameSplitter, parse_frame

from .chunk_signals import NO_JSON, UNREADABLE, Counts, ending, no_object
from .errors_in import error_of, holds_error
from .plain_body import PlainBody

_DULL = (b'"finish_reason":null', b'"finish_reason": null')  # of a frame that only goes on
_USAGE = (b'"usage":{', b'"usage": {')
_MARKS = (b"[DONE]", b'"finish_reason":"', *_USAGE, b'"finish_reason": "', b'"error"', b"event:")
MOST_PASSED_OVER = 1024 * 1024  # bytes kept to be searched later


class ChatWatcher:
    """Bytes in, signals out, as few as are needed to know how the answer went."""

    __slots__ = ("_counts", "_plain", "_splitter", "_stopped", "passed_over", "passed_over_bytes")

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._plain = PlainBody()
        self._counts = Counts()
        self._stopped = False
        self.passed_over: list[bytes] = []
        self.passed_over_bytes = 0

    def feed(self, chunk: bytes) -> list[Signal]:
        """Signals of the frames that are whole by now."""
        out: list[Signal] = []
        try:
            stream = self._plain.sift(chunk)
            if stream:
                over, frames = self._splitter.behind(stream, _DULL)
                self._pass_over(over, out)
                for raw in frames:
                    for mark in _MARKS:
                        if mark in raw:
                            self._frame(raw, out)
                            break
        except BrokenStream as exc:
            out.append(Broke(exc))
        return out

    def end(self) -> list[Signal]:
        """Signals of a last frame without a blank line, and of an answer that was no stream at all."""
        if self._plain.body is not None:
            return self._plain.signals()
        out: list[Signal] = []
        for raw in self._splitter.end():  # half a frame, perhaps: what it is shall be told
            self._frame(raw, out)
        if not self._counts:
            self._search(out)
        return out

    def _pass_over(self, data: bytes, out: list[Signal]) -> None:
        if data:
            self.passed_over.append(data)
            self.passed_over_bytes += len(data)
            if self.passed_over_bytes > MOST_PASSED_OVER:
                self._search(out)

    def _search(self, out: list[Signal]) -> None:
        """Looks for counts in what was passed over, and lets go of it."""
        for data in self.passed_over:
            if any(mark in data for mark in _USAGE):
                for raw in data.split(b"\n\n"):
                    if any(mark in raw for mark in _USAGE):
                        self._count(_json_of(raw), out)
        self.passed_over, self.passed_over_bytes = [], 0

    def _frame(self, raw: bytes, out: list[Signal]) -> None:
        if raw == b"data: [DONE]":
            self._done(out)
            return
        event, data = "", raw[6:]
        if not raw.startswith(b"data: ") or b"\n" in raw or b"\r" in raw:
            frame = parse_frame(raw)
            if frame is None:
                return
            event, data = frame.event, frame.data
        if len(data) < 10 and data.strip() in (b"[DONE]", b""):
            if data.strip():
                self._done(out)
            return
        try:
            chunk = loads_upstream(data)
        except (ValueError, RecursionError):
            out.append(Broke(BrokenStream(NO_JSON)))
            return
        try:
            self._chunk(chunk, out)
            if event == "error" and chunk and not any(type(signal) is Broke for signal in out):
                out.append(Broke(error_of(chunk)))
        except (TypeError, ValueError, AttributeError, LookupError, RecursionError):
            out.append(Broke(BrokenStream(UNREADABLE)))

    def _chunk(self, chunk: Any, out: list[Signal]) -> None:
        if type(chunk) is not dict:
            out.append(no_object(chunk))
            return
        choices = chunk.get("choices")
        for choice in choices if type(choices) is list else ():
            if type(choice) is not dict or choice.get("index"):
                continue  # of several choices the first one tells
            if choice.get("error"):
                out.append(Broke(error_of(choice)))
            if choice.get("finish_reason") is not None and not chunk.get("error"):
                end = ending(choice)
                if end is not None:
                    out.append(end)
                    self._stopped = self._stopped or isinstance(end, Stopped)
        if ("error" in chunk or not choices) and holds_error(chunk):
            out.append(Broke(error_of(chunk)))
        self._count(chunk, out)

    def _count(self, chunk: Any, out: list[Signal]) -> None:
        counted = self._counts.read(chunk) if type(chunk) is dict else None
        if counted is not None:
            out.append(counted)

    def _done(self, out: list[Signal]) -> None:
        if not self._stopped:  # no reason was given, but the end mark has come: nothing is cut
            out.append(Stopped(Stop("other")))
        out.append(Terminal())


def _json_of(raw: bytes) -> Any:
    frame = parse_frame(raw)
    try:
        return loads_upstream(frame.data) if frame is not None else None
    except (ValueError, RecursionError):
        return None
