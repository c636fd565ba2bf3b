"""Token counts: this dialect counts fresh input beside what the cache gave and took, and thinking inside output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import ANTHROPIC, Usage

_NAMED = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "output_tokens",
    "output_tokens_details",
)


def merge(known: dict[str, Any], news: Any) -> dict[str, Any]:
    """``known`` with the fields of ``news``, which are running totals: zero replaces, absent and null do not."""
    if isinstance(news, dict):
        known = known | {name: value for name, value in news.items() if value is not None}
    return known


def read_usage(raw: Mapping[str, Any]) -> Usage:
    """The provider's counts. What is no count reads as 0; fields that nobody knows ride along."""
    read = _count(raw.get("cache_read_input_tokens"))
    split = _object(raw.get("cache_creation"))
    five = _count(split.get("ephemeral_5m_input_tokens"))
    hour = _count(split.get("ephemeral_1h_input_tokens"))
    written = raw.get("cache_creation_input_tokens")
    total = _count(written) if written is not None else five + hour
    if five + hour > total:  # the total has been corrected since the split was told
        five, hour = 0, 0
    output = _count(raw.get("output_tokens"))
    thinking = min(output, _count(_object(raw.get("output_tokens_details")).get("thinking_tokens")))
    rest = {name: value for name, value in raw.items() if name not in _NAMED and value is not None}
    return Usage(
        input_fresh=_count(raw.get("input_tokens")),
        cache_read=read,
        cache_write_5m=five,
        cache_write_1h=hour,
        cache_write_other=total - five - hour,
        output_visible=output - thinking,
        reasoning=thinking,
        ext={ANTHROPIC: rest} if rest else {},
    )


def usage_fields(usage: Usage | None, input_estimate: int = 0) -> dict[str, Any]:
    """The whole ``usage`` object. Clients insist on numbers, so without counts the input is the estimate."""
    if usage is None:
        usage = Usage(input_fresh=input_estimate)
    out: dict[str, Any] = {
        "input_tokens": usage.input_fresh,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output_total,
    }
    if not usage.cache_write_other:  # else the split is not known
        out["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
    if usage.reasoning:
        out["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return {**(usage.ext.get(ANTHROPIC) or {}), **out} if usage.ext else out


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return 0
    return int(value)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
