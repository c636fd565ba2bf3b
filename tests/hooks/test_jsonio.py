"""JSON at the edges: callers are told what is wrong, providers are forgiven."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omniroute_hooks import BadRequest
from omniroute_hooks.jsonio import MAX_DEPTH, dumps, dumps_text, json_type, loads_body, loads_upstream

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=9,
)


@given(plain)
def test_what_is_written_reads_the_same(value):
    assert json.loads(dumps(value)) == value
    assert loads_upstream(dumps(value)) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param({"a": [1, "é🙂"]}, '{"a":[1,"é🙂"]}', id="compact-utf8"),
        pytest.param({"a": "half \ud83d"}, '{"a":"half ?"}', id="half-a-surrogate"),
        pytest.param({"\ud83d": 1}, '{"?":1}', id="half-a-surrogate-in-a-name"),
        pytest.param({"a": math.nan}, '{"a":null}', id="nan"),
        pytest.param({"a": math.inf, "b": ["\ud83d", 0.5]}, '{"a":null,"b":["?",0.5]}', id="both"),
        pytest.param({1: 2}, '{"1":2}', id="a-number-as-name"),
        pytest.param({"a": 2**70}, '{"a":1180591620717411303424}', id="a-huge-number"),
    ],
)
def test_whatever_a_provider_sent_can_be_written(value, written):
    assert dumps(value).decode() == written


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b" \n", "it is empty", id="blank"),
        pytest.param(b'{"a":\n  tru}', "line 2", id="broken"),
        pytest.param(b'{"a": "\xff"}', "not valid JSON", id="bad-utf8"),
        pytest.param(b'{"a": NaN}', "not valid JSON", id="nan"),
        pytest.param(b'{"a": "\\ud83d"}', "not valid JSON", id="half-a-surrogate"),
        pytest.param(b"[1]", "an array", id="array"),
        pytest.param(b"null", "null", id="null"),
        pytest.param(b'"x"', "a string", id="string"),
        pytest.param(b"12", "a number", id="number"),
        pytest.param(b"false", "a boolean", id="boolean"),
        pytest.param(b'{"a":' + b"[" * 5000, "not valid JSON", id="too-deep-for-the-parser"),
        pytest.param(b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested", id="too-deep"),
        pytest.param(b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "nested", id="too-deep-objects"),
    ],
)
def test_a_callers_bad_body_is_told_apart(body, problem):
    with pytest.raises(BadRequest, match=problem):
        loads_body(body)


def test_depth_counts_and_not_size():
    deepest = MAX_DEPTH - 1
    flat = {"a": [[] for _ in range(3 * MAX_DEPTH)]}

    assert loads_body(b'{"a":' + b"[" * deepest + b"]" * deepest + b"}")["a"] is not None
    assert loads_body(json.dumps(flat).encode()) == flat


@pytest.mark.parametrize(
    ("data", "value"),
    [
        pytest.param(b'{"a": NaN}', None, id="nan"),
        pytest.param(b'{"a": "\\ud83d"}', "\ud83d", id="half-a-surrogate"),
        pytest.param('{"a": "é"}', "é", id="text"),
        pytest.param(b'{"a": "\xff"}', "\ufffd", id="bad-utf8"),
    ],
)
def test_a_provider_is_forgiven(data, value):
    read = loads_upstream(data)["a"]

    assert read == value or (value is None and math.isnan(read))


@pytest.mark.parametrize("data", [b"", b"<html>", b"{", "{'a': 1}", b"[" * 100_000, b"\xff\xfe"])
def test_a_providers_nonsense_is_one_kind_of_error(data):
    with pytest.raises(ValueError):  # noqa: PT011  # any of its kinds
        loads_upstream(data)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), (True, "a boolean"), (1.5, "a number"), ("", "a string"), ([], "an array"), ({}, "an object")],
)
def test_types_have_their_json_names(value, kind):
    assert json_type(value) == kind


@pytest.mark.parametrize(
    "text",
    ["", "plain", 'a "quote"', "back\\slash", "\b\f\n\r\t\x00\x1f\x7f", "é 漢 😀", "\u2028\u0085", "half \ud83d"],
)
def test_a_text_alone_is_written_as_in_any_other_json(text):
    assert dumps_text(text) == dumps(text)
