"""The guard: what one attempt's outcome means for the next one. Clocks are set by hand."""

from __future__ import annotations

import asyncio

import pytest
from omniroute_hooks import BadRequest, LoginExpired, QuotaExhausted, RateLimited, UpstreamError
from omniroute_hooks.errors import Entitlement

from core.resilience.guard import NotNow, Passage, Resilience
from core.resilience.policy import policy_of
from core.resilience.verdict import span
from core.store.records import ConnectionRecord

KEY = ("acme", "apikey", "c1", "m1")
OTHER_MODEL = ("acme", "apikey", "c1", "m2")
OTHER_CONNECTION = ("acme", "apikey", "c2", "m1")
HOUR_S = 3600.0


@pytest.fixture
def guard(clock):
    return Resilience(clock=clock, wall=lambda: clock() + 1_000_000)


def ok(guard, key=KEY):
    return guard.verdict(*key, guard.clock()).ok


async def fail(guard, error, scope="connection", key=KEY, request_id=""):
    async with guard.slot(*key, request_id) as passage:
        return passage.failed(error, scope)


async def succeed(guard, key=KEY):
    async with guard.slot(*key) as passage:
        passage.succeeded()


async def open_breaker(guard, clock):
    """Fails as often as it takes, each time when the model's own rest is over."""
    for _ in range(12):
        clock.pass_(60)
        await fail(guard, UpstreamError("HTTP 500"))
    return guard.clock() + 30.0


async def test_rate_limit_rests_the_connection_until_the_hint_and_not_its_sister(guard, clock):
    until_s = await fail(guard, RateLimited("Too many requests.", retry_after_s=42))
    assert until_s == clock() + 42
    for key in (KEY, OTHER_MODEL):
        verdict = guard.verdict(*key, clock())
        assert (verdict.ok, verdict.retry_at_s, verdict.probe) == (False, until_s, False)
        assert verdict.reason == "It rests for 42 s more. Too many requests."
    assert ok(guard, OTHER_CONNECTION)
    with pytest.raises(NotNow) as caught:
        await succeed(guard)
    assert (caught.value.retry_after_s, caught.value.blames) == (42, "gateway")
    assert guard.in_flight("c1") == 0
    clock.pass_(42)
    assert ok(guard)


async def test_rate_limit_of_a_model_rests_that_model_only(guard, clock):
    await fail(guard, RateLimited("slow down", retry_after_s=42), "model")
    assert not ok(guard)
    assert ok(guard, OTHER_MODEL)


async def test_rate_limits_never_trip_the_breaker(guard, clock):
    for number in range(100):
        await fail(guard, RateLimited("slow down"), key=("acme", "apikey", f"c{number}", "m"))
    assert guard.live().breakers == {}
    assert ok(guard, ("acme", "apikey", "fresh", "m"))


async def test_server_fault_rests_one_model_briefly_and_the_breaker_counts_it(guard, clock):
    assert await fail(guard, UpstreamError("HTTP 500")) == clock() + 3
    assert not ok(guard)
    assert ok(guard, OTHER_MODEL)
    assert guard.live().breakers["acme"].failures == 1
    clock.pass_(3)
    await succeed(guard)
    assert guard.live().breakers == {}
    assert guard.live().cooldowns == ()


async def test_breaker_opens_for_all_connections_and_lets_exactly_one_probe_through(guard, clock):
    until_s = await open_breaker(guard, clock)
    verdict = guard.verdict(*OTHER_CONNECTION, clock())
    assert (verdict.ok, verdict.retry_at_s) == (False, until_s)
    assert verdict.reason == "The provider failed 12 times in a row; it is tried again in 30 s."
    clock.pass_(30)
    assert guard.verdict(*OTHER_CONNECTION, clock()).probe
    async with guard.slot(*OTHER_CONNECTION) as probe:
        assert probe.probe
        assert not probe.again()
        verdict = guard.verdict(*OTHER_MODEL, clock())
        assert (verdict.ok, verdict.retry_at_s > clock()) == (False, True)
        with pytest.raises(NotNow):
            await succeed(guard, OTHER_MODEL)
        probe.failed(UpstreamError("HTTP 500"))
    assert not ok(guard, OTHER_MODEL)
    clock.pass_(30)
    async with guard.slot(*OTHER_MODEL) as probe:
        probe.succeeded()
    assert ok(guard, OTHER_CONNECTION)
    assert guard.live().breakers == {}


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(lambda probe: None, id="the-caller-left"),
        pytest.param(lambda probe: probe.failed(BadRequest("no")), id="the-callers-fault"),
        pytest.param(lambda probe: probe.failed(RateLimited("no"), "model"), id="a-rate-limit"),
    ],
)
async def test_probe_that_found_nothing_out_is_given_back(guard, clock, outcome):
    await open_breaker(guard, clock)
    clock.pass_(30)
    async with guard.slot(*OTHER_CONNECTION) as probe:
        outcome(probe)
    verdict = guard.verdict("acme", "apikey", "c3", "m", clock())
    assert (verdict.ok, verdict.probe) == (True, True)


