"""Repairs that a strict target needs, each a named pass over the turns. None is made for targets that do not.

Source: docs/translation.md, "Repairs".
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve
from omniroute_hooks import Blob, Document, Image, Part, Text, ToolCall, ToolResult, Turn

from .blobs import text_of

NO_RESULT = "No result was recorded for this call."


def leading_system(turns: Sequence[Turn]) -> tuple[tuple[Part, ...], tuple[Turn, ...]]:
    """The parts of all system turns at the start, and the turns after them."""
    count = next((i for i, turn in enumerate(turns) if turn.role != "system"), len(turns))
    return tuple(part for turn in turns[:count] for part in turn.parts), tuple(turns[count:])


def merged(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Neighbours of one role become one turn, parts in order; turns without parts vanish."""
    out: list[Turn] = []
    for turn in turns:
        if not turn.parts:
            continue
        if out and out[-1].role == turn.role:
            out[-1] = evolve(out[-1], parts=out[-1].parts + turn.parts)
        else:
            out.append(turn)
    return tuple(out)


def paired(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Every call is answered in the turn right after it: all its results first, in call order, once each.

    Results that stand elsewhere are moved. A call without one gets an error result that says so. A result
    without a call becomes the user's text. Of several results for one call, the last with content counts.
    """
    calls = {p.id for turn in turns if turn.role == "assistant" for p in turn.parts if isinstance(p, ToolCall)}
    results: dict[str, ToolResult] = {}
    for turn in turns:
        for part in turn.parts:
            if isinstance(part, ToolResult) and (part.call_id not in results or part.parts):
                results[part.call_id] = part
    out: list[Turn] = []
    waiting: list[ToolResult] = []

    def answer() -> None:
        if waiting:
            out.append(Turn("user", tuple(waiting)))
            waiting.clear()

    for turn in turns:
        if turn.role == "assistant":
            answer()
            out.append(turn)
            for part in turn.parts:
                if isinstance(part, ToolCall):
                    missing = ToolResult(part.id, (Text(NO_RESULT),), is_error=True, kind=part.kind)
                    waiting.append(evolve(results.get(part.id, missing), name=part.name))
            continue
        kept = tuple(
            part
            for raw in turn.parts
            for part in (orphan_text(raw) if isinstance(raw, ToolResult) and raw.call_id not in calls else (raw,))
            if not isinstance(part, ToolResult)
        )
        if waiting and turn.role == "user":
            out.append(evolve(turn, parts=(*waiting, *kept)))
            waiting.clear()
        elif kept:
            answer()
            out.append(evolve(turn, parts=kept))
    answer()
    return tuple(out)


def orphan_text(result: ToolResult) -> tuple[Part, ...]:
    """A result whose call is gone, as the user's words; nothing where it is empty."""
    return tuple(p for p in result.parts if not isinstance(p, Text) or p.text)


def plain_text(parts: Sequence[Part], separator: str = "\n") -> str:
    """All the text of these parts, for a target that takes only a string."""
    pieces: list[str] = []
    for part in parts:
        if isinstance(part, Text):
            pieces.append(part.text)
        elif isinstance(part, Document):
            text = text_of(part.source)
            if text is not None:
                pieces.append(f"{part.title}\n{text}" if part.title else text)
    return separator.join(pieces)


def has_media(parts: Sequence[Part]) -> bool:
    """Whether any part is more than text."""
    return any(isinstance(part, Image) or (isinstance(part, Document) and _is_binary(part.source)) for part in parts)


def _is_binary(blob: Blob) -> bool:
    return text_of(blob) is None
