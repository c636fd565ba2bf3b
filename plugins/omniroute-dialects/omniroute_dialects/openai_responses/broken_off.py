"""The end of a stream that a provider began in this dialect and did not finish.

Its events went to the caller as they were, so the event that tells of the failure goes on with their numbers, and
repeats their answer's id and items rather than making new ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from omniroute_hooks import Reply
from omniroute_hooks.events import Event, Failed
from omniroute_hooks.jsonio import dumps, loads_upstream
from omniroute_hooks.sse import FrameSplitter, parse_frame

from .errors import failed_error

Json = dict[str, Any]
# Within a string the quotes are escaped, so no text can look like this.
_NUMBER = re.compile(rb'(?<!\\)"sequence_number"\s*:\s*(\d{1,15})')


class BrokenOff:
    """Encoder for what is left to say: that the answer failed. ``passed`` is what the caller has got, or its end."""

    def __init__(self, reply: Reply, passed: bytes) -> None:
        self._response: Json | None = None
        self._items: list[Json] = []
        frames = FrameSplitter().feed(passed)
        for raw in frames:
            self._read(raw)
        # Half an event may have been the last, and its number counts too.
        numbers = [int(found) for found in _NUMBER.findall(passed)]
        self._number = max(numbers) + 1 if numbers else len(frames)

    def _read(self, raw: bytes) -> None:
        frame = parse_frame(raw)
        try:
            value = None if frame is None else loads_upstream(frame.data)
        except (ValueError, RecursionError):
            return
        if not isinstance(value, dict):
            return
        if self._response is None and isinstance(value.get("response"), dict):
            self._response = value["response"]
        elif value.get("type") == "response.output_item.done" and isinstance(value.get("item"), dict):
            self._items.append(value["item"])

    def encode(self, events: Iterable[Event]) -> bytes:
        """The bytes of the failure; other events have nobody to tell them to."""
        return b"".join(self._failed(event) for event in events if isinstance(event, Failed))

    def _failed(self, event: Failed) -> bytes:
        error = failed_error(event.error)
        number, self._number = self._number, self._number + 1
        if self._response is None:
            kind = "error"
            fields: Json = {**error, "param": None, "error": {"type": "server_error", **error}}
        else:
            kind = "response.failed"
            fields = {"response": {**self._response, "status": "failed", "error": error, "output": self._items}}
        data = dumps({"type": kind, **fields, "sequence_number": number})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
