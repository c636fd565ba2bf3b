"""JSON Schema and this dialect's own schema language, a small subset of OpenAPI's: each turned into the other.

``parametersJsonSchema`` and ``responseJsonSchema`` take JSON Schema as it is. ``parameters`` and
``responseSchema`` refuse every word they do not know, so a schema is reduced for them: only where a schema
stands, since a property may well be called "title" or "$ref".

Source: https://ai.google.dev/api/caching#Schema; docs/translation.md, "Schemas".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

Schema = dict[str, Any]

_PLAIN = ("title", "default", "example", "pattern", "minimum", "maximum", "nullable")
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_FORMATS = {
    "number": {"float", "double"},
    "integer": {"int32", "int64"},
    "string": {"enum", "date-time"},
}
_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_FOR_TYPE = {
    "object": ("properties", "required", "propertyOrdering", "minProperties", "maxProperties", "additionalProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("pattern", "minLength", "maxLength", "format", "contentEncoding", "contentMediaType"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"),
}
_BRANCHES = ("anyOf", "oneOf", "allOf")
_SHAPE = ("type", "properties", "items", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "prefixItems")
_TOLD = ("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "contentEncoding", "contains")
_MAX_DEPTH = 48
_MAX_NODES = 20_000  # references expand; a few lines of schema could ask for gigabytes


def reduce(schema: Mapping[str, Any]) -> Schema:
    """``schema`` (JSON Schema) as far as ``parameters`` or ``responseSchema`` can say it.

    References are inlined and stop at cycles. What cannot be said any more is told in the description.
    """
    return _Reducer(schema).node(schema, (), 0)


def reduce_parameters(schema: Mapping[str, Any]) -> Schema | None:
    """As `reduce`, for a tool's arguments: the root is an object. None where there are no arguments."""
    out = reduce(schema)
    if out.get("type") != "object":
        options = [o for o in out.get("anyOf", ()) if o.get("type") == "object"]
        if not options:
            return None
        out = _union(options, out.get("description"))
    return out if out.get("properties") else None


