"""Sealed values that this dialect has no slot for, carried to the caller and back.

Some makers sign a tool call or plain text. A caller of this dialect returns thinking blocks as they
were, so such a value travels in a thinking block without text, tagged with the part it belongs to, and is put
back into that very part when the caller sends it in.

Source: docs/translation.md, "Thinking and signatures".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen
from omniroute_hooks import ANTHROPIC, Part, Seal, Text, Thinking, ToolCall, Turn
from omniroute_hooks.sealing import wrap

_CALL, _TEXT, _ALONE = "for-call", "for-text", "for-empty"


def call_carrier(seal: Seal, call_id: str) -> dict[str, Any]:
    """The block that carries the seal of the call ``call_id`` (as the caller sees it)."""
    return _block(seal, f"{_CALL} {call_id}")


def text_carrier(seal: Seal, empty: bool) -> dict[str, Any]:
    """The block that carries the seal of the text block before it, or of a text without words."""
    return _block(seal, _ALONE if empty else _TEXT)


def settle_carriers(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Turns with each carried seal back in its part and the carriers gone.

    A seal whose part the caller has dropped goes with it.
    """
    carried = [(turn, [_opened(part) for part in turn.parts]) for turn in turns]
    if not any(any(found) for _, found in carried):
        return tuple(turns)
    calls = {one.call_id: one.seal for _, found in carried for one in found if one is not None and one.kind == _CALL}
    out: list[Turn] = []
    for turn, found in carried:
        parts: list[Part] = []
        for part, one in zip(turn.parts, found, strict=True):
            if one is None:
                seal = calls.get(part.id) if isinstance(part, ToolCall) else None
                parts.append(evolve(part, seal=seal) if isinstance(part, ToolCall) and seal is not None else part)
            elif one.kind == _ALONE:
                parts.append(Text("", seal=one.seal))
            elif one.kind == _TEXT:
                for position in range(len(parts) - 1, -1, -1):
                    before = parts[position]
                    if isinstance(before, Text):
                        parts[position] = evolve(before, seal=one.seal)
                        break
        out.append(evolve(turn, parts=tuple(parts)))
    return tuple(out)


@frozen
class _Carried:
    kind: str
    call_id: str
    seal: Seal


def _block(seal: Seal, tag: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": "", "signature": wrap(evolve(seal, value=f"{tag}\n{seal.value}"))}


def _opened(part: Part) -> _Carried | None:
    """What a carrier carries; None for any other part."""
    if not isinstance(part, Thinking) or part.text or part.seal is None or part.seal.dialect == ANTHROPIC:
        return None
    tag, newline, value = part.seal.value.partition("\n")
    kind, _, call_id = tag.partition(" ")
    if not newline or kind not in (_CALL, _TEXT, _ALONE):
        return None
    return _Carried(kind, call_id, evolve(part.seal, value=value))
