"""Sealed values in the one slot that callers of this dialect give back: ``encrypted_content`` of a reasoning item.

A seal made elsewhere goes there in an envelope. Some seals belong to a call or to visible text and have no
slot of their own: they travel in a reasoning item without words behind their owner. A call's seal names the call,
since clients put results between the items.
"""

from __future__ import annotations

from typing import Literal

from attrs import evolve, frozen
from omniroute_hooks import Seal
from omniroute_hooks.sealing import ENVELOPE, unwrap, wrap

from .vocabulary import ID

Owner = Literal["", "redacted", "text", "call"]
_TAGGED: tuple[Owner, ...] = ("redacted", "text", "call")


@frozen
class Slot:
    """``owner``: "" the words of this item, "redacted" it has none, or the text before it, or call ``call_id``."""

    seal: Seal | None
    owner: Owner = ""
    call_id: str = ""


def write_slot(seal: Seal, owner: Owner = "", call_id: str = "") -> str:
    """The slot's content."""
    if seal.dialect == ID and owner in ("", "redacted"):
        return seal.value
    token = wrap(evolve(seal, value=f"{call_id}\n{seal.value}") if owner == "call" else seal)
    return f"{token}.{owner}" if owner else token


def read_slot(token: str) -> Slot:
    """What a slot holds. A damaged envelope holds nothing: no provider could read it."""
    owner: Owner = ""
    if is_envelope(token):
        for word in _TAGGED:
            if token.endswith("." + word):
                token, owner = token[: -len(word) - 1], word
    seal = unwrap(token, ID)
    if seal.dialect == ID and is_envelope(seal.value):
        return Slot(None, owner)
    if owner != "call":
        return Slot(seal, owner)
    call_id, newline, value = seal.value.partition("\n")
    return Slot(evolve(seal, value=value) if newline else None, owner, call_id)


def is_envelope(token: str) -> bool:
    """Whether a slot was filled by this gateway."""
    return token.startswith(ENVELOPE)
