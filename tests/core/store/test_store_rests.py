"""Rests in the store: told in order, the later change counts, and what an older release wrote is taken over."""

from __future__ import annotations

import pytest
from clock import Clock

from core.settings import Settings
from core.store.migrations import known_migrations
from core.store.records import RestRecord
from core.store.store import Store


@pytest.fixture
def clock():
    return Clock(1_700_000_000.0)


@pytest.fixture
async def store(tmp_path, clock):
    async with await Store.open(Settings(data_dir=tmp_path), clock=clock) as store:
        yield store


def rest(clock, key, value, ago_s=0.0, for_s=60.0):
    now_s = clock()
    return RestRecord(key=key, value=value, changed_at=now_s - ago_s, expires_at=now_s + for_s, writer="w")


async def test_only_what_is_new_is_told_and_no_configuration_has_changed(store, clock):
    version = await store.version()
    await store.put_rests([rest(clock, "c1", {"step": 1}), rest(clock, "c2", None)])
    seen, first = await store.rests_since(0)
    assert {record.key: record.value for record in first} == {"c1": {"step": 1}, "c2": None}
    assert await store.rests_since(seen) == (seen, [])

    await store.put_rests([rest(clock, "c1", {"step": 2})])
    later, news = await store.rests_since(seen)
    assert [(record.key, record.value) for record in news] == [("c1", {"step": 2})]
    assert later > seen
    assert await store.version() == version


async def test_of_two_changes_the_later_one_stays_whichever_is_written_first(store, clock):
    await store.put_rests([rest(clock, "c1", {"step": 5})])
    await store.put_rests([rest(clock, "c1", None, ago_s=1.0)])
    assert [record.value for record in (await store.rests_since(0))[1]] == [{"step": 5}]


async def test_a_wall_clock_that_was_set_back_does_not_keep_old_news_for_ever(store, clock):
    await store.put_rests([rest(clock, "c1", {"step": 5}, for_s=9000)])
    clock.pass_(-3600)
    await store.put_rests([rest(clock, "c1", None)])
    assert [record.value for record in (await store.rests_since(0))[1]] == [None]


async def test_what_is_over_is_cleared_out_and_numbers_go_on(store, clock):
    await store.put_rests([rest(clock, f"c{number}", {}) for number in range(5)])
    seen, _ = await store.rests_since(0)
    clock.pass_(61)
    assert (await store.rests_since(0))[1] == []
    await store.put_rests([rest(clock, "new", {})])
    await store.put_rests([rest(clock, "newer", {})])
    later, news = await store.rests_since(seen)
    assert [record.key for record in news] == ["new", "newer"]
    assert later > seen


async def test_rests_that_an_older_release_wrote_are_taken_over(tmp_path, clock):
    settings = Settings(data_dir=tmp_path / "old")
    async with await Store.open(settings, clock=clock, migrations=known_migrations()[:1]) as old:
        await old.put_live_value("cooldown/c1/m", {"step": 3}, clock() + 60)
        await old.put_live_value("login/x", {"done": True}, clock() + 60)
    async with await Store.open(settings, clock=clock) as store:
        _, found = await store.rests_since(0)
        assert [(record.key, record.value) for record in found] == [("c1/m", {"step": 3})]
        assert set(await store.live_values()) == {"login/x"}
        await store.put_rests([rest(clock, "c1/m", None)])
        assert [record.value for record in (await store.rests_since(0))[1]] == [None]
