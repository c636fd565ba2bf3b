"""JSON at the edges: fast, strict for callers, forgiving towards providers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from json.encoder import encode_basestring as _quoted
from typing import Any

import orjson

from .errors import BadRequest

MAX_DEPTH = 200  # orjson itself stops at 1024; no real request is deeper than a schema in a tool in a body


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON. Lone surrogates, which some providers send in halves, are replaced."""
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(_mended(value), ensure_ascii=False, default=str, separators=(",", ":")).encode()


def dumps_text(text: str) -> bytes:
    """One string as JSON: the same as `dumps`, for the many short ones of a stream.

    orjson takes a kilobyte for each and gives most of it back, which may cost more than all the rest.
    """
    try:
        return _quoted(text).encode()
    except UnicodeEncodeError:
        return dumps(text)


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
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _deeper(value, MAX_DEPTH):
        raise BadRequest(f"The body is nested more than {MAX_DEPTH} levels deep.")
    return value


def loads_upstream(data: bytes | str) -> Any:
    """A provider's JSON. Lone surrogates and NaN pass.

    Errors: `ValueError`.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("The JSON is nested too deeply.") from None


def _deeper(value: Any, levels: int) -> bool:
    """Whether containers stand within each other more than ``levels`` deep, ``value`` itself counted."""
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _mended(value: Any) -> Any:
    """``value`` without what JSON in UTF-8 cannot hold: half surrogates become "?", NaN and infinities null."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_mended(name): _mended(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value


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
