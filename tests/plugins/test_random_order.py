"""Random: all orders alike."""

from itertools import pairwise, permutations

from omniroute_random import RANDOM
from strategy_kit import CRITICAL, Chooser, candidate

TEAM = [candidate(key, place) for place, key in enumerate("ABC")]


def test_every_order_is_as_likely_as_any_other():
    chooser = Chooser(RANDOM)
    counts = dict.fromkeys(permutations("ABC"), 0)
    for _ in range(6000):
        counts[tuple(chooser.order(*TEAM))] += 1

    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < CRITICAL[5]


def test_what_came_before_does_not_matter():
    chooser = Chooser(RANDOM)
    firsts = chooser.firsts(9001, *TEAM)

    repeats = sum(one == other for one, other in pairwise(firsts))

    assert abs(repeats - 3000) < 4 * (9000 * 1 / 3 * 2 / 3) ** 0.5
