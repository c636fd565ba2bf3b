"""Why a model stopped, in this dialect's words."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import ANTHROPIC, Answer, Refusal, Stop
from omniroute_hooks.conversation import StopReason

_READ: dict[str, StopReason] = {
    "end_turn": "end",
    "max_tokens": "length",
    "stop_sequence": "stop_string",
    "tool_use": "tool",
    "pause_turn": "pause",
    "refusal": "filtered",
    "model_context_window_exceeded": "context_full",
}
_WRITTEN: dict[StopReason, str] = {
    "end": "end_turn",
    "tool": "tool_use",
    "length": "max_tokens",
    "context_full": "model_context_window_exceeded",
    "stop_string": "stop_sequence",
    "filtered": "refusal",
    "pause": "pause_turn",
    "malformed_call": "end_turn",
    "other": "end_turn",
}


def read_stop(reason: Any, matched: Any = None) -> Stop:
    """The provider's ``stop_reason`` and ``stop_sequence``; words that are not known stay readable in ``raw``."""
    if not isinstance(reason, str):
        return Stop("other")
    return Stop(_READ.get(reason, "other"), reason, matched if isinstance(matched, str) else None)


def stop_fields(answer: Answer) -> dict[str, Any]:
    """``stop_reason``, ``stop_sequence`` and, where there are any, ``stop_details``."""
    stop = answer.stop
    reason = _WRITTEN[stop.reason]
    if stop.reason == "end" and any(isinstance(part, Refusal) for part in answer.parts):
        reason = "refusal"
    matched = stop.matched if reason == "stop_sequence" else None
    out: dict[str, Any] = {"stop_reason": reason, "stop_sequence": matched}
    details = (answer.ext.get(ANTHROPIC) or {}).get("stop_details") if answer.ext else None
    if details is not None:
        out["stop_details"] = details
    return out
