"""Counting a request's tokens without an answer.

Source: the vendor's count_tokens endpoint: the request without limits, sampling and identity.
"""

from __future__ import annotations

from typing import Any

from omniroute_hooks import Conversation, Rendered, Target, UpstreamError

from .request_out import path_of, render_request

_COUNTED = frozenset(
    {
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "cache_control",
        "context_management",
        "mcp_servers",
        "speed",
    }
)


def render_count(conversation: Conversation, target: Target) -> Rendered:
    """The counting request. Errors: `Unsupported`."""
    rendered = render_request(conversation, target, False)
    body = {name: value for name, value in rendered.body.items() if name in _COUNTED}
    return Rendered(path_of("/messages/count_tokens", target), body, losses=rendered.losses)


def parse_count(answer: Any) -> int:
    """Input tokens. Errors: `UpstreamError`."""
    count = answer.get("input_tokens") if isinstance(answer, dict) else None
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise UpstreamError("The provider's token count cannot be read.")
    return count


def render_count_answer(count: int) -> dict[str, Any]:
    """The answer's body."""
    return {"input_tokens": count}