async def test_probe_is_given_back_when_the_attempt_breaks_off_with_anything_at_all(guard, clock):
    await open_breaker(guard, clock)
    clock.pass_(30)
    with pytest.raises(KeyboardInterrupt):
        async with guard.slot(*OTHER_CONNECTION):
            raise KeyboardInterrupt
    assert guard.verdict(*OTHER_CONNECTION, clock()).probe


async def test_outcome_may_be_told_right_after_the_slot(guard, clock):
    await open_breaker(guard, clock)
    clock.pass_(30)
    async with guard.slot(*OTHER_CONNECTION) as probe:
        pass
    probe.failed(UpstreamError("HTTP 500"))
    assert not ok(guard, OTHER_CONNECTION)
    probe.succeeded()  # and is told once
    assert not ok(guard, OTHER_CONNECTION)


async def test_first_word_of_a_probe_lets_others_in_and_a_cut_after_it_shuts_them_out(guard, clock):
    await open_breaker(guard, clock)
    clock.pass_(30)
    async with guard.slot(*OTHER_CONNECTION) as probe:
        probe.answering()
        assert guard.verdict(*OTHER_MODEL, clock()) == guard.verdict("new", "apikey", "n", "m", clock())
        probe.failed(UpstreamError("cut"))
    assert not ok(guard, OTHER_MODEL)


async def test_failures_of_one_request_count_once_for_the_breaker(guard, clock):
    for number in range(50):
        await fail(guard, UpstreamError("HTTP 500"), key=("acme", "apikey", f"c{number}", "m"), request_id="r1")
    assert guard.live().breakers["acme"].failures == 1


async def test_answer_asked_for_before_the_rest_began_does_not_end_it(guard, clock):
    async with guard.slot(*KEY) as slow:
        await fail(guard, RateLimited("slow down", retry_after_s=60))
        clock.pass_(5)
        slow.succeeded()
    assert not ok(guard)
    assert guard.earliest([KEY], clock()) == clock() + 55


async def test_quota_that_came_back_early_is_used(guard, clock):
    """The provider says five hours. It is there again after twenty minutes."""
    began_s = clock()
    until_s = await fail(guard, QuotaExhausted("All used up.", retry_after_s=5 * HOUR_S))
    sent = []
    while not sent or sent[-1][1] == "refused":
        clock.pass_(1.0)
        if not ok(guard):
            continue
        back = clock() - began_s >= 20 * 60
        async with guard.slot(*KEY) as passage:
            assert passage.probe
            assert not ok(guard)  # only one
            sent.append((clock() - began_s, "answered" if back else "refused"))
            if back:
                passage.succeeded()
            else:
                passage.failed(QuotaExhausted("All used up.", retry_after_s=until_s - clock()))
    assert sent == [(900.0, "refused"), (2700.0, "answered")]
    assert guard.verdict(*KEY, clock()) == guard.verdict("new", "apikey", "n", "m", clock())


async def test_fault_met_by_a_probe_neither_ends_nor_prolongs_the_rest(guard, clock):
    until_s = await fail(guard, QuotaExhausted("All used up.", retry_after_s=5 * HOUR_S))
    clock.pass_(901)
    await fail(guard, UpstreamError("HTTP 500"))
    verdict = guard.verdict(*OTHER_MODEL, clock())
    assert (verdict.ok, verdict.retry_at_s) == (False, until_s)
    clock.pass_(1801)
    assert guard.verdict(*OTHER_MODEL, clock()).probe


async def test_probe_that_is_refused_brings_the_newest_hint(guard, clock):
    await fail(guard, QuotaExhausted("All used up.", retry_after_s=5 * HOUR_S))
    clock.pass_(900)
    assert await fail(guard, RateLimited("A little more.", retry_after_s=100)) == clock() + 100
    assert guard.earliest([KEY], clock()) == clock() + 100


async def test_hints_can_be_switched_off(guard, clock):
    guard.update(policy_of({"connectionCooldown": {"apikey": {"useUpstreamRetryHints": False}}}))
    assert await fail(guard, RateLimited("slow down", retry_after_s=600)) == clock() + 3
    key = ("club", "oauth", "o1", "m")
    assert await fail(guard, RateLimited("slow down", retry_after_s=600), key=key) == clock() + 600


async def test_defaults_differ_by_auth_type(guard, clock):
    assert await fail(guard, RateLimited("x"), key=("club", "oauth", "o1", "m")) == clock() + 5
    assert await fail(guard, RateLimited("x"), key=("free", "none", "free:none", "m")) == clock() + 3


