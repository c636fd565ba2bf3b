"""Going on with an answer that broke while the caller was already reading it, where that can be done truthfully.

Two ways. A candidate that accepts a partial answer is given what was said and goes on from there. Any other is asked
anew, and is taken only if it repeats word for word what the caller has heard; then its answer goes on where the first
one stopped. A single different character ends the attempt. No word is ever made up, and none is taken back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from attrs import evolve, frozen
from omniroute_hooks import Conversation, Reasoning, Refusal, Target, Text, Thinking, ToolCall, Turn
from omniroute_hooks.conversation import Part
from omniroute_hooks.events import (
    BlockCited,
    BlockClosed,
    BlockDelta,
    BlockOpened,
    BlockRun,
    Event,
    Failed,
    Finished,
    Started,
)

from ..telling.estimate import CHARS_PER_TOKEN
from .speaking import Spoken

Batches = AsyncIterator[list[Event]]


class Different(Exception):
    """The new answer is not the one that the caller has begun to read."""


@frozen
class Handover:
    """A partial answer on its way to a candidate that goes on with it.

    ``conversation`` ends with what was said, without white space at its end, which providers refuse or trim; ``owed``
    is that white space, which the candidate has to repeat. ``repeats``: it repeats all that was said.
    """

    conversation: Conversation
    spoken: Spoken
    owed: str
    repeats: bool


def handover(conversation: Conversation, spoken: Spoken, target: Target) -> Handover | None:
    """The partial answer for this candidate; None where it does not go on with one, or where that is not safe.

    What can be handed over is one text, with nothing but reasoning before it. Structured output and forced calls
    begin anew at every provider, whatever stands before them.
    """
    said = spoken.open.text if isinstance(spoken.open, Text) else ""
    words = said.rstrip()
    if not target.option("continues", False) or not words or not _is_plain(conversation):
        return None
    if not all(isinstance(part, Thinking) for part in spoken.closed):
        return None
    limit = conversation.max_tokens
    return Handover(
        evolve(
            conversation,
            turns=(*conversation.turns, Turn("assistant", (Text(words),))),
            begun=True,
            reasoning=Reasoning(mode="off"),  # the thinking was done before the first word
            max_tokens=None if limit is None else max(1, limit - len(words) // CHARS_PER_TOKEN),
        ),
        spoken,
        said[len(words) :],
        bool(target.option("repeats_beginning", False)),
    )


def _is_plain(conversation: Conversation) -> bool:
    """Whether nothing in the request would make a provider begin anew, or somewhere else."""
    choice = conversation.tool_choice
    return (
        conversation.format is None
        and (choice is None or choice.mode in ("auto", "none", "allowed"))
        and (not conversation.turns or conversation.turns[-1].role != "assistant")
        and conversation.previous_answer_id is None
    )


async def continued(batches: Batches, over: Handover) -> Batches:
    """A continuation's events as the rest of the answer that broke. Errors: `Different`."""
    rest = _Continuation(over)
    async for events in batches:
        yield [kept for event in events for kept in rest.after(event)]


class _Continuation:
    """Puts a continuation's events behind what the caller has heard.

    Its first text goes on with the open one. If it begins with something else, the open text ends there.
    """

    def __init__(self, over: Handover) -> None:
        spoken = over.spoken
        assert isinstance(spoken.open, Text)
        self._before = spoken.closed
        self._said = spoken.open.text
        self._owed = self._left = over.owed
        self._joined = self._ended = False

    def after(self, event: Event) -> list[Event]:
        """The event as the caller should get it, perhaps behind another one."""
        if isinstance(event, Started):
            return []
        if isinstance(event, Failed):
            return [event]
        if isinstance(event, Finished):
            return self._finished(event)
        if isinstance(event, BlockOpened) and event.index == 0:
            self._joined = event.kind == "text"
            return [] if self._joined else [self._end(), evolve(event, index=self._place(0))]
        if self._joined and event.index == 0 and isinstance(event, BlockDelta | BlockClosed):
            return self._joining(event)
        return [evolve(event, index=self._place(event.index))]

    def _place(self, index: int) -> int:
        return len(self._before) + index + self._ended

    def _end(self) -> Event:
        """The text is over: whoever goes on has no more to say, and calls a tool or thinks."""
        self._ended = True
        return BlockClosed(len(self._before), "text", Text(self._said))

    def _joining(self, event: BlockDelta | BlockClosed) -> list[Event]:
        if isinstance(event, BlockClosed):
            return [evolve(event, index=self._place(0), part=self._whole(event.part))]
        text, left = event.text, self._left
        if left:
            shared = min(len(left), len(text))
            if text[:shared] != left[:shared]:
                raise Different
            text, self._left = text[shared:], left[shared:]
        return [evolve(event, index=self._place(0), text=text)] if text else []

    def _whole(self, part: Part) -> Text:
        """What was said and what goes on with it."""
        assert isinstance(part, Text)
        return evolve(part, text=self._said + part.text[len(self._owed) :])

    def _finished(self, event: Finished) -> list[Event]:
        first, *others = event.answer.parts if self._joined else (Text(""), *event.answer.parts)
        text = self._whole(first) if self._joined else Text(self._said)
        finished = Finished(evolve(event.answer, parts=(*self._before, text, *others)))
        return [finished] if self._joined or self._ended else [self._end(), finished]


def heard_by_then(over: Handover, later: Spoken) -> Spoken:
    """What the caller has heard once a continuation has broken too. ``later`` is what was heard of that alone."""
    assert isinstance(over.spoken.open, Text)
    said = over.spoken.open
    parts = [*later.closed, *(() if later.open is None else (later.open,))]
    if parts and isinstance(parts[0], Text):
        parts[0] = evolve(parts[0], text=said.text + parts[0].text[len(over.owed) :])
    else:
        parts.insert(0, said)
    open_part = parts.pop() if later.open is not None or not later.closed else None
    return evolve(later, closed=(*over.spoken.closed, *parts), open=open_part)


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
        assert not isinstance(event, BlockRun)  # whoever goes on has asked for one delta after another
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
