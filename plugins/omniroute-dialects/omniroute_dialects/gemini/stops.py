"""Why an answer ended, in this dialect's words. Source: docs/translation.md, "Stop reasons"."""

from __future__ import annotations

from typing import get_args

from omniroute_hooks import Stop
from omniroute_hooks.conversation import StopReason

_IN: dict[str, StopReason] = {
    "STOP": "end",
    "MAX_TOKENS": "length",
    "SAFETY": "filtered",
    "RECITATION": "filtered",
    "BLOCKLIST": "filtered",
    "PROHIBITED_CONTENT": "filtered",
    "SPII": "filtered",
    "MODEL_ARMOR": "filtered",
    "IMAGE_SAFETY": "filtered",
    "IMAGE_PROHIBITED_CONTENT": "filtered",
    "IMAGE_RECITATION": "filtered",
    "IMAGE_OTHER": "filtered",
    "MALFORMED_FUNCTION_CALL": "malformed_call",
    "UNEXPECTED_TOOL_CALL": "malformed_call",
    "TOO_MANY_TOOL_CALLS": "malformed_call",
    "MISSING_THOUGHT_SIGNATURE": "malformed_call",
    "MALFORMED_RESPONSE": "malformed_call",
    "CONTINUATION": "pause",
    "LANGUAGE": "other",
    "OTHER": "other",
    "NO_IMAGE": "other",
    "ESCALATION": "other",
}
_OUT: dict[StopReason, str] = {
    "end": "STOP",
    "tool": "STOP",
    "length": "MAX_TOKENS",
    "context_full": "MAX_TOKENS",
    "stop_string": "STOP",
    "filtered": "SAFETY",
    "pause": "STOP",
    "malformed_call": "MALFORMED_FUNCTION_CALL",
    "other": "OTHER",
}
_BLOCKED = {"SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"}
assert set(_OUT) == set(get_args(StopReason))


def stop_of(word: str) -> Stop:
    """A ``finishReason``. The list is open: what is not known is "other", and keeps its word."""
    return Stop(_IN.get(word, "other"), word)


def blocked(word: str) -> Stop:
    """A ``promptFeedback.blockReason``."""
    return Stop("filtered", word)


def finish_reason(stop: Stop) -> str:
    """The word for a caller: the provider's own where it is one of this dialect and says the same."""
    if stop.raw is not None and _IN.get(stop.raw) == stop.reason:
        return stop.raw
    return _OUT[stop.reason]


def block_reason(stop: Stop) -> str:
    """The word for a prompt that was not let through."""
    return stop.raw if stop.raw in _BLOCKED else "SAFETY"