def widen(schema: Any, depth: int = 0) -> Any:
    """This dialect's schema (camelCase or snake_case) as JSON Schema. Words that are not known stay."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return schema
    out: Schema = {}
    nullable = False
    for key, value in schema.items():
        name = _SNAKE[key] if key in _SNAKE else str(key)
        if name == "type" and isinstance(value, str):
            if value.upper() != "TYPE_UNSPECIFIED":
                out["type"] = value.lower()
        elif name == "nullable":
            nullable = value is True
        elif name == "properties" and isinstance(value, Mapping):
            out["properties"] = {prop: widen(inner, depth + 1) for prop, inner in value.items()}
        elif name in ("items", "additionalProperties"):
            out[name] = widen(value, depth + 1)
        elif name == "anyOf" and isinstance(value, list):
            out["anyOf"] = [widen(inner, depth + 1) for inner in value]
        elif name in ("defs", "$defs") and isinstance(value, Mapping):
            out["$defs"] = {prop: widen(inner, depth + 1) for prop, inner in value.items()}
        elif name in ("ref", "$ref"):
            out["$ref"] = value
        elif name == "example":
            out["examples"] = [value]
        elif name in _COUNTS and isinstance(value, str) and value.isdecimal() and len(value) < 19:
            out[name] = int(value)  # protobuf writes 64-bit numbers as strings
        elif name != "propertyOrdering":
            out[name] = value
    return _nullable(out) if nullable else out


_SNAKE = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
}


def _nullable(schema: Schema) -> Schema:
    kind = schema.get("type")
    if isinstance(kind, str):
        schema["type"] = [kind, "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


class _Reducer:
    """One reduction: the root that references point into, and how much has been written already."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.nodes = 0

    def node(self, schema: Any, seen: tuple[str, ...], depth: int) -> Schema:
        """The reduced schema at one schema position. ``seen``: references being inlined around it."""
        self.nodes += 1
        if depth > _MAX_DEPTH or self.nodes > _MAX_NODES:
            return {"type": "object"}
        if not isinstance(schema, Mapping):
            return {"type": "string"}  # true and false: the vendor wants some type
        told: list[str] = []
        flat, seen = self._flat(schema, seen, depth, told)
        kinds, nullable = _kinds(flat)
        branches, other_null = self._options(flat)
        nullable = nullable or other_null or flat.get("nullable") is True
        if branches and any(_shapes(branch) for branch in branches):
            out = self._any_of(flat, branches, seen, depth)
        elif len(kinds) > 1:
            out = self._any_of(_without(flat, ("type",)), [{"type": kind} for kind in kinds], seen, depth)
        else:
            if branches:
                told.append("Any of: " + _json(branches))
            out = self._plain(flat, kinds[0] if kinds else None, seen, depth, told)
        if nullable and out:
            out["nullable"] = True
        description = " ".join([d for d in (flat.get("description"),) if isinstance(d, str) and d] + told)
        if description:
            out["description"] = description
        return out

    def _flat(
        self, schema: Mapping[str, Any], seen: tuple[str, ...], depth: int, told: list[str]
    ) -> tuple[Schema, tuple[str, ...]]:
        """``$ref`` and ``allOf`` merged into the schema that holds them."""
        flat: Schema = {k: v for k, v in schema.items() if k not in ("$ref", "allOf")}
        ref = schema.get("$ref")
        if isinstance(ref, str):
            found = self._find(ref)
            if ref in seen or found is None:
                flat.setdefault("type", "object")  # a cycle, or a reference to somewhere else
            else:
                seen = (*seen, ref)
                inner, seen = self._flat(found, seen, depth + 1, told) if depth < _MAX_DEPTH else ({}, seen)
                flat = _merge(inner, flat)
        parts = schema.get("allOf")
        for part in parts if isinstance(parts, list) else ():
            self.nodes += 1
            if isinstance(part, Mapping) and depth < _MAX_DEPTH and self.nodes < _MAX_NODES:
                inner, seen = self._flat(part, seen, depth + 1, told)
                flat = _merge(flat, inner)
        return flat, seen

    def _find(self, ref: str) -> Mapping[str, Any] | None:
        if not ref.startswith("#"):
            return None
        place: Any = self.root
        for step in ref[1:].strip("/").split("/") if ref.strip("#/") else ():
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, Mapping):
                place = place.get(step)
            elif isinstance(place, list) and step.isdecimal() and int(step) < len(place):
                place = place[int(step)]
            else:
                return None
        return place if isinstance(place, Mapping) else None

    def _options(self, flat: Schema) -> tuple[list[Any], bool]:
        """The branches of anyOf or oneOf without null, and whether null was among them."""
        found = flat.get("anyOf") if isinstance(flat.get("anyOf"), list) else flat.get("oneOf")
        if not isinstance(found, list):
            return [], False
        real = [branch for branch in found if not _is_null(branch)]
        return real, len(real) < len(found)

    def _any_of(self, flat: Schema, branches: list[Any], seen: tuple[str, ...], depth: int) -> Schema:
        """Beside ``anyOf`` the vendor takes no other constraint: the neighbours move into each branch."""
        around = _without(flat, ("anyOf", "oneOf", "description", "title", "default", "nullable"))
        options: list[Schema] = []
        for branch in branches:
            if isinstance(branch, Mapping):
                inner, within = self._flat(branch, seen, depth, [])
                merged = _merge(_fitting(around, inner), inner) if around else inner
                option = self.node(merged, within, depth + 1)
            else:
                option = self.node(branch, seen, depth + 1)
            if option not in options:
                options.append(option)
        if len(options) == 1:
            return options[0]
        out: Schema = {"anyOf": options}
        for name in ("title", "default"):
            if name in flat:
                out[name] = flat[name]
        return out

    def _plain(self, flat: Schema, kind: str | None, seen: tuple[str, ...], depth: int, told: list[str]) -> Schema:
        """A schema of one type."""
        out: Schema = {}
        values = [flat["const"]] if "const" in flat else flat.get("enum")
        kind = kind or _guess(flat)
        if isinstance(values, list):
            if any(value is None for value in values):
                out["nullable"] = True
            words = [v if isinstance(v, str) else _json(v) for v in values if v is not None and v != ""]
            if words:  # the vendor knows enumerations of strings only
                kind = "string"
                out["enum"] = list(dict.fromkeys(words))
        out["type"] = kind
        for name in _PLAIN:
            if name in flat and not (name == "pattern" and not isinstance(flat[name], str)):
                out.setdefault(name, flat[name])
        if flat.get("nullable") is not True and "nullable" in flat:
            out.pop("nullable", None)
        for name in _COUNTS:
            if isinstance(flat.get(name), int) and not isinstance(flat[name], bool):
                out[name] = flat[name]
        form = flat.get("format")
        if isinstance(form, str):
            if form in _FORMATS.get(kind, ()):
                out["format"] = form
            else:
                told.append(f"Format: {form}.")
        if kind == "object":
            self._object(flat, out, seen, depth)
        elif kind == "array":
            out["items"] = self._items(flat, seen, depth)
        for name in _TOLD:
            if name in flat and flat[name] is not False:
                told.append(f"{name}: {_json(flat[name])}.")
        return out

    def _object(self, flat: Schema, out: Schema, seen: tuple[str, ...], depth: int) -> None:
        properties = flat.get("properties")
        if not isinstance(properties, Mapping) or not properties:
            return
        out["properties"] = {str(name): self.node(inner, seen, depth + 1) for name, inner in properties.items()}
        required = flat.get("required")
        if isinstance(required, list):
            names = list(dict.fromkeys(n for n in required if isinstance(n, str) and n in out["properties"]))
            if names:
                out["required"] = names
        order = flat.get("propertyOrdering")
        if isinstance(order, list) and all(isinstance(n, str) and n in out["properties"] for n in order) and order:
            out["propertyOrdering"] = order

    def _items(self, flat: Schema, seen: tuple[str, ...], depth: int) -> Schema:
        items = flat.get("items")
        several = items if isinstance(items, list) else flat.get("prefixItems")
        if isinstance(several, list) and several:
            options: list[Schema] = []
            for item in several:
                option = self.node(item, seen, depth + 1)
                if option not in options:
                    options.append(option)
            return options[0] if len(options) == 1 else {"anyOf": options}
        return self.node(items, seen, depth + 1)


