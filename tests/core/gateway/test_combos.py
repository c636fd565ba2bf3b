"""Combos: who is tried in which order, nested, limited, resting, and in crowds."""

import random
from collections import Counter

import pytest
from clock import Clock
from omniroute_hooks import Model, ModelNotFound, QuotaWindow, Strategy
from omniroute_least_used import LEAST_USED
from omniroute_p2c import P2C
from omniroute_random import RANDOM
from omniroute_round_robin import ROUND_ROBIN
from omniroute_weighted import WEIGHTED
from routing_kit import combo, connection, priced, provider, snapshot_of

from core.gateway.choosing.affinity import Kept
from core.gateway.choosing.choose import MOST_PICKS, Chooser
from core.gateway.choosing.fits import Needs, fits
from core.gateway.choosing.live import FORGET_HALF_S, RECENT_S, Live, QuotaLeft, quota_left
from core.gateway.naming.combos import MAX_LEAVES, Combo, Step, flaw
from core.gateway.naming.resolve import resolve

UP = provider("up", "a", "b", "c", "d", "e")
EVERY = [RANDOM, ROUND_ROBIN, WEIGHTED, LEAST_USED, P2C]


def names(picks):
    return [pick.name for pick in picks]


def order(snapshot, name, chooser=None, **more):
    return (chooser or Chooser(1)).order(snapshot, resolve(snapshot, name), **more)


def firsts(snapshot, name, count, chooser=None, **more):
    """How often each one was the first to be tried."""
    chooser, plan = chooser or Chooser(1), resolve(snapshot, name)
    return Counter(chooser.picks(snapshot, plan, **more)[0].name for _ in range(count))


# Plans ------------------------------------------------------------------------------------------------------------


def test_members_are_tried_in_the_users_order_with_their_places_told():
    snapshot = snapshot_of(
        [UP, provider("ot", "x")],
        [connection("up", "1"), connection("up", "2", priority=2), connection("ot")],
        combos=[combo("best", "up/b", {"model": "ot/x"}, "up/a")],
    )
    picks = order(snapshot, "best")
    assert [(p.name, p.line.connection.id, p.path) for p in picks] == [
        ("up/b", "up-1", "best › 1"),
        ("up/b", "up-2", "best › 1"),
        ("ot/x", "ot-1", "best › 2"),
        ("up/a", "up-1", "best › 3"),
        ("up/a", "up-2", "best › 3"),
    ]
    assert {p.combo for p in picks} == {"best"}
    assert picks[0].target().model == "b"


def test_a_step_may_be_tied_to_one_connection():
    connections = [connection("up", "1"), connection("up", "2", priority=2)]
    tied = {"model": "up/a", "connectionId": "up-2"}
    gone = {"model": "up/a", "connectionId": "up-9"}
    snapshot = snapshot_of([UP], connections, combos=[combo("c", gone, tied, "up/b")])
    assert [(p.name, p.line.connection.id) for p in order(snapshot, "c")] == [
        ("up/a", "up-2"),
        ("up/b", "up-1"),
        ("up/b", "up-2"),
    ]
    assert [note.path for note in resolve(snapshot, "c").notes] == ["c › 1"]


def test_a_combo_of_five_layers_is_one_list_and_nobody_is_in_it_twice():
    layers = [combo(f"l{n}", {"comboName": f"l{n + 1}"}, f"up/{'abcde'[n]}", "up/a") for n in range(4)]
    snapshot = snapshot_of([UP], combos=[*layers, combo("l4", "up/e")])
    picks = order(snapshot, "l0")
    assert names(picks) == ["up/e", "up/d", "up/a", "up/c", "up/b"]
    assert picks[0].path == "l0 › 1 › l1 › 1 › l2 › 1 › l3 › 1 › l4 › 1"
    assert picks[0].combo == "l4"
    assert resolve(snapshot, "l0").combo == "l0"


def test_parts_that_cannot_be_called_are_left_out_and_the_plan_says_why():
    snapshot = snapshot_of(
        [UP, provider("gone", "g"), provider("late", "l")],
        [connection("up"), connection("late", state="expired")],
        combos=[
            combo("c", "gone/g", "late/l", "nobody", {"comboName": "none"}, {"comboName": "circle"}, "up/a"),
            combo("circle", {"comboName": "circle"}),
        ],
    )
    plan = resolve(snapshot, "c")
    assert names(order(snapshot, "c")) == ["up/a"]
    assert [note.path for note in plan.notes] == ["c › 1", "c › 2", "c › 3", "c › 4", "c › 5 › circle › 1", "c › 5"]
    assert "has no active connection" in plan.notes[0].reason
    assert "has expired" in plan.notes[1].reason
    assert "leads back to itself" in plan.notes[4].reason


