"""Sessions end when they should, and guessing a password is slow."""

import pytest

from core.access.sessions import BLOCK_S, LIFETIME_S, MAX_ADDRESSES, LoginThrottle, Sessions, TooManyLogins
from core.settings import Settings
from core.store.store import Store


@pytest.fixture
def sessions(store, clock):
    return Sessions(store, clock=clock)


async def test_session_is_found_by_its_token_only(sessions, store):
    token = await sessions.create("browser")

    assert len(token) == 43
    assert (await sessions.lookup(token)).client == "browser"
    for other in ("", token[:-1], token + "x", "\ud800", (await store.sessions())[0].id_hash):
        assert await sessions.lookup(other) is None


async def test_token_is_not_in_the_store(sessions, tmp_path):
    token = await sessions.create()
    for path in tmp_path.iterdir():
        assert token.encode() not in path.read_bytes()


async def test_logout_ends_one_session_and_a_new_password_all(sessions):
    tokens = [await sessions.create() for _ in range(3)]

    await sessions.revoke(tokens[0])
    assert await sessions.lookup(tokens[0]) is None
    assert await sessions.lookup(tokens[1]) is not None

    assert await sessions.revoke_all() == 2
    assert [await sessions.lookup(token) for token in tokens] == [None] * 3


async def test_session_lives_on_while_it_is_used(sessions, clock):
    token = await sessions.create()
    for _ in range(3):
        clock.now_s += LIFETIME_S - 1
        assert (await sessions.lookup(token)).last_seen_at == clock.now_s
    clock.now_s += LIFETIME_S
    assert await sessions.lookup(token) is None


async def test_using_a_session_often_writes_seldom(sessions, store, clock):
    token = await sessions.create()
    for _ in range(10):
        clock.now_s += 60
        await sessions.lookup(token)
    assert (await store.sessions())[0].last_seen_at == clock.now_s - 600


async def test_another_signing_secret_signs_everybody_out(tmp_path, clock):
    async with await Store.open(Settings(data_dir=tmp_path, jwt_secret="first"), clock=clock) as store:
        token = await Sessions(store, clock=clock).create()
    async with await Store.open(Settings(data_dir=tmp_path, jwt_secret="second"), clock=clock) as store:
        assert await Sessions(store, clock=clock).lookup(token) is None
    async with await Store.open(Settings(data_dir=tmp_path, jwt_secret="first"), clock=clock) as store:
        assert await Sessions(store, clock=clock).lookup(token) is not None


def fail(throttle, address, now_s, times):
    for _ in range(times):
        throttle.begin(address, now_s)


def test_fifth_failure_blocks_the_address_for_fifteen_minutes():
    throttle = LoginThrottle()
    fail(throttle, "192.0.2.1", 0, 4)
    throttle.check("192.0.2.1", 0)
    throttle.begin("192.0.2.1", 1)

    with pytest.raises(TooManyLogins) as caught:
        throttle.check("192.0.2.1", 1)
    assert (caught.value.status, caught.value.retry_after_s) == (429, 900)
    with pytest.raises(TooManyLogins) as caught:
        throttle.begin("192.0.2.1", 601)
    assert caught.value.retry_after_s == 300

    throttle.begin("192.0.2.2", 1)
    throttle.begin("192.0.2.1", 1 + BLOCK_S)
    throttle.check("192.0.2.1", 1 + BLOCK_S)


def test_guesses_sent_at_once_do_not_slip_past():
    throttle = LoginThrottle()
    let_through = 0
    for _ in range(50):
        try:
            throttle.begin("192.0.2.1", 0)
            let_through += 1
        except TooManyLogins:
            pass
    assert let_through == 5


def test_success_forgets_the_failures():
    throttle = LoginThrottle()
    fail(throttle, "192.0.2.1", 0, 5)
    throttle.succeeded("192.0.2.1")
    fail(throttle, "192.0.2.1", 1, 4)
    throttle.check("192.0.2.1", 1)


def test_old_failures_do_not_add_up():
    throttle = LoginThrottle()
    fail(throttle, "192.0.2.1", 0, 4)
    fail(throttle, "192.0.2.1", BLOCK_S, 4)
    throttle.check("192.0.2.1", BLOCK_S)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("unix", "unix", True),
    ],
)
def test_what_counts_as_one_client(one, other, same):
    throttle = LoginThrottle()
    fail(throttle, one, 0, 5)
    if same:
        with pytest.raises(TooManyLogins):
            throttle.check(other, 0)
    else:
        throttle.check(other, 0)


def test_memory_is_bounded():
    throttle = LoginThrottle()
    for n in range(MAX_ADDRESSES + 500):
        throttle.begin(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", n)
    assert len(throttle._attempts) == MAX_ADDRESSES
