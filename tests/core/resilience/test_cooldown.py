"""Cooldowns: how long a rest is, what makes it longer, what ends it, and when it is probed."""

import itertools
import math

import pytest

from core.resilience.cooldown import (
    LONGEST_GUESS_S,
    LONGEST_HINT_S,
    Cooldown,
    Cooldowns,
    claim,
    extend,
    give_back,
    guess,
    probe_due,
    sane_hint,
)

MINUTE_S = 60.0
HOUR_S = 3600.0


def failing(times, hint_s=None, base_s=3.0, **more):
    """The rests of failures in a row, each right after the rest before it."""
    now_s, known, rests = 0.0, None, []
    for _ in range(times):
        known = extend(known, "c", now_s, hint_s, base_s=base_s, **more)
        rests.append(known.until_s - now_s)
        now_s = known.until_s
    return rests


def test_rest_doubles_with_each_failure_in_a_row_up_to_a_number_of_steps():
    assert failing(8, max_steps=5) == [3, 6, 12, 24, 48, 96, 96, 96]
    assert failing(3, max_steps=0) == [3, 3, 3]
    assert failing(40, base_s=5.0, max_steps=32)[-1] == LONGEST_GUESS_S
    assert failing(4, longest_s=10.0) == [3, 6, 10, 10]


@pytest.mark.parametrize("hint_s", [0.2, 7.0, 61.5, 5 * HOUR_S])
def test_hint_counts_before_our_own_guess(hint_s):
    assert failing(3, hint_s) == pytest.approx([hint_s] * 3)


@pytest.mark.parametrize(
    ("hint_s", "rest_s"),
    [
        pytest.param(1e12, LONGEST_HINT_S, id="beyond-all-windows"),
        pytest.param(LONGEST_HINT_S, LONGEST_HINT_S, id="a-month"),
        pytest.param(0.0, 3.0, id="zero-says-nothing"),
        pytest.param(-90.0, 3.0, id="a-date-in-the-past"),
        pytest.param(math.nan, 3.0, id="not-a-number"),
        pytest.param(math.inf, 3.0, id="endless"),
    ],
)
def test_hint_is_kept_within_bounds(hint_s, rest_s):
    assert extend(None, "c", 100.0, hint_s).until_s == 100.0 + rest_s
    assert sane_hint(hint_s) in (None, rest_s)


def test_failures_of_requests_sent_before_the_rest_are_one_failure():
    first = extend(None, "c", 0.0)
    known = first
    for now_s in (0.1, 0.2, 0.3):
        known = extend(known, "c", now_s)
    assert known.step == 0
    assert known.until_s == pytest.approx(3.3)
    longer = extend(known, "c", 0.4, 60.0)
    assert longer.until_s == 60.4
    assert extend(longer, "c", 0.5, 10.0).until_s == 60.4  # a shorter hint does not shorten it


def test_failures_long_apart_are_not_in_a_row():
    known = extend(extend(None, "c", 0.0), "c", 10.0)
    assert known.step == 1
    assert extend(known, "c", known.until_s + HOUR_S).step == 2
    assert extend(known, "c", known.until_s + HOUR_S + 1).step == 0


def test_long_rest_is_probed_at_growing_intervals_and_a_short_one_never():
    assert extend(None, "c", 0.0, 15 * MINUTE_S).probe_at_s is None
    known = extend(None, "c", 0.0, 24 * HOUR_S)
    at, now_s = [], 0.0
    while now_s < known.until_s:
        if probe_due(known, now_s):
            at.append(now_s / MINUTE_S)
            known = claim(known, now_s)
            assert not probe_due(known, now_s)  # one at a time
        now_s += MINUTE_S
    assert at[:5] == [15, 45, 105, 225, 465]
    assert [round(b - a) for a, b in itertools.pairwise(at[4:])] == [240] * 4
    assert not probe_due(known, known.until_s)  # from then on anybody may ask


def test_failed_probe_brings_the_newest_hint_and_keeps_the_intervals_growing():
    known = claim(extend(None, "c", 0.0, 5 * HOUR_S), 15 * MINUTE_S)
    shorter = extend(known, "c", 15 * MINUTE_S, 2 * HOUR_S, probe=True)
    assert shorter.until_s == 15 * MINUTE_S + 2 * HOUR_S
    assert (shorter.probe_at_s, shorter.step) == (45 * MINUTE_S, 1)
    silent = extend(known, "c", 15 * MINUTE_S, None, probe=True)
    assert silent.until_s == known.until_s  # our guess of seconds is not news
    assert silent.probe_at_s == 45 * MINUTE_S
    soon = extend(known, "c", 15 * MINUTE_S, 30.0, probe=True)
    assert (soon.until_s, soon.probe_at_s) == (15 * MINUTE_S + 30.0, None)


def test_probe_that_was_given_back_leaves_again_soon_but_not_at_once():
    claimed = claim(extend(None, "c", 0.0, 5 * HOUR_S), 900.0)
    back = give_back(claimed, 901.0)
    assert not probe_due(back, 901.0)
    assert probe_due(back, 961.0)
    assert claim(back, 961.0).probe_at_s == 961.0 + 30 * MINUTE_S


def test_model_rests_alone_and_a_connection_with_all_its_models():
    cooldowns = Cooldowns()
    cooldowns.rest("c1/big/model", 0.0, 20.0, "slow down")
    assert cooldowns.resting("c1", "big/model", 1.0).reason == "slow down"
    assert cooldowns.resting("c1", "small", 1.0) is None
    cooldowns.rest("c1", 0.0, 10.0, "slower")
    assert cooldowns.resting("c1", "small", 1.0).until_s == 10.0
    assert cooldowns.resting("c1", "big/model", 1.0).until_s == 20.0  # the longer of the two
    assert cooldowns.resting("c2", "small", 1.0) is None
    assert set(cooldowns.active(15.0)) == {"c1/big/model"}


def test_answer_ends_what_has_run_out_or_was_probed_and_nothing_else():
    cooldowns = Cooldowns()
    cooldowns.rest("c", 0.0, 60.0, "")
    cooldowns.succeeded("c", "m", 5.0)  # asked for before the rest began
    assert cooldowns.resting("c", "m", 5.0) is not None
    cooldowns.succeeded("c", "m", 61.0)
    assert cooldowns.get("c") is None
    cooldowns.rest("c", 100.0, 60.0, "")
    cooldowns.succeeded("c", "m", 105.0, probed=("c",))
    assert cooldowns.get("c") is None


def test_number_of_models_has_an_end_and_what_rests_longest_stays():
    told = []
    cooldowns = Cooldowns(most_models=100, changed=lambda key, cooldown: told.append((key, cooldown is None)))
    for number in range(1000):
        cooldowns.rest(f"c/{number}", 0.0, 1000.0 if number == 3 else 1.0 + number / 1000, "")
        assert len(list(cooldowns)) <= 100
    assert cooldowns.get("c/3") is not None
    assert cooldowns.get("c/999") is not None
    assert len([key for key, gone in told if gone]) >= 900  # whoever keeps them elsewhere is told


def test_guess_does_not_overflow():
    assert guess(3600.0, 32) == LONGEST_GUESS_S
    assert extend(Cooldown("c", 10.0, 10_000), "c", 10.0, max_steps=32).until_s <= 10.0 + LONGEST_GUESS_S
