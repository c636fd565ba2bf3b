"""Token counts, read from every place where providers of this dialect put them, and written in full.

Here input includes what came from the cache, and output includes reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import OPENAI_CHAT, Usage
from omniroute_hooks.conversation import NO_EXT

_MOST = 10**15  # nobody has used more tokens than this
_READ = frozenset(
    [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "input_tokens",
        "output_tokens",
        "input_tokens_details",
        "output_tokens_details",
        "reasoning_tokens",
        "prompt_cache_hit_tokens",
        "prompt_cache_miss_tokens",
        "cached_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    ]
)


def find_usage(chunk: Mapping[str, Any]) -> dict[str, Any] | None:
    """The usage object of an answer or chunk: its own, Groq's, or the one that Kimi puts into the choice."""
    for holder in (chunk, chunk.get("x_groq"), _first(chunk.get("choices"))):
        if isinstance(holder, dict):
            usage = holder.get("usage")
            if isinstance(usage, dict) and usage:
                return usage
    return None


def merge_usage(known: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Counts are cumulative: what came last holds, zero included, but absent or null erases nothing."""
    out = dict(known)
    for name, value in new.items():
        old = out.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            out[name] = merge_usage(old, value)
        elif value is not None:
            out[name] = value
    return out


def read_usage(raw: Mapping[str, Any]) -> Usage | None:
    """Counts in disjoint buckets; None where nothing is counted."""
    inside = _dict(raw, "prompt_tokens_details", "input_tokens_details")
    outside = _dict(raw, "completion_tokens_details", "output_tokens_details")
    prompt = _count(raw, "prompt_tokens", "input_tokens")
    completion = _count(raw, "completion_tokens", "output_tokens")
    if prompt is None and completion is None:
        return None
    prompt, completion = prompt or 0, completion or 0
    cached = _count(inside, "cached_tokens") if inside else None
    if cached is None:
        cached = _count(raw, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens") or 0
    written = _count(inside, "cache_write_tokens", "cache_creation_tokens") if inside else None
    if written is None:
        written = _count(raw, "cache_creation_input_tokens") or 0
    cached = min(cached, prompt)
    written = min(written, prompt - cached)
    reasoning = _count(outside, "reasoning_tokens") if outside else None
    if reasoning is None:
        reasoning = _count(raw, "reasoning_tokens") or 0
    total = _count(raw, "total_tokens") or 0
    # Some count reasoning beside the completion; the total gives it away.
    beside = total - prompt - completion
    if beside > 0 and (reasoning == 0 or beside >= reasoning):
        reasoning = reasoning or beside
        visible = completion
    else:
        reasoning = min(reasoning, completion)
        visible = completion - reasoning
    extra: Mapping[str, Any] = NO_EXT
    if not raw.keys() <= _READ:
        extra = {name: value for name, value in raw.items() if name not in _READ and value is not None}
    return Usage(
        input_fresh=prompt - cached - written,
        cache_read=cached,
        cache_write_other=written,
        output_visible=visible,
        reasoning=reasoning,
        audio_input=(_count(inside, "audio_tokens") or 0) if inside else 0,
        audio_output=(_count(outside, "audio_tokens") or 0) if outside else 0,
        ext={OPENAI_CHAT: extra} if extra else NO_EXT,
    )


def render_usage(usage: Usage) -> dict[str, Any]:
    """The usage object for a caller; both detail objects are always there, since strict clients read them."""
    out = {
        "prompt_tokens": usage.input_total,
        "completion_tokens": usage.output_total,
        "total_tokens": usage.input_total + usage.output_total,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    extra = usage.ext.get(OPENAI_CHAT)
    if isinstance(extra, Mapping):
        out = {**extra, **out}
    return out


def _first(choices: Any) -> Any:
    return choices[0] if isinstance(choices, list) and choices else None


def _dict(raw: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        value = raw.get(name)
        if isinstance(value, dict):
            return value
    return {}


def _count(raw: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = raw.get(name)
        if type(value) is int and 0 <= value < _MOST:
            return value
        if type(value) is float and 0 <= value < _MOST:
            return int(value)
    return None
