"""Affinity: a conversation is known again and stays with its account, as long as that account is well."""

import json

import pytest
from clock import Clock
from gateway_kit import UPSTREAM_KEY, add_node, ask
from hypothesis import given
from hypothesis import strategies as st
from omniroute_hooks import Asked, Peek
from omniroute_hooks.testing import SPEAKERS, Ask, Say, ScriptedUpstream, serving
from routing_kit import connection, enter, provider, snapshot_of

from core.gateway.choosing.affinity import KEPT_S, Affinity, Conversation, Kept, session_of
from core.gateway.choosing.choose import Chooser
from core.gateway.naming.resolve import resolve
from core.plugins import registry

PEEK = Peek("m", False)
HELLO = {"role": "user", "content": "Hello there."}
SYSTEM = {"role": "system", "content": "Be brief."}
ANSWER = {"role": "assistant", "content": "Yes?"}


@pytest.fixture(scope="module")
def dialects():
    return registry.build().dialects


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


def session(body, headers=None, peek=PEEK, api_key_id=None):
    return session_of(headers or {}, peek, body, api_key_id)


# Whose conversation -------------------------------------------------------------------------------------------------


def test_what_the_caller_says_comes_first_then_its_programs_mark_then_the_first_words():
    body = {"messages": [HELLO]}
    marked = Peek("m", False, "abc-1")
    assert session(body, {"x-session-id": " mine "}, marked).id == "ext:mine"
    assert session(body, {"x_session_id": "mine"}, marked).id == "ext:mine"
    assert session(body, {"x-session-id": ""}, marked).id == "abc-1"
    words = session(body).id
    assert len(words) == 16
    assert int(words, 16) >= 0


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("x" * 200, "ext:" + "x" * 64), ("a\r\nb\x00c", "ext:abc"), ("a b", "ext:a b"), ("ä日本", None), ("\t ", None)],
)
def test_a_session_id_is_cut_and_cleaned_until_it_fits_a_header(sent, shown):
    found = session({}, {"x-session-id": sent})
    assert (found and found.id) == shown


def test_the_words_of_a_conversation_stay_the_same_through_all_its_turns():
    first = session({"model": "a", "messages": [SYSTEM, HELLO]})
    tools = {"role": "assistant", "tool_calls": [{"id": "1"}]}
    later = session({"model": "b", "tools": [{}], "messages": [SYSTEM, HELLO, tools, {"role": "tool", "content": "x"}]})
    assert first.id == later.id
    assert (first.continues, later.continues) == (False, True)
    other = session({"messages": [SYSTEM, {"role": "user", "content": "Hello here."}]})
    assert other.id != first.id
    assert session({"messages": [HELLO]}).id != first.id


def test_marks_that_move_from_message_to_message_are_no_words():
    marked = [{"type": "text", "text": "Hello there.", "cache_control": {"type": "ephemeral"}}]
    one = session({"system": "Be brief.", "messages": [{"role": "user", "content": marked}]})
    two = session({"system": [{"type": "text", "text": "Be brief."}], "messages": [HELLO, ANSWER]})
    assert one.id == two.id


def test_equal_conversations_of_different_keys_are_different():
    body = {"messages": [HELLO]}
    assert session(body, api_key_id="a").key != session(body, api_key_id="b").key
    said = {"x-session-id": "s"}
    one, other = session(body, said, api_key_id="a"), session(body, said, api_key_id="b")
    assert one.id == other.id
    assert one.key != other.key


@pytest.mark.parametrize("name", ["openai-chat", "openai-responses", "anthropic", "gemini"])
def test_every_dialects_conversations_are_known_again(dialects, name):
    speaker, dialect = SPEAKERS[name], dialects[name]
    endpoint = next(e for e in dialect.endpoints if e.operation == "generate")
    first = speaker.request_of(Ask(model="m", system="Be brief."))
    asked = Asked(endpoint, "m", {}, {})
    found = session_of({}, dialect.peek(first, asked), first)
    assert found is not None
    assert not found.continues
    other = speaker.request_of(Ask(model="other", system="Be brief.", stream=True))
    assert session_of({}, dialect.peek(other, asked), other).id == found.id
    history = next(key for key in ("messages", "input", "contents") if key in first)
    answer = {"role": "model" if name == "gemini" else "assistant", "parts": [{"text": "Yes?"}], "content": "Yes?"}
    earlier = first[history] if isinstance(first[history], list) else [{"role": "user", "content": first[history]}]
    later = {**first, history: [*earlier, answer, *earlier]}
    again = session_of({}, dialect.peek(later, asked), later)
    assert (again.id, again.continues) == (found.id, True)