def test_a_combo_with_nobody_left_says_what_is_wrong_with_each():
    snapshot = snapshot_of([UP], [], combos=[combo("c", "up/a", "typo"), combo("empty")])
    with pytest.raises(ModelNotFound) as told:
        resolve(snapshot, "c")
    assert "c › 1 (up/a): UP has no active connection" in told.value.message
    assert "c › 2 (typo)" in told.value.message
    with pytest.raises(ModelNotFound, match="has no models"):
        resolve(snapshot, "empty")


def test_what_a_combo_says_holds_for_the_combos_in_it_until_they_say_otherwise_but_not_its_strategy():
    snapshot = snapshot_of(
        [UP],
        combos=[
            combo("out", {"comboName": "in"}, "up/a", strategy="random", idleMs=500, maxRetries=4, stream="guarded"),
            combo("in", "up/b", maxRetries=0, hedgeAfterMs=50),
        ],
        defaults={"connectMs": 900, "maxRetries": 2, "strategy": "fill-first"},
        strategies=EVERY,
    )
    by_combo = {pick.combo: pick for pick in order(snapshot, "out")}
    inner, outer = by_combo["in"], by_combo["out"]
    assert (inner.config.max_retries, inner.config.idle_ms, inner.config.connect_ms) == (0, 500, 900)
    assert (inner.config.strategy, inner.config.stream, inner.config.hedge_after_ms) == ("fill-first", "guarded", 50)
    assert (outer.config.max_retries, outer.config.strategy, outer.config.hedge_after_ms) == (4, "random", None)
    assert outer.config.weights == (1.0, 1.0)
    assert resolve(snapshot, "out").config.max_retries == 4
    assert resolve(snapshot, "up/a").config.max_retries == 1  # the defaults are those of combos


def test_settings_that_an_older_release_wrote_count_as_unset():
    odd = combo(
        "c", "up/a", {"weight": 3}, 7, {"model": "up/b", "weight": "much"}, maxRetries=99, stream="odd", idleMs=5
    )
    (first, second) = order(snapshot_of([UP], combos=[odd]), "c")
    assert names([first, second]) == ["up/a", "up/b"]
    assert (first.config.max_retries, first.config.stream, first.config.idle_ms) == (1, "direct", 5)


# Circles and sizes ------------------------------------------------------------------------------------------------


def test_circles_are_found_before_they_are_saved_through_aliases_too():
    def made(name, *steps):
        return Combo(name, name, tuple(Step(step) for step in steps))

    def problem(combos, start, aliases=None):
        return flaw(combos[start], combos, lambda name: (aliases or {}).get(name, name))

    circle = {name: made(name, step) for name, step in (("a", "b"), ("b", "combo/c"), ("c", "a"))}
    assert problem(circle, "a") == "circular combo reference: a → b → c → a"
    assert "circular" in problem({"a": made("a", "a")}, "a")
    through = {"a": made("a", "other"), "b": made("b", "a")}
    assert problem(through, "a") is None
    assert problem(through, "a", {"other": "b"}) == "circular combo reference: a → b → a"
    diamond = {"a": made("a", "b", "c"), "b": made("b", "m"), "c": made("c", "b")}
    assert problem(diamond, "a") is None
    deep = {str(n): made(str(n), str(n + 1)) for n in range(12)}
    assert "levels deep" in problem(deep, "0")
    assert problem(deep, "3") is None
    laughs = {str(n): made(str(n), str(n + 1), f"combo/{n + 1}") for n in range(9)}
    assert "512 models" in problem(laughs, "0")


def test_a_plan_stays_small_whatever_was_stored():
    laughs = [combo(str(n), *({"comboName": str(n + 1), "weight": w} for w in range(5))) for n in range(9)]
    snapshot = snapshot_of([UP], combos=[*laughs, combo("9", *(f"up/m{n}" for n in range(50)))])
    plan = resolve(snapshot, "0")
    assert len(plan.choices) == MAX_LEAVES
    assert len(order(snapshot, "0")) == 50


# Strategies -------------------------------------------------------------------------------------------------------


