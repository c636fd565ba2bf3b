"""What one process finds out of a connection, all others know before long: two guards on one board."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

import pytest
from attrs import evolve
from omniroute_hooks import QuotaExhausted, RateLimited, UpstreamError

from core.resilience.cooldown import Cooldown
from core.resilience.guard import Resilience
from core.resilience.keeping import agreed
from core.resilience.memory_state import MemoryState
from core.resilience.policy import policy_of
from core.resilience.state_board import StateBoard
from core.settings import Settings
from core.store.records import RestRecord
from core.store.store import Store

KEY = ("acme", "apikey", "c1", "m1")


class Hours:
    """One wall and one monotonic time for all, set by the test."""

    def __init__(self) -> None:
        self.now_s = 5000.0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now_s


@pytest.fixture
def hours():
    return Hours()


@pytest.fixture(params=["store", "state"])
async def board(request, tmp_path, hours):
    """Both boards: the store that every gateway has, and a state store of a plugin's."""
    if request.param == "state":
        yield StateBoard(MemoryState(clock=hours.monotonic), hours.wall)
        return
    async with await Store.open(Settings(data_dir=tmp_path), clock=hours.wall) as store:
        yield store


@contextlib.asynccontextmanager
async def guards(board, hours, count=2, policy: Mapping[str, object] | None = None):
    """Processes that share a board, as far as this package can tell."""
    made = [Resilience(policy_of(policy or {}), hours.monotonic, hours.wall) for _ in range(count)]
    for guard in made:
        await guard.restore(board)
    try:
        yield made
    finally:
        for guard in made:
            await guard.aclose()


async def fail(guard, error, scope="connection", key=KEY):
    async with guard.slot(*key) as passage:
        passage.failed(error, scope)
    await guard.kept()


def rest_of(guard, key=KEY):
    """(seconds left, probe allowed) as this process sees it."""
    verdict = guard.verdict(*key, guard.clock())
    return None if verdict.ok else pytest.approx(verdict.retry_at_s - guard.clock())


async def test_a_rest_that_one_found_holds_for_all(board, hours):
    async with guards(board, hours, 3) as (one, two, three):
        await fail(one, RateLimited("slow down", retry_after_s=60))
        await fail(one, RateLimited("slow down", retry_after_s=90), "model", ("acme", "apikey", "c2", "big/m"))
        for other in (two, three):
            assert rest_of(other) is None
            await other.follow()
            assert rest_of(other) == 60
            assert "slow down" in other.verdict(*KEY, hours.now_s).reason
            assert rest_of(other, ("acme", "apikey", "c2", "big/m")) == 90
            assert rest_of(other, ("acme", "apikey", "c2", "small")) is None


async def test_the_first_guess_of_a_rest_is_long_enough_to_be_told(board, hours):
    async with guards(board, hours) as (one, two):
        await fail(one, RateLimited("no hint"))
        await two.follow()
        assert rest_of(two) == 3.0


async def test_of_two_rests_the_longer_one_counts_everywhere(board, hours):
    async with guards(board, hours) as (one, two):
        async with one.slot(*KEY) as first, two.slot(*KEY) as second:
            first.failed(RateLimited("long", retry_after_s=120), "connection")
            hours.now_s += 1
            second.failed(RateLimited("short", retry_after_s=30), "connection")
        await one.kept()
        await two.kept()
        for guard in (one, two, one):
            await guard.follow()
            await guard.kept()
        assert rest_of(one) == 119
        assert rest_of(two) == 119
        await one.follow()
        async with guards(board, hours, 1) as (newcomer,):
            assert rest_of(newcomer) == 119


@pytest.mark.parametrize("ids", [None, ["c1"]])
async def test_a_reset_counts_everywhere(board, hours, ids):
    async with guards(board, hours) as (one, two):
        await fail(one, RateLimited("slow down", retry_after_s=60))
        await fail(two, RateLimited("brief", retry_after_s=1.5), key=("acme", "apikey", "c2", "m1"))
        await two.follow()
        one.reset(None, ids)
        await one.kept()
        await two.follow()
        assert rest_of(two) is None
        assert (rest_of(two, ("acme", "apikey", "c2", "m1")) is None) is (ids is None)


@pytest.mark.parametrize(
    ("provider_id", "closed"),
    [pytest.param(None, {"acme", "other"}, id="all"), pytest.param("acme", {"acme"}, id="one-provider")],
)
async def test_a_reset_closes_the_breakers_of_all(board, hours, provider_id, closed):
    policy = {"providerBreaker": {"apikey": {"failureThreshold": 2}}}
    async with guards(board, hours, policy=policy) as (one, two):
        for name in ("acme", "other"):
            for connection in ("a", "b"):
                await fail(two, UpstreamError("500"), key=(name, "apikey", f"{name}-{connection}", "m"))
        assert set(two.live().breakers) == {"acme", "other"}
        one.reset(provider_id)
        await one.kept()
        await two.follow()
        assert set(two.live().breakers) == {"acme", "other"} - closed


