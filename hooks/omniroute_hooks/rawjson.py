"""Changing one field of a JSON body without touching its other bytes.

A provider's prompt cache matches on bytes, and unknown fields must survive, so a
request that stays in its dialect is not parsed and printed again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from .jsonio import dumps

_MODEL = re.compile(rb'"model"\s*:\s*"((?:[^"\\]|\\.)*)"')
_ESCAPED = b"\\u006"
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def replace_model(raw: bytes, body: Mapping[str, Any], model: str) -> bytes:
    """``raw`` with the top-level field ``model`` set to ``model``; ``body`` is ``raw`` parsed.

    Where the field is absent, ``raw`` comes back unchanged.
    """
    if body.get("model") == model:
        return raw
    return replace_string(raw, body, "model", model)


def replace_string(raw: bytes, body: Mapping[str, Any], name: str, value: str) -> bytes:
    """``raw`` with the top-level string field ``name`` set to ``value``."""
    if name not in body:
        return raw
    new = dumps(value)
    if name == "model":
        # The word "model" with bare quotes, once, and no letter of it written as an escape somewhere: no other
        # place in this body can be meant.
        found = _MODEL.finditer(raw)
        first = next(found, None)
        once = first is not None and next(found, None) is None and _ESCAPED not in raw
        if once and first is not None and _is(first[1], body[name]):
            return raw[: first.start(1) - 1] + new + raw[first.end(1) + 1 :]
    text = raw.decode("utf-8-sig")
    spans = top_level_spans(text)
    start, end = spans[name]
    return (text[:start] + new.decode() + text[end:]).encode()


def _is(quoted: bytes, value: object) -> bool:
    """Whether the inside of a JSON string stands for ``value``."""
    if b"\\" not in quoted and isinstance(value, str):
        return quoted == value.encode("utf-8", "surrogatepass")
    return bool(json.loads(b'"' + quoted + b'"') == value)


def insert_field(raw: bytes, name: str, value: bytes) -> bytes:
    """``raw``, a JSON object, with a first field ``name`` whose JSON is ``value``."""
    brace = raw.index(b"{") + 1
    comma = b"" if raw[brace:].lstrip()[:1] == b"}" else b","
    return raw[:brace] + json.dumps(name).encode() + b":" + value + comma + raw[brace:]


def top_level_spans(text: str) -> dict[str, tuple[int, int]]:
    """Where each top-level value of a JSON object stands: name -> (start, end). Of repeats, the last counts."""
    spans: dict[str, tuple[int, int]] = {}
    position = _skip(text, text.index("{") + 1)
    while text[position] != "}":
        name, position = scanstring(text, position + 1, True)
        position = _skip(text, _skip(text, position) + 1)  # the colon
        _, end = _DECODER.raw_decode(text, position)
        spans[name] = (position, end)
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return spans


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
