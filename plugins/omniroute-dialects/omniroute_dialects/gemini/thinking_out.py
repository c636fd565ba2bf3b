"""``thinkingConfig``: budgets for one generation of models, words for the next. Never both: the vendor refuses that."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from omniroute_hooks import GEMINI, Conversation, Loss, Target, Thinks
from omniroute_hooks.conversation import Effort

from ..effort import LADDER, budget_of, effort_of, fit_budget, fit_effort
from .family import generation

_WORDS: tuple[Effort, ...] = ("minimal", "low", "medium", "high", "xhigh")
_USUAL: tuple[Effort, ...] = ("low", "medium", "high")


def write_thinking(conversation: Conversation, target: Target, losses: list[Loss]) -> dict[str, Any] | None:
    """``thinkingConfig``; None where nobody said anything, or the model does not think."""
    reasoning = conversation.reasoning
    own = conversation.dialect == GEMINI
    out: dict[str, Any] = {}
    said = reasoning.mode != "unset" or reasoning.effort is not None or reasoning.budget is not None
    shown = reasoning.show
    if shown is not None:
        out["includeThoughts"] = shown != "none"
    elif reasoning.mode in ("on", "auto") and not own:
        out["includeThoughts"] = True  # whoever asks another dialect to think gets to see the thoughts
    kind = generation(target)
    if kind is None and target.spec is not None and (said or out):
        losses.append(Loss("reasoning", "drop", "the model does not think"))
        return None
    if kind is None:  # nothing is known of the model: the caller's own way of saying it
        kind = "level" if reasoning.budget is None and reasoning.effort is not None else "budget"
    thinks = target.spec.thinks if target.spec is not None else None
    if said:
        out |= _budget(conversation, thinks) if kind == "budget" else _level(conversation, thinks)
    out |= (reasoning.ext.get(GEMINI) or {}) if own else {}
    return out or None


def _budget(conversation: Conversation, thinks: Thinks | None) -> dict[str, Any]:
    reasoning = conversation.reasoning
    if reasoning.mode == "off" or effort_of(reasoning) == "none":
        least = thinks.min_budget if thinks is not None and thinks.always else 0
        return {"thinkingBudget": least}
    tokens = budget_of(reasoning)
    if tokens is None or tokens < 0:
        return {"thinkingBudget": -1}
    if conversation.dialect != GEMINI and conversation.max_tokens is not None and tokens >= conversation.max_tokens:
        # Thoughts count as output here: some of it must be left for the answer.
        tokens = max(1, conversation.max_tokens // 2)
    return {"thinkingBudget": fit_budget(tokens, thinks)}


def _level(conversation: Conversation, thinks: Thinks | None) -> dict[str, Any]:
    effort = effort_of(conversation.reasoning)
    if effort is None:
        return {}  # the model decides, as it does when nothing is said
    known = tuple(word for word in (thinks.efforts if thinks is not None else ()) if word in _WORDS)
    fitted = fit_effort(effort, evolve(thinks, efforts=known)) if thinks is not None and known else _usual(effort)
    return {"thinkingLevel": fitted.upper()}


def _usual(effort: Effort) -> Effort:
    """Of the words that every model of the generation knows, the next weaker one."""
    weaker = [word for word in _USUAL if LADDER.index(word) <= LADDER.index(effort)]
    return weaker[-1] if weaker else _USUAL[0]
