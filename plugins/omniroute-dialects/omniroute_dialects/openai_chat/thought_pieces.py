"""Streamed ``reasoning_details``: words that may have been shown already, and seals that come after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Seal, Thinking
from omniroute_hooks.events import Ended, Sealed, Signal, ThinkingDelta, WholePart

from .thoughts import detail_text, thinking_of, vendor_seal


class ThoughtPieces:
    """Reads the entries of one answer. ``key`` is the key of the reasoning that comes now."""

    __slots__ = ("_details", "key")

    def __init__(self) -> None:
        self._details: dict[int, dict[str, Any]] = {}
        self.key = "r0"

    def read(self, detail: Mapping[str, Any], shown: bool, out: list[Signal]) -> None:
        """One entry of ``reasoning_details``: words unless they were shown already, and perhaps a seal."""
        kind = detail.get("type")
        if kind in ("redacted_thinking", "reasoning.encrypted"):
            part = thinking_of(detail)
            if part is not None:
                out.append(WholePart("sealed", part))
            return
        index = detail.get("index")
        known = self._details.setdefault(index if type(index) is int else 0, {})
        for name, value in detail.items():
            if value is not None and name not in ("text", "summary"):
                known[name] = value
        text = detail_text(detail)
        if text and not shown:
            out.append(ThinkingDelta(self.key, text))
        seal = _seal(kind, detail, known)
        if seal is not None:
            out.append(Sealed(self.key, seal))
            out.append(Ended(self.key))
            self._details.clear()
            self.key = f"r{int(self.key[1:]) + 1}"


def _seal(kind: Any, detail: Mapping[str, Any], known: dict[str, Any]) -> Seal | None:
    if not any(isinstance(detail.get(name), str) and detail[name] for name in ("signature", "data")):
        return None
    if isinstance(kind, str) and kind.startswith("reasoning."):
        return vendor_seal(known)
    whole = thinking_of(detail)
    return whole.seal if isinstance(whole, Thinking) else None
