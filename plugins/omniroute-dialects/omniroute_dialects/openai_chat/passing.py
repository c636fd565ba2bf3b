"""A caller's own bytes for a provider of the same dialect.

They go through as they are, with the model's name changed. Only where this provider would refuse the request, or
would not tell the usage, is the JSON touched, field by field; and only a body in another format's shape, as some
clients send to this address, is read and written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Asked, Drop, Endpoint, Passed, Target
from omniroute_hooks.jsonio import dumps
from omniroute_hooks.rawjson import insert_field, replace_model

from .request_in import parse_request
from .request_out import PATH, left_out_stops, render_body

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_PARTS = frozenset({"text", "image_url", "input_audio", "file", "refusal", "audio_url", "video_url"})
_FOREIGN_PARTS = frozenset(
    {
        "input_text",
        "output_text",
        "input_image",
        "input_file",
        "image",
        "document",
        "search_result",
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
    }
)
_FOREIGN_FIELDS = frozenset({"input", "instructions", "system", "max_output_tokens", "stop_sequences", "text"})
_ASKED = Asked(Endpoint("POST", "/v1/chat/completions", "generate"))
_USAGE_WANTED = b'{"include_usage":true}'


def pass_request(raw: bytes, body: Mapping[str, Any], target: Target, stream: bool) -> Passed:
    """The request as it came, as far as the provider takes it. Errors: `BadRequest` for a body that must be read
    and cannot be."""
    drop = None if not stream or _asks_usage(body) else _USAGE_ONLY
    if _is_foreign(body):
        conversation = parse_request(body, _ASKED)
        rendered = render_body(conversation, target, stream, [])
        cut_at = left_out_stops(conversation, rendered)
        return Passed(PATH, dumps(rendered), drop=drop, cut_at=cut_at)
    fixed = _fixed(body, target, stream)
    if fixed is not None:
        cut_at = () if "stop" in fixed else _stops(body)
        return Passed(PATH, dumps(fixed), drop=drop, cut_at=cut_at)
    out = replace_model(raw, body, target.model)
    if stream and target.option("stream_usage", True) and "stream_options" not in body:
        out = insert_field(out, "stream_options", _USAGE_WANTED)
    return Passed(PATH, out, drop=drop)


def is_usage_only(frame: bytes) -> bool:
    """Whether a raw frame holds no choice, but only counts: callers who did not ask for it trip over it.

    Inside a JSON string the quotes would be escaped, so no text can look like this.
    """
    return (b'"choices":[]' in frame or b'"choices": []' in frame) and b'"error"' not in frame


_USAGE_ONLY = Drop((b'"choices":[]', b'"choices": []'), is_usage_only)


def _stops(body: Mapping[str, Any]) -> tuple[str, ...]:
    stop = body.get("stop")
    words = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    return tuple(word for word in words if isinstance(word, str))


def _asks_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _is_foreign(body: Mapping[str, Any]) -> bool:
    """Whether the body has the shape of another format."""
    if not _FOREIGN_FIELDS.isdisjoint(body) and any(body.get(name) is not None for name in _FOREIGN_FIELDS):
        return True
    tools = body.get("tools")
    if isinstance(tools, list) and any(_is_foreign_tool(tool) for tool in tools):
        return True
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and (choice.get("type") in ("tool", "any", "auto", "none") or "name" in choice):
        return True
    messages = body.get("messages")
    return isinstance(messages, list) and any(_is_foreign_message(message) for message in messages)


def _is_foreign_tool(tool: Any) -> bool:
    """Flat functions, or Messages tools. A provider's own typed tools are nobody else's."""
    if not isinstance(tool, dict) or "function" in tool:
        return False
    return "input_schema" in tool or (tool.get("type") in ("function", "custom", None) and "name" in tool)


def _is_foreign_message(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    if "role" not in message and "type" in message:
        return True
    content = message.get("content")
    if not isinstance(content, list):
        return False
    kinds = (part.get("type") for part in content if isinstance(part, dict))
    return any(isinstance(kind, str) and kind in _FOREIGN_PARTS for kind in kinds)


def _fixed(body: Mapping[str, Any], target: Target, stream: bool) -> dict[str, Any] | None:
    """The body with what the provider would refuse put right; None where nothing is to be done."""
    out: dict[str, Any] = {**body, "model": target.model}
    changed = _fix_limit(out, target)
    changed |= _fix_stream(out, target, stream)
    for name in target.option("unsupported") or ():
        if name in out:
            del out[name]
            changed = True
    messages = out.get("messages")
    if isinstance(messages, list):
        fixed = [_fixed_message(message, target) for message in messages]
        if any(new is not old for new, old in zip(fixed, messages, strict=True)):
            out["messages"] = fixed
            changed = True
    return out if changed else None


def _fix_limit(out: dict[str, Any], target: Target) -> bool:
    wanted = str(target.option("max_tokens_field", "max_tokens"))
    other = "max_tokens" if wanted == "max_completion_tokens" else "max_completion_tokens"
    if other not in out:
        return False
    value = out.pop(other)
    if out.get(wanted) is None and value is not None:
        out[wanted] = value
    return True


def _fix_stream(out: dict[str, Any], target: Target, stream: bool) -> bool:
    changed = False
    if bool(out.get("stream")) != stream:
        out["stream"] = stream
        changed = True
    if "stream_options" not in out:
        return changed
    if not stream or not target.option("stream_usage", True):
        del out["stream_options"]
        return True
    options = out["stream_options"]
    if options is None or (isinstance(options, dict) and options.get("include_usage") is not True):
        out["stream_options"] = {**(options or {}), "include_usage": True}
        return True
    return changed


def _fixed_message(message: Any, target: Target) -> Any:
    if not isinstance(message, dict):
        return message
    out = message
    if message.get("role") in ("developer", "system"):
        role = str(target.option("system_role", "system"))
        # "developer" is what third parties do not know; where it is wanted, "system" is known too.
        if message["role"] == "developer" and role == "system":
            out = {**out, "role": role}
    elif message.get("role") == "assistant":
        out = _fixed_reasoning(out, target)
    content = out.get("content")
    if isinstance(content, list) and target.option("string_content", False):
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        if len(texts) == len(content) and all(isinstance(text, str) for text in texts):
            joint = "\n\n" if out.get("role") in ("system", "developer") else "\n"
            out = {**out, "content": joint.join(str(text) for text in texts)}
    return out


def _fixed_reasoning(message: dict[str, Any], target: Target) -> dict[str, Any]:
    """Reasoning in the history: away where it is refused, under the provider's own name where it is wanted."""
    if not any(name in message for name in ("reasoning_content", "reasoning", "reasoning_details")):
        return message
    if not target.option("replay_reasoning", False):
        return {
            name: value
            for name, value in message.items()
            if name not in ("reasoning_content", "reasoning", "reasoning_details")
        }
    wanted = str(target.option("reasoning_field", "reasoning_content"))
    if wanted in message:
        return message
    other = next((name for name in ("reasoning_content", "reasoning") if name in message), None)
    if other is None:
        return message
    return {(wanted if name == other else name): value for name, value in message.items()}