def test_members_go_by_the_combos_strategy_and_their_accounts_by_the_users():
    connections = [connection("up", "1"), connection("up", "2", priority=2)]
    snapshot = snapshot_of(
        [UP],
        connections,
        combos=[combo("rr", "up/a", "up/b", strategy="round-robin")],
        settings={"fallbackStrategy": "round-robin", "stickyRoundRobinLimit": 1},
        strategies=EVERY,
    )
    chooser = Chooser(1)
    tried = [order(snapshot, "rr", chooser)[0] for _ in range(4)]
    assert names(tried) == ["up/a", "up/b", "up/a", "up/b"]


def test_who_is_never_tried_takes_no_turn():
    """A fallback's accounts are in turn when it is reached, and not before."""
    connections = [connection("up"), *(connection("ot", str(n)) for n in range(3))]
    snapshot = snapshot_of(
        [UP, provider("ot", "x")],
        connections,
        combos=[combo("c", "up/a", "ot/x")],
        settings={"fallbackStrategy": "round-robin", "stickyRoundRobinLimit": 1},
        strategies=EVERY,
    )
    chooser, plan = Chooser(1), resolve(snapshot, "c")
    for _ in range(5):
        assert chooser.picks(snapshot, plan)[0].name == "up/a"
    reached = [chooser.picks(snapshot, plan)[1].line.connection.id for _ in range(6)]
    assert reached == ["ot-0", "ot-1", "ot-2"] * 2


def test_weights_are_shares():
    steps = [{"model": "up/a", "weight": 70}, {"model": "up/b", "weight": 30}, {"model": "up/c", "weight": 0}]
    snapshot = snapshot_of([UP], combos=[combo("w", *steps, strategy="weighted")], strategies=EVERY)
    found = firsts(snapshot, "w", 4000)
    assert 0.66 < found["up/a"] / 4000 < 0.74
    assert found["up/c"] == 0


def test_the_cheapest_member_has_the_lowest_price_of_its_combo():
    cheapest = Strategy(
        id="cheap",
        name="",
        description="",
        order=lambda c, r: sorted(c, key=lambda x: (x.usd_per_1m is None, x.usd_per_1m)),
    )
    hub = provider("hub", priced("mid", 2), priced("dear", 9), priced("low", 1), "unknown")
    snapshot = snapshot_of(
        [hub],
        combos=[
            combo("c", "unknown", "mid", {"comboName": "in"}, strategy="cheap"),
            combo("in", "dear", "low"),
        ],
        strategies=[cheapest],
    )
    assert names(order(snapshot, "c")) == ["hub/dear", "hub/low", "hub/mid", "hub/unknown"]


def test_the_least_used_member_is_the_one_with_the_fewest_recent_requests():
    clock = Clock()
    snapshot = snapshot_of([UP], combos=[combo("c", "up/a", "up/b", strategy="least-used")], strategies=EVERY)
    live = Live(clock)
    chooser, plan = Chooser(1, live, clock), resolve(snapshot, "c")
    found = Counter()
    for _ in range(20):
        clock.now_s += 1
        pick = chooser.picks(snapshot, plan)[0]
        live.began(pick)
        live.finished(pick, ok=True, latency_ms=10)
        found[pick.name] += 1
    assert found == {"up/a": 10, "up/b": 10}


@pytest.mark.parametrize("broken", ["raises", "forgets", "invents", "returns nothing"])
def test_a_strategy_that_is_broken_costs_its_order_and_nobody(broken):
    def order_(candidates, round_):
        if broken == "raises":
            raise RuntimeError("no")
        if broken == "forgets":
            return candidates[2:3]
        if broken == "invents":
            return [*candidates, candidates[0], "nonsense"]
        return None

    strategy = Strategy(id="odd", name="", description="", order=order_)
    snapshot = snapshot_of([UP], combos=[combo("c", "up/a", "up/b", "up/c", strategy="odd")], strategies=[strategy])
    expected = ["up/c", "up/a", "up/b"] if broken == "forgets" else ["up/a", "up/b", "up/c"]
    assert names(order(snapshot, "c")) == expected


def test_a_strategy_that_is_not_installed_any_more_leaves_the_users_order():
    snapshot = snapshot_of([UP], combos=[combo("c", "up/b", "up/a", strategy="gone")])
    assert names(order(snapshot, "c")) == ["up/b", "up/a"]


