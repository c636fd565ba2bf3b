"""``countTokens``. Counts are input tokens."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import Conversation, Counting, Rendered, Target, UpstreamError

from .request_out import method_path, render_body
from .usage import count


def render_count(conversation: Conversation, target: Target) -> Rendered:
    """The request, in the form that also counts the system text and the tools. Errors: `Unsupported`."""
    body, losses = render_body(conversation, target)
    body.pop("store", None)
    request = {"model": "models/" + target.model.removeprefix("models/"), **body}
    path = method_path(target.model, "countTokens")
    return Rendered(path, {"generateContentRequest": request}, losses=tuple(losses))


def parse_count(value: Any) -> int:
    """Input tokens. Errors: `UpstreamError` where the answer names none."""
    tokens = value.get("totalTokens") if isinstance(value, dict) else None
    if tokens is None or isinstance(tokens, bool) or not isinstance(tokens, int | float | str):
        raise UpstreamError("The provider's count cannot be read.")
    return count(tokens)


def write_count(tokens: int) -> dict[str, Any]:
    """The caller's answer."""
    return {"totalTokens": tokens}


COUNTING = Counting(render_request=render_count, parse_answer=parse_count, render_answer=write_count)
