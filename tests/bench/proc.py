"""What /proc tells about a process and its children: resident memory and CPU time. Elsewhere than Linux: nothing."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

PROC = Path("/proc")


@attrs.frozen
class Memory:
    """Resident megabytes (10^6 bytes): of the biggest process, which is the worker, and of all together."""

    worker_mb: float
    all_mb: float


def family(pid: int) -> list[int]:
    """`pid` and every process below it."""
    found = [pid]
    for parent in found:
        for children in (PROC / str(parent) / "task").glob("*/children"):
            found.extend(int(child) for child in children.read_text().split())
    return found


def memory(pid: int) -> Memory | None:
    """Memory of `pid` and its children now, or None where there is no /proc."""
    if not (PROC / str(pid) / "status").exists():
        return None
    sizes = [resident_mb(member) for member in family(pid)]
    return Memory(worker_mb=max(sizes), all_mb=sum(sizes))


def resident_mb(pid: int) -> float:
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def cpu_s(pid: int) -> float | None:
    """CPU seconds that `pid` and its children have used, or None where there is no /proc."""
    if not (PROC / str(pid) / "stat").exists():
        return None
    ticks = 0
    for member in family(pid):
        # The command name in brackets may hold spaces, the fields after it do not; 14 and 15 are user and system time.
        fields = (PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
