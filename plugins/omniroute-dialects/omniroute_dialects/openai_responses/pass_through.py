"""A caller's own bytes for a provider of the same dialect.

Only the model's name changes, and ``stream`` where the attempt decides it. What this gateway put into earlier
answers is taken out again: seals of other makers, and ids that no provider gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Passed, Target
from omniroute_hooks.jsonio import dumps
from omniroute_hooks.rawjson import insert_field, replace_model, top_level_spans
from omniroute_hooks.sealing import ENVELOPE, opens_for

from .request_out import PATH
from .slots import is_envelope, read_slot
from .target_fields import fitted
from .vocabulary import ID, MINT, is_minted

Json = Mapping[str, Any]
_ENVELOPE, _MINT = ENVELOPE.encode(), MINT.encode()


def pass_request(raw: bytes, body: Json, target: Target, stream: bool) -> Passed:
    """The bytes, changed as little as possible."""
    changed: dict[str, Any] | None = None
    if _ENVELOPE in raw or _MINT in raw:
        items = _own_traces_removed(body, target)
        if items is not None:
            changed = {**body, "input": items}
    for_target = fitted(changed or body, target)
    if for_target is not None or changed is not None:
        out = dict(for_target or changed or body)
        out["model"] = target.model
        _set_stream(out, stream)
        return Passed(PATH, dumps(out))
    raw = replace_model(raw, body, target.model)
    if (body.get("stream") is True) != stream:
        raw = _with_stream(raw, body, stream)
    return Passed(PATH, raw)


def _set_stream(body: dict[str, Any], stream: bool) -> None:
    if stream or "stream" in body:
        body["stream"] = stream


def _with_stream(raw: bytes, body: Json, stream: bool) -> bytes:
    value = b"true" if stream else b"false"
    if "stream" not in body:
        return insert_field(raw, "stream", value)
    text = raw.decode("utf-8-sig")
    start, end = top_level_spans(text)["stream"]
    return text[:start].encode() + value + text[end:].encode()


def _own_traces_removed(body: Json, target: Target) -> list[Any] | None:
    """The input items without what this gateway added; None where that is nothing."""
    items = body.get("input")
    if not isinstance(items, list):
        return None
    out: list[Any] = []
    for item in items:
        kept = _cleaned(item, target) if isinstance(item, dict) else item
        if kept is not None:
            out.append(kept)
    return None if len(out) == len(items) and all(a is b for a, b in zip(out, items, strict=True)) else out


def _cleaned(item: dict[str, Any], target: Target) -> dict[str, Any] | None:
    token = item.get("encrypted_content")
    if item.get("type") == "reasoning" and isinstance(token, str) and is_envelope(token):
        held = read_slot(token)
        if held.owner in ("text", "call") or not opens_for(held.seal, ID, target.provider.id, target.model):
            return None
        assert held.seal is not None  # it opens
        item = {**item, "encrypted_content": held.seal.value}
    if is_minted(item.get("id")):
        if item.get("type") == "reasoning" and item.get("encrypted_content") is None:
            return None  # words of another model that nobody sealed
        item = {name: value for name, value in item.items() if name != "id"}
    return item
