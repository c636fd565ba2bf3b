"""What a model of this dialect accepts: as its declaration says, else as its name tells, else as most do.

The names matter where nothing is declared: a user's own address in front of the vendor's models.

Source: the vendor's "Parameter rules by model"; see docs/translation.md, "Reasoning".
"""

from __future__ import annotations

import re
from functools import lru_cache

from attrs import frozen
from omniroute_hooks import Target, Thinks
from omniroute_hooks.conversation import Effort

_NAME = re.compile(
    r"claude-(?:(?P<line>[a-z]+)-(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?![\d])"
    r"|(?P<old>\d)(?:[-.](?P<older>\d))?-(?P<late>opus|sonnet|haiku))",
    re.IGNORECASE,
)
_EFFORTS_46: tuple[Effort, ...] = ("low", "medium", "high", "max")
_EFFORTS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")
BUDGET = Thinks("budget", min_budget=1024)


@frozen
class Rules:
    """``thinks`` None: the model does not think. The flags tell what may be sent. ``known`` False: a guess."""

    thinks: Thinks | None
    known: bool = True
    sampling: bool = True
    structured_output: bool = True
    forced_tool_with_thinking: bool = False
    prefill: bool = True


def rules_for(target: Target) -> Rules:
    """The rules of the target's model."""
    named = _named(target.model)
    spec = target.spec
    thinks = spec.thinks if spec is not None else None
    if thinks is None:
        thinks = named.thinks if named is not None else BUDGET if spec is None else None
    base = named or Rules(thinks)
    return Rules(
        thinks,
        known=named is not None or (spec is not None and spec.thinks is not None),
        sampling=_flag(target, "sampling", base.sampling),
        structured_output=_flag(target, "structured_output", base.structured_output),
        forced_tool_with_thinking=_flag(target, "forced_tool_with_thinking", base.forced_tool_with_thinking),
        prefill=_flag(target, "prefill", base.prefill),
    )


def _flag(target: Target, name: str, default: bool) -> bool:
    value = target.option(name)
    return default if value is None else bool(value)


@lru_cache(maxsize=1024)
def _named(model: str) -> Rules | None:
    match = _NAME.search(model)
    if match is None:
        return None
    line = (match["line"] or match["late"]).lower()
    version = (int(match["major"] or match["old"]), int(match["minor"] or match["older"] or 0))
    if version < (3, 7):
        return Rules(None, structured_output=False)
    if version < (4, 5):
        return Rules(BUDGET, structured_output=False)
    if version < (4, 6):
        efforts: tuple[Effort, ...] = ("low", "medium", "high") if line == "opus" else ()
        return Rules(Thinks("budget", efforts, min_budget=1024))
    if version < (4, 7):
        return Rules(Thinks("adaptive", _EFFORTS_46), prefill=False)
    always = line in ("fable", "mythos") or (version >= (5, 5) and line in ("opus", "sonnet"))
    return Rules(Thinks("adaptive", _EFFORTS, always=always), sampling=False, prefill=False)
