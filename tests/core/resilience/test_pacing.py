"""Pacing, in virtual time: what goes out when, under 200 callers, and that nobody who leaves takes a place along."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest
from attrs import define, field

from core.resilience.pacing import Limits, Pacing
from core.resilience.policy import RequestQueue
from core.resilience.verdict import Busy, NotNow, Verdict

CALLERS = 200


def allowed():
    return None


@define
class Traffic:
    """A pacing whose callers are watched. ``started`` (time, caller) in order; ``refused`` by caller."""

    pacing: Pacing
    started: list[tuple[float, int]] = field(factory=list)
    refused: dict[int, NotNow] = field(factory=dict)
    refused_at: dict[int, float] = field(factory=dict)
    most_running: int = 0

    async def call(self, caller, takes_s=0.0, max_wait_s=None, refusal=allowed):
        clock = asyncio.get_running_loop().time
        try:
            if not self.pacing.enter_now("c"):
                await self.pacing.enter("c", refusal, max_wait_s)
        except NotNow as exc:
            self.refused[caller], self.refused_at[caller] = exc, clock()
            return
        self.started.append((clock(), caller))
        self.most_running = max(self.most_running, self.pacing.running("c"))
        try:
            await asyncio.sleep(takes_s)
        finally:
            self.pacing.leave("c")

    def times(self):
        return [at_s - self.started[0][0] for at_s, _ in self.started]

    def nothing_is_left(self):
        assert self.pacing.running("c") == 0
        assert self.pacing.queued("c") == 0
        assert list(self.pacing.connections()) == []


def traffic(own=None, **queue):
    pacing = Pacing(asyncio.get_running_loop().time)
    pacing.update(RequestQueue(**{"maxWaitMs": 600_000, **queue}), {} if own is None else {"c": own})
    return Traffic(pacing)


async def all_at_once(it, **how):
    await asyncio.gather(*(it.call(caller, **how) for caller in range(CALLERS)))
    it.nothing_is_left()


def test_requests_per_minute_hold_in_every_minute_and_callers_keep_their_order(virtually):
    async def work():
        it = traffic(requestsPerMinute=30)
        await all_at_once(it, takes_s=1.0)
        assert [caller for _, caller in it.started] == list(range(CALLERS))
        times = it.times()
        assert all(later - earlier >= 60.0 - 1e-3 for earlier, later in zip(times, times[30:], strict=False))
        assert times[:30] == [0.0] * 30  # no slower than it has to be
        assert times[-1] == pytest.approx(360.0)

    virtually(work())


def test_minimum_gap_holds(virtually):
    async def work():
        it = traffic(minTimeBetweenRequestsMs=250)
        await all_at_once(it)
        assert [b - a for a, b in itertools.pairwise(it.times())] == pytest.approx([0.25] * (CALLERS - 1))

    virtually(work())


def test_number_at_once_holds_and_is_used_to_the_full(virtually):
    async def work():
        it = traffic(concurrentRequests=7)
        await all_at_once(it, takes_s=2.0)
        assert it.most_running == 7
        assert it.times()[-1] == 2.0 * ((CALLERS - 1) // 7)

    virtually(work())


def test_connections_own_number_at_once_counts_instead_of_the_common_one(virtually):
    async def work():
        for common in (None, 2, 50):
            it = traffic(own=5, concurrentRequests=common)
            await all_at_once(it, takes_s=1.0)
            assert it.most_running == 5

    virtually(work())


@pytest.mark.parametrize("seed", range(5))
def test_all_limits_hold_together_while_callers_come_and_go(virtually, seed):
    async def work():
        rng = random.Random(seed)
        it = traffic(requestsPerMinute=40, minTimeBetweenRequestsMs=100, concurrentRequests=6)

        async def come_and_go(caller):
            await asyncio.sleep(rng.uniform(0, 120))
            task = asyncio.create_task(it.call(caller, takes_s=rng.uniform(0, 20)))
            if caller % 3 == 0:
                await asyncio.sleep(rng.uniform(0, 60))
                task.cancel()  # in the queue, in the slot, or after the end
            await asyncio.gather(task, return_exceptions=True)

        await asyncio.gather(*(come_and_go(caller) for caller in range(CALLERS)))
        it.nothing_is_left()
        times = it.times()
        assert len(times) > CALLERS * 2 / 3 - 1
        assert it.most_running == 6
        assert all(b - a >= 0.1 - 1e-5 for a, b in itertools.pairwise(times))
        assert all(later - earlier >= 60.0 - 1e-3 for earlier, later in zip(times, times[40:], strict=False))
        await asyncio.sleep(60)
        assert it.pacing.enter_now("c")  # as new

    virtually(work())


def test_who_would_wait_too_long_is_told_at_once_and_when_to_come_back(virtually):
    async def work():
        it = traffic(requestsPerMinute=10, maxWaitMs=90_000)
        began_s = asyncio.get_running_loop().time()
        await all_at_once(it)
        assert [caller for _, caller in it.started] == list(range(20))
        assert set(it.refused) == set(range(20, CALLERS))
        assert set(it.refused_at.values()) == {began_s}
        error = it.refused[20]
        assert isinstance(error, Busy)
        assert (error.status, error.retry_after_s) == (429, pytest.approx(120.0))

    virtually(work())


def test_who_waits_for_somebody_elses_end_waits_no_longer_than_allowed(virtually):
    async def work():
        it = traffic(concurrentRequests=2, maxWaitMs=5_000)
        began_s = asyncio.get_running_loop().time()
        await all_at_once(it, takes_s=3600.0)
        assert len(it.started) == 2
        assert set(it.refused_at.values()) == {began_s + 5}
        assert all(error.verdict.retry_at_s > it.refused_at[caller] for caller, error in it.refused.items())

    virtually(work())


def test_caller_may_wait_less_than_the_policy_allows_and_not_more(virtually):
    async def work():
        it = traffic(concurrentRequests=1, maxWaitMs=5_000)
        began_s = asyncio.get_running_loop().time()
        calls = [it.call(0, takes_s=100.0)]
        calls += [it.call(caller, max_wait_s=wait_s) for caller, wait_s in ((1, 0), (2, 1.5), (3, 500))]
        await asyncio.gather(*calls)
        assert {caller: at_s - began_s for caller, at_s in it.refused_at.items()} == {1: 0, 2: 1.5, 3: 5.0}

    virtually(work())


def test_queue_has_an_end(virtually):
    async def work():
        it = traffic(concurrentRequests=1, maxQueued=50)
        await all_at_once(it, takes_s=1.0)
        assert len(it.started) == 51
        assert "queue is full" in it.refused[199].message

    virtually(work())


def test_those_who_wait_in_vain_leave_at_once_and_the_others_stay(virtually):
    async def work():
        it = traffic(concurrentRequests=1)
        clock = asyncio.get_running_loop().time
        began_s = clock()
        rests = []

        def refusal():
            return NotNow(Verdict(False, "It rests.", clock() + 60), clock()) if rests else None

        tasks = [asyncio.create_task(it.call(0, takes_s=50.0))]
        tasks += [asyncio.create_task(it.call(caller, refusal=refusal)) for caller in range(1, 150)]
        tasks += [asyncio.create_task(it.call(caller)) for caller in range(150, CALLERS)]
        await asyncio.sleep(10)
        rests.append(True)
        it.pacing.recheck("other")
        assert it.pacing.queued("c") == CALLERS - 1
        it.pacing.recheck("c")
        assert it.pacing.queued("c") == CALLERS - 150
        await asyncio.gather(*tasks)
        assert {at_s - began_s for at_s in it.refused_at.values()} == {10.0}
        assert [caller for _, caller in it.started] == [0, *range(150, CALLERS)]
        it.nothing_is_left()

    virtually(work())


def test_refused_when_its_turn_comes_costs_no_place(virtually):
    async def work():
        it = traffic(requestsPerMinute=1)
        clock = asyncio.get_running_loop().time
        began_s = clock()
        no = NotNow(Verdict(False, "It rests.", None), clock())
        await asyncio.gather(it.call(0), it.call(1, refusal=lambda: no), it.call(2))
        assert it.refused_at == {1: began_s + 60}
        assert it.times() == [0.0, pytest.approx(60.0)]

    virtually(work())


def test_cancelled_just_when_its_turn_came_gives_the_turn_on(virtually):
    async def work():
        it = traffic(concurrentRequests=1)
        first = asyncio.create_task(it.call(0, takes_s=1.0))
        second = asyncio.create_task(it.call(1, takes_s=1.0))
        third = asyncio.create_task(it.call(2, takes_s=1.0))
        await asyncio.sleep(0.5)
        it.pacing.leave("c")  # the turn is the second's now, which has not woken yet
        second.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        assert [(at_s - it.started[0][0], caller) for at_s, caller in it.started] == [(0.0, 0), (0.5, 2)]
        assert it.pacing.running("c") == 0

    virtually(work())


def test_new_limits_count_at_once_for_those_who_wait(virtually):
    async def work():
        it = traffic(requestsPerMinute=1)
        tasks = [asyncio.create_task(it.call(caller)) for caller in range(10)]
        await asyncio.sleep(1)
        assert len(it.started) == 1
        it.pacing.update(RequestQueue(minTimeBetweenRequestsMs=100), {})
        await asyncio.sleep(0.35)
        assert len(it.started) == 5
        it.pacing.update(RequestQueue(), {})
        await asyncio.gather(*tasks)
        assert it.times()[-1] == pytest.approx(1.35)
        it.nothing_is_left()

    virtually(work())


def test_repeat_within_a_slot_counts_and_never_waits(virtually):
    async def work():
        it = traffic(requestsPerMinute=3)
        assert it.pacing.enter_now("c")
        assert [it.pacing.again("c") for _ in range(3)] == [True, True, False]
        it.pacing.leave("c")
        assert not it.pacing.enter_now("c")
        free = traffic()
        assert free.pacing.enter_now("c")
        assert all(free.pacing.again("c") for _ in range(100))

    virtually(work())


def test_off_unless_set_and_then_nobody_is_ever_put_off():
    asked = []
    pacing = Pacing(lambda: float(asked.append(1) or 0))
    pacing.update(RequestQueue(), {})
    asked.clear()
    assert Limits().off
    assert all(pacing.enter_now("c") for _ in range(CALLERS))
    assert pacing.running("c") == CALLERS
    for _ in range(CALLERS):
        pacing.leave("c")
    assert pacing.running("c") == 0
    assert list(pacing.connections()) == []
    assert not asked  # not even what time it is