async def test_what_fails_after_a_reset_rests_though_the_reset_is_read_later(board, hours):
    async with guards(board, hours) as (one, two):
        one.reset()
        hours.now_s += 0.1
        await fail(two, RateLimited("slow down", retry_after_s=60))
        await one.kept()
        await two.follow()
        await one.follow()
        assert rest_of(one) == 60
        assert rest_of(two) == 60


async def test_an_answer_to_a_probe_ends_the_rest_everywhere(board, hours):
    async with guards(board, hours) as (one, two):
        await fail(one, QuotaExhausted("used up", retry_after_s=36_000))
        await two.follow()
        hours.now_s += 900
        async with two.slot(*KEY) as probe:
            assert probe.probe
            await two.kept()
            await one.follow()
            assert not one.verdict(*KEY, hours.now_s).probe  # one probe of all processes, not one each
            probe.succeeded()
        await two.kept()
        await one.follow()
        assert rest_of(one) is None


async def test_a_probe_that_learns_of_an_earlier_end_tells_the_others(board, hours):
    async with guards(board, hours) as (one, two):
        await fail(one, QuotaExhausted("used up", retry_after_s=36_000))
        await two.follow()
        hours.now_s += 900
        await fail(two, QuotaExhausted("used up", retry_after_s=1200))
        await one.follow()
        await one.kept()
        await two.follow()
        assert rest_of(one) == rest_of(two)
        hours.now_s += 1201
        assert rest_of(one) is None


async def test_an_answer_from_before_a_rest_does_not_end_it_for_others(board, hours):
    async with guards(board, hours) as (one, two):
        await fail(one, RateLimited("slow down", retry_after_s=5))
        await two.follow()
        hours.now_s += 6
        async with one.slot(*KEY) as slow:
            hours.now_s += 1
            await fail(two, RateLimited("slow down", retry_after_s=60))
            hours.now_s += 1
            slow.succeeded()
        await one.kept()
        await two.follow()
        await one.follow()
        assert rest_of(two) == 59
        assert rest_of(one) == 59


async def test_nothing_is_told_twice(board, hours):
    async with guards(board, hours) as (one, two):
        await fail(one, RateLimited("slow down", retry_after_s=60))
        await two.follow()
        await two.kept()
        seen, _ = await board.rests_since(0)
        for guard in (one, two, one):
            await guard.follow()
            await guard.kept()
        assert (await board.rests_since(seen))[0] == seen


async def test_numbers_on_the_board_never_go_back(board, hours):
    async with guards(board, hours) as (one, two):
        for _ in range(3):
            await fail(one, RateLimited("slow down", retry_after_s=10))
            await two.follow()
            hours.now_s += 1000
        await fail(one, RateLimited("slow down", retry_after_s=10))
        await two.follow()
        assert rest_of(two) == rest_of(one) is not None


@pytest.mark.parametrize("value", ["no-object", 7, {"until": "soon"}, []])
async def test_what_another_release_wrote_hurts_nobody(board, hours, value):
    async with guards(board, hours, 1) as (guard,):
        at = hours.wall()
        for key in ("c1", "/reset"):
            await board.put_rests([RestRecord(key=key, value=value, changed_at=at, expires_at=at + 60, writer="x")])
        await guard.follow()
        assert rest_of(guard) is None
        await board.put_rests([])


class Broken:
    """A board that cannot be read any more."""

    def __init__(self) -> None:
        self.works = True

    async def rests_since(self, revision):
        if not self.works:
            raise OSError("gone")
        return 0, []

    async def put_rests(self, records):
        raise OSError("gone")


async def test_a_board_that_is_gone_is_told_once_and_stops_nobody(hours, caplog):
    board = Broken()
    guard = Resilience(clock=hours.monotonic, wall=hours.wall)
    await guard.restore(board)
    board.works = False
    for _ in range(5):
        await guard.follow()
    assert sum("Cooldowns of other processes" in record.message for record in caplog.records) == 1
    await guard.aclose()


def test_a_storm_of_failures_is_few_writes(virtually):
    class Counting:
        def __init__(self):
            self.writes = 0

        async def rests_since(self, revision):
            return 0, []

        async def put_rests(self, records):
            self.writes += 1

    async def work():
        clock = asyncio.get_running_loop().time
        board = Counting()
        guard = Resilience(clock=clock, wall=clock)
        await guard.restore(board)
        for number in range(1000):
            async with guard.slot("acme", "apikey", f"c{number % 50}", f"m{number}") as passage:
                passage.failed(RateLimited("slow down", retry_after_s=60), "model")
            await asyncio.sleep(0.001)
        await guard.kept()
        await guard.aclose()
        return board.writes

    assert virtually(work()) <= 13  # one second of them, ten writes in it at most


def test_two_views_of_one_rest_are_settled():
    mine = Cooldown("c", 100.0, 2)
    assert agreed(mine, Cooldown("c", 50.0)) is mine
    assert agreed(mine, Cooldown("c", 150.0)).until_s == 150.0
    assert agreed(mine, Cooldown("c", 150.0)).step == 2
    assert agreed(mine, Cooldown("c", 99.99)).until_s == 100.0  # two clocks that tell one moment
    probed = evolve(mine, until_s=60.0, probes=1)
    assert agreed(mine, probed) is probed
    assert agreed(probed, mine).until_s == 100.0
