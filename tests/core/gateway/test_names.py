"""Names: whom a model's name means, and what is said where it means nobody."""

import json
import time

import pytest
from gateway_kit import add_node, ask, last_records, request_in
from omniroute_hooks import BadRequest, LoginExpired, Model, ModelNotFound, NotFound
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, serving
from routing_kit import combo, connection, enter, provider, snapshot_of

from core.gateway.choosing.choose import Chooser
from core.gateway.naming.aliases import MAX_NAME, Wildcards, compiled
from core.gateway.naming.resolve import dedicated, resolve

UP = provider("up", "m-1", "m-2", "shared")
OTHER = provider("ot", "shared", "o-1")
STRICT = provider("st", "only", any_model=False)


def means(snapshot, name):
    """Everybody who is tried, in order."""
    return [pick.name for pick in Chooser(1).order(snapshot, resolve(snapshot, name))]


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


# The order of readings ----------------------------------------------------------------------------------------


def test_an_alias_comes_before_a_combo_before_a_prefix_before_a_bare_name():
    plain = snapshot_of([UP, OTHER])
    assert (resolve(plain, "up/m-1").by, means(plain, "up/m-1")) == ("name", ["up/m-1"])
    assert (resolve(plain, "m-2").by, means(plain, "m-2")) == ("bare name", ["up/m-2"])
    combos = [combo("m-2", "ot/o-1"), combo("up/m-1", "ot/o-1")]
    with_combos = snapshot_of([UP, OTHER], combos=combos)
    assert means(with_combos, "m-2") == means(with_combos, "up/m-1") == ["ot/o-1"]
    assert resolve(with_combos, "m-2").by == "combo"
    with_alias = snapshot_of([UP, OTHER], combos=combos, aliases={"m-2": "up/x"})
    assert (resolve(with_alias, "m-2").by, means(with_alias, "m-2")) == ("alias", ["up/x"])
    assert means(with_alias, "combo/m-2") == ["ot/o-1"]


def test_an_exact_alias_comes_before_patterns_and_may_lead_to_another_alias():
    snapshot = snapshot_of(
        [UP], aliases={"gpt-5": "mine", "mine": "up/m-1"}, patterns=[("gpt-*", "up/m-2"), ("g?t", "gpt-5")]
    )
    assert means(snapshot, "gpt-5") == ["up/m-1"]
    assert means(snapshot, "gpt-6") == ["up/m-2"]
    assert means(snapshot, "get") == ["up/m-1"]


def test_a_prefix_is_never_another_provider_unless_the_user_says_so():
    snapshot = snapshot_of([UP, OTHER], [connection("ot")])
    with pytest.raises(ModelNotFound, match=r"UP has no active connection"):
        resolve(snapshot, "up/shared")
    assert means(snapshot, "shared") == ["ot/shared"]
    assert means(snapshot_of([UP, OTHER], [connection("ot")], aliases={"up/shared": "ot/shared"}), "up/shared") == [
        "ot/shared"
    ]
    assert means(snapshot_of([UP, OTHER], patterns=[("up/*", "ot/o-1")]), "up/m-1") == ["ot/o-1"]


def test_a_bare_name_is_asked_of_everybody_who_serves_it_in_the_order_of_installation():
    assert means(snapshot_of([UP, OTHER]), "shared") == ["up/shared", "ot/shared"]
    assert means(snapshot_of([OTHER, UP]), "shared") == ["ot/shared", "up/shared"]


def test_models_whose_ids_hold_slashes_are_found():
    slashed = provider("hub", "maker/model-1")
    snapshot = snapshot_of([slashed])
    assert means(snapshot, "hub/maker/model-1") == means(snapshot, "maker/model-1") == ["hub/maker/model-1"]


# Patterns -------------------------------------------------------------------------------------------------------


