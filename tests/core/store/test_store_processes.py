"""Several processes on one store: they start together, see each other's writes, and never do a thing twice."""

import asyncio
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from core.settings import Settings
from core.store.errors import LeaseLost
from core.store.migrate import schema_version
from core.store.migrations import Migration, known_migrations
from core.store.store import FILE_NAME, Store

SPAWN = multiprocessing.get_context("spawn")
TTL_S = 60.0


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def processes():
    with ProcessPoolExecutor(max_workers=2, mp_context=SPAWN) as pool:
        yield pool


async def in_both(processes, work, *arguments):
    """Run ``work(meeting, who, *arguments)`` in two processes that wait for each other at ``meeting``."""
    with SPAWN.Manager() as manager:
        meeting = manager.Barrier(2)
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(processes, work, meeting, who, *arguments) for who in ("one", "two")]
        return await asyncio.gather(*calls)


def open_and_seal(meeting, who, data_dir):
    async def work():
        async with await Store.open(Settings(data_dir=data_dir)) as store:
            await store.create_connection(provider="p", auth_type="apikey", name=who, credential={"key": who})
            # Both are open here, so each must be able to read what the other has sealed.
            await asyncio.to_thread(meeting.wait, 30)
            return sorted((each.name, each.credential["key"]) for each in await store.connections())

    meeting.wait(30)
    return asyncio.run(work())


async def test_two_processes_start_at_once_on_an_empty_directory(settings, processes):
    seen = await in_both(processes, open_and_seal, settings.data_dir)

    assert seen == [[("one", "one"), ("two", "two")]] * 2
    assert schema_version(settings.data_dir / FILE_NAME) == len(known_migrations())
    assert not (settings.data_dir / "backups").exists()
    assert not list(settings.data_dir.glob("secret.key.*"))


def count_a_run(db):
    db.execute_sql("UPDATE key_value SET value = value + 1 WHERE key = 'runs'")


def open_migrated(meeting, who, data_dir):
    async def work():
        migrations = (*known_migrations(), Migration(len(known_migrations()) + 1, "count", count_a_run))
        async with await Store.open(Settings(data_dir=data_dir), migrations=migrations) as store:
            return await store.get_value("test", "runs")

    meeting.wait(30)
    return asyncio.run(work())


async def test_two_processes_that_start_at_once_migrate_once(settings, processes):
    async with await Store.open(settings) as store:
        await store.set_value("test", "runs", 0)

    assert await in_both(processes, open_migrated, settings.data_dir) == [1, 1]
    assert len(list((settings.data_dir / "backups").iterdir())) == 1


def refresh_a_hundred_times(meeting, who, data_dir, connection_id):
    async def work():
        async with await Store.open(Settings(data_dir=data_dir)) as store:
            await asyncio.to_thread(meeting.wait, 30)
            now_s = time.time()
            taken = await asyncio.gather(
                *(store.begin_refresh(connection_id, f"{who}-{n}", now_s, TTL_S) for n in range(100))
            )
            return [record.refresh_lease_owner for record in taken if record is not None]

    return asyncio.run(work())


async def test_two_hundred_refreshes_in_two_processes_have_one_winner(settings, processes):
    async with await Store.open(settings) as store:
        connection = await store.create_connection(
            provider="p", auth_type="oauth", name="n", credential={"refresh_token": "r1"}
        )
        one, two = await in_both(processes, refresh_a_hundred_times, settings.data_dir, connection.id)

        (winner,) = one + two
        with pytest.raises(LeaseLost):
            await store.finish_refresh(connection.id, "somebody else", {"refresh_token": "wrong"}, None)
        done = await store.finish_refresh(connection.id, winner, {"refresh_token": "r2"}, 5.0)
    assert (done.credential, done.expires_at) == ({"refresh_token": "r2"}, 5.0)


def write_a_setting(data_dir, value):
    async def work():
        async with await Store.open(Settings(data_dir=data_dir)) as store:
            await store.patch_settings({"colour": value})
            return await store.version()

    return asyncio.run(work())


async def test_another_processs_write_is_seen_at_the_next_poll(settings, processes):
    async with await Store.open(settings) as store:
        before = await store.version()
        theirs = await asyncio.get_running_loop().run_in_executor(processes, write_a_setting, settings.data_dir, "blue")

        assert await store.version() == theirs == before + 1
        contents = await store.load_all()
    assert contents.version == theirs
    assert contents.key_values == {"settings": {"colour": "blue"}}


def take_the_lease(meeting, who, data_dir):
    async def work():
        async with await Store.open(Settings(data_dir=data_dir)) as store:
            await asyncio.to_thread(meeting.wait, 30)
            return await asyncio.gather(*(store.acquire_lease("jobs", f"{who}-{n}", TTL_S) for n in range(20)))

    return asyncio.run(work())


async def test_of_many_owners_in_two_processes_one_gets_a_lease(settings, processes):
    one, two = await in_both(processes, take_the_lease, settings.data_dir)
    assert sum(one + two) == 1


async def test_a_poll_of_the_version_costs_little(settings):
    async with await Store.open(settings) as store:
        began = time.perf_counter()
        for _ in range(100):
            await store.version()
        each_s = (time.perf_counter() - began) / 100
    assert each_s < 0.005  # twice a second, this is nothing; measured well under a millisecond
