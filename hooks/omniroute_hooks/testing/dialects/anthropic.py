"""Anthropic Messages, by hand: the provider's side, and requests. `anthropic_heard` reads answers.

Source: the vendor's API reference, "Messages" and "Streaming Messages".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..expectations import array, equal, mapping, must, number, one_of, text
from ..neutral import Ask, Call, Result, Say, Tokens, ToolSpec, Turn, gathered
from ..speaker import Speaker
from ..wire import dumps, pieces, sse
from .anthropic_heard import ERROR_TYPES, ID, REASONS, read_answer, read_error, read_stream

Json = Any
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_EMPTY: Mapping[str, Mapping[str, Json]] = {  # how a block begins
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}
SIGNATURE = "ErUBCkYIARgCKkDscripted=="  # this vendor signs all thinking

# The provider ------------------------------------------------------------------------------------


def answer(say: Say) -> dict[str, Json]:
    """A ``message``."""
    if say.error:
        return error_body(*say.error)
    return {
        **_message(say),
        "content": _blocks(say),
        "stop_reason": REASONS[say.stop],
        "usage": {**usage_of(say.usage), "service_tier": "standard"},
    }


def chunks(say: Say) -> list[bytes]:
    """The stream, with a ping where the vendor sends one."""

    def event(kind: str, **fields: Json) -> bytes:
        return sse({"type": kind, **fields}, event=kind)

    begun = {**usage_of(say.usage), "output_tokens": 1, "service_tier": "standard"}
    begun.pop("output_tokens_details", None)
    out = [event("message_start", message={**_message(say), "usage": begun})]
    for index, block in enumerate(_blocks(say)):
        empty = _EMPTY[block["type"]]
        out.append(event("content_block_start", index=index, content_block={**block, **empty}))
        if index == 0:
            out.append(event("ping"))
        for delta in _deltas(block):
            out.append(event("content_block_delta", index=index, delta=delta))
        if say.error and block["type"] == "text":
            break
        out.append(event("content_block_stop", index=index))
    if say.error:
        return [*out, sse(error_body(*say.error), event="error")]
    end = {"stop_reason": REASONS[say.stop], "stop_sequence": None}
    return [*out, event("message_delta", delta=end, usage=usage_of(say.usage)), event("message_stop")]


def _message(say: Say) -> dict[str, Json]:
    return {
        "id": f"msg_{say.id}",
        "type": "message",
        "role": "assistant",
        "model": say.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _blocks(say: Say) -> list[dict[str, Json]]:
    out: list[dict[str, Json]] = []
    if say.thinking or say.signature:
        out.append({"type": "thinking", "thinking": say.thinking, "signature": say.signature or SIGNATURE})
    if say.text:
        out.append({"type": "text", "text": say.text})
    return out + [{"type": "tool_use", "id": c.id, "name": c.name, "input": dict(c.args)} for c in say.tool_calls]


def _deltas(block: Mapping[str, Json]) -> list[dict[str, Json]]:
    if block["type"] == "text":
        return [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    if block["type"] == "thinking":
        shown = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        return [*shown, {"type": "signature_delta", "signature": block["signature"]}]
    written = ["", *(pieces(dumps(block["input"])) if block["input"] else [])]
    return [{"type": "input_json_delta", "partial_json": piece} for piece in written]


def usage_of(tokens: Tokens) -> dict[str, Json]:
    """The usage object: input excludes both cache counts, output includes thinking."""
    usage: dict[str, Json] = {
        "input_tokens": tokens.input - tokens.cached - tokens.written,
        "cache_creation_input_tokens": tokens.written,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": tokens.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": tokens.output,
    }
    if tokens.reasoning:
        usage["output_tokens_details"] = {"thinking_tokens": tokens.reasoning}
    return usage


def error_body(status: int, message: str) -> dict[str, Json]:
    """The error envelope."""
    kind = ERROR_TYPES.get(status, "overloaded_error" if status == 503 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CScripted"}


def read_request(body: Json) -> Ask:
    """What a request asks. Errors: `AssertionError` on what the vendor answers with a 400."""
    turns: list[Turn] = []
    waiting: dict[str, str] = {}
    messages = array(body, "messages")
    must(messages, "messages: at least one message is required")
    for place, message in enumerate(messages):
        role = one_of(message, "role", ("user", "assistant"))
        must(place or role == "user", "the first message must be the user's")
        blocks = _content(message, "content")
        must(blocks or (role == "assistant" and place == len(messages) - 1), f"message {place} has no content")
        turn = _user_turn(blocks, waiting) if role == "user" else _assistant_turn(blocks, waiting)
        turns.append(turn)
    must(not waiting, f"tool_use ids {sorted(waiting)} were found without tool_result blocks")
    limit = number(body, "max_tokens", least=1)
    thinking = body.get("thinking") or {"type": "disabled"}
    kind = one_of(thinking, "type", ("enabled", "adaptive", "disabled"))
    if kind == "enabled":
        must(1024 <= number(thinking, "budget_tokens") < limit, "budget_tokens must be 1024 or more, below max_tokens")
        must(body.get("temperature", 1) == 1, "temperature must be 1 when thinking is enabled")
    tools = _tools(body)
    system = "".join(text(block, "text", filled=True) for block in _content(body, "system")) if "system" in body else ""
    return Ask(
        system=system,
        turns=gathered(turns),
        tools=tools,
        tool_choice=_tool_choice(body, tools, kind != "disabled"),
        max_tokens=limit,
        temperature=body.get("temperature"),
        model=text(body, "model", filled=True),
        stream=bool(body.get("stream", False)),
        thinks=kind != "disabled",
    )


def _content(holder: Json, name: str) -> list[dict[str, Json]]:
    content = holder.get(name)
    return [{"type": "text", "text": content}] if isinstance(content, str) else array(holder, name)


def _text_block(block: Json) -> str:
    words = text(block, "text")
    must(words.strip(), "text content blocks must contain non-whitespace text")
    return words


def _user_turn(blocks: list[dict[str, Json]], waiting: dict[str, str]) -> Turn:
    said, results = "", []
    for block in blocks:
        if one_of(block, "type", ("text", "tool_result")) == "text":
            said += _text_block(block)
            continue
        must(not said, "tool_result blocks must come before any other block")
        call_id = text(block, "tool_use_id")
        must(call_id in waiting, f"unexpected tool_use_id {call_id!r} in a tool_result")
        given = "".join(text(b, "text") for b in _content(block, "content")) if "content" in block else ""
        results.append(Result(call_id, waiting.pop(call_id), given))
    must(not waiting, f"tool_use ids {sorted(waiting)} were found without tool_result blocks right after")
    return Turn(role="user", text=said, results=results)


def _assistant_turn(blocks: list[dict[str, Json]], waiting: dict[str, str]) -> Turn:
    must(not waiting, f"tool_use ids {sorted(waiting)} were found without tool_result blocks right after")
    said, calls = "", []
    for block in blocks:
        kind = one_of(block, "type", ("text", "tool_use", "thinking", "redacted_thinking"))
        if kind == "text":
            said += _text_block(block)
        elif kind == "tool_use":
            call = Call(text(block, "id"), text(block, "name"), mapping(block, "input"))
            must(ID.fullmatch(call.id), f"the id {call.id!r} does not match {ID.pattern}")
            must(_NAME.fullmatch(call.name), f"the name {call.name!r} does not match {_NAME.pattern}")
            must(call.id not in waiting, "tool_use ids must be unique")
            waiting[call.id] = call.name
            calls.append(call)
        elif kind == "thinking":
            text(block, "signature", filled=True)
            text(block, "thinking")
        else:
            text(block, "data", filled=True)
    return Turn(role="assistant", text=said, calls=calls)


def _tools(body: Json) -> tuple[ToolSpec, ...]:
    out = []
    for tool in array(body, "tools") if "tools" in body else []:
        must(tool.get("type", "custom") == "custom", f"a tool of type {tool.get('type')!r}")
        schema = mapping(tool, "input_schema")
        equal(schema, "type", "object")
        must(_NAME.fullmatch(text(tool, "name")), f"the tool name {tool['name']!r} does not match {_NAME.pattern}")
        out.append(ToolSpec(tool["name"], tool.get("description") or "", schema))
    must(len({tool.name for tool in out}) == len(out), "tool names must be unique")
    return tuple(out)


def _tool_choice(body: Json, tools: tuple[ToolSpec, ...], thinks: bool) -> str | None:
    if "tool_choice" not in body:
        return None
    must(tools, "tool_choice may only be specified while providing tools")
    choice = mapping(body, "tool_choice")
    kind = one_of(choice, "type", ("auto", "any", "none", "tool"))
    must(not thinks or kind in ("auto", "none"), "thinking may not be enabled when tool_choice forces tool use")
    if kind != "tool":
        return None if kind == "auto" else kind
    name = text(choice, "name")
    must(name in {tool.name for tool in tools}, f"tool_choice names {name!r}, which is no tool")
    return name


# The client --------------------------------------------------------------------------------------


def request_of(ask: Ask) -> dict[str, Json]:
    """The request body."""
    messages: list[dict[str, Json]] = []
    for turn in ask.turns:
        blocks: list[dict[str, Json]] = [
            {"type": "tool_result", "tool_use_id": r.id, "content": r.text} for r in turn.results
        ]
        if turn.text:
            blocks.append({"type": "text", "text": turn.text})
        blocks += [{"type": "tool_use", "id": c.id, "name": c.name, "input": dict(c.args)} for c in turn.calls]
        messages.append({"role": turn.role, "content": blocks})
    body: dict[str, Json] = {"model": ask.model, "max_tokens": ask.max_tokens or 4096, "messages": messages}
    if ask.system:
        body["system"] = [{"type": "text", "text": ask.system}]
    if ask.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in ask.tools
        ]
    if ask.tool_choice is not None:
        known = ask.tool_choice in ("any", "none")
        body["tool_choice"] = {"type": ask.tool_choice} if known else {"type": "tool", "name": ask.tool_choice}
    if ask.temperature is not None:
        body["temperature"] = ask.temperature
    if ask.thinks:
        body["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    if ask.stream:
        body["stream"] = True
    return body


def path(ask: Ask) -> str:
    """Where the request goes."""
    return "/v1/messages"


def headers(key: str) -> dict[str, str]:
    """How the client shows its key."""
    return {"x-api-key": key, "anthropic-version": "2023-06-01"}


ANTHROPIC = Speaker(
    id="anthropic",
    answer=answer,
    chunks=chunks,
    error_body=error_body,
    read_request=read_request,
    request_of=request_of,
    path=path,
    headers=headers,
    read_answer=read_answer,
    read_stream=read_stream,
    read_error=read_error,
)
