"""The usage log: nothing is lost in silence, nothing waits for it."""

import asyncio
import logging
import multiprocessing
import sqlite3
import stat
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

import pytest
from attrs import evolve

from core.ledger.usage_log import UsageLog
from core.ledger.usage_record import UsageRecord, UsageTotals
from core.ledger.usage_schema import Wanted
from core.store.errors import StoreBusy, StoreCorrupt, StoreError, StoreTooNew

NOW_S = 1_700_000_000.0
DAY_S = 24 * 3600.0


def used(n=1, **changes):
    values = {
        "id": f"u{n}",
        "at": NOW_S + n,
        "request_id": f"r{n}",
        "endpoint": "/v1/chat/completions",
        "dialect": "openai-chat",
        "provider": "acme",
        "requested_model": "ac/model",
        "model": "model",
        "status": 200,
        "latency_ms": 12.5,
    }
    return UsageRecord(**{**values, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "usage.db"


@pytest.fixture
async def log(path):
    async with await UsageLog.open(path, clock=lambda: NOW_S) as log:
        yield log


def count(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT count(*) FROM usage").fetchone()[0]


async def until(condition, limit_s=20):
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 (the file is written by another thread, which signals nobody)
            await asyncio.sleep(0.02)


async def test_record_is_read_back_as_written(log):
    full = used(
        1,
        api_key_id="k",
        connection_id="c",
        stream=True,
        input_fresh=1,
        cache_read=2,
        cache_write_5m=3,
        cache_write_1h=4,
        cache_write_other=5,
        output_visible=6,
        reasoning=7,
        estimated=True,
        cost_usd=0.25,
        first_token_ms=3.5,
        attempt=2,
        blames="provider",
        error_code="upstream_error",
        combo="premium",
        path="premium › 2",
        outcome="failed",
        final=False,
    )
    log.record(full)
    log.record(used(2))

    assert await log.recent(10) == [used(2), full]
    assert await log.recent(1) == [used(2)]


async def test_totals_add_up_and_count_what_has_no_price(log):
    log.record(used(1, input_fresh=10, cache_read=1, cache_write_5m=2, cache_write_1h=3, cost_usd=0.5))
    log.record(used(2, output_visible=20, reasoning=5, cache_write_other=4, cost_usd=0.25))
    log.record(used(3, status=500))
    log.record(used(4, error_code="stream_broken", cost_usd=0.0))

    everything = UsageTotals(
        requests=4,
        attempts=4,
        failures=2,
        input_fresh=10,
        cache_read=1,
        cache_write=9,
        output_visible=20,
        reasoning=5,
        cost_usd=0.75,
        unpriced=1,
    )
    assert await log.totals() == everything
    late = await log.totals(since_s=NOW_S + 3)
    assert (late.attempts, late.failures, late.cost_usd) == (2, 2, 0.0)


async def test_totals_of_an_empty_log_are_zero(log):
    assert await log.totals() == UsageTotals(
        requests=0,
        attempts=0,
        failures=0,
        input_fresh=0,
        cache_read=0,
        cache_write=0,
        output_visible=0,
        reasoning=0,
        cost_usd=0.0,
        unpriced=0,
    )


async def test_records_reach_the_file_by_themselves(log, path):
    log.record(used(1))
    await until(lambda: count(path) == 1)


async def test_closing_writes_what_is_left_and_reopening_keeps_it(path):
    log = await UsageLog.open(path)
    for n in range(100):
        log.record(used(n))
    await log.aclose()
    await log.aclose()

    assert count(path) == 100
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with await UsageLog.open(path) as log:
        assert len(await log.recent(1000)) == 100


async def test_record_costs_microseconds(log):
    record = used(1)
    began = time.perf_counter()
    for _ in range(10_000):
        log.record(record)
    assert (time.perf_counter() - began) / 10_000 < 20e-6  # measured 0.1 µs; the margin is for a busy machine


async def test_full_queue_drops_the_oldest_and_says_so(path, caplog):
    log = await UsageLog.open(path, queue_size=10)
    with caplog.at_level(logging.WARNING):
        for n in range(25):
            log.record(used(n))
        await log.aclose()

    assert log.dropped == 15
    assert "15" in caplog.text
    async with await UsageLog.open(path) as log:
        assert [each.id for each in await log.recent(100)] == [f"u{n}" for n in range(24, 14, -1)]


async def test_locked_file_costs_no_record(path):
    async with await UsageLog.open(path, queue_size=5, busy_timeout_s=0.05) as log:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for n in range(3):
                log.record(used(n))
            with pytest.raises(StoreBusy):
                await log.flush()
            for n in range(3, 7):  # two more than there is room for
                log.record(used(n))
            assert await log.recent(10) == []  # reading works meanwhile
            other.execute("ROLLBACK")

        assert [each.id for each in await log.recent(10)] == ["u6", "u5", "u4", "u3", "u2"]
        assert log.dropped == 2


async def test_record_that_no_database_can_hold_costs_only_itself(log, caplog):
    log.record(used(1))
    log.record(used(2, requested_model="\ud800"))
    log.record(used(3, input_fresh=2**70))
    log.record(used(4, model=None))
    log.record(used(5))

    assert [each.id for each in await log.recent(10)] == ["u5", "u1"]
    assert log.dropped == 3
    assert "'r2'" in caplog.text


async def test_same_record_twice_counts_once(log):
    log.record(used(1))
    await log.flush()
    log.record(used(1))
    log.record(used(2))
    assert (await log.totals()).attempts == 2


async def test_old_records_are_cleared_out(path):
    async with await UsageLog.open(path, clock=lambda: NOW_S, max_age_days=10) as log:
        for n, days in enumerate((30, 11, 9, 0)):
            log.record(used(n, at=NOW_S - days * DAY_S))
        await log.flush()

        assert await log.prune() == 2
        assert [each.id for each in await log.recent(10)] == ["u3", "u2"]


async def test_only_the_newest_rows_are_kept(path):
    async with await UsageLog.open(path, clock=lambda: NOW_S, max_rows=7000) as log:
        for n in range(19_000):
            log.record(used(n))
        await log.flush()

        assert await log.prune() == 12_000
        assert count(path) == 7000
        assert (await log.recent(1))[0].id == "u18999"
        assert await log.prune() == 0


def write_many(path, who):
    async def work():
        async with await UsageLog.open(path) as log:
            for n in range(500):
                log.record(evolve(used(n), id=f"{who}-{n}"))
                if n % 50 == 0:
                    await log.flush()

    asyncio.run(work())


async def test_two_processes_write_one_file(path):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(processes, write_many, path, who) for who in ("a", "b")))
    assert count(path) == 1000


@pytest.mark.parametrize(
    ("make", "error"),
    [
        pytest.param(lambda path: path.write_bytes(b"garbage" * 1000), StoreCorrupt, id="no-database"),
        pytest.param(lambda path: sqlite3.connect(path).execute("CREATE TABLE x (y)"), StoreCorrupt, id="not-ours"),
        pytest.param(lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 9"), StoreTooNew, id="newer"),
    ],
)
async def test_file_that_is_no_log_of_ours_is_refused_and_kept(path, make, error):
    path.parent.mkdir()
    made = make(path)
    if isinstance(made, sqlite3.Cursor):
        made.connection.close()
    before = path.read_bytes()

    with pytest.raises(error):
        await UsageLog.open(path)
    assert path.read_bytes() == before


# Requests and their attempts ----------------------------------------------------------------------------------------


async def test_totals_count_a_request_once_and_add_up_its_attempts(log):
    log.record(used(1, id="a.1", request_id="a", final=False, outcome="failed", error_code="overloaded", cost_usd=0.5))
    log.record(used(2, id="a", request_id="a", attempt=2, input_fresh=7, cost_usd=0.25))
    log.record(used(3, id="b", request_id="b", provider="", status=404, error_code="not_found", cost_usd=0.0))

    totals = await log.totals()
    assert (totals.requests, totals.failures, totals.attempts) == (2, 1, 2)
    assert (totals.input_fresh, totals.cost_usd, totals.unpriced) == (7, 0.75, 0)


async def test_requests_come_with_their_attempts_the_newest_first(log):
    def request(name, *attempts, **last):
        for number in range(1, len(attempts)):
            more = {"final": False, "outcome": "failed", "model": attempts[number - 1]}
            log.record(used(1, id=f"{name}.{number}", request_id=name, attempt=number, **more))
        log.record(used(1, id=name, request_id=name, attempt=len(attempts), model=attempts[-1], **last))

    request("a", "m1", "m2", "m3", combo="best")
    request("ab", "m1", status=500, error_code="upstream_error")  # its name begins as another's
    request("b", "m2", "m1", combo="best", api_key_id="k")

    async def found(limit=10, offset=0, **wanted):
        requests = await log.requests(Wanted(**wanted), limit, offset)
        return [(records[-1].request_id, [record.model for record in records]) for records in requests]

    a, ab, b = ("a", ["m1", "m2", "m3"]), ("ab", ["m1"]), ("b", ["m2", "m1"])
    assert await found() == [b, ab, a]
    assert await found(limit=1, offset=1) == [ab]
    assert await found(failed=True) == [ab]
    assert await found(failed=False) == [b, a]
    assert await found(combo="best", model="m1") == [b]
    assert await found(model="ac/model") == [b, ab, a]  # as it was asked for
    assert await found(provider="nobody") == []
    assert await found(api_key_id="k") == [b]
    assert await found(request_id="a") == [a]
    assert await found(request_id="a.1") == []


VERSION_1 = """
CREATE TABLE usage (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at DOUBLE PRECISION NOT NULL,
    request_id TEXT NOT NULL, endpoint TEXT NOT NULL, dialect TEXT NOT NULL, api_key_id TEXT, provider TEXT NOT NULL,
    connection_id TEXT, requested_model TEXT NOT NULL, model TEXT NOT NULL, status INTEGER NOT NULL,
    stream BOOLEAN NOT NULL, input_fresh INTEGER NOT NULL, cache_read INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, cache_write_other INTEGER NOT NULL,
    output_visible INTEGER NOT NULL, reasoning INTEGER NOT NULL, estimated BOOLEAN NOT NULL,
    cost_usd DOUBLE PRECISION, latency_ms DOUBLE PRECISION NOT NULL, first_token_ms DOUBLE PRECISION,
    attempt INTEGER NOT NULL, blames TEXT, error_code TEXT
);
CREATE INDEX usage_at ON usage (at);
PRAGMA user_version = 1;
"""
OLD_INSERT = (
    "INSERT INTO usage (id, at, request_id, endpoint, dialect, provider, requested_model, model, status, stream, "
    "input_fresh, cache_read, cache_write_5m, cache_write_1h, cache_write_other, output_visible, reasoning, estimated, "
    "cost_usd, latency_ms, attempt, error_code) "
    "VALUES (?, 1.0, ?, '/v1', 'd', 'acme', 'ac/m', 'm', ?, 0, 5, 0, 0, 0, 0, 6, 0, 0, 0.5, 10.0, ?, ?)"
)


async def test_records_of_the_release_before_are_kept_as_whole_requests(path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1)
        old = (("a", 200, 1, None), ("b", 503, 3, "all_candidates_failed"), ("c", 499, 1, None), ("d", 200, 1, "cut"))
        db.executemany(OLD_INSERT, [(id_, id_, *rest) for id_, *rest in old])
        db.commit()

    async with await UsageLog.open(path) as log:
        records = (await log.recent(10))[::-1]
        assert [(r.id, r.final, r.outcome, r.combo, r.path, r.attempt) for r in records] == [
            ("a", True, "answered", None, None, 1),
            ("b", True, "failed", None, None, 3),
            ("c", True, "dropped", None, None, 1),
            ("d", True, "failed", None, None, 1),
        ]
        totals = await log.totals()
        assert (totals.requests, totals.failures, totals.cost_usd) == (4, 3, 2.0)
        log.record(used(9))

    with closing(sqlite3.connect(path)) as db:  # a process of that release that still has the file open
        db.execute(OLD_INSERT, ("late", "late", 200, 1, None))
        db.commit()
    async with await UsageLog.open(path) as log:
        newest, before, *_ = await log.recent(9)
        assert (newest.id, newest.final, newest.outcome, before.id) == ("late", True, "answered", "u9")


async def test_an_upgrade_that_breaks_off_leaves_the_old_file(path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1.replace("error_code TEXT", "error_code TEXT, final INTEGER"))  # in the upgrade's way
    with pytest.raises(StoreError):
        await UsageLog.open(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert "combo" not in {row[1] for row in db.execute("PRAGMA table_info(usage)")}
