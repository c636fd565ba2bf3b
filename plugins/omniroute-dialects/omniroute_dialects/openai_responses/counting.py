"""Counting the tokens of a request without answering it: POST /responses/input_tokens."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import Conversation, Counting, FieldProblem, Rendered, Target, Unsupported, UpstreamError

from .request_out import render_request
from .usage import count

PATH = "/responses/input_tokens"
_TAKEN = (
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "previous_response_id",
    "conversation",
    "reasoning",
    "text",
    "truncation",
)


def _render(conversation: Conversation, target: Target) -> Rendered:
    if not target.option("counts_tokens", True):
        raise Unsupported.of([FieldProblem("model", "this provider does not count tokens")])
    whole = render_request(conversation, target, False)
    return Rendered(PATH, {name: whole.body[name] for name in _TAKEN if name in whole.body}, losses=whole.losses)


def _parse(body: Any) -> int:
    if not isinstance(body, dict) or "input_tokens" not in body:
        raise UpstreamError("The provider's answer holds no count of tokens.")
    return count(body["input_tokens"])


def _answer(tokens: int) -> dict[str, Any]:
    return {"object": "response.input_tokens", "input_tokens": tokens}


COUNTING = Counting(render_request=_render, parse_answer=_parse, render_answer=_answer)
