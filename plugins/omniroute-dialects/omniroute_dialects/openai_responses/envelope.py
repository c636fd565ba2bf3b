"""The ``response`` object around an answer's items, repeating what the caller asked for."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import Answer, Reply, Stop

from .usage import write_usage
from .vocabulary import ECHO

Json = dict[str, Any]
_REPEATED: tuple[tuple[str, Any], ...] = (
    ("background", False),
    ("instructions", None),
    ("max_output_tokens", None),
    ("max_tool_calls", None),
    ("metadata", {}),
    ("parallel_tool_calls", True),
    ("previous_response_id", None),
    ("prompt_cache_key", None),
    ("reasoning", {"effort": None, "summary": None}),
    ("safety_identifier", None),
    ("service_tier", None),
    ("store", False),
    ("temperature", None),
    ("text", {"format": {"type": "text"}}),
    ("tool_choice", "auto"),
    ("tools", []),
    ("top_logprobs", None),
    ("top_p", None),
    ("truncation", "disabled"),
    ("user", None),
)
_REASONS = {
    "length": "max_output_tokens",
    "context_full": "max_output_tokens",
    "filtered": "content_filter",
    "pause": "max_messages",
}


class Envelope:
    """What stays the same in all response objects of one answer."""

    def __init__(self, reply: Reply, answer_id: str | None) -> None:
        given = reply.conversation.ext.get(ECHO) or {}
        # An id of the vendor's own kind stays, so that the provider can find its stored answer again.
        own_kind = answer_id is not None and answer_id.startswith("resp_")
        self.id = answer_id if own_kind else f"resp_{reply.reply_id}"
        self._head: Json = {
            "id": self.id,
            "object": "response",
            "created_at": reply.created_s,
            "model": reply.model,
        }
        repeated = {name: given.get(name, default) for name, default in _REPEATED}
        for name in ("text", "reasoning"):
            default = dict(_REPEATED)[name]
            if isinstance(repeated[name], dict):
                repeated[name] = {**default, **repeated[name]}
        if isinstance(given.get("conversation"), str):
            repeated["conversation"] = {"id": given["conversation"]}
        for name in ("conversation", "prompt", "prompt_cache_retention"):
            if name in given:
                repeated.setdefault(name, given[name])
        self._repeated = repeated

    def response(
        self, status: str, output: list[Json], answer: Answer | None, error: Json | None, reason: str | None
    ) -> Json:
        """One response object; ``reason`` is why it is incomplete."""
        return {
            **self._head,
            "status": status,
            "error": error,
            "incomplete_details": None if reason is None else {"reason": reason},
            "output": output,
            "usage": None if answer is None else write_usage(answer.usage),
            **self._repeated,
        }


def ending_of(stop: Stop) -> tuple[str, str | None]:
    """Status and reason for a stop. There is no finish reason here: calls in the output say "tool"."""
    if stop.reason == "malformed_call":
        return "failed", None
    reason = _REASONS.get(stop.reason)
    return ("completed", None) if reason is None else ("incomplete", reason)
