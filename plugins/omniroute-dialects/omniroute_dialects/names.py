"""Ids and names that a target refuses, changed so that the same input always gives the same output.

Both halves of a call and its result meet again, and a provider's prompt cache still matches.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping


def fit(value: str, allowed: str, longest: int) -> str:
    """``value`` with characters outside ``allowed`` (a regular expression class, "a-zA-Z0-9_-") replaced by
    "_", at most ``longest`` characters. A changed value ends in a digest of the original, so it stays unique."""
    if value and len(value) <= longest and not re.search(f"[^{allowed}]", value):
        return value
    digest = _digest(value)
    clean = re.sub(f"[^{allowed}]", "_", value)[: longest - 9]
    return f"{clean}_{digest}" if clean else f"x_{digest}"


def name_codec(names: Iterable[str], allowed: str, longest: int, first: str = "") -> Mapping[str, str]:
    """Caller's name -> target's name, for those that must change. ``first``: characters a name may begin with."""
    out: dict[str, str] = {}
    for name in names:
        fitted = fit(name, allowed, longest)
        if first and not re.match(f"[{first}]", fitted):
            fitted = fit("_" + fitted, allowed, longest)
        if fitted != name:
            out[name] = fitted
    return out


def original_name(name: str, known: Collection[str]) -> str:
    """The caller's name for ``name`` in an answer: the one of ``known`` from which `fit` or `name_codec` made it,
    whatever the target's rules were; ``name`` itself where there is none."""
    if name in known:
        return name
    digest = name.rpartition("_")[2]
    for one in known:
        if name == f"_{one}" or digest in (_digest(one), _digest(f"_{one}")):
            return one
    return name


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:8]