def test_the_pattern_with_the_longest_beginning_counts_then_the_users_order():
    wildcards = Wildcards([("*", "any"), ("gpt-*", "gpt"), ("gpt-5*", "five"), ("gpt-*-mini", "mini"), ("?pt-9", "q")])
    found = {name: wildcards.find(name).target for name in ("gpt-5", "gpt-4", "gpt-4-mini", "opt-9", "gpt-9", "x")}
    assert found == {"gpt-5": "five", "gpt-4": "gpt", "gpt-4-mini": "gpt", "opt-9": "any", "gpt-9": "gpt", "x": "any"}
    assert Wildcards([("gpt-*-mini", "mini"), ("gpt-*", "gpt")]).find("gpt-4-mini").target == "mini"


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("a*", "a", True),
        ("a*", "abc/def", True),
        ("a*", "ba", False),
        ("*a", "ba", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("*b?d*", "abbcde", True),
        ("*b?d", "abxdbyd", True),
        ("a**b", "ab", True),
        ("a.c*", "abc", False),
        ("a[b]*", "a[b]c", True),
        ("?", "é", True),
        ("*\\?x", "a\\yx", True),
        ("ab*ba", "aba", False),
        ("*aab", "aaab", True),
    ],
)
def test_stars_and_question_marks_mean_what_people_expect(pattern, name, fits):
    assert compiled(pattern, "t").fits(name) is fits
    assert (Wildcards([(pattern, "t")]).find(name) is not None) is fits


def test_patterns_are_for_what_callers_ask_and_not_for_what_the_user_wrote_down():
    """Else a pattern for everything would be in the place of all that the user named."""
    snapshot = snapshot_of(
        [UP, OTHER],
        aliases={"fast": "up/m-2"},
        patterns=[("gpt-*", "up/shared"), ("*", "up/m-1")],
        combos=[combo("pair", "ot/o-1", "fast")],
        chains={"all": {"models": ["ot/shared"]}},
    )
    assert means(snapshot, "whatever") == means(snapshot, "pair") == ["up/m-1", "ot/shared"]
    assert means(snapshot, "gpt-5") == ["up/shared", "ot/shared"]
    assert means(snapshot, "fast") == ["up/m-2", "ot/shared"]
    aliased = snapshot_of(
        [UP, OTHER], aliases={"mine": "pair"}, patterns=[("*", "up/m-1")], combos=[combo("pair", "ot/o-1")]
    )
    assert means(aliased, "mine") == ["ot/o-1"]


def test_no_pattern_and_no_name_takes_long_to_look_up():
    nasty = Wildcards([("*a" * 40 + "*b", "t"), *((f"*{n}*", "t") for n in range(5000))])
    began = time.perf_counter()
    assert nasty.find("a" * MAX_NAME) is None
    assert nasty.find("a" * 1_000_000) is None
    assert time.perf_counter() - began < 1.0


# Nobody is meant --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("up/", "No connected provider"),
        ("pu/m-1", "No provider has the prefix 'pu'"),
        ("m-9", "Did you mean m-2 or m-1?"),
        ("st/onyl", "ST has no model 'onyl'. Did you mean st/only?"),
        ("combo/none", "There is no combo 'none'"),
        ("asleep", "The combo 'asleep' is switched off"),
        ("combo/asleep", "The combo 'asleep' is switched off"),
        ("g-1", "GONE has no active connection"),
        ("", "No connected provider"),
        ("x" * 100_000, "No connected provider"),
    ],
)
def test_a_name_that_means_nobody_is_told_with_what_to_do(name, words):
    snapshot = snapshot_of(
        [UP, STRICT, provider("gone", "g-1")],
        [connection("up"), connection("st")],
        combos=[combo("asleep", "up/m-1", is_active=False)],
    )
    with pytest.raises(ModelNotFound) as told:
        resolve(snapshot, name)
    assert words in told.value.message
    assert len(told.value.message) < 1000


def test_an_expired_login_is_told_as_one():
    snapshot = snapshot_of([UP], [connection("up", state="expired")])
    for name in ("up/m-1", "m-1"):
        with pytest.raises(LoginExpired, match="has expired"):
            resolve(snapshot, name)


def test_a_switched_off_combo_leaves_its_name_to_the_model():
    snapshot = snapshot_of([UP], combos=[combo("m-1", "up/m-2", is_active=False)])
    assert means(snapshot, "m-1") == ["up/m-1"]


# Fallback chains --------------------------------------------------------------------------------------------------


CHAIN = {"production": {"models": ["up/m-1", "ot/o-1", "st/only"], "enabled": True, "place": 0}}


def test_a_chain_comes_behind_the_asked_model_and_goes_round():
    snapshot = snapshot_of([UP, OTHER, STRICT], chains=CHAIN)
    assert means(snapshot, "up/m-1") == ["up/m-1", "ot/o-1", "st/only"]
    assert means(snapshot, "ot/o-1") == ["ot/o-1", "st/only", "up/m-1"]
    assert resolve(snapshot, "ot/o-1").chain is not None


