"""Cost-optimized: prices for members, priorities for accounts."""

import math

from attrs import evolve
from omniroute_cost_optimized import COST_OPTIMIZED
from omniroute_hooks.testing.simulate import Player, simulate
from strategy_kit import Chooser, candidate


def test_members_go_by_price_free_ones_first_and_unknown_prices_last():
    ordered = Chooser(COST_OPTIMIZED, "members").order(
        candidate("unknown", 0, priority=1),
        candidate("dear", 1, usd_per_1m=15.0),
        candidate("nonsense", 2, usd_per_1m=math.nan),
        candidate("cheap", 3, usd_per_1m=0.2, priority=9),
        candidate("free", 4, usd_per_1m=0.0),
        candidate("as-cheap", 5, usd_per_1m=0.2),
    )

    assert ordered == ["free", "cheap", "as-cheap", "dear", "unknown", "nonsense"]


def test_accounts_go_by_the_lowest_priority_value():
    ordered = Chooser(COST_OPTIMIZED).order(
        candidate("third", 0, priority=7, usd_per_1m=0.1),
        candidate("second", 2, priority=2),
        candidate("first", 3, priority=1, usd_per_1m=9.0),
        candidate("also-second", 4, priority=2),
    )

    assert ordered == ["first", "second", "also-second", "third"]


def test_the_cheapest_that_can_be_called_is_first():
    cheap, dear = candidate("cheap", 0, usd_per_1m=1.0), candidate("dear", 1, usd_per_1m=5.0)

    assert Chooser(COST_OPTIMIZED, "members").order(evolve(cheap, resting_s=2.0), dear) == ["dear", "cheap"]


def test_the_cheapest_gets_everything_but_what_it_could_not_answer():
    team = [
        Player("dear", usd_per_1m=5.0),
        Player("cheap", usd_per_1m=0.5, down=((10.0, 40.0),)),
        Player("middle", usd_per_1m=1.0),
    ]

    played = simulate(COST_OPTIMIZED, team, callers=200, level="members")

    assert played.picks(0, 9) == {"dear": 0, "cheap": sum(played.picks(0, 9).values()), "middle": 0}
    assert played.answers()["dear"] == 0
    assert played.answers()["middle"] > 1000
