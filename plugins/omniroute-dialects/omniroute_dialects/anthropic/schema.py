"""JSON Schema within what the vendor takes: whole for a tool's input, a subset for structured output.

Source: docs/translation.md, "Structured output".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks.jsonio import dumps

_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
_LIMITED: dict[str, tuple[Any, ...]] = {"format": _FORMATS, "minItems": (0, 1)}
_BOUNDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "pattern",
)
_MAPS = ("properties", "$defs", "definitions")
_ONE = ("items", "not", "contains")
_MANY = ("anyOf", "allOf", "prefixItems")


def input_schema(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """A tool's input schema: an object at the top, without alternatives there. All else stays."""
    if not schema:
        return {"type": "object", "properties": {}}
    out = dict(schema)
    for word in ("allOf", "anyOf", "oneOf"):
        options = out.pop(word, None)
        if not isinstance(options, list):
            continue
        branches = [branch for branch in options if isinstance(branch, dict)]
        properties: dict[str, Any] = {}
        for branch in (*branches, out):
            found = branch.get("properties")
            properties |= found if isinstance(found, dict) else {}
        out["properties"] = properties
        needed = [set(_required(branch)) for branch in branches] or [set()]
        common = set[str]().union(*needed) if word == "allOf" else set[str].intersection(*needed)
        required = list(dict.fromkeys([*_required(out), *sorted(common)]))
        if required:
            out["required"] = required
    if out.get("type") != "object":
        out["type"] = "object"
    return out


def _required(schema: Mapping[str, Any]) -> list[str]:
    names = schema.get("required")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def is_recursive(schema: Any) -> bool:
    """Whether a schema refers to itself, which structured output does not allow."""
    defs: dict[str, Any] = {}
    if isinstance(schema, dict):
        for home in ("$defs", "definitions"):
            if isinstance(schema.get(home), dict):
                defs |= {f"#/{home}/{name}": body for name, body in schema[home].items()}
    links = {name: _references(body) for name, body in defs.items()}
    if "#" in _references(schema):
        return True
    seen: set[str] = set()

    def loops(name: str, path: frozenset[str]) -> bool:
        if name in path:
            return True
        if name in seen:
            return False
        seen.add(name)
        return any(loops(other, path | {name}) for other in links.get(name, ()))

    return any(loops(name, frozenset()) for name in links)


def output_schema(schema: Any) -> Any:
    """A schema in the subset for structured output; what it cannot say goes into descriptions."""
    if not isinstance(schema, dict):
        return {} if schema is True else schema
    out: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _BOUNDS or (name in _LIMITED and value not in _LIMITED[name]):
            told[name] = value
        elif name in _MAPS and isinstance(value, dict):
            out[name] = {key: output_schema(item) for key, item in value.items()}
        elif name in _ONE:
            out[name] = output_schema(value)
        elif name in _MANY and isinstance(value, list):
            out[name] = [output_schema(item) for item in value]
        elif name == "oneOf" and isinstance(value, list):
            out["anyOf"] = [output_schema(item) for item in value]
        else:
            out[name] = value
    if "properties" in out or out.get("type") == "object":
        out["additionalProperties"] = False
    if told:
        note = ", ".join(f"{name}: {dumps(value).decode()}" for name, value in told.items())
        words = out.get("description")
        out["description"] = f"{words} ({note})" if isinstance(words, str) and words else note
    return out


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found: set[str] = set()
        for name, item in value.items():
            if name == "$ref" and isinstance(item, str):
                found.add(item)
            elif name not in ("$defs", "definitions"):
                found |= _references(item)
        return found
    if isinstance(value, list):
        return set().union(*(_references(item) for item in value)) if value else set()
    return set()