def test_a_dry_run_changes_no_turn_and_tells_the_next_order():
    connections = [connection("up", str(n)) for n in range(5)]
    snapshot = snapshot_of([UP], connections, settings={"fallbackStrategy": "random"}, strategies=EVERY)
    rr = snapshot_of(
        [UP],
        connections,
        settings={"fallbackStrategy": "round-robin", "stickyRoundRobinLimit": 1},
        strategies=EVERY,
    )
    for one in (snapshot, rr):
        chooser = Chooser(7)
        for _ in range(6):
            dry = [p.line.connection.id for p in order(one, "up/a", chooser, dry=True)]
            assert dry == [p.line.connection.id for p in order(one, "up/a", chooser, dry=True)]
            assert dry == [p.line.connection.id for p in order(one, "up/a", chooser)]


# Who rests, and who is limited --------------------------------------------------------------------------------------


def test_members_of_whom_everybody_rests_come_last_and_the_others_share_evenly():
    snapshot = snapshot_of([UP], combos=[combo("c", "up/a", "up/b", "up/c", strategy="round-robin")], strategies=EVERY)

    def rests(pick):
        return 30.0 if pick.choice.model == "a" else 0.0

    assert firsts(snapshot, "c", 40, rests=rests) == {"up/b": 20, "up/c": 20}
    assert names(order(snapshot, "c", rests=rests))[-1] == "up/a"


def test_a_combo_rests_as_long_as_all_in_it_do():
    seen = []
    watching = Strategy(
        id="watch", name="", description="", order=lambda c, r: seen.append([x.resting_s for x in c]) or list(c)
    )
    snapshot = snapshot_of(
        [UP],
        combos=[combo("c", {"comboName": "in"}, "up/c", strategy="watch"), combo("in", "up/a", "up/b")],
        strategies=[watching],
    )
    waits = {"a": 9.0, "b": 5.0, "c": 0.0}
    order(snapshot, "c", rests=lambda pick: waits[pick.choice.model])
    waits["b"] = 0.0
    order(snapshot, "c", rests=lambda pick: waits[pick.choice.model])
    assert seen == [[5.0, 0.0], [0.0, 0.0]]


def test_a_key_that_is_limited_to_connections_gets_no_others():
    connections = [connection("up", str(n)) for n in range(4)]
    snapshot = snapshot_of([UP], connections, combos=[combo("c", "up/a", {"model": "up/b", "connectionId": "up-1"})])
    picks = order(snapshot, "c", allowed=("up-3", "up-1", "elsewhere"))
    assert [(p.name, p.line.connection.id) for p in picks] == [("up/a", "up-1"), ("up/a", "up-3"), ("up/b", "up-1")]
    assert order(snapshot, "c", allowed=("elsewhere",)) == []


def test_a_conversation_keeps_its_account_and_where_the_user_wants_it_its_member():
    connections = [connection("up", str(n)) for n in range(3)]
    keeping = combo("keep", "up/a", "up/b", "up/c", strategy="round-robin", keepMember=True)
    snapshot = snapshot_of(
        [UP],
        connections,
        combos=[keeping, combo("turn", "up/a", "up/b", strategy="round-robin")],
        strategies=EVERY,
    )
    served = order(snapshot, "keep")[4]
    assert (served.name, served.line.connection.id) == ("up/b", "up-1")
    kept = Kept(served.line.connection.id, served.trail)
    chooser = Chooser(1)
    for _ in range(3):
        pick = order(snapshot, "keep", chooser, kept=kept)[0]
        assert (pick.name, pick.line.connection.id) == ("up/b", "up-1")
    turns = [order(snapshot, "turn", chooser, kept=kept)[0] for _ in range(2)]
    assert [(p.name, p.line.connection.id) for p in turns] == [("up/a", "up-1"), ("up/b", "up-1")]
    resting = order(
        snapshot, "keep", chooser, kept=kept, rests=lambda p: 9.0 if p.line.connection.id == "up-1" else 0.0
    )
    assert resting[0].line.connection.id != "up-1"
    assert len(resting) == 9


# Crowds -----------------------------------------------------------------------------------------------------------


def crowd(count, **more):
    return [connection("up", str(n), priority=n, **more) for n in range(count)]


