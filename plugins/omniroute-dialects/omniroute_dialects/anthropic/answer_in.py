"""A provider's whole answer. Fields of a wrong type count as absent: nothing it holds raises but its errors."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import ANTHROPIC, Answer, Opaque, Part, Text, Thinking, ToolCall, UpstreamError
from omniroute_hooks.answers import distinct_calls
from omniroute_hooks.blocks import settle_stop
from omniroute_hooks.jsonio import dumps

from .content_in import ext_of, plain_seal, read_citation, string_or_none
from .errors import stream_error
from .stops import read_stop
from .structured import ANSWER_TOOL
from .usage import read_usage
from .words import plain_words

_EXTRA = ("stop_details", "container", "context_management")


def parse_answer(value: Any) -> Answer:
    """The answer. Errors: the failure it holds, or `UpstreamError` where it is none."""
    if not isinstance(value, dict):
        raise UpstreamError("The provider's answer is no message.")
    content = value.get("content")
    if not isinstance(content, list):
        if value.get("type") == "error" or value.get("error"):
            raise stream_error(value)
        raise UpstreamError("The provider's answer has no content.")
    try:
        found = (part for block in content if (part := whole_part(block)) is not None)
        parts = distinct_calls(found, string_or_none(value.get("id")))
    except RecursionError:
        raise UpstreamError("The provider's answer is nested too deeply.") from None
    stop = read_stop(value.get("stop_reason"), value.get("stop_sequence"))
    usage = value.get("usage")
    extra = {name: value[name] for name in _EXTRA if value.get(name) is not None}
    return Answer(
        parts=parts,
        stop=settle_stop(stop, any(isinstance(part, ToolCall) for part in parts)),
        usage=read_usage(usage) if isinstance(usage, dict) else None,
        id=string_or_none(value.get("id")),
        model=string_or_none(value.get("model")),
        ext=ext_of(extra),
    )


def whole_part(block: Any) -> Part | None:
    """A finished block as a part; None for what says nothing."""
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return None
    kind: str = block["type"]
    if kind == "text":
        text = string_or_none(block.get("text"))
        cited = block.get("citations")
        found = (read_citation(raw) for raw in cited) if isinstance(cited, list) else ()
        return Text(text, tuple(c for c in found if c is not None)) if text else None
    if kind == "thinking":
        return Thinking(string_or_none(block.get("thinking")) or "", plain_seal(block.get("signature")))
    if kind == "redacted_thinking":
        seal = plain_seal(block.get("data"))
        return Thinking("", seal, redacted=True) if seal is not None else None
    if kind == "tool_use":
        return _call(block)
    # What ran at the provider can be told; what is kept for its next turn (a compaction) is nobody's to read.
    return Opaque(ANTHROPIC, kind, block, plain_words(block) if "tool" in kind else "")


def _call(block: dict[str, Any]) -> Part | None:
    name = string_or_none(block.get("name"))
    if not name:
        return None
    value = block.get("input")
    arguments = value if isinstance(value, str) else dumps({} if value is None else value).decode()
    if name == ANSWER_TOOL:
        return Text(arguments)
    caller = block.get("caller")
    indirect = isinstance(caller, dict) and caller.get("type") != "direct"
    ext = ext_of({"caller": caller} if indirect else {})
    return ToolCall(string_or_none(block.get("id")) or "", name, arguments, ext=ext)
