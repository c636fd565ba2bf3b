"""Going on with an answer that broke while the caller was already reading it, where that can be done truthfully.

Two ways. A candidate that accepts a partial answer is given what was said and goes on from there. Any other is asked
anew, and is taken only if it repeats word for word what the caller has heard; then its answer goes on where the first
one stopped. A single different character ends the attempt. No word is ever made up, and none is taken back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from attrs import evolve
from omniroute_hooks import Conversation, Refusal, Text, Thinking, ToolCall, Turn
from omniroute_hooks.conversation import Part
from omniroute_hooks.events import (
    BlockCited,
    BlockClosed,
    BlockDelta,
    BlockOpened,
    Event,
    Failed,
    Finished,
    Started,
)

from .speaking import Spoken

Batches = AsyncIterator[list[Event]]


class Different(Exception):
    """The new answer is not the one that the caller has begun to read."""


def can_continue(spoken: Spoken) -> bool:
    """Whether what was said can be handed over as the beginning of an answer: one text, not ending in a blank,
    which providers refuse or trim."""
    text = spoken.open.text if isinstance(spoken.open, Text) else ""
    return not spoken.closed and bool(text) and not text[-1].isspace()


def handed_over(conversation: Conversation, spoken: Spoken) -> Conversation:
    """The conversation with the partial answer as its last turn, to be gone on with."""
    assert isinstance(spoken.open, Text)
    return evolve(conversation, turns=(*conversation.turns, Turn("assistant", (Text(spoken.open.text),))))


async def continued(batches: Batches, spoken: Spoken) -> Batches:
    """A continuation's events as the rest of the answer that broke."""
    assert isinstance(spoken.open, Text)
    said = spoken.open.text
    shift = 0
    joined = False
    async for events in batches:
        out: list[Event] = []
        for event in events:
            if isinstance(event, BlockOpened):
                if event.index == 0 and event.kind == "text":
                    joined = True
                    continue
                if event.index == 0:  # it has no more to say, and calls a tool at once
                    out.append(BlockClosed(0, "text", Text(said)))
                    shift = 1
                out.append(evolve(event, index=event.index + shift))
            elif isinstance(event, BlockClosed):
                part = Text(said + event.part.text) if joined and event.index == 0 else event.part  # type: ignore[union-attr]
                out.append(evolve(event, index=event.index + shift, part=part))
            elif isinstance(event, BlockDelta | BlockCited):
                out.append(evolve(event, index=event.index + shift))
            elif isinstance(event, Finished):
                parts = event.answer.parts
                whole = (Text(said + parts[0].text), *parts[1:]) if joined else (Text(said), *parts)  # type: ignore[union-attr]
                if not parts and not shift:
                    out.append(BlockClosed(0, "text", Text(said)))
                out.append(Finished(evolve(event.answer, parts=whole)))
            elif isinstance(event, Failed):
                out.append(event)
        yield out


async def spliced(batches: Batches, spoken: Spoken) -> Batches:
    """A new answer's events from where the old one broke. Errors: `Different`."""
    splice = _Splice(spoken)
    async for events in batches:
        yield [kept for event in events if (kept := splice.after(event)) is not None]


class _Splice:
    """Compares event by event; lets through what the caller has not heard."""

    def __init__(self, spoken: Spoken) -> None:
        self._closed = spoken.closed
        self._open = spoken.open
        self._said = "" if spoken.open is None else content(spoken.open)
        self._new = ""
        self._caught_up = spoken.open is None

    def after(self, event: Event) -> Event | None:
        """The event as the caller should get it, or nothing."""
        border = len(self._closed)
        if isinstance(event, Started):
            return None
        if isinstance(event, Finished):
            heard = border + (self._open is not None)
            if len(event.answer.parts) < heard:
                raise Different
            return Finished(evolve(event.answer, parts=self._with_old_ids(event.answer.parts)))
        if isinstance(event, Failed):
            return event
        if event.index > border or (event.index == border and self._open is None):
            return event
        if event.index < border:
            if isinstance(event, BlockClosed) and not alike(event.part, self._closed[event.index]):
                raise Different
            return None
        return self._under_way(event)

    def _under_way(self, event: BlockOpened | BlockDelta | BlockCited | BlockClosed) -> Event | None:
        """An event of the part that the old answer broke in."""
        old = self._open
        if isinstance(event, BlockOpened):
            if type(event.part) is not type(old) or getattr(event.part, "name", "") != getattr(old, "name", ""):
                raise Different
            return None
        if isinstance(event, BlockDelta):
            if self._caught_up:
                return event
            self._new += event.text
            if len(self._new) <= len(self._said):
                if not self._said.startswith(self._new):
                    raise Different
                return None
            if not self._new.startswith(self._said):
                raise Different
            self._caught_up = True
            return evolve(event, text=self._new[len(self._said) :])
        if isinstance(event, BlockCited):
            return event if self._caught_up else None
        if not content(event.part).startswith(self._said):
            raise Different
        return evolve(event, part=_with_id(event.part, old))

    def _with_old_ids(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        heard = (*self._closed, *(() if self._open is None else (self._open,)))
        return tuple(_with_id(p, heard[i]) if i < len(heard) else p for i, p in enumerate(parts))


def _with_id(part: Part, old: Part | None) -> Part:
    """The caller knows a call by the id that it heard first."""
    return evolve(part, id=old.id) if isinstance(part, ToolCall) and isinstance(old, ToolCall) else part


def content(part: Part) -> str:
    """What a part says, as one string."""
    if isinstance(part, Text | Thinking | Refusal):
        return part.text
    return part.arguments if isinstance(part, ToolCall) else ""


def alike(new: Part, old: Part) -> bool:
    """Whether two parts say the same."""
    if type(new) is not type(old) or content(new) != content(old):
        return False
    return not isinstance(new, ToolCall) or new.name == getattr(old, "name", None)
