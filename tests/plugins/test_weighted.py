"""Weighted: shares, and the last resort."""

import math

import pytest
from attrs import evolve
from omniroute_weighted import WEIGHTED
from strategy_kit import Chooser, candidate, chi_square_fits


def team(**weights):
    return [candidate(key, place, weight=weight) for place, (key, weight) in enumerate(weights.items())]


@pytest.mark.parametrize(
    "weights",
    [{"A": 70, "B": 20, "C": 10}, {"A": 0.7, "B": 0.2, "C": 0.1}, {"A": 1, "B": 1}, {"A": 99, "B": 1}],
    ids=str,
)
def test_shares_are_proportional(weights):
    tally = Chooser(WEIGHTED, "members").tally(10_000, *team(**weights))

    assert chi_square_fits(tally, weights)


def test_the_second_attempt_is_shared_out_among_the_others_in_proportion():
    chooser = Chooser(WEIGHTED, "members")
    seconds = {"B": 0, "C": 0}
    for _ in range(10_000):
        first, second, _ = chooser.order(*team(A=70, B=20, C=10))
        if first == "A":
            seconds[second] += 1

    assert chi_square_fits(seconds, {"B": 2, "C": 1})


def test_weight_0_is_the_last_resort():
    chooser = Chooser(WEIGHTED, "members")

    for _ in range(200):
        assert chooser.order(*team(zero=0, A=1, B=0.001))[-1] == "zero"


def test_weight_0_is_called_before_one_that_rests():
    zero, resting = team(zero=0, A=5)

    assert Chooser(WEIGHTED, "members").order(evolve(resting, resting_s=1.0), zero) == ["zero", "A"]


def test_without_any_weight_all_share_alike():
    tally = Chooser(WEIGHTED, "members").tally(6000, *team(A=0, B=0, C=0))

    assert chi_square_fits(tally, {"A": 1, "B": 1, "C": 1})


def test_while_one_rests_the_others_keep_their_proportion():
    a, b, c = team(A=70, B=20, C=10)

    tally = Chooser(WEIGHTED, "members").tally(6000, evolve(a, resting_s=5.0), b, c)

    assert chi_square_fits(tally, {"B": 2, "C": 1})


@pytest.mark.parametrize("weight", [-1.0, math.nan])
def test_a_weight_that_makes_no_sense_is_none(weight):
    chooser = Chooser(WEIGHTED, "members")

    assert chooser.firsts(50, *team(X=weight, A=1)) == "A" * 50


@pytest.mark.parametrize("weight", [math.inf, 1e308, 5e-324])
def test_a_weight_of_any_size_is_taken(weight):
    ordered = Chooser(WEIGHTED, "members").order(*team(A=weight, B=1))

    assert sorted(ordered) == ["A", "B"]
