"""Priority and fill-first: one order, two names."""

import random

import pytest
from omniroute_hooks import Candidate, Round
from omniroute_priority import omniroute_strategies

STRATEGIES = {strategy.id: strategy for strategy in omniroute_strategies()}


def candidate(key, position, priority=1, **more):
    return Candidate(key, "p", "m", f"c-{key}", position=position, priority=priority, **more)


def choose(strategy_id, level, *candidates):
    choice = Round(now_s=0, rng=random.Random(1), memory={}, level=level)
    return [c.key for c in STRATEGIES[strategy_id].order(candidates, choice)]


@pytest.mark.parametrize("strategy_id", ["priority", "fill-first"])
class TestBothNames:
    def test_accounts_go_by_priority_and_then_by_place(self, strategy_id):
        ordered = choose(
            strategy_id,
            "accounts",
            candidate("late", 2, priority=1),
            candidate("backup", 0, priority=5),
            candidate("early", 1, priority=1),
        )

        assert ordered == ["early", "late", "backup"]

    def test_members_stay_as_the_user_listed_them_whatever_their_accounts_priority(self, strategy_id):
        ordered = choose(
            strategy_id,
            "members",
            candidate("second", 1, priority=1),
            candidate("first-other-account", 0, priority=7),
            candidate("first", 0, priority=2),
        )

        assert ordered == ["first", "first-other-account", "second"]

    def test_trouble_and_load_do_not_change_the_order(self, strategy_id):
        ordered = choose(
            strategy_id,
            "accounts",
            candidate("first", 0, failure_rate=1.0, in_flight=99, latency_ms=9000.0, quota_left=0.0, weight=0.0),
            candidate("second", 1),
        )

        assert ordered == ["first", "second"]
