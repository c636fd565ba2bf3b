"""Round robin: turns, and who has the next one."""

import pytest
from attrs import evolve
from omniroute_round_robin import ROUND_ROBIN
from strategy_kit import Chooser, candidate

A, B, C, D = (candidate(key, place) for place, key in enumerate("ABCD"))


def test_accounts_get_three_calls_in_a_row():
    assert Chooser(ROUND_ROBIN).firsts(20, A, B, C) == "AAABBBCCCAAABBBCCCAA"


@pytest.mark.parametrize(("limit", "expected"), [(1, "ABCABCAB"), (2, "AABBCCAA"), (5, "AAAAABBB")])
def test_the_users_limit_counts(limit, expected):
    assert Chooser(ROUND_ROBIN, stickyRoundRobinLimit=limit).firsts(8, A, B, C) == expected


@pytest.mark.parametrize("limit", [0, -1, None, "many", 2.5, True])
def test_a_limit_that_makes_no_sense_counts_as_none(limit):
    assert Chooser(ROUND_ROBIN, stickyRoundRobinLimit=limit).firsts(8, A, B, C) == "AAABBBCC"


def test_members_of_a_combo_get_one_call_each():
    assert Chooser(ROUND_ROBIN, level="members", stickyRoundRobinLimit=3).firsts(7, A, B, C) == "ABCABCA"


def test_the_others_follow_in_the_order_of_their_turns():
    chooser = Chooser(ROUND_ROBIN, stickyRoundRobinLimit=1)

    assert [chooser.order(A, B, C, D) for _ in range(5)] == [
        ["A", "B", "C", "D"],
        ["B", "C", "D", "A"],
        ["C", "D", "A", "B"],
        ["D", "A", "B", "C"],
        ["A", "B", "C", "D"],
    ]


def test_a_new_limit_holds_from_the_next_call():
    chooser = Chooser(ROUND_ROBIN, stickyRoundRobinLimit=9)
    before = chooser.firsts(4, A, B)
    chooser.settings = {"stickyRoundRobinLimit": 2}

    assert before + chooser.firsts(5, A, B) == "AAAABBAAB"


def test_the_turns_of_one_who_is_away_go_to_all_others_and_it_is_next_when_it_is_back():
    chooser = Chooser(ROUND_ROBIN, stickyRoundRobinLimit=1)
    chooser.firsts(4, A, B, C, D)

    away = chooser.firsts(6, A, C, D)
    back = chooser.firsts(5, A, B, C, D)

    assert away == "ACDACD"
    assert back == "BACDB"


def test_a_resting_one_is_as_good_as_away():
    chooser = Chooser(ROUND_ROBIN, stickyRoundRobinLimit=1)
    chooser.firsts(4, A, B, C, D)

    assert chooser.order(A, evolve(B, resting_s=9.0), C, D) == ["A", "C", "D", "B"]
    assert chooser.firsts(5, A, evolve(B, resting_s=9.0), C, D) == "CDACD"
    assert chooser.order(A, B, C, D)[0] == "B"


def test_a_turn_that_is_broken_off_by_a_rest_is_not_made_up_for():
    chooser = Chooser(ROUND_ROBIN)

    assert chooser.firsts(2, A, B, C) == "AA"
    assert chooser.firsts(2, evolve(A, resting_s=3.0), B, C) == "BB"
    assert chooser.firsts(8, A, B, C) == "BCCCAAAB"


def test_a_new_one_is_next_and_gets_one_turn():
    chooser = Chooser(ROUND_ROBIN, stickyRoundRobinLimit=1)
    chooser.firsts(30, A, B)

    assert chooser.firsts(6, A, B, C) == "CABCAB"


def test_callers_who_may_use_different_accounts_keep_their_turns_apart():
    chooser = Chooser(ROUND_ROBIN, stickyRoundRobinLimit=1)
    everybody = [candidate(f"k{n}", n) for n in range(40)]
    given = {c.key: 0 for c in everybody}

    for _ in range(400):
        given[chooser.order(*everybody)[0]] += 1
        chooser.order(everybody[0], everybody[1])  # a key that is limited to two

    # The two get what the others get from this caller, or less, and nobody is left out.
    assert {given[c.key] for c in everybody[2:]} <= {10, 11}
