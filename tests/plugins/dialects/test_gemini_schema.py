"""JSON Schema reduced to what the vendor's own schema language can say, and back."""

from __future__ import annotations

import time

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_dialects.gemini.schema import reduce, reduce_parameters, widen

KNOWN = {
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "propertyOrdering",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "default",
}


def strict(schema: dict) -> None:
    """What the vendor refuses is not there, at no schema position."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "anyOf" in schema:
        assert "type" not in schema
        for option in schema["anyOf"]:
            strict(option)
    else:
        assert isinstance(schema["type"], str)
        assert schema["type"] != "null"
    if "enum" in schema:
        assert schema["type"] == "string"
        assert all(isinstance(word, str) and word for word in schema["enum"])
    if schema.get("type") == "array":
        strict(schema["items"])
    for inner in schema.get("properties", {}).values():
        strict(inner)
    assert set(schema.get("required", ())) <= set(schema.get("properties", {}))


CASES = [
    pytest.param(
        {"$schema": "x", "$id": "y", "type": "string", "x-odd": 1, "deprecated": True},
        {"type": "string"},
        id="b86-unknown-words",
    ),
    pytest.param(
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
        {"type": "object", "properties": {"a": {"type": "string"}}},
        id="b86-additional-properties",
    ),
    pytest.param({"type": ["string", "null"]}, {"type": "string", "nullable": True}, id="b87-null-in-types"),
    pytest.param(
        {"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}, id="b87-several-types"
    ),
    pytest.param(
        {"type": ["array", "string"], "items": {"type": "string"}, "minLength": 1},
        {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string", "minLength": 1}]},
        id="b87-types-with-their-own-words",
    ),
    pytest.param({"const": "a"}, {"type": "string", "enum": ["a"]}, id="b87-const"),
    pytest.param(
        {"enum": [1, 2, None]}, {"type": "string", "enum": ["1", "2"], "nullable": True}, id="b87-enum-of-numbers"
    ),
    pytest.param({"type": "string", "enum": ["", "a"]}, {"type": "string", "enum": ["a"]}, id="empty-word-in-enum"),
    pytest.param(
        {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"},
        {"type": "string", "nullable": True, "description": "d"},
        id="optional",
    ),
    pytest.param(
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        id="one-of",
    ),
    pytest.param(
        {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "description": 'Any of: [{"required":["a"]}]'},
        id="b87-any-of-that-only-narrows",
    ),
    pytest.param(
        {
            "type": "object",
            "description": "d",
            "properties": {"a": {"type": "string"}},
            "anyOf": [{"properties": {"b": {"type": "string"}}}, {"properties": {"c": {"type": "string"}}}],
        },
        {
            "anyOf": [
                {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
                {"type": "object", "properties": {"a": {"type": "string"}, "c": {"type": "string"}}},
            ],
            "description": "d",
        },
        id="b87-any-of-beside-type",
    ),
    pytest.param(
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"b": {"type": "string"}}, "required": ["b"]},
            ]
        },
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]},
        id="all-of",
    ),
    pytest.param(
        {"$ref": "#/$defs/A", "description": "here", "$defs": {"A": {"type": "string"}}},
        {"type": "string", "description": "here"},
        id="ref",
    ),
    pytest.param(
        {"type": "object", "properties": {"next": {"$ref": "#"}}},
        {"type": "object", "properties": {"next": {"type": "object", "properties": {"next": {"type": "object"}}}}},
        id="cycle",
    ),
    pytest.param({"$ref": "http://elsewhere"}, {"type": "object"}, id="ref-to-elsewhere"),
    pytest.param({"type": "array"}, {"type": "array", "items": {"type": "string"}}, id="b90-items-missing"),
    pytest.param(
        {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        id="tuple",
    ),
    pytest.param(
        {"properties": {"a": True}},
        {"type": "object", "properties": {"a": {"type": "string"}}},
        id="boolean-schema-and-no-type",
    ),
    pytest.param(
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "gone", "a"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        id="required-without-property",
    ),
    pytest.param(
        {"type": "string", "format": "uri"}, {"type": "string", "description": "Format: uri."}, id="format-unknown"
    ),
    pytest.param(
        {"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}, id="format-known"
    ),
    pytest.param(
        {"type": "integer", "exclusiveMinimum": 0, "description": "d"},
        {"type": "integer", "description": "d exclusiveMinimum: 0."},
        id="b88-dropped-words-are-told",
    ),
    pytest.param(
        {
            "type": "object",
            "properties": {n: {"type": "string"} for n in ("properties", "title", "default", "$ref", "type", "const")},
            "required": ["$ref"],
        },
        {
            "type": "object",
            "properties": {n: {"type": "string"} for n in ("properties", "title", "default", "$ref", "type", "const")},
            "required": ["$ref"],
        },
        id="b89-properties-named-like-words",
    ),
    pytest.param(
        {
            "type": "object",
            "patternProperties": {"x": {}},
            "propertyNames": {},
            "uniqueItems": True,
            "if": {},
            "then": {},
        },
        {"type": "object", "description": "uniqueItems: true."},
        id="b88-many",
    ),
]


@pytest.mark.parametrize(("schema", "wanted"), CASES)
def test_reduction(schema, wanted):
    got = reduce(schema)
    assert got == wanted
    strict(got)
    types.Schema.model_validate(got)


def test_a_root_of_alternatives_becomes_one_object():
    options = [
        {"type": "object", "properties": {n: {"type": "string"}, "x": {"type": "string"}}, "required": [n, "x"]}
        for n in "ab"
    ]
    got = reduce_parameters({"anyOf": options})
    assert got == {
        "type": "object",
        "properties": {"b": {"type": "string"}, "x": {"type": "string"}, "a": {"type": "string"}},
        "required": ["x"],
    }


@pytest.mark.parametrize("schema", [{"type": "string"}, {"type": "object"}, {"type": "object", "properties": {}}, {}])
def test_no_arguments_are_no_parameters(schema):
    assert reduce_parameters(schema) is None


def test_references_that_multiply_are_cut_off():
    defs = {
        f"d{i}": {"type": "object", "properties": {c: {"$ref": f"#/$defs/d{i + 1}"} for c in "abcdefgh"}}
        for i in range(12)
    }
    defs["d12"] = {"type": "string"}
    began = time.perf_counter()
    strict(reduce({"$ref": "#/$defs/d0", "$defs": defs}))
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"type": "STRING", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        (
            {"type": "ARRAY", "items": {"type": "NUMBER"}, "min_items": "2"},
            {"type": "array", "items": {"type": "number"}, "minItems": 2},
        ),
        ({"any_of": [{"type": "STRING"}], "nullable": True}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (
            {
                "type": "OBJECT",
                "properties": {"type": {"type": "STRING"}, "any_of": {"type": "STRING"}},
                "propertyOrdering": ["type"],
            },
            {"type": "object", "properties": {"type": {"type": "string"}, "any_of": {"type": "string"}}},
        ),
        ({"type": "TYPE_UNSPECIFIED", "example": 1}, {"examples": [1]}),
    ],
)
def test_the_vendors_schema_as_json_schema(schema, wanted):
    assert widen(schema) == wanted


WORDS = [
    "type",
    "properties",
    "items",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "enum",
    "const",
    "required",
    "format",
    "description",
    "default",
    "minimum",
    "minItems",
    "nullable",
    "not",
    "prefixItems",
    "pattern",
    "title",
]
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.sampled_from(["string", "object", "array", "null", "#", "#/properties/a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WORDS, "a", "b"]), inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(WORDS), anything, max_size=6))
@settings(max_examples=300, deadline=None)
def test_any_json_reduces_to_something_the_vendor_takes(schema):
    strict(reduce(schema))
    reduce_parameters(schema)
    widen(schema)
