"""Where this dialect keeps what only it understands: its slots in `ext`, and the ids it mints.

Ids made here carry a mark. A provider never saw them, so a request that brings them back loses them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import OPENAI_RESPONSES
from omniroute_hooks.conversation import Ext
from omniroute_hooks.jsonio import dumps

from ..names import fit

ID = OPENAI_RESPONSES
ECHO = "openai-responses-echo"  # fields of the caller's request that every answer repeats
MINT = "_omr_"
LONGEST_ID = 64  # of items and of calls; longer ones are answered 400

_NOTHING: Mapping[str, Any] = {}


def own(ext: Ext) -> Mapping[str, Any]:
    """The fields that this dialect has put into an ``ext``."""
    value = ext.get(ID)
    return value if isinstance(value, Mapping) else _NOTHING


def slot(fields: Mapping[str, Any]) -> Ext:
    """An ``ext`` holding these fields; the empty one where there are none."""
    return {ID: fields} if fields else {}


def minted(kind: str, reply_id: str, number: int) -> str:
    """The id of item ``number`` of an answer; ``kind`` is the vendor's prefix (msg, rs, fc, ctc, ...)."""
    return fit(f"{kind}{MINT}{reply_id}_{number}", "a-zA-Z0-9_-", LONGEST_ID)


def is_minted(item_id: Any) -> bool:
    """Whether an id was made here rather than by a provider."""
    return isinstance(item_id, str) and MINT in item_id


def text_json(value: Any) -> str:
    """Compact JSON as text."""
    return dumps(value).decode("utf-8", "replace")