async def test_account_without_a_right_to_one_model_keeps_the_others(guard, clock):
    await fail(guard, Entitlement("Not in your plan."))
    assert not ok(guard)
    assert ok(guard, OTHER_MODEL)


def record(id_="c1", credential=None, **more):
    values = {
        "provider": "acme",
        "auth_type": "apikey",
        "name": id_,
        "priority": 1,
        "is_active": True,
        "credential": credential or {"api_key": "k1"},
        "provider_specific_data": {},
        "state": "active",
        "created_at": 0.0,
        "updated_at": 0.0,
    }
    return ConnectionRecord(id=id_, **{**values, **more})


async def test_new_key_ends_the_rest_of_the_old_one(guard, clock):
    guard.update(guard.policy, [record(), record("c2")])
    await fail(guard, LoginExpired("Refused."))
    await fail(guard, RateLimited("slow down", retry_after_s=60), "model", OTHER_CONNECTION)
    guard.update(guard.policy, [record(updated_at=9.0), record("c2")])
    assert not ok(guard)
    guard.update(guard.policy, [record(credential={"api_key": "k2"}), record("c2")])
    assert ok(guard)
    assert not ok(guard, OTHER_CONNECTION)


async def test_renewed_token_ends_a_refused_login_and_no_rate_limit(guard, clock):
    def login(token):
        return record(credential={"access_token": token}, auth_type="oauth")

    guard.update(guard.policy, [login("t1")])
    await fail(guard, LoginExpired("Refused."))
    guard.update(guard.policy, [login("t2")])
    assert ok(guard)
    await fail(guard, RateLimited("slow down", retry_after_s=60))
    guard.update(guard.policy, [login("t3")])
    assert not ok(guard)


async def test_what_is_gone_is_forgotten(guard, clock):
    guard.update(guard.policy, [record(), record("c2")], ["acme"])
    await fail(guard, RateLimited("x", retry_after_s=60))
    await fail(guard, UpstreamError("x"), key=OTHER_CONNECTION)
    await fail(guard, UpstreamError("x"), key=("gone", "apikey", "g", "m"))
    assert set(guard.live().breakers) == {"acme"}  # nothing is begun for a provider nobody knows
    guard.update(guard.policy, [record("c2")], ["other"])
    live = guard.live()
    assert {cooldown.key for cooldown in live.cooldowns} == {"c2/m1", "g/m"}
    assert live.breakers == {}


async def test_reset_ends_everything_or_what_was_named(guard, clock):
    async def trouble():
        guard.reset()
        await open_breaker(guard, clock)
        clock.pass_(31)
        async with guard.slot(*OTHER_CONNECTION) as probe:
            probe.failed(RateLimited("x", retry_after_s=60))
        await fail(guard, RateLimited("x", retry_after_s=60), key=("club", "oauth", "o1", "m"))

    await trouble()
    assert guard.reset() == (1, 2)
    assert guard.reset() == (0, 0)
    await trouble()
    assert guard.reset("acme", ["c1", "c2"]) == (1, 1)
    assert [cooldown.key for cooldown in guard.live().cooldowns] == ["o1"]
    await trouble()
    assert guard.reset(None, ["o1"]) == (0, 1)
    assert guard.live().breakers.keys() == {"acme"}


async def test_earliest_and_whether_to_wait_for_it(guard, clock):
    now_s = clock()
    await fail(guard, RateLimited("x", retry_after_s=20))
    await fail(guard, RateLimited("x", retry_after_s=50), key=OTHER_CONNECTION)
    assert guard.earliest([], now_s) is None
    assert guard.earliest([OTHER_CONNECTION, KEY], now_s) == now_s + 20
    assert guard.earliest([KEY, ("new", "apikey", "n", "m")], now_s) == now_s
    assert guard.wait_plan([now_s + 50, now_s + 20, None], 0, now_s) == 20
    assert guard.wait_plan([now_s + 20], 2, now_s) == 20
    assert guard.wait_plan([now_s + 20], 3, now_s) is None  # often enough
    assert guard.wait_plan([now_s + 31], 0, now_s) is None  # too long
    assert guard.wait_plan([now_s - 5], 0, now_s) == 0
    assert guard.wait_plan([None], 0, now_s) is None
    assert guard.wait_plan([], 0, now_s) is None
    guard.update(policy_of({"waitForCooldown": {"enabled": False}}))
    assert guard.wait_plan([now_s + 1], 0, now_s) is None


async def test_repeat_is_refused_once_somebody_else_has_put_the_candidate_to_rest(guard, clock):
    async with guard.slot(*KEY) as passage:
        assert passage.again()
        await fail(guard, RateLimited("x", retry_after_s=60))
        assert not passage.again()


