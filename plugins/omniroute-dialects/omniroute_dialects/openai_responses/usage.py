"""Token counts: this dialect's totals contain their parts, the gateway's buckets do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Usage

from .vocabulary import ID

_KNOWN = {"input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens"}


def count(value: Any) -> int:
    """A number of tokens; 0 for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return 0
    return int(value)


def read_usage(raw: Any) -> Usage | None:
    """The buckets in a ``usage`` object; None where there is none."""
    if not isinstance(raw, Mapping) or not raw:
        return None
    into, out = raw.get("input_tokens_details"), raw.get("output_tokens_details")
    into = into if isinstance(into, Mapping) else {}
    out = out if isinstance(out, Mapping) else {}
    total_in, total_out = count(raw.get("input_tokens")), count(raw.get("output_tokens"))
    cached, written = count(into.get("cached_tokens")), count(into.get("cache_write_tokens"))
    reasoning = count(out.get("reasoning_tokens"))
    visible = max(0, total_out - reasoning)
    if reasoning and count(raw.get("total_tokens")) == total_in + total_out + reasoning:
        visible = total_out  # some compatible servers count reasoning beside the output
    extra = {name: value for name, value in raw.items() if name not in _KNOWN}
    return Usage(
        input_fresh=max(0, total_in - cached - written),
        cache_read=cached,
        cache_write_other=written,
        output_visible=visible,
        reasoning=reasoning,
        audio_input=count(into.get("audio_tokens")),
        audio_output=count(out.get("audio_tokens")),
        ext={ID: extra} if extra else {},
    )


def write_usage(usage: Usage | None) -> dict[str, Any] | None:
    """The ``usage`` object. Both detail objects are always there: strict clients fail without them."""
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_total,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output_total,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input_total + usage.output_total,
    }
