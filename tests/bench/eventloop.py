"""The event loop of the two measuring processes: uvloop where it is installed, so that they are not the bottleneck.

The servers under test never use this; they run on whatever loop Hypercorn gives them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

try:
    import uvloop
except ImportError:  # not available on every platform; the run then says which loop it had
    uvloop = None  # type: ignore[assignment]

T = TypeVar("T")

NAME = "uvloop" if uvloop is not None else "asyncio"


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on the fastest loop there is."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop is not None else None) as runner:
        return runner.run(main)
