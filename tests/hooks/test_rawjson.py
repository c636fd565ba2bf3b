"""One field of a body changes, and no other byte of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_hooks.rawjson import insert_field, replace_model, replace_string, top_level_spans

scalars = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=6) | st.sampled_from(
    ['"model"', 'model": "x', "\\", "model", '"model": "m"', "{", "}", ",", "é🙂"]
)
names = st.sampled_from(["model", "messages", "x", 'a"model', "modeL", "metadata", ""]) | st.text(max_size=4)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(names, values, max_size=5)
printing = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 0, 2, "\t"]),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]),
    }
)


@given(bodies, texts, texts, printing)
@settings(max_examples=400, deadline=None)
def test_only_the_model_changes_whatever_else_is_in_the_body(body, old, new, how):
    body["model"] = old
    raw = json.dumps(body, **how).encode()

    changed = replace_model(raw, body, new)

    assert json.loads(changed) == {**body, "model": new}
    assert around_the_model(changed) == around_the_model(raw)


def around_the_model(raw: bytes) -> tuple[str, str]:
    """What stands before and behind the value of ``model``."""
    start, end = top_level_spans(raw.decode())["model"]
    return raw.decode()[:start], raw.decode()[end:]


@given(bodies, printing)
@settings(max_examples=200, deadline=None)
def test_spans_are_where_the_values_stand(body, how):
    text = json.dumps(body, **how)

    spans = top_level_spans(text)

    assert {name: json.loads(text[start:end]) for name, (start, end) in spans.items()} == body


@given(bodies, names, values, printing)
@settings(max_examples=200, deadline=None)
def test_a_field_is_inserted_before_all_others(body, name, value, how):
    body.pop(name, None)
    raw = json.dumps(body, **how).encode()

    changed = insert_field(raw, name, json.dumps(value).encode())

    assert json.loads(changed) == {name: value, **body}
    assert next(iter(json.loads(changed))) == name
    assert changed.endswith(raw.lstrip()[1:])


@pytest.mark.parametrize(
    ("raw", "changed"),
    [
        pytest.param(b'{"model":"a"}', b'{"model":"N"}', id="alone"),
        pytest.param(b'{ "model" :\t"a" , "n" : 1.0e0 }', b'{ "model" :\t"N" , "n" : 1.0e0 }', id="numbers-as-written"),
        pytest.param(b'{"x":{"model":"a"},"model":"a"}', b'{"x":{"model":"a"},"model":"N"}', id="nested-first"),
        pytest.param(b'{"model":"b","model":"a"}', b'{"model":"b","model":"N"}', id="twice-the-last-counts"),
        pytest.param(
            b'{"\\u006dodel":"a","x":{"model":"a"}}', b'{"\\u006dodel":"N","x":{"model":"a"}}', id="escaped-name"
        ),
        pytest.param(
            b'{"m":"\\"model\\": \\"a\\"","model":"a"}', b'{"m":"\\"model\\": \\"a\\"","model":"N"}', id="quoted"
        ),
        pytest.param(b'\xef\xbb\xbf{"x":{"model":"a"},"model":"a"}', b'{"x":{"model":"a"},"model":"N"}', id="mark"),
        pytest.param(b'{"messages":[]}', b'{"messages":[]}', id="absent"),
        pytest.param(b'{"model":"N","x":1 }', b'{"model":"N","x":1 }', id="already-so"),
    ],
)
def test_the_right_model_is_replaced(raw, changed):
    assert replace_model(raw, json.loads(raw.decode("utf-8-sig")), "N") == changed


def test_a_model_with_odd_letters_is_written_as_json():
    assert json.loads(replace_model(b'{"model":"a"}', {"model": "a"}, 'q"\\\n🙂')) == {"model": 'q"\\\n🙂'}


def test_any_other_string_can_be_replaced_too():
    raw = b'{"a":{"tier":"x"}, "tier":"x"}'

    assert replace_string(raw, json.loads(raw), "tier", "y") == b'{"a":{"tier":"x"}, "tier":"y"}'
    assert replace_string(raw, json.loads(raw), "absent", "y") == raw