@pytest.mark.parametrize("strategy", ["random", "round-robin", "least-used", "p2c"])
def test_a_crowd_of_accounts_is_used_evenly(strategy):
    clock = Clock()
    snapshot = snapshot_of([UP], crowd(1000), settings={"fallbackStrategy": strategy}, strategies=EVERY)
    live = Live(clock)
    chooser, plan = Chooser(3, live, clock), resolve(snapshot, "up/a")
    found = Counter()
    for _ in range(6000):
        clock.now_s += 0.01
        pick = chooser.picks(snapshot, plan)[0]
        live.began(pick)
        live.finished(pick, ok=True)
        found[pick.line.connection.id] += 1
    assert len(found) > 0.98 * 1000
    if strategy in ("round-robin", "least-used"):
        assert set(found.values()) <= {3, 6, 9}
    assert max(found.values()) < 25


def test_a_crowd_in_order_of_priority_begins_with_the_first_that_does_not_rest():
    snapshot = snapshot_of([UP], crowd(500))
    plan, chooser = resolve(snapshot, "up/a"), Chooser(1)
    assert chooser.picks(snapshot, plan)[0].line.connection.id == "up-0"
    asleep = {f"up-{n}" for n in range(400)}
    picks = chooser.picks(snapshot, plan, rests=lambda p: 5.0 if p.line.connection.id in asleep else 0.0)
    assert [p.line.connection.id for p in picks[:3]] == ["up-400", "up-401", "up-402"]
    assert len(picks) == MOST_PICKS
    assert len({p.line.connection.id for p in picks}) == MOST_PICKS
    all_rest = chooser.picks(snapshot, plan, rests=lambda p: 5.0)
    assert len(all_rest) == MOST_PICKS


def test_weights_of_accounts_are_shares_in_a_crowd_too():
    heavy = [connection("up", f"h{n}", provider_specific_data={"weight": 9}) for n in range(100)]
    light = [connection("up", f"l{n}", provider_specific_data={"weight": 1}) for n in range(100)]
    snapshot = snapshot_of([UP], [*heavy, *light], settings={"fallbackStrategy": "weighted"}, strategies=EVERY)
    chooser, plan = Chooser(1), resolve(snapshot, "up/a")
    found = Counter(chooser.picks(snapshot, plan)[0].line.connection.name[0] for _ in range(3000))
    assert 0.87 < found["h"] / 3000 < 0.93


def test_a_kept_account_is_found_in_a_crowd():
    snapshot = snapshot_of([UP], crowd(300))
    picks = Chooser(1).picks(snapshot, resolve(snapshot, "up/a"), kept=Kept("up-299"))
    assert [p.line.connection.id for p in picks[:2]] == ["up-299", "up-0"]
    assert len({p.line.connection.id for p in picks}) == len(picks) == MOST_PICKS


# What is known of candidates ------------------------------------------------------------------------------------------


def test_facts_follow_what_happened_and_fade():
    clock = Clock()
    snapshot = snapshot_of([UP], [connection("up", "1"), connection("up", "2")], combos=[combo("c", "up/a", "up/b")])
    live = Live(clock)
    first = order(snapshot, "c")[0]
    live.began(first)
    live.began(first)
    facts = live.facts("up-1", "up-id", "a")
    assert (facts.in_flight, facts.uses, facts.last_used_s, facts.latency_ms) == (2, 2, 1000.0, None)
    assert live.facts("up-1", "up-id", "b").in_flight == 2  # the account is busy, whatever it is asked for
    live.finished(first, ok=True, latency_ms=100)
    live.finished(first, ok=False)
    facts = live.facts("up-1", "up-id", "a")
    assert (facts.in_flight, facts.latency_ms) == (0, 100)
    assert facts.failure_rate == pytest.approx(0.2)
    assert live.facts("up-1", "up-id", "b").failure_rate == 0.0  # another model of it may be well
    member = live.member(first.trail[0], ("up-id", "a"))
    assert (member.uses, member.failure_rate) == (2, pytest.approx(0.2))
    clock.now_s += FORGET_HALF_S
    assert live.facts("up-1", "up-id", "a").failure_rate == pytest.approx(0.1)
    clock.now_s += 2 * RECENT_S
    assert live.facts("up-1", "up-id", "a").uses == 0
    clock.now_s += 10_000
    assert live.facts("up-1", "up-id", "a").latency_ms is None


def test_a_caller_who_leaves_teaches_nothing_and_frees_the_account():
    live = Live(Clock())
    pick = order(snapshot_of([UP]), "up/a")[0]
    live.began(pick)
    live.finished(pick, ok=None)
    facts = live.facts("up-1", "up-id", "a")
    assert (facts.in_flight, facts.uses, facts.failure_rate, facts.latency_ms) == (0, 1, 0.0, None)


