"""Whether a JSON Schema keeps the rules of this vendor's strict mode, and the repairs that loose mode needs.

Strict is the vendor's default for functions here, and it refuses or rewrites most schemas written for others:
so a schema that came from another dialect is sent as strict only where it asked for that and fits.

Source: facts/dialects 2.9; https://platform.openai.com/docs/guides/structured-outputs (supported schemas).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEEPEST = 10


def fits_strict(schema: Mapping[str, Any] | None) -> bool:
    """Every object closed and all its properties required, the root an object, ten levels at most."""
    if schema is None or schema.get("type") != "object" or "anyOf" in schema:
        return False
    return _fits(schema, 0)


def _fits(node: Any, depth: int) -> bool:
    if not isinstance(node, Mapping) or depth > _DEEPEST:
        return False
    if any(word in node for word in ("oneOf", "allOf", "not", "if", "patternProperties", "dependentSchemas")):
        return False
    kind = node.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in node:
        properties = node.get("properties")
        required = node.get("required")
        if not isinstance(properties, Mapping) or node.get("additionalProperties") is not False:
            return False
        if not isinstance(required, list) or any(name not in required for name in properties):
            return False
    inner: list[Any] = []
    for name in ("properties", "$defs", "definitions"):
        group = node.get(name)
        if isinstance(group, Mapping):
            inner += group.values()
    if "items" in node:
        inner.append(node["items"])
    if isinstance(node.get("anyOf"), list):
        inner += node["anyOf"]
    return all(_fits(child, depth + 1) for child in inner)


def object_schema(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The schema as an object with properties, as this vendor wants it even where a tool takes nothing."""
    if not schema:
        return {"type": "object", "properties": {}}
    out = dict(schema)
    out.setdefault("type", "object")
    if out["type"] == "object" and not any(word in out for word in ("properties", "$ref", "anyOf", "oneOf", "allOf")):
        out["properties"] = {}
    return out
