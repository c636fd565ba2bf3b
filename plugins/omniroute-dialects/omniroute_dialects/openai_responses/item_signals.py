"""One complete output item as signals: for whole answers, and for what a stream kept back until its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Seal, Thinking
from omniroute_hooks.events import Cited, Ended, Sealed, Signal, TextDelta, ThinkingDelta, ToolDelta, WholePart

from .citations import read_annotation
from .client_tools import BY_CALL, TOOL_SEARCH
from .hosted import hosted_part
from .vocabulary import ID, text_json

Json = Mapping[str, Any]
PARTS_PER_ITEM = 4096  # keys of an item's parts: PARTS_PER_ITEM * item + part
GAP = "\n\n"  # between the parts of a summary


def text_of(value: Any) -> str:
    """A string, or nothing."""
    return value if isinstance(value, str) else ""


def objects(value: Any) -> list[Json]:
    """The objects of a list; nothing for anything else."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def item_signals(item: Json, key: int, heard: set[int], thought: set[int], cited: set[int], out: list[Signal]) -> None:
    """Appends what item ``key`` says. ``heard``, ``thought``, ``cited``: keys of texts, reasoning and citations
    that came piece by piece before, and are not said again."""
    kind = text_of(item.get("type"))
    if kind == "message":
        for number, part in enumerate(objects(item.get("content"))):
            _content(part, key + number % PARTS_PER_ITEM, heard, cited, out)
    elif kind == "reasoning":
        _reasoning(item, key, thought, out)
    elif kind == "function_call":
        out.append(_call(item, key, text_of(item.get("arguments")), "function"))
    elif kind == "custom_tool_call":
        out.append(_call(item, key, text_of(item.get("input")), "custom"))
    elif kind in BY_CALL and _is_the_callers(kind, item):
        typed = BY_CALL[kind]
        arguments = text_json(item.get(typed.field) or {})
        call_id = text_of(item.get("call_id")) or text_of(item.get("id")) or None
        out.append(ToolDelta(key, arguments, call_id, typed.kind, whole=True))
    elif kind:
        out.append(WholePart(key, hosted_part(kind, item)))
    out.append(Ended(key))


def _content(part: Json, key: int, heard: set[int], cited: set[int], out: list[Signal]) -> None:
    kind = part.get("type")
    if key not in heard:
        words = text_of(part.get("refusal")) if kind == "refusal" else text_of(part.get("text"))
        if words:
            out.append(TextDelta(key, words, refusal=kind == "refusal"))
    if key not in cited and kind == "output_text":
        for raw in objects(part.get("annotations")):
            citation = read_annotation(raw)
            if citation is not None:
                out.append(Cited(key, citation))
    out.append(Ended(key))


def _reasoning(item: Json, key: int, thought: set[int], out: list[Signal]) -> None:
    summary = GAP.join(t for part in objects(item.get("summary")) if (t := text_of(part.get("text"))))
    text = summary or "".join(text_of(part.get("text")) for part in objects(item.get("content")))
    token = text_of(item.get("encrypted_content"))
    item_id = text_of(item.get("id")) or None
    seal = Seal(token, ID) if token else None
    if key not in thought:
        if not text and seal is None:
            return  # the model thought, and says nothing of it
        if not text:
            out.append(WholePart(key, Thinking("", seal, redacted=True, id=item_id)))
            return
        out.append(ThinkingDelta(key, text, item_id))
    if seal is not None:
        out.append(Sealed(key, seal))


def _call(item: Json, key: int, given: str, kind: Any) -> ToolDelta:
    return ToolDelta(
        key,
        given,
        text_of(item.get("call_id")) or text_of(item.get("id")) or None,
        text_of(item.get("name")) or None,
        kind,
        text_of(item.get("namespace")) or None,
        whole=True,
    )


def _is_the_callers(kind: str, item: Json) -> bool:
    if kind == TOOL_SEARCH.call:
        return item.get("execution") == "client"
    place = item.get("environment")
    return not isinstance(place, dict) or place.get("type") in (None, "local")