def test_what_is_remembered_is_bounded_and_nobody_in_flight_is_forgotten():
    live = Live(Clock(), most=50)
    snapshot = snapshot_of([UP])
    running = order(snapshot, "up/a")[0]
    live.began(running)
    for n in range(200):
        pick = order(snapshot, f"up/m{n}")[0]
        live.began(pick)
        live.finished(pick, ok=True)
    assert len(live) <= 58
    assert live.in_flight("up-1") == 1
    live.finished(running, ok=True)
    assert live.in_flight("up-1") == 0


def test_the_tightest_quota_window_counts_for_a_model():
    windows = [
        QuotaWindow("5h", 40, 100, "percent"),
        QuotaWindow("week", 90, 100, "percent", model="opus"),
        QuotaWindow("free", 5, None, "requests"),
    ]
    assert quota_left(windows, "big-opus-1") == QuotaLeft(pytest.approx(0.1), None)
    assert quota_left(windows, "sonnet") == QuotaLeft(pytest.approx(0.6), None)
    assert quota_left(windows[2:], "sonnet") is None


def test_strategies_see_quota_and_load():
    seen = []
    watching = Strategy(id="watch", name="", description="", order=lambda c, r: seen.append(c) or list(c))
    snapshot = snapshot_of(
        [UP],
        [connection("up", "1"), connection("up", "2")],
        combos=[combo("c", "up/a", "up/b", strategy="watch")],
        settings={"fallbackStrategy": "watch"},
        strategies=[watching],
    )
    live = Live(Clock(), quota=lambda id_, model: QuotaLeft(0.2 if id_ == "up-1" else 0.7, 1060.0), wall=lambda: 1000.0)
    order(snapshot, "c", Chooser(1, live))
    members, accounts = seen[0], seen[1]
    assert [(m.quota_left, m.quota_resets_s) for m in members] == [(0.7, 60.0)] * 2
    assert [a.quota_left for a in accounts] == [0.2, 0.7]


# Capabilities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        (Needs(), None),
        (Needs(tools=True), "it cannot call tools"),
        (Needs(image=True), "it takes no images"),
        (Needs(pdf=True), "it takes no PDF files"),
        (Needs(audio=True), "it takes no audio"),
        (Needs(input_tokens=1001), "it takes 1000 tokens, and the request has about 1001"),
        (Needs(input_tokens=1000), None),
    ],
)
def test_a_model_that_cannot_do_what_is_needed_is_named_with_the_reason(needs, reason):
    limited = Model("limited", context=1000, max_output=50, input=("text",), tools=False)
    snapshot = snapshot_of([provider("up", limited)])
    assert fits(order(snapshot, "up/limited")[0], needs) == reason
    everything = Needs(tools=True, image=True, pdf=True, audio=True, input_tokens=10**9)
    assert fits(order(snapshot, "up/undeclared")[0], everything) is None
    # A model added by hand says nothing of what it takes.
    assert fits(order(snapshot_of([provider("up", "bare")]), "up/bare")[0], everything) is None


def test_candidates_are_found_one_by_one_and_the_list_is_whole_in_the_end():
    snapshot = snapshot_of([UP], combos=[combo("c", "up/a", "up/b", "up/c")])
    picks = Chooser(1).picks(snapshot, resolve(snapshot, "c"))
    assert picks
    assert picks[1].name == "up/b"
    assert names(picks[1:]) == ["up/b", "up/c"]
    assert names(picks) == names(list(picks)) == ["up/a", "up/b", "up/c"]
    assert (len(picks), picks[-1].name) == (3, "up/c")
    with pytest.raises(IndexError):
        picks[3]


def test_the_same_seed_and_the_same_clock_give_the_same_orders():
    connections = [connection("up", str(n)) for n in range(6)]
    snapshot = snapshot_of(
        [UP],
        connections,
        combos=[combo("c", *(f"up/{m}" for m in "abcde"), strategy="weighted")],
        settings={"fallbackStrategy": "p2c"},
        strategies=EVERY,
    )

    def run(seed):
        clock = Clock()
        live = Live(clock)
        chooser, dice, out = Chooser(seed, live, clock), random.Random(5), []
        for _ in range(50):
            clock.now_s += dice.random()
            pick = order(snapshot, "c", chooser)[0]
            live.began(pick)
            live.finished(pick, ok=dice.random() < 0.8, latency_ms=dice.random())
            out.append((pick.name, pick.line.connection.id))
        return out

    assert run(1) == run(1) != run(2)