def test_a_chain_follows_bare_names_aliases_and_combos_but_no_prefix_that_it_does_not_list():
    snapshot = snapshot_of(
        [UP, OTHER, STRICT], chains=CHAIN, aliases={"fast": "up/m-2"}, combos=[combo("pair", "up/m-2", "ot/o-1")]
    )
    assert means(snapshot, "up/m-2") == ["up/m-2"]
    assert means(snapshot, "m-2") == ["up/m-2", "up/m-1", "ot/o-1", "st/only"]
    assert means(snapshot, "fast") == ["up/m-2", "up/m-1", "ot/o-1", "st/only"]
    assert means(snapshot, "pair") == ["up/m-2", "ot/o-1", "up/m-1", "st/only"]  # nobody twice
    with pytest.raises(ModelNotFound):
        resolve(snapshot, "a-typo")


def test_the_chain_that_lists_a_model_comes_before_one_for_all_and_a_switched_off_one_is_no_chain():
    chains = {
        "a": {"models": ["ot/o-1"], "enabled": True, "place": 0},
        "b": {"models": ["up/m-1", "st/only"], "enabled": True, "appliesTo": "listed", "place": 1},
        "c": {"models": ["up/m-2", "st/only"], "enabled": False, "place": 2},
    }
    snapshot = snapshot_of([UP, OTHER, STRICT], chains=chains)
    assert means(snapshot, "up/m-1") == ["up/m-1", "st/only"]
    assert means(snapshot, "m-2") == ["up/m-2", "ot/o-1"]
    assert means(snapshot, "up/m-2") == ["up/m-2"]


def test_a_chain_answers_for_a_model_whose_provider_is_not_connected():
    snapshot = snapshot_of([UP, OTHER], [connection("ot")], chains={"c": {"models": ["up/m-1", "ot/o-1"]}})
    plan = resolve(snapshot, "up/m-1")
    assert [note.reason for note in plan.notes] == [
        "UP has no active connection. Add one, or enable one, under Providers."
    ]
    assert means(snapshot, "up/m-1") == ["ot/o-1"]


def test_a_chain_adds_nothing_that_a_limited_key_may_not_use():
    snapshot = snapshot_of([UP, OTHER, STRICT], chains=CHAIN)
    plan = resolve(snapshot, "m-2")
    picks = Chooser(1).order(snapshot, plan, models=("m-2", "st/only"))
    assert [pick.name for pick in picks] == ["up/m-2", "st/only"]


# Dedicated addresses ----------------------------------------------------------------------------------------------


def test_a_dedicated_address_adds_its_prefix_and_refuses_other_providers():
    hub = provider("hub", "ot/odd", name="My Hub")
    snapshot = snapshot_of([UP, OTHER, hub], aliases={"fast": "up/m-2", "far": "ot/o-1"})
    for word in ("up", "up-id", "UP"):
        assert dedicated(snapshot, word, "m-1") == "up/m-1"
        assert dedicated(snapshot, word, "up/m-1") == "up/m-1"
    assert dedicated(snapshot, "up", "up-id/m-1") == "up/m-1"
    assert dedicated(snapshot, "up", "fast") == "up/m-2"
    assert dedicated(snapshot, "my hub", "maker/model") == "hub/maker/model"
    assert dedicated(snapshot, "hub", "ot/odd") == "hub/ot/odd"  # that is how this provider calls it
    for model in ("ot/o-1", "far"):
        with pytest.raises(BadRequest) as told:
            dedicated(snapshot, "up", model)
        assert told.value.message == "Model 'ot/o-1' does not belong to UP. It is one of OT. Expected prefix: up/"
    with pytest.raises(NotFound, match=r"There is no provider 'upp'\. Did you mean up"):
        dedicated(snapshot, "upp", "m-1")


def test_a_dedicated_address_goes_by_chains_that_list_the_very_name_and_by_no_patterns_that_lead_elsewhere():
    snapshot = snapshot_of([UP, OTHER], [connection("ot")], chains={"c": {"models": ["up/m-1", "ot/o-1"]}})
    assert means(snapshot, dedicated(snapshot, "up", "m-1")) == ["ot/o-1"]  # UP has no connection
    with pytest.raises(ModelNotFound, match="UP has no active connection"):
        dedicated(snapshot, "up", "m-2")
    turned = snapshot_of([UP, OTHER], patterns=[("up/*", "ot/o-1")])
    for model in ("m-1", "up/m-1"):
        with pytest.raises(BadRequest, match="does not belong to UP"):
            dedicated(turned, "up", model)


# Lists ------------------------------------------------------------------------------------------------------------


