"""Clocks for the tests of this package."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
import virtual_time
from clock import Clock

T = TypeVar("T")


@pytest.fixture
def virtually() -> Callable[[Coroutine[Any, Any, T]], T]:
    """Runs a coroutine in virtual time; in it, ``asyncio.get_running_loop().time`` is the clock."""

    return virtual_time.run


@pytest.fixture
def clock() -> Clock:
    return Clock(5000.0)
