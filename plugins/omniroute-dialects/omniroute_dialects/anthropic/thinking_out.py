"""How hard to think, as the target's model wants to hear it.

Two rules settle what the vendor refuses: a forced tool call beats thinking (and gives way where thinking cannot be
turned off), and an open tool loop whose thinking blocks are lost goes on without thinking on models that
demand them.
"""

from __future__ import annotations

from typing import Any

from omniroute_hooks import ANTHROPIC, Conversation, Loss, Reasoning, Thinks
from omniroute_hooks.conversation import Effort

from ..effort import budget_of, effort_of, fit_budget, fit_effort
from .rules import BUDGET, Rules

LEAST_BUDGET = 1024
_WORDS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")


def thinking_fields(
    conversation: Conversation, rules: Rules, max_tokens: int, forced: bool, loop_broken: bool, losses: list[Loss]
) -> tuple[dict[str, Any] | None, Effort | None]:
    """The field ``thinking`` and the effort word, None where they are left out.

    ``forced``: a tool must be called. ``loop_broken``: an open tool loop lacks its thinking blocks.
    """
    reasoning, thinks = conversation.reasoning, rules.thinks
    native = conversation.dialect == ANTHROPIC
    guessing = native and not rules.known  # then the caller knows better than we do
    if guessing:
        thinks = thinks or BUDGET
    if thinks is None:
        if _wanted(reasoning, native):
            losses.append(Loss("reasoning", "drop", "the model does not think"))
        return None, None
    effort = reasoning.effort if guessing else _effort(reasoning, thinks)
    if reasoning.mode == "off" or reasoning.effort == "none" or reasoning.budget == 0:
        if not thinks.always:
            return ({**_ext(reasoning), "type": "disabled"}, effort if native else None)
        losses.append(Loss("reasoning", "drop", "the model always thinks"))
        return None, _weakest(thinks)
    if not _wanted(reasoning, native):
        return None, effort
    if thinks.style in ("effort", "level"):
        return None, effort
    if forced and not rules.forced_tool_with_thinking and not thinks.always:
        losses.append(Loss("reasoning", "drop", "a forced tool call does not go with thinking"))
        return None, effort
    shown = _shown(reasoning)
    if thinks.style == "adaptive" or (guessing and reasoning.mode == "auto"):
        return {"type": "adaptive", **_ext(reasoning), **shown}, effort
    if loop_broken:
        losses.append(Loss("reasoning", "drop", "the thinking that led to the open tool calls is not at hand"))
        return None, effort
    if thinks.style == "toggle":
        return {"type": "enabled", **shown}, effort
    tokens = _budget(reasoning, thinks, max_tokens)
    if tokens < LEAST_BUDGET:
        losses.append(Loss("reasoning", "drop", "max_tokens leaves no room for thinking"))
        return None, effort
    return {"type": "enabled", "budget_tokens": tokens, **shown}, effort


def may_think(thinking: dict[str, Any] | None, thinks: Thinks | None) -> bool:
    """Whether the request, as rendered, lets the model think."""
    return (thinking is not None and thinking["type"] != "disabled") or (thinks is not None and thinks.always)


def _wanted(reasoning: Reasoning, native: bool) -> bool:
    """Whether the caller asked for thinking. Callers of other dialects ask by naming an effort or a budget."""
    if reasoning.mode in ("on", "auto"):
        return True
    return not native and reasoning.mode == "unset" and (reasoning.effort or reasoning.budget) not in (None, "none", 0)


def _effort(reasoning: Reasoning, thinks: Thinks) -> Effort | None:
    """The effort word for models that have them; a budget counts as one where budgets are gone."""
    counted = thinks.style in ("budget", "toggle")
    if counted and (not thinks.efforts or reasoning.effort is None):
        return None
    word = effort_of(reasoning)
    if word is None or word == "none":
        return None
    if word == "minimal":
        word = "low"
    fitted = fit_effort(word, thinks)
    return fitted if fitted in _WORDS else "low"


def _weakest(thinks: Thinks) -> Effort | None:
    known = [word for word in thinks.efforts if word in _WORDS]
    return known[0] if known else None


def _budget(reasoning: Reasoning, thinks: Thinks, max_tokens: int) -> int:
    wanted = budget_of(reasoning)
    if wanted is None or wanted < 0:  # left to the model, which here cannot decide
        wanted = budget_of(Reasoning(effort="medium")) or LEAST_BUDGET
    return fit_budget(max(wanted, LEAST_BUDGET), thinks or BUDGET, below=max_tokens)


def _shown(reasoning: Reasoning) -> dict[str, Any]:
    """``display``, where the caller said what it wants to see."""
    if reasoning.show is None:
        return {}
    return {"display": "omitted" if reasoning.show == "none" else "summarized"}


def _ext(reasoning: Reasoning) -> dict[str, Any]:
    return dict(reasoning.ext.get(ANTHROPIC) or {})
