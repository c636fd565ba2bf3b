"""How long an answer may be: what the caller allows, and no more than the model is known to give.

Clients allow what their own model gives, and many providers refuse a larger number than theirs.
"""

from __future__ import annotations

from omniroute_hooks import Conversation, Loss, Target


def answer_room(conversation: Conversation, target: Target, losses: list[Loss]) -> int | None:
    """Tokens, None where the caller says nothing. What had to be lowered is added to ``losses``."""
    wanted = conversation.max_tokens
    most = target.spec.max_output if target.spec is not None else None
    if wanted is None or most is None or wanted <= most:
        return wanted
    losses.append(Loss("max_tokens", "emulate", f"the model's limit is {most}"))
    return most
