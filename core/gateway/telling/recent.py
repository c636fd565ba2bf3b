"""Recent: the stories of the last requests of this process, for people who ask why something happened.

A bounded number of traces in memory. They hold no text of a request or an answer; what providers said of their
failures is in them.
"""

from __future__ import annotations

from ..bounded import Bounded
from .trace import Trace

MOST_TRACES = 1000
EXTENSION = "omniroute.recent"  # where the control plane finds it


class Recent:
    """The last traces, by request id."""

    def __init__(self, most: int = MOST_TRACES) -> None:
        self._traces: Bounded[str, Trace] = Bounded(most)

    def add(self, trace: Trace) -> None:
        """A finished request."""
        if trace.error is not None:
            # A failure remembers the frames it went through, and with them the request's body.
            trace.error.__traceback__ = trace.error.__cause__ = trace.error.__context__ = None
        self._traces.put(trace.id, trace)

    def find(self, request_id: str) -> Trace | None:
        """The trace of a request; None where it is forgotten, or another process served it."""
        return self._traces.get(request_id)
