"""Quota-aware: the window that resets soonest is spent first."""

from attrs import evolve
from omniroute_hooks.testing.simulate import Player, simulate
from omniroute_priority import PRIORITY
from omniroute_quota_aware import QUOTA_AWARE
from strategy_kit import Chooser, candidate

WEEK = candidate("week", 0, quota_left=0.9, quota_resets_s=400_000.0)
HOURS = candidate("hours", 1, quota_left=0.1, quota_resets_s=9_000.0)
PAID = candidate("paid", 2)
SPENT = candidate("spent", 3, quota_left=0.0, quota_resets_s=60.0)


def order(*candidates):
    return Chooser(QUOTA_AWARE).order(*candidates)


def test_what_expires_is_spent_before_what_lasts_and_a_spent_window_is_tried_last():
    assert order(SPENT, PAID, WEEK, HOURS) == ["hours", "week", "paid", "spent"]


def test_a_balance_without_a_reset_lasts():
    balance = candidate("balance", 0, quota_left=0.5)

    assert order(balance, WEEK, PAID) == ["week", "balance", "paid"]
    assert order(evolve(balance, quota_left=0.0), PAID, SPENT) == ["paid", "spent", "balance"]


def test_of_windows_that_end_in_the_same_minute_the_fuller_one_is_spent():
    one = candidate("one", 0, quota_left=0.3, quota_resets_s=9_010.0)
    other = candidate("other", 1, quota_left=0.8, quota_resets_s=9_015.0)

    assert order(one, other) == ["other", "one"]


def test_a_window_that_has_ended_since_the_reading_tells_nothing():
    assert order(evolve(SPENT, quota_resets_s=-5.0), WEEK) == ["week", "spent"]
    assert order(evolve(SPENT, quota_resets_s=-5.0), SPENT)[0] == "spent"
    assert order(evolve(HOURS, quota_resets_s=0.0), WEEK) == ["week", "hours"]


def test_a_window_of_which_only_the_end_is_known_is_spent_too():
    assert order(PAID, evolve(HOURS, quota_left=None)) == ["hours", "paid"]


def test_what_the_subscriptions_could_carry_is_not_paid_for():
    """2400 requests an hour, of which 2600 are in the subscriptions, if no quarter of an hour is left unused."""
    team = [Player("hour", quota=1000), Player("quarter", quota=400, window_s=900.0), Player("paid")]

    aware, listed = (
        simulate(strategy, team, requests=9600, pause_s=1.0).answers() for strategy in (QUOTA_AWARE, PRIORITY)
    )

    assert aware["paid"] == 0
    assert listed["paid"] > 1000


def test_nobody_is_called_in_vain_while_somebody_has_quota():
    team = [Player("hours", quota=1000), Player("paid"), Player("short", quota=200, window_s=900.0)]

    for callers in (1, 200):
        played = simulate(QUOTA_AWARE, team, callers=callers)

        # A reading is as old as the requests in flight, so each window's end can be missed by as many.
        windows = played.took_s // 900 + played.took_s // 3600 + 2
        assert sum(played.failures().values()) <= (callers - 1) * windows
        assert played.unanswered == 0
