"""Signatures kept for callers who do not send them back.

Sealed values travel through a caller of another dialect in an envelope, but some clients
keep only what they know and drop the rest. A provider that wants the signature of a call
before it goes on would refuse the next turn. So what was sealed around a tool call is
remembered by the call's id, for a bounded number of calls, and put back where it is
missing. What the caller did send back always counts.
"""

from __future__ import annotations

from attrs import evolve, frozen
from omniroute_hooks import Answer, Conversation, Part, Seal, Thinking, ToolCall, Turn

from ..bounded import Bounded

MOST_CALLS = 20_000
LONGEST_BYTES = 256 * 1024  # of what is remembered for one call


@frozen
class Sealed:
    """The call's own signature, and the sealed reasoning that led to the calls of its answer."""

    seal: Seal | None
    thinking: tuple[Thinking, ...]


class Seals:
    """What was sealed, by API key and call id."""

    def __init__(self, most: int = MOST_CALLS) -> None:
        self._known: Bounded[tuple[str, str], Sealed] = Bounded(most)

    def remember(self, api_key_id: str | None, answer: Answer) -> None:
        """Notes the sealed parts of an answer that calls tools. Costs nothing where there are none."""
        calls = [part for part in answer.parts if isinstance(part, ToolCall)]
        thinking = tuple(p for p in answer.parts if isinstance(p, Thinking) and p.seal is not None)
        if not calls or (not thinking and all(call.seal is None for call in calls)):
            return
        if sum(len(p.text) + len(p.seal.value) for p in thinking if p.seal is not None) > LONGEST_BYTES:
            return
        for call in calls:
            self._known.put((api_key_id or "", call.id), Sealed(call.seal, thinking))

    def restored(self, api_key_id: str | None, conversation: Conversation) -> Conversation:
        """The conversation with what its caller left out. The same object where nothing is missing."""
        turns = tuple(self._turn(api_key_id or "", turn) for turn in conversation.turns)
        if all(new is old for new, old in zip(turns, conversation.turns, strict=True)):
            return conversation
        return evolve(conversation, turns=turns)

    def _turn(self, owner: str, turn: Turn) -> Turn:
        if turn.role != "assistant":
            return turn
        parts: list[Part] = []
        missing: tuple[Thinking, ...] = ()
        for part in turn.parts:
            known = self._known.get((owner, part.id)) if isinstance(part, ToolCall) else None
            if known is not None and isinstance(part, ToolCall):
                missing = missing or known.thinking
                if part.seal is None and known.seal is not None:
                    part = evolve(part, seal=known.seal)
            parts.append(part)
        if missing and not any(isinstance(p, Thinking) and p.seal is not None for p in parts):
            parts = [*missing, *(p for p in parts if not isinstance(p, Thinking))]
        same = len(parts) == len(turn.parts) and all(a is b for a, b in zip(parts, turn.parts, strict=True))
        return turn if same else evolve(turn, parts=tuple(parts))
