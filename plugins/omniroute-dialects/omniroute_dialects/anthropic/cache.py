"""Prompt-cache marks: ``cache_control`` read, written, and kept to what the vendor allows.

Source: docs/translation.md, "Caching": at most four marks, and an hour's mark never after one of five minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omniroute_hooks import CacheMark

from ..fields import Fields

MOST_MARKS = 4
_TTL = {"5m": "5m", "1h": "1h", "30m": "1h", "12h": "1h", "24h": "1h"}


def read_mark(fields: Fields, ext: dict[str, Any]) -> CacheMark | None:
    """The mark of a block. What the mark says beside its ttl is kept in ``ext``."""
    mark = fields.object("cache_control")
    if mark is None:
        return None
    kind, ttl = mark.text("type"), mark.text("ttl")
    if mark.rest() or kind != "ephemeral":
        ext["cache_control"] = mark.body
    return CacheMark(ttl)


def mark_fields(mark: CacheMark | None) -> dict[str, Any]:
    """The ``cache_control`` field, or nothing."""
    if mark is None:
        return {}
    ttl = _TTL.get(mark.ttl or "")
    return {"cache_control": {"type": "ephemeral", "ttl": ttl} if ttl else {"type": "ephemeral"}}


def keep_to_limits(body: dict[str, Any]) -> int:
    """Drops the first marks where there are too many, and shortens an hour's mark behind one of five minutes.

    Gives the number of marks dropped. Changes ``body``, which must be freshly rendered.
    """
    marked = [block for block in _blocks(body) if block.get("cache_control") is not None]
    room = MOST_MARKS - (1 if body.get("cache_control") is not None else 0)
    dropped = marked[: max(0, len(marked) - room)]
    for block in dropped:
        del block["cache_control"]
    short = False
    for block in marked[len(dropped) :]:
        control = block["cache_control"]
        if control.get("ttl") != "1h":
            short = True
        elif short:
            block["cache_control"] = {**control, "ttl": "5m"}
    return len(dropped)


def _blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every block that may hold a mark, in the order in which the model reads them."""
    yield from _objects(body.get("tools"))
    yield from _objects(body.get("system"))
    for message in body.get("messages") or ():
        for block in _objects(message.get("content")):
            if block.get("type") == "tool_result":
                yield from _objects(block.get("content"))
            yield block


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
