"""Token counts: this dialect counts cached tokens inside the prompt, and thoughts beside the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import GEMINI, Usage

_NAMED = {
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
}
_TOOL_PROMPT = "toolUsePromptTokenCount"


def read_usage(raw: Mapping[str, Any]) -> Usage:
    """A ``usageMetadata``. Absent counts are 0, as protobuf leaves zeros out."""
    get = raw.get
    cached = count(get("cachedContentTokenCount"))
    fresh = count(get("promptTokenCount")) - cached
    if len(raw) <= 4 and raw.keys() <= _NAMED:  # the common shape, many times a stream
        return Usage(
            fresh if fresh > 0 else 0,
            cached,
            output_visible=count(get("candidatesTokenCount")),
            reasoning=count(get("thoughtsTokenCount")),
        )
    extra = {name: value for name, value in raw.items() if name not in _NAMED}
    return Usage(
        max(0, fresh) + count(get(_TOOL_PROMPT)),
        cached,
        output_visible=count(get("candidatesTokenCount")),
        reasoning=count(get("thoughtsTokenCount")),
        audio_input=_modality(get("promptTokensDetails"), "AUDIO"),
        audio_output=_modality(get("candidatesTokensDetails"), "AUDIO"),
        ext={GEMINI: extra} if extra else {},
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """The ``usageMetadata`` of an answer."""
    extra = usage.ext.get(GEMINI) or {}
    tool_prompt = count(extra.get(_TOOL_PROMPT))
    out: dict[str, Any] = {"promptTokenCount": max(0, usage.input_total - tool_prompt)}
    if usage.cache_read:
        out["cachedContentTokenCount"] = usage.cache_read
    out["candidatesTokenCount"] = usage.output_visible
    if usage.reasoning:
        out["thoughtsTokenCount"] = usage.reasoning
    out["totalTokenCount"] = usage.input_total + usage.output_total
    return out | extra


def count(value: Any) -> int:
    """A count as providers write it: a number, a string of digits, or nothing."""
    if type(value) is int:
        return value if value > 0 else 0
    if isinstance(value, float) and 0 < value < 1e18:
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return 0


def _modality(details: Any, name: str) -> int:
    if not isinstance(details, list):
        return 0
    return sum(count(d.get("tokenCount")) for d in details if isinstance(d, dict) and d.get("modality") == name)
