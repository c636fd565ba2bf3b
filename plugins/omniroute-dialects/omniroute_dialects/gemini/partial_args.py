"""Arguments that come in pieces, each with a path to where it belongs.

Source: ``functionCall.partialArgs`` of the vendor's streams, paths like ``$.place.names[0]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,6})\]|\[['\"]([^'\"]*)['\"]\]")
_MAX_STEPS = 64


class PartialArgs:
    """The arguments so far."""

    def __init__(self) -> None:
        self.args: dict[str, Any] = {}
        self._growing: set[str] = set()  # paths of strings that go on

    def add(self, piece: Mapping[str, Any]) -> None:
        """One ``PartialArg``. A piece without a path that can be followed says nothing."""
        path = piece.get("jsonPath")
        if not isinstance(path, str):
            return
        steps = [int(m[2]) if m[2] is not None else m[1] or m[3] or "" for m in _STEP.finditer(path)]
        if not steps or len(steps) > _MAX_STEPS:
            return
        goes_on = path in self._growing
        if isinstance(text := piece.get("stringValue"), str):
            have = self._get(steps) if goes_on else None
            self._set(steps, have + text if isinstance(have, str) else text)
            if piece.get("willContinue"):
                self._growing.add(path)
        elif "numberValue" in piece:
            number = piece["numberValue"]
            whole = isinstance(number, float) and number.is_integer() and abs(number) < 2**53
            self._set(steps, int(number) if whole else number)
        elif "boolValue" in piece:
            self._set(steps, piece["boolValue"])
        elif "nullValue" in piece:
            self._set(steps, None)

    def _get(self, steps: list[int | str]) -> Any:
        place: Any = self.args
        for step in steps:
            if isinstance(place, dict) and isinstance(step, str):
                place = place.get(step)
            elif isinstance(place, list) and isinstance(step, int) and step < len(place):
                place = place[step]
            else:
                return None
        return place

    def _set(self, steps: list[int | str], value: Any) -> None:
        place: Any = self.args
        for position, step in enumerate(steps):
            last = position == len(steps) - 1
            fresh: Any = value if last else [] if isinstance(steps[position + 1], int) else {}
            if isinstance(place, dict) and isinstance(step, str):
                if last or not isinstance(place.get(step), dict | list):
                    place[step] = fresh
                place = place[step]
            elif isinstance(place, list) and isinstance(step, int):
                if step >= len(place):
                    place.append(fresh)  # items come in order; a gap is not worth an endless list
                    step = len(place) - 1
                elif last or not isinstance(place[step], dict | list):
                    place[step] = fresh
                place = place[step]
            else:
                return
