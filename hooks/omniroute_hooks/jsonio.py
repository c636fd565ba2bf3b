"""JSON at the edges: fast, strict for callers, forgiving towards providers."""

from __future__ import annotations

import json
from typing import Any

import orjson

from .errors import BadRequest

MAX_DEPTH = 200  # orjson itself stops at 1024; no real request is deeper than a schema in a tool in a body


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON. Lone surrogates, which some providers send in halves, are replaced."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        text = json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
        return text.encode("utf-8", "replace")


def loads_body(body: bytes) -> dict[str, Any]:
    """A caller's JSON object.

    Errors: `BadRequest` that says where the JSON breaks, or that it is no object, or nested too deeply.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        where = f"line {exc.lineno} column {exc.colno}" if body.strip() else "it is empty"
        raise BadRequest(f"The body is not valid JSON ({where}: {exc.msg}).") from None
    if not isinstance(value, dict):
        raise BadRequest(f"The body must be a JSON object, not {json_type(value)}.")
    return value


def loads_upstream(data: bytes | str) -> Any:
    """A provider's JSON. Lone surrogates and NaN pass.

    Errors: `ValueError`.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        return json.loads(text)


def json_type(value: Any) -> str:
    """The JSON name of a value's type, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"
