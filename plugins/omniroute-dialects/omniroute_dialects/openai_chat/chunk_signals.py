"""What a chunk says that whoever reads the stream has to know, and whoever only watches it too: why it ended, what was
counted, and that it failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import BrokenStream, GatewayError
from omniroute_hooks.events import Broke, Stopped, UsageSeen

from .errors_in import error_of, holds_error
from .stops import read_stop
from .usage import find_usage, merge_usage, read_usage

NO_JSON = "The provider's stream holds something that is not JSON."
UNREADABLE = "A piece of the provider's stream cannot be read."


class Counts:
    """The counts of one stream: merged as they come, since some providers give them piece by piece."""

    __slots__ = ("_raw",)

    def __init__(self) -> None:
        self._raw: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._raw)

    def read(self, chunk: Mapping[str, Any]) -> UsageSeen | None:
        """The counts so far, where this chunk has some."""
        found = find_usage(chunk)
        if found is None:
            return None
        self._raw = merge_usage(self._raw, found)
        usage = read_usage(self._raw)
        return None if usage is None else UsageSeen(usage)


def no_object(chunk: Any) -> Broke:
    """A chunk that is no JSON object: an error in a list, or nonsense."""
    if isinstance(chunk, list) and chunk and isinstance(chunk[0], dict) and holds_error(chunk[0]):
        return Broke(error_of(chunk[0]))
    return Broke(BrokenStream("A piece of the provider's stream is no JSON object."))


def ending(choice: dict[str, Any]) -> Stopped | Broke | None:
    """Why a choice has ended; None where it goes on."""
    stop = read_stop(choice)
    if stop is None:
        return None
    return Broke(stop) if isinstance(stop, GatewayError) else Stopped(stop)
