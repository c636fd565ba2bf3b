"""How hard to think: words and token budgets, each turned into the other only when a target needs it.

Source: docs/translation.md, "Reasoning". The budgets are the ones that the vendors' own compatibility
layers use for these words.
"""

from __future__ import annotations

from omniroute_hooks import Reasoning
from omniroute_hooks.conversation import Effort
from omniroute_hooks.provider import Thinks

LADDER: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BUDGET: dict[Effort, int] = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32768,
    "max": 128000,
}


def effort_of(reasoning: Reasoning) -> Effort | None:
    """The word the caller gave, or the one that its budget amounts to; None if it said neither."""
    if reasoning.effort is not None:
        return reasoning.effort
    if reasoning.mode == "off":
        return "none"
    if reasoning.budget is None or reasoning.budget < 0:
        return None
    return next((word for word in LADDER[:-1] if reasoning.budget <= _BUDGET[word]), "xhigh")


def budget_of(reasoning: Reasoning) -> int | None:
    """The caller's budget in tokens, or the one its word amounts to; None if it said neither."""
    if reasoning.budget is not None:
        return reasoning.budget
    if reasoning.mode == "off":
        return 0
    return None if reasoning.effort is None else _BUDGET[reasoning.effort]


def fit_effort(word: Effort, thinks: Thinks | None) -> Effort:
    """The word itself where the model knows it (or nothing is known of the model), else the next weaker one."""
    if thinks is None or not thinks.efforts or word in thinks.efforts:
        return word
    weaker = [known for known in thinks.efforts if LADDER.index(known) <= LADDER.index(word)]
    return weaker[-1] if weaker else thinks.efforts[0]


def fit_budget(tokens: int, thinks: Thinks | None, below: int | None = None) -> int:
    """The budget within the model's range and under ``below`` (the output limit), in tokens."""
    if thinks is not None:
        tokens = max(tokens, thinks.min_budget)
        if thinks.max_budget is not None:
            tokens = min(tokens, thinks.max_budget)
    return tokens if below is None else min(tokens, below - 1)
