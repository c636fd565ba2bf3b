"""API keys: random, hashed, found wherever clients put them, refused with the right reason."""

import re
import time

import pytest

from core.access.api_keys import (
    ApiKeyDisabled,
    ApiKeyExpired,
    ApiKeyTable,
    UnknownApiKey,
    mask_api_key,
    mint_api_key,
    presented_key,
    without_key,
)
from core.settings import Settings
from core.store.records import ApiKeyRecord
from core.store.store import Store

SECRET = b"s" * 32
NOW_S = 1_700_000_000.0


def record_of(minted, **changes):
    values = {
        "id": "k1",
        "name": "laptop",
        "key_hash": minted.key_hash,
        "key_hint": minted.key_hint,
        "revealable": False,
        "allowed_models": (),
        "allowed_connections": (),
        "is_active": True,
        "no_log": False,
        "scopes": (),
        "created_at": NOW_S,
    }
    return ApiKeyRecord(**{**values, **changes})


def test_key_is_random_and_shows_itself_nowhere():
    minted = mint_api_key(SECRET)

    assert re.fullmatch(r"sk-omni-[A-Za-z0-9_-]{43}", minted.key)
    assert minted.key not in repr(minted)
    assert minted.key[8:] not in minted.key_hash
    assert minted.key_hint == f"{minted.key[:12]}…{minted.key[-4:]}"
    assert mint_api_key(SECRET).key != minted.key


@pytest.mark.parametrize(
    ("key", "shown"),
    [("sk-omni-" + "abcd" + "x" * 35 + "wxyz", "sk-omni-abcd…wxyz"), ("sk-omni-short", "sk-omni-…"), ("", "…")],
)
def test_masked_key(key, shown):
    assert mask_api_key(key) == shown


async def test_key_works_from_mint_to_check_over_the_store(tmp_path):
    async with await Store.open(Settings(data_dir=tmp_path)) as store:
        minted = mint_api_key(store.vault.api_key_secret)
        made = await store.create_api_key(name="k", key_hash=minted.key_hash, key_hint=minted.key_hint)
        table = ApiKeyTable((await store.load_all()).api_keys, store.vault.api_key_secret)
        for path in tmp_path.iterdir():
            assert minted.key.encode() not in path.read_bytes()

    assert table.check(minted.key, NOW_S) == made
    assert len(table) == 1


@pytest.mark.parametrize(
    "presented", ["", "sk-omni-", "sk-omni-" + "A" * 43, "x" * 100_000, "\ud800", "clé", "sk-omni-\x00"]
)
def test_unknown_key_is_refused(presented):
    table = ApiKeyTable([record_of(mint_api_key(SECRET))], SECRET)
    with pytest.raises(UnknownApiKey) as caught:
        table.check(presented, NOW_S)
    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("changes", "error", "status"),
    [
        ({"is_active": False}, ApiKeyDisabled, 403),
        ({"revoked_at": NOW_S - 1}, ApiKeyDisabled, 403),
        ({"expires_at": NOW_S}, ApiKeyExpired, 401),
        ({"is_active": False, "expires_at": NOW_S - 1}, ApiKeyDisabled, 403),
    ],
)
def test_key_that_may_not_be_used_says_why(changes, error, status):
    minted = mint_api_key(SECRET)
    table = ApiKeyTable([record_of(minted, **changes)], SECRET)
    with pytest.raises(error) as caught:
        table.check(minted.key, NOW_S)
    assert caught.value.status == status
    assert minted.key not in str(caught.value)


def test_key_is_good_until_the_moment_it_expires():
    minted = mint_api_key(SECRET)
    table = ApiKeyTable([record_of(minted, expires_at=NOW_S)], SECRET)
    assert table.check(minted.key, NOW_S - 0.001).id == "k1"


def test_key_hashed_under_another_secret_is_unknown():
    minted = mint_api_key(b"another secret")
    with pytest.raises(UnknownApiKey):
        ApiKeyTable([record_of(minted)], SECRET).check(minted.key, NOW_S)


HOST = (b"host", b"localhost")


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        pytest.param([HOST], b"", None, id="none"),
        pytest.param([HOST, (b"authorization", b"Bearer k")], b"", "k", id="bearer"),
        pytest.param([(b"authorization", b"bearer  k ")], b"", "k", id="bearer-lower-case-and-spaces"),
        pytest.param([(b"authorization", b"Basic k")], b"", None, id="basic"),
        pytest.param([(b"authorization", b"Bearer ")], b"", None, id="bearer-empty"),
        pytest.param([(b"authorization", b"k")], b"", None, id="no-scheme"),
        pytest.param([(b"x-api-key", b"k")], b"", "k", id="x-api-key"),
        pytest.param([(b"x-goog-api-key", b"k")], b"", "k", id="x-goog-api-key"),
        pytest.param([(b"api-key", b"k")], b"", "k", id="api-key"),
        pytest.param([(b"api-key", b"  ")], b"", None, id="blank"),
        pytest.param([HOST], b"key=k", "k", id="query"),
        pytest.param([HOST], b"alt=sse&key=a%2Bb&x=1", "a+b", id="query-escaped-among-others"),
        pytest.param([HOST], b"api_key=k&monkey=k", None, id="query-other-names"),
        pytest.param([HOST], b"key=", None, id="query-empty"),
        pytest.param([(b"x-api-key", b"2"), (b"authorization", b"Bearer 1")], b"key=3", "1", id="bearer-first"),
        pytest.param([(b"x-api-key", b"2"), (b"authorization", b"Basic 1")], b"", "2", id="basic-does-not-hide"),
        pytest.param([(b"x-goog-api-key", b"2")], b"key=3", "2", id="header-before-query"),
        pytest.param([(b"x-api-key", b"1"), (b"x-api-key", b"2")], b"", "1", id="repeated"),
        pytest.param([(b"authorization", b"Bearer \xff\xfe")], b"", "ÿþ", id="no-ascii"),
    ],
)
def test_key_is_found_where_clients_put_it(headers, query, key):
    assert presented_key(headers, query) == key


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (b"", b""),
        (b"key=k", b""),
        (b"key=k&alt=sse", b"alt=sse"),
        (b"alt=sse&key=k", b"alt=sse"),
        (b"a=1&key=k&b=2&key=l", b"a=1&b=2"),
        (b"monkey=k", b"monkey=k"),
    ],
)
def test_key_is_taken_out_of_the_query(query, left):
    assert without_key(query) == left


def test_finding_and_checking_a_key_costs_microseconds_however_many_there_are():
    minted = [mint_api_key(SECRET) for _ in range(2000)]
    table = ApiKeyTable([record_of(each, id=str(n)) for n, each in enumerate(minted)], SECRET)
    headers = [HOST, *((b"x-header-%d" % n, b"value") for n in range(12)), (b"x-api-key", minted[-1].key.encode())]

    began = time.perf_counter()
    for _ in range(2000):
        assert table.check(presented_key(headers), NOW_S).id == "1999"
    assert (time.perf_counter() - began) / 2000 < 100e-6  # measured 3 µs; the margin is for a busy machine