def test_combos_come_first_in_lists_then_aliases_and_nothing_that_cannot_be_called():
    snapshot = snapshot_of(
        [UP, STRICT, provider("gone", "g-1")],
        [connection("up"), connection("st")],
        combos=[
            combo("dead", "gone/g-1", "nobody"),
            combo("best", "gone/g-1", "up/m-1"),
            combo("empty"),
            combo("circle", "circle"),
            combo("outer", "best"),
        ],
        aliases={"fast": "m-2", "lost": "gone/g-1", "best": "up/m-2"},
    )
    assert [(entry.id, entry.owner) for entry in snapshot.listed] == [
        ("best", "combo"),
        ("outer", "combo"),
        ("fast", "alias"),
        ("up/m-1", "UP"),
        ("up/m-2", "UP"),
        ("up/shared", "UP"),
        ("st/only", "ST"),
    ]
    for entry in snapshot.listed:
        assert means(snapshot, entry.id), entry.id


def test_a_combo_is_listed_with_what_its_members_can_do_together():
    small = Model("small", context=1000, input=("text",), tools=False)
    large = Model("large", context=9000, max_output=50, input=("text", "pdf"))
    listed = snapshot_of([provider("up", small, large)], combos=[combo("both", "small", "large")]).by_listed_id["both"]
    assert (listed.spec.context, listed.spec.max_output, listed.spec.tools) == (9000, None, True)
    assert listed.spec.input == ("text", "pdf")


async def test_every_listed_model_can_be_called(gateway, upstream):
    """Declared, added by hand, by alias and by combo: whatever the list says is an answer away."""
    node = await add_node(gateway, "openai-chat", upstream.url)
    other = await add_node(gateway, "anthropic", upstream.url, prefix="an")
    await enter(gateway)
    for body in (
        {"provider": "up", "modelId": "by-hand"},
        {"provider": node.id, "modelId": "maker/with-slash"},
        {"provider": "an", "modelId": "theirs"},
    ):
        assert (await gateway.http.post("/api/provider-models", json=body)).status_code == 200
    for body in ({"alias": "quick", "model": "by-hand"}, {"alias": "old-*", "model": "an/theirs"}):
        assert (await gateway.http.put("/api/models/alias", json=body)).status_code == 200
    combos = (
        {"name": "coding/best", "models": ["an/theirs", "up/by-hand"]},
        {"name": "nested", "models": [{"comboName": "coding/best"}, "quick"]},
        {"name": "nothing", "models": ["nobody/knows"]},
    )
    for body in combos:
        assert (await gateway.http.post("/api/combos", json=body)).status_code == 201

    listed = (await gateway.http.get("/v1/models")).json()["data"]

    ids = [entry["id"] for entry in listed]
    assert ids[:3] == ["coding/best", "nested", "quick"]
    assert [entry["owned_by"] for entry in listed[:3]] == ["combo", "combo", "alias"]
    assert {"up/by-hand", "up/maker/with-slash", "an/theirs"} < set(ids)
    assert "nothing" not in ids
    chat = [id_ for id_ in ids if id_.startswith(("up/", "an/")) or "/" not in id_ or id_ == "coding/best"]
    for name in [*chat, "combo/nested", "old-thing", "by-hand", "maker/with-slash"]:
        to = (
            "anthropic"
            if name in ("an/theirs", "coding/best", "nested", "combo/nested", "old-thing")
            else "openai-chat"
        )
        SPEAKERS[to].play(upstream, Say(text=f"I am {name}."), stream=False)
        answer = await ask(gateway, "POST", *request_in("openai-chat", model=name))
        assert answer.status == 200, (name, answer.body)
        read = SPEAKERS["openai-chat"].read_answer(answer.json)
        assert read.text == f"I am {name}."
    assert (await last_records(gateway))[0].provider in (node.id, other.id)


async def test_a_change_of_names_counts_from_the_next_request_on(gateway, upstream):
    await add_node(gateway, "openai-chat", upstream.url)
    await enter(gateway)
    path, body = request_in("openai-chat", model="mine")
    assert (await ask(gateway, "POST", path, body)).status == 404
    for alias_of, arrives in (("up/one", "one"), ("up/two", "two")):
        await gateway.http.put("/api/models/alias", json={"alias": "mine", "model": alias_of})
        SPEAKERS["openai-chat"].play(upstream, Say(text="Yes."), stream=False)
        assert (await ask(gateway, "POST", path, body)).status == 200
        assert upstream.requests[-1].json["model"] == arrives
    assert json.loads(body)["model"] == "mine"
