"""Power of two choices: who is drawn, and who of two is healthier."""

import pytest
from omniroute_p2c import P2C
from strategy_kit import Chooser, candidate, chi_square_fits


def test_of_two_the_healthier_always_wins():
    chooser = Chooser(P2C)

    assert chooser.firsts(50, candidate("A", 0, in_flight=3), candidate("B", 1, in_flight=2)) == "B" * 50


def test_shares_are_those_of_two_draws_without_putting_back():
    team = [candidate(key, place, in_flight=place) for place, key in enumerate("ABCD")]

    tally = Chooser(P2C).tally(6000, *team)

    # Of six pairs the best is in three, the second best wins two, the third one; the worst never.
    assert chi_square_fits(tally, {"A": 3, "B": 2, "C": 1, "D": 0})


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ({"in_flight": 1}, {}),
        ({"failure_rate": 0.3, "last_used_s": 100.0}, {"last_used_s": 100.0}),
        ({"failure_rate": 1.0, "last_used_s": 100.0}, {"in_flight": 500}),
        ({"quota_left": 0.0}, {"in_flight": 500}),
        ({"in_flight": 9}, {"failure_rate": 0.5, "last_used_s": 100.0, "in_flight": 2}),
        ({"failure_rate": 0.5, "last_used_s": 100.0}, {"failure_rate": 0.5, "last_used_s": 40.0}),
    ],
    ids=["busy", "failing", "dead", "spent", "much-busier-than-one-that-half-fails", "failed-just-now"],
)
def test_health_is_quota_failures_and_load(worse, better):
    chooser = Chooser(P2C)
    chooser.now_s = 100.0

    assert chooser.tally(20, candidate("worse", 0, **worse), candidate("better", 1, **better)) == {"better": 20}


def test_one_failure_in_a_hundred_is_no_reason_to_go_elsewhere():
    tally = Chooser(P2C).tally(2000, candidate("A", 0, failure_rate=0.01), candidate("B", 1))

    assert chi_square_fits(tally, {"A": 1, "B": 1})


def test_old_failures_are_forgotten():
    chooser = Chooser(P2C)
    team = [candidate("A", 0, failure_rate=1.0, last_used_s=0.0), candidate("B", 1)]

    assert chooser.tally(100, *team) == {"B": 100}
    chooser.now_s = 120.0
    assert chooser.tally(100, *team)["A"] > 25


def test_the_other_of_the_two_is_second_and_the_rest_follow_by_health():
    chooser = Chooser(P2C)
    team = [candidate(key, place, in_flight=5 - place) for place, key in enumerate("ABCDE")]

    for _ in range(50):
        one, other, *rest = chooser.order(*team)
        assert one > other  # later letters are healthier here
        assert rest == sorted(rest, reverse=True)


def test_a_single_one_needs_no_dice():
    assert Chooser(P2C).order(candidate("A", 0)) == ["A"]