def _kinds(flat: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The types without null, and whether null was among them."""
    kind = flat.get("type")
    words = [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []
    known = list(dict.fromkeys(w.lower() for w in words if isinstance(w, str) and w.lower() in _TYPES))
    return [w for w in known if w != "null"], "null" in known


def _guess(flat: Mapping[str, Any]) -> str:
    """The type of a schema that names none: by what else it says, else a string, as the vendor wants some type."""
    if "properties" in flat or "additionalProperties" in flat or "required" in flat:
        return "object"
    if "items" in flat or "prefixItems" in flat:
        return "array"
    if "minimum" in flat or "maximum" in flat:
        return "number"
    return "string"


def _is_null(branch: Any) -> bool:
    return isinstance(branch, Mapping) and (
        branch.get("type") == "null" or branch.get("enum") == [None] or ("const" in branch and branch["const"] is None)
    )


def _shapes(branch: Any) -> bool:
    """Whether a branch says what a value looks like, rather than only narrowing what stands around it."""
    return not isinstance(branch, Mapping) or any(name in branch for name in _SHAPE)


def _fitting(around: Schema, branch: Mapping[str, Any]) -> Schema:
    """Of the words around a choice, those that make sense for a branch's type."""
    kinds, _ = _kinds(branch)
    if len(kinds) != 1:
        return around
    foreign = {n for kind, names in _FOR_TYPE.items() if kind != kinds[0] for n in names}
    fits = set(_FOR_TYPE.get(kinds[0], ()))
    return {k: v for k, v in around.items() if k not in foreign or k in fits}


def _merge(one: Mapping[str, Any], other: Mapping[str, Any]) -> Schema:
    """Both schemas hold. Where they disagree, ``other`` counts."""
    out = dict(one)
    for name, value in other.items():
        have = out.get(name)
        if name == "properties" and isinstance(have, Mapping) and isinstance(value, Mapping):
            out[name] = {**have, **{k: _both(have.get(k), v) for k, v in value.items()}}
        elif name == "required" and isinstance(have, list) and isinstance(value, list):
            out[name] = [*have, *(v for v in value if v not in have)]
        elif name == "enum" and isinstance(have, list) and isinstance(value, list):
            out[name] = [v for v in have if v in value] or value
        elif name == "description" and isinstance(have, str) and isinstance(value, str):
            out[name] = value if value == have or not have else f"{have} {value}".strip()
        elif name in _BRANCHES and isinstance(have, list) and isinstance(value, list) and have != value:
            out[name] = have  # two choices cannot be one: the first keeps its say
        else:
            out[name] = value
    return out


def _both(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {"allOf": [one, other]} if one != other else one
    return other


def _union(options: list[Schema], description: Any) -> Schema:
    """Objects that were alternatives, as one whose required properties are those of all."""
    properties: Schema = {}
    required: list[str] | None = None
    for option in options:
        properties = {**option.get("properties", {}), **properties}
        needs = option.get("required", [])
        required = list(needs) if required is None else [name for name in required if name in needs]
    out: Schema = {"type": "object", "properties": properties}
    if required:
        out["required"] = required
    if isinstance(description, str):
        out["description"] = description
    return out


def _without(schema: Mapping[str, Any], names: tuple[str, ...]) -> Schema:
    return {k: v for k, v in schema.items() if k not in names}


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return str(value)
