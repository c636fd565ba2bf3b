"""Sealed values come back to their maker, and to nobody else, through callers of any dialect."""

from __future__ import annotations

import base64
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omniroute_hooks import Seal
from omniroute_hooks.sealing import ENVELOPE, opens_for, token_for, unwrap, wrap

utf8 = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
seals = st.builds(Seal, utf8, utf8, st.none() | utf8, st.none() | utf8)


@given(seals, utf8)
def test_an_envelope_gives_back_what_was_put_in_through_whatever_dialect(seal, dialect):
    token = wrap(seal)

    assert unwrap(token, dialect) == seal
    assert re.fullmatch(r"[A-Za-z0-9._-]+", token), "it must fit into every slot"


@given(seals)
def test_a_value_of_the_callers_own_dialect_goes_bare(seal):
    assert token_for(seal, seal.dialect) == seal.value
    assert unwrap(token_for(seal, seal.dialect + "x"), "any") == seal


def test_a_native_value_is_taken_for_the_callers_own():
    assert unwrap("EqQBCkYIARgC", "anthropic") == Seal("EqQBCkYIARgC", "anthropic")


def envelope(content: object) -> str:
    return ENVELOPE + base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        ENVELOPE,
        ENVELOPE + "!",
        ENVELOPE + "ö",
        ENVELOPE + "AAAA",
        wrap(Seal("v", "d", "p", "m"))[:-5],
        envelope(1),
        envelope(None),
        envelope("abcd"),
        envelope({"a": 1, "b": 2, "c": 3, "d": 4}),
        envelope(["d", "p", "m"]),
        envelope(["d", 1, "m", "v"]),
        envelope(["d", "p", ["m"], "v"]),
        envelope([None, "p", "m", "v"]),
        envelope(["d", "p", "m", {"v": 1}]),
    ],
)
def test_a_damaged_or_forged_envelope_is_a_foreign_value_and_no_error(token):
    assert unwrap(token, "gemini") == Seal(token, "gemini")


@pytest.mark.parametrize(
    ("seal", "opens"),
    [
        pytest.param(Seal("v", "d", "p", "m"), True, id="its-maker"),
        pytest.param(Seal("v", "d"), True, id="maker-unknown"),
        pytest.param(Seal("v", "d", "p"), True, id="model-unknown"),
        pytest.param(Seal("v", "other", "p", "m"), False, id="other-dialect"),
        pytest.param(Seal("v", "d", "other", "m"), False, id="other-provider"),
        pytest.param(Seal("v", "d", "p", "other"), False, id="other-model"),
        pytest.param(None, False, id="no-seal"),
    ],
)
def test_only_a_target_that_may_be_the_maker_is_sent_the_seal(seal, opens):
    assert opens_for(seal, "d", "p", "m") is opens
