"""What differs between the generations of this vendor's models, where nothing is declared of a model."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from omniroute_hooks import Target

Generation = Literal["budget", "level"]

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


def generation(target: Target) -> Generation | None:
    """ "budget" (2.5: thinks in tokens) or "level" (3 and later: thinks in words, checks signatures, takes media in
    results and its own tools beside functions). None for other models and unknown ones."""
    thinks = target.spec.thinks if target.spec is not None else None
    if thinks is not None:
        return "budget" if thinks.style == "budget" else "level"
    return _by_name(target.model)


@lru_cache(maxsize=1024)
def _by_name(model: str) -> Generation | None:
    found = _VERSION.search(model)
    if found is None:
        return None
    if int(found[1]) >= 3:
        return "level"
    return "budget" if (found[1], found[2]) == ("2", "5") else None
