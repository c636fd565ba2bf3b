"""Which processor cores the processes of a run get, so that the measuring side never takes time from the server."""

from __future__ import annotations

import os
from collections.abc import Callable

import attrs

Cores = set[int] | None  # None: wherever the system likes


@attrs.frozen
class Plan:
    """Cores for the server under test, for the upstream and for the load generator."""

    server: Cores
    upstream: Cores
    load: Cores

    def __str__(self) -> str:
        if self.server is None:
            return "nothing is pinned"
        if self.upstream == self.load:
            return f"server under test on core {show(self.server)}; upstream and load together on {show(self.load)}"
        return f"server under test on core {show(self.server)}, upstream {show(self.upstream)}, load {show(self.load)}"


def show(cores: Cores) -> str:
    return ", ".join(str(core) for core in sorted(cores or ()))


def plan(pin: bool) -> Plan:
    """One core for the server; one for upstream and load together, or one each where there are three."""
    if not pin or not hasattr(os, "sched_getaffinity"):
        return Plan(None, None, None)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return Plan(None, None, None)
    return Plan({cores[0]}, {cores[1]}, {cores[2] if len(cores) > 2 else cores[1]})


def pinned(cores: Cores) -> Callable[[], None] | None:
    """What a child process runs before its program starts; its own children inherit the cores."""
    return None if cores is None else lambda: os.sched_setaffinity(0, cores)
