"""A whole answer for the caller: what the last event of a stream of it would hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omniroute_hooks import Answer, Refusal, Reply, Text, Thinking, ToolCall
from omniroute_hooks.events import BlockClosed, BlockDelta, BlockKind, BlockOpened, Event, Finished, Started

from .encoder import Encoder


def render_answer(answer: Answer, reply: Reply) -> dict[str, Any]:
    """The response object."""
    encoder = Encoder(reply)
    encoder.encode(_events(answer))
    assert encoder.response is not None  # the last event was given
    return encoder.response


def _events(answer: Answer) -> Iterator[Event]:
    yield Started(answer.id, answer.model, answer.created_s, answer.usage)
    for index, part in enumerate(answer.parts):
        kind: BlockKind = "whole"
        if isinstance(part, Text):
            if not part.text:
                if part.seal is not None:  # a sealed nothing
                    yield from _block(index, "thinking", Thinking("", part.seal))
                continue
            kind = "text"
        elif isinstance(part, Refusal):
            kind = "refusal"
        elif isinstance(part, Thinking) and not part.redacted:
            kind = "thinking"
        elif isinstance(part, ToolCall):
            kind = "tool"
        yield from _block(index, kind, part)
    yield Finished(answer)


def _block(index: int, kind: BlockKind, part: Any) -> Iterator[Event]:
    yield BlockOpened(index, kind, part)
    if kind == "thinking" and part.text:
        yield BlockDelta(index, kind, part.text)
    yield BlockClosed(index, kind, part)
