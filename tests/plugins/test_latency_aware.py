"""Latency-aware: the fastest, and a look at the others now and then."""

from attrs import evolve
from omniroute_hooks.testing.simulate import Player, simulate
from omniroute_latency_aware import LATENCY_AWARE, LOOK_EVERY
from strategy_kit import Chooser, candidate

SLOW = candidate("slow", 0, latency_ms=900.0, last_used_s=0.0)
FAST = candidate("fast", 1, latency_ms=100.0, last_used_s=0.0)
MIDDLE = candidate("middle", 2, latency_ms=400.0, last_used_s=0.0)


def test_the_fastest_is_first_and_the_others_follow():
    assert Chooser(LATENCY_AWARE).order(SLOW, FAST, MIDDLE) == ["fast", "middle", "slow"]


def test_who_fails_fast_is_not_fast():
    failing = evolve(FAST, failure_rate=0.9)

    assert Chooser(LATENCY_AWARE).order(SLOW, failing, MIDDLE) == ["middle", "slow", "fast"]


def test_those_as_good_as_the_fastest_share_its_load():
    close = candidate("close", 0, latency_ms=115.0, last_used_s=0.0)

    assert Chooser(LATENCY_AWARE).order(close, FAST, MIDDLE)[0] == "fast"
    assert Chooser(LATENCY_AWARE).order(close, evolve(FAST, in_flight=1), MIDDLE) == ["close", "fast", "middle"]
    assert Chooser(LATENCY_AWARE).order(close, evolve(FAST, in_flight=1), evolve(MIDDLE, in_flight=0))[-1] == "middle"


def test_one_without_a_measure_is_tried_once_and_not_again_until_a_minute_later():
    chooser = Chooser(LATENCY_AWARE)
    chooser.now_s = 1.0
    new = candidate("new", 3, last_used_s=0.5, in_flight=2)  # with another model, perhaps

    assert chooser.order(SLOW, FAST, new) == ["new", "fast", "slow"]
    assert chooser.tally(18, SLOW, FAST, new) == {"fast": 18}
    chooser.now_s = 62.0
    assert chooser.order(SLOW, FAST, new)[0] == "new"


def test_one_that_only_failed_so_far_is_last():
    failed = candidate("failed", 3, last_used_s=0.5, failure_rate=0.2)

    assert Chooser(LATENCY_AWARE).order(SLOW, FAST, failed) == ["fast", "slow", "failed"]


def test_with_nobody_measured_yet_the_load_is_spread():
    team = [candidate(key, place, in_flight=busy) for place, (key, busy) in enumerate({"A": 4, "B": 2, "C": 3}.items())]
    chooser = Chooser(LATENCY_AWARE)

    assert chooser.firsts(3, *team) == "BCA"  # each is tried
    assert chooser.order(*team) == ["B", "C", "A"]
    assert chooser.order(*(evolve(c, in_flight=5 if c.key == "B" else c.in_flight) for c in team)) == ["C", "A", "B"]


def test_each_20th_request_measures_the_oldest_again():
    chooser = Chooser(LATENCY_AWARE)
    chooser.now_s = 100.0
    recent = evolve(FAST, last_used_s=99.0)

    firsts = [chooser.order(evolve(SLOW, last_used_s=5.0), recent, MIDDLE)[0] for _ in range(3 * LOOK_EVERY)]

    assert [n + 1 for n, key in enumerate(firsts) if key != "fast"] == [20, 40, 60]
    assert set(firsts) == {"fast", "middle"}


def test_fresh_measures_are_not_taken_again():
    chooser = Chooser(LATENCY_AWARE)
    chooser.now_s = 30.0

    assert chooser.tally(100, SLOW, FAST, MIDDLE) == {"fast": 100}
    chooser.now_s = 61.0  # what was saved up is one look, and not five
    assert chooser.tally(10, SLOW, evolve(FAST, last_used_s=60.0), MIDDLE) == {"slow": 1, "fast": 9}


def test_nearly_all_requests_go_to_the_fastest_and_few_to_measuring():
    team = [Player("slow", latency_ms=900), Player("fast", latency_ms=200), Player("middle", latency_ms=500)]

    for callers in (1, 200):
        picks = simulate(LATENCY_AWARE, team, callers=callers).picks()

        assert picks["fast"] > 0.94 * 10_000
        assert 0 < picks["slow"] + picks["middle"] < 0.06 * 10_000


def test_the_fastest_has_its_requests_again_after_a_failure():
    team = [Player("slow", latency_ms=900), Player("fast", latency_ms=200, down=((300.0, 600.0),))]

    played = simulate(LATENCY_AWARE, team)

    during, after = played.picks(310.0, 600.0), played.picks(1200.0)
    assert during["slow"] > 0.95 * sum(during.values())
    assert after["fast"] > 0.94 * sum(after.values())
    assert played.unanswered == 0