def test_calls_without_a_role_are_answers_too():
    body = {"input": [HELLO, {"type": "function_call", "name": "f"}, {"type": "function_call_output", "output": "1"}]}
    assert session(body).continues
    assert not session({"input": "Hello there."}).continues


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["system", "messages", "input", "contents", "instructions"]), JSON, max_size=4),
    st.text(max_size=30),
)
def test_no_body_and_no_header_breaks_it(body, header):
    found = session_of({"x-session-id": header}, PEEK, body, None)
    if found is not None:
        assert found.id.isascii()
        assert found.id.isprintable()


def test_a_body_without_a_beginning_has_no_session():
    assert session({}) is None
    assert session({"messages": []}) is None
    assert Affinity().kept(None) is None


def test_long_beginnings_cost_little_and_still_tell_conversations_apart():
    long = "x" * 10_000_000
    deep = HELLO
    for _ in range(500):
        deep = {"parts": [deep]}
    assert session({"system": long, "messages": [HELLO]}).id != session({"system": long, "messages": [ANSWER]}).id
    assert session({"messages": [deep]}) is None or session({"messages": [deep]}).id


# Who is kept --------------------------------------------------------------------------------------------------------


def a_pick(number=0):
    snapshot = snapshot_of([provider("up", "a")], [connection("up", str(n)) for n in range(3)])
    return Chooser(1).order(snapshot, resolve(snapshot, "up/a"))[number]


def test_who_answered_last_is_kept_for_an_hour():
    clock = Clock(0.0)
    affinity = Affinity(clock)
    mine = session({}, {"x-session-id": "s"})
    assert affinity.kept(mine) is None
    affinity.served(mine, a_pick(0), "key-1")
    affinity.served(mine, a_pick(2), "key-1")
    assert affinity.kept(mine) == Kept("up-2")
    clock.now_s = KEPT_S - 1
    assert list(affinity.conversations()) == [Conversation("ext:s", "key-1", Kept("up-2"), 0.0, 0.0, 2)]
    clock.now_s = KEPT_S + 1
    assert list(affinity.conversations()) == []
    assert affinity.kept(mine) is None


def test_equal_first_words_bind_nobody_before_there_was_an_answer():
    """Else all callers who begin alike would be sent to one account."""
    affinity = Affinity(Clock())
    first, later = session({"messages": [HELLO]}), session({"messages": [HELLO, ANSWER, HELLO]})
    affinity.served(first, a_pick(1))
    assert affinity.kept(first) is None
    assert affinity.kept(later) == Kept("up-1")


def test_only_so_many_conversations_are_remembered():
    affinity = Affinity(Clock(), most=10)
    for number in range(30):
        affinity.served(session({}, {"x-session-id": str(number)}), a_pick(0))
    assert [c.session_id for c in affinity.conversations()] == [f"ext:{n}" for n in range(20, 30)]


# Through the gateway --------------------------------------------------------------------------------------------------


async def three_accounts(gateway, upstream):
    await add_node(gateway, "openai-chat", upstream.url, keys=[f"{UPSTREAM_KEY}-{n}" for n in range(3)])
    strategy = {"fallbackStrategy": "round-robin", "stickyRoundRobinLimit": 1}
    await enter(gateway)
    assert (await gateway.http.patch("/api/settings", json=strategy)).status_code == 200


def whom(upstream):
    return upstream.requests[-1].headers["authorization"][-1]


async def say(gateway, upstream, messages, headers=None):
    SPEAKERS["openai-chat"].play(upstream, Say(text="Yes."), stream=False)
    body = json.dumps({"model": "up/m", "messages": messages}).encode()
    answer = await ask(gateway, "POST", "/v1/chat/completions", body, headers)
    assert answer.status == 200, answer.body
    return answer, whom(upstream)


async def test_a_conversation_stays_with_its_account_and_new_ones_take_turns(gateway, upstream):
    await three_accounts(gateway, upstream)
    for header in ("X-Session-Id", "x_session_id"):
        turns = [await say(gateway, upstream, [HELLO], {header: f"mine {header}"}) for _ in range(3)]
        assert len({account for _, account in turns}) == 1
        assert turns[0][0].headers["x-omniroute-session-id"] == f"ext:mine {header}"
    assert len({(await say(gateway, upstream, [HELLO]))[1] for _ in range(3)}) == 3
    _, account = await say(gateway, upstream, [SYSTEM, HELLO])
    for count in range(1, 4):
        history = [SYSTEM, HELLO, *[ANSWER, HELLO] * count]
        assert (await say(gateway, upstream, history))[1] == account


async def test_a_conversation_leaves_an_account_that_is_not_well(gateway, upstream):
    await three_accounts(gateway, upstream)
    headers = {"X-Session-Id": "s"}
    _, account = await say(gateway, upstream, [HELLO], headers)
    upstream.reply(429, json={"error": {"message": "Slow down."}}, headers={"Retry-After": "60"})
    _, other = await say(gateway, upstream, [HELLO], headers)
    assert other != account
    for _ in range(3):
        assert (await say(gateway, upstream, [HELLO], headers))[1] == other