async def test_slot_does_not_suspend_while_pacing_is_off(guard):
    slot = guard.slot(*KEY)
    entering = slot.__aenter__()
    with pytest.raises(StopIteration):
        entering.send(None)
    assert guard.in_flight("c1") == 1
    await slot.__aexit__(None, None, None)
    assert guard.in_flight("c1") == 0


async def test_connections_own_limit_reaches_its_queue(guard, clock):
    guard.update(guard.policy, [record(max_concurrent=1), record("c2")])
    async with guard.slot(*KEY):
        with pytest.raises(NotNow) as caught:
            async with guard.slot(*OTHER_MODEL, max_wait_s=0):
                pass
        assert caught.value.code == "queue_full"
        async with guard.slot(*OTHER_CONNECTION), guard.slot(*OTHER_CONNECTION):
            assert guard.in_flight("c2") == 2
    assert guard.limits("c1").at_once == 1


async def test_latencies_are_taken_along_the_way(guard, clock):
    async with guard.slot(*KEY) as passage:
        clock.pass_(0.2)
        passage.answering()
        clock.pass_(0.8)
        passage.succeeded()
    await fail(guard, UpstreamError("x"))
    clock.pass_(60)
    async with guard.slot(*KEY) as passage:
        passage.failed(BadRequest("the caller's fault says nothing of the provider"))
    (first, second) = guard.latencies.recent(clock())["acme"]
    assert (first.ok, round(first.ms), round(first.first_ms)) == (True, 1000, 200)
    assert not second.ok


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 s"), (59.6, "60 s"), (119, "119 s"), (125, "2 min"), (7100, "118 min"), (5 * HOUR_S, "5 h")],
)
def test_times_in_words(seconds, words):
    assert span(seconds) == words


def test_queue_of_a_connection_that_begins_to_rest_leaves_at_once(virtually):
    async def work():
        clock = asyncio.get_running_loop().time
        guard = Resilience(policy_of({"requestQueue": {"concurrentRequests": 1}}), clock, clock)
        sent, refused = [], []

        async def call(number):
            try:
                async with guard.slot(*KEY) as passage:
                    sent.append(number)
                    await asyncio.sleep(2)
                    passage.failed(RateLimited("slow down", retry_after_s=600))
            except NotNow as exc:
                refused.append((clock(), exc.verdict.retry_at_s))

        began_s = clock()
        await asyncio.gather(*(call(number) for number in range(200)))
        assert sent == [0]
        assert refused == [(began_s + 2, began_s + 602)] * 199
        assert guard.live().queues == {}

    virtually(work())


@pytest.mark.parametrize(
    ("failing", "error", "status"),
    [
        pytest.param(KEY, RateLimited("slow down", retry_after_s=600), 600, id="its-own-rest"),
        pytest.param(OTHER_CONNECTION, UpstreamError("HTTP 500"), 30, id="its-providers-breaker"),
    ],
)
def test_nobody_waits_for_a_turn_that_cannot_be_used(virtually, failing, error, status):
    async def work():
        clock = asyncio.get_running_loop().time
        policy = {
            "requestQueue": {"requestsPerMinute": 1, "maxWaitMs": 60_000},
            "providerBreaker": {"apikey": {"failureThreshold": 1}},
        }
        guard = Resilience(policy_of(policy), clock, clock)
        async with guard.slot(*KEY) as first:
            first.succeeded()
        waiting = asyncio.create_task(guard.slot(*KEY).__aenter__())
        await asyncio.sleep(2)
        at_s = clock()
        guard.note_failure(Passage(guard, failing, "", at_s), error, "connection")
        with pytest.raises(NotNow) as caught:
            await waiting
        assert (clock(), caught.value.verdict.retry_at_s) == (at_s, at_s + status)

    virtually(work())


def test_turn_that_came_just_before_the_rest_began_is_not_used(virtually):
    async def work():
        clock = asyncio.get_running_loop().time
        policy = {"requestQueue": {"concurrentRequests": 2, "requestsPerMinute": 3}}
        guard = Resilience(policy_of(policy), clock, clock)
        slots = [guard.slot(*KEY), guard.slot(*KEY)]
        first, second = [await slot.__aenter__() for slot in slots]
        waiting = asyncio.create_task(guard.slot(*KEY).__aenter__())
        await asyncio.sleep(1)
        guard.leave(first)  # its turn has come, but it has not woken yet
        second.failed(RateLimited("slow down", retry_after_s=10))
        with pytest.raises(NotNow):
            await waiting
        guard.leave(second)
        assert guard.in_flight("c1") == 0
        await asyncio.sleep(10)
        async with guard.slot(*KEY, max_wait_s=0):  # nor did it use up a place in the minute
            pass

    virtually(work())
