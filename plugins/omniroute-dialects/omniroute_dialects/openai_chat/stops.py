"""Why a model stopped, in this dialect's words and in those that its many implementers use."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import GatewayError, Overloaded, Stop, UpstreamError
from omniroute_hooks.conversation import StopReason

_IN: dict[str, StopReason] = {
    "stop": "end",
    "end": "end",
    "end_turn": "end",
    "eos": "end",
    "eos_token": "end",
    "complete": "end",
    "completed": "end",
    "stop_sequence": "stop_string",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "context_full",
    "tool_calls": "tool",
    "function_call": "tool",
    "tool_use": "tool",
    "content_filter": "filtered",
    "safety": "filtered",
    "refusal": "filtered",
    "sensitive": "filtered",
    "recitation": "filtered",
    "malformed_function_call": "malformed_call",
}
_FAILURES: dict[str, type[GatewayError]] = {
    "error": UpstreamError,
    "network_error": UpstreamError,
    "abort": UpstreamError,
    "aborted": UpstreamError,
    "cancelled": UpstreamError,
    "insufficient_system_resource": Overloaded,
}
_OUT: dict[StopReason, str] = {
    "end": "stop",
    "tool": "tool_calls",
    "length": "length",
    "context_full": "length",
    "stop_string": "stop",
    "filtered": "content_filter",
    "pause": "stop",
    "malformed_call": "stop",
    "other": "stop",
}


def read_stop(choice: dict[str, Any]) -> Stop | GatewayError | None:
    """A choice's reason to stop; the failure that some providers put in its place; None where there is none yet."""
    raw = choice.get("finish_reason")
    if not isinstance(raw, str) or not raw:
        return None
    word = raw.lower()
    if word in _FAILURES:
        return _FAILURES[word](f"The provider ended its answer with {raw!r}.", upstream_code=raw)
    reason = _IN.get(word, "other")
    matched = choice.get("stop_reason")  # vLLM: the stop string that hit, or a token's number
    if reason == "end" and isinstance(matched, str) and matched:
        return Stop("stop_string", raw, matched)
    return Stop(reason, raw)


def finish_reason(stop: Stop) -> str:
    """The word for a caller."""
    return _OUT[stop.reason]
