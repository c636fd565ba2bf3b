"""Whole answers: made of a stream's signals, told as a stream, and put in order."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from .blocks import BlockMachine, distinct_id
from .conversation import Answer, Opaque, Part, Refusal, Text, Thinking, ToolCall
from .errors import UpstreamError
from .events import (
    Begin,
    Cited,
    Ended,
    Failed,
    Finished,
    Sealed,
    Signal,
    Stopped,
    Terminal,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UsageSeen,
    WholePart,
)


def signals_of(answer: Answer) -> list[Signal]:
    """A whole answer as the signals of a stream, for callers who asked for one."""
    out: list[Signal] = [Begin(answer.id, answer.model, answer.created_s)]
    if answer.usage is not None:
        out.append(UsageSeen(answer.usage))
    for position, part in enumerate(answer.parts):
        if isinstance(part, Text):
            out.append(TextDelta(position, part.text))
            out.extend(Cited(position, citation) for citation in part.citations)
            if part.seal is not None:
                out.append(Sealed(position, part.seal))
        elif isinstance(part, Refusal):
            out.append(TextDelta(position, part.text, refusal=True))
        elif isinstance(part, Thinking) and not part.redacted:
            out.append(ThinkingDelta(position, part.text, id=part.id))
            if part.seal is not None:
                out.append(Sealed(position, part.seal))
        elif isinstance(part, ToolCall):
            out.append(
                ToolDelta(position, part.arguments, part.id, part.name, part.kind, part.namespace, seal=part.seal)
            )
        else:
            out.append(WholePart(position, part))
        out.append(Ended(position))
    out += [Stopped(answer.stop), Terminal()]
    return out


def whole_answer(signals: Iterable[Signal]) -> Answer:
    """The answer that these signals amount to.

    Errors: the stream's own failure, or `BrokenStream` where no reason to stop came.
    """
    machine = BlockMachine()
    events = machine.feed(signals) + machine.end()
    last = events[-1] if events else None
    if isinstance(last, Failed):
        raise last.error
    if not isinstance(last, Finished):
        raise UpstreamError("The provider's answer cannot be read.")
    return last.answer


def distinct_calls(parts: Iterable[Part], answer_id: str | None) -> tuple[Part, ...]:
    """``parts`` with an id for each call, and none twice: nobody could tell the results apart.

    ``answer_id`` as for `BlockMachine`, which does the same to a stream.
    """
    seen: set[str] = set()
    out: list[Part] = []
    for part in parts:
        if isinstance(part, ToolCall):
            name = distinct_id(part.id or f"call_{answer_id or ''}_{len(seen) + 1}", seen)
            part = part if name == part.id else evolve(part, id=name)
        out.append(part)
    return tuple(out)


def stand_in(part: Opaque) -> Text | None:
    """An opaque part in plain words, for a dialect that does not know it."""
    return Text(part.text) if part.text else None
