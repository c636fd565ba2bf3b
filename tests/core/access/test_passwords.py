"""Passwords: hashed one way, checked without holding up the loop."""

import asyncio

import pytest

from core.access.passwords import WeakPassword, check_new_password, hash_password, verify_password

PASSWORD = "correct horse"


async def test_right_password_and_no_other_is_accepted():
    stored = await hash_password(PASSWORD)

    assert stored.startswith("scrypt$15$8$3$")
    assert PASSWORD not in stored
    assert await verify_password(PASSWORD, stored)
    for wrong in ("correct horsE", "", PASSWORD + " ", "x" * 5000, "\ud800"):
        assert not await verify_password(wrong, stored)


async def test_same_password_is_hashed_differently_each_time():
    one, two = await asyncio.gather(hash_password(PASSWORD), hash_password(PASSWORD))
    assert one != two


async def test_accented_letter_counts_the_same_in_both_spellings():
    stored = await hash_password("caf\u00e9-au-lait")
    assert await verify_password("cafe\u0301-au-lait", stored)


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025])
async def test_too_short_and_too_long_are_refused_with_the_rule(password):
    with pytest.raises(WeakPassword, match="8 to 1024 characters"):
        await hash_password(password)


def test_eight_characters_will_do():
    assert check_new_password("12345678") == "12345678"


@pytest.mark.parametrize(
    "stored", ["", "plain", "scrypt$15$8$3$salt", "bcrypt$15$8$3$YQ==$YQ==", "scrypt$x$8$3$YQ==$!"]
)
async def test_something_else_than_a_hash_is_an_error_and_no_login(stored):
    with pytest.raises(ValueError, match="not a password hash"):
        await verify_password(PASSWORD, stored)


async def test_loop_goes_on_while_a_password_is_hashed():
    hashing = asyncio.create_task(hash_password(PASSWORD))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 5
