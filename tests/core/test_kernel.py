"""The kernel: whatever goes wrong while it opens or closes, nothing stays open."""

import asyncio
import os
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from core.kernel import Kernel
from core.plugins.registry import Registry
from core.settings import Settings

# What another program, or a disk, may have done to a row: it is no JSON any more.
BROKEN = [
    pytest.param("INSERT INTO key_value VALUES ('combo-defaults', 'all', '{')", id="configuration"),
    pytest.param("INSERT INTO rests VALUES ('c-1', '{', 1, 9e12, 'w', 1)", id="rests"),
]
MENDED = ("DELETE FROM key_value", "DELETE FROM rests")


def execute(data: Path, *statements: str) -> None:
    connection = sqlite3.connect(data / "omniroute.db")
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def open_files(data: Path) -> list[str]:
    """The files below ``data`` that this process holds open."""
    if not sys.platform.startswith("linux"):
        return []
    found = []
    for entry in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{entry}")
        except OSError:  # the one that this listing needed
            continue
        if target.startswith(str(data)):
            found.append(target)
    return found


async def settled() -> set[asyncio.Task[object]]:
    """The tasks that are left when those that were cancelled have ended."""
    for _ in range(10):
        await asyncio.sleep(0)
    return {task for task in asyncio.all_tasks() if not task.done()}


@pytest.fixture
async def data(tmp_path):
    """The data of a gateway that has run."""
    folder = tmp_path / "data"
    await (await Kernel.open(Settings(data_dir=folder), Registry())).aclose()
    return folder


@pytest.mark.parametrize("damage", BROKEN)
async def test_a_kernel_that_cannot_open_leaves_nothing_open(data, damage):
    execute(data, damage)
    tasks, threads = await settled(), set(threading.enumerate())

    for _ in range(3):
        with pytest.raises(Exception, match=r"."):
            await Kernel.open(Settings(data_dir=data), Registry())

    assert open_files(data) == []
    assert await settled() == tasks
    for thread in set(threading.enumerate()) - threads:  # one whose work is done may need a moment to end
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive(), thread.name
    execute(data, *MENDED)
    kernel = await Kernel.open(Settings(data_dir=data), Registry())
    assert len(open_files(data)) > 0 or not sys.platform.startswith("linux")
    await kernel.aclose()
    assert open_files(data) == []


async def test_a_part_that_fails_to_close_does_not_keep_the_others_open(data):
    class Stubborn:
        async def aclose(self) -> None:
            raise OSError("The other end is gone.")

    kernel = await Kernel.open(Settings(data_dir=data), Registry())
    kernel.state = Stubborn()

    with pytest.raises(OSError, match="The other end"):
        await kernel.aclose()

    assert open_files(data) == []
    assert kernel.http.is_closed
