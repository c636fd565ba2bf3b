"""Least used: accounts by their last use, members by their recent requests."""

import pytest
from attrs import evolve
from omniroute_least_used import LEAST_USED
from strategy_kit import Chooser, candidate


def test_the_account_whose_last_use_is_longest_ago_is_first_and_one_never_used_before_all():
    ordered = Chooser(LEAST_USED).order(
        candidate("now", 0, last_used_s=90.0),
        candidate("long-ago", 1, last_used_s=5.0, uses=500),
        candidate("never", 2),
        candidate("lately", 3, last_used_s=60.0),
    )

    assert ordered == ["never", "long-ago", "lately", "now"]


def test_the_member_with_the_fewest_recent_requests_is_first():
    ordered = Chooser(LEAST_USED, "members").order(
        candidate("many", 0, uses=9),
        candidate("few-and-busy", 1, uses=2, in_flight=1),
        candidate("few", 2, uses=2, last_used_s=80.0),
        candidate("few-and-long-ago", 3, uses=2, last_used_s=8.0),
    )

    assert ordered == ["few-and-long-ago", "few", "few-and-busy", "many"]


@pytest.mark.parametrize("level", ["accounts", "members"])
def test_callers_of_the_same_moment_do_not_meet_at_the_same_one(level):
    """As long as nothing of their requests is recorded, and the clock stands."""
    team = [candidate(key, place) for place, key in enumerate("ABC")]

    assert Chooser(LEAST_USED, level).firsts(7, *team) == "ABCABCA"


def test_requests_that_others_sent_count():
    chooser = Chooser(LEAST_USED)
    a, b, c = (candidate(key, place) for place, key in enumerate("ABC"))
    chooser.now_s = 10.0
    chooser.firsts(3, a, b, c)

    chooser.now_s = 20.0
    used_elsewhere = evolve(a, last_used_s=15.0)

    assert chooser.order(used_elsewhere, b, c) == ["B", "C", "A"]


def test_one_who_returns_is_next_and_gets_no_more_than_its_part():
    chooser = Chooser(LEAST_USED)
    a, b, c = (candidate(key, place) for place, key in enumerate("ABC"))
    chooser.firsts(3, a, b, c)
    chooser.firsts(100, a, evolve(b, resting_s=1.0), c)

    assert chooser.firsts(6, a, b, c) == "BACBAC"
