"""A scripted model in the Anthropic messages dialect.

Source of the rules in `read`: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripted.plan import Call, JsonObject, Reply, Say, Seen, Tool, parameters_of
from scripted.wire import Wire, bearer, halves, sse, text_of

TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def read(path: str, body: JsonObject) -> Seen:
    """Walk the messages: a message with `tool_use` has to be answered, in full, by the very next one."""
    faults: list[str] = []
    results: dict[str, str] = {}
    asked: set[str] = set()
    messages = body["messages"]
    assert isinstance(messages, list)
    if not isinstance(body.get("max_tokens"), int):
        faults.append("max_tokens is required")
    if not messages or messages[0]["role"] != "user":
        faults.append("the first message must be the user's")
    for number, message in enumerate(messages):
        if message["role"] not in ("user", "assistant", "system"):
            faults.append(f"messages.{number}: no such role: {message['role']}")
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            faults.append(f"messages.{number}: text content blocks must be non-empty")
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if answered != asked or (answered and message["role"] != "user"):
            faults.append(f"messages.{number}: asked for results of {sorted(asked)}, got {sorted(answered)}")
        for block in blocks:
            if block["type"] == "tool_result":
                results[block["tool_use_id"]] = text_of(block.get("content"))
        calls = [block for block in blocks if block["type"] == "tool_use"]
        asked = {call["id"] for call in calls}
        for call in calls:
            if not TOOL_ID.fullmatch(call["id"]) or not isinstance(call["input"], dict):
                faults.append(f"messages.{number}: malformed tool_use {call}")
    if asked:
        faults.append(f"no results for {sorted(asked)}")
    tools = body.get("tools") or []
    assert isinstance(tools, list)
    for tool in tools:
        if not TOOL_NAME.fullmatch(tool["name"]):
            faults.append(f"tool name {tool['name']}")
        if "type" not in tool and tool["input_schema"].get("type") != "object":
            faults.append(f"input_schema of {tool['name']} is no object")
    output = body.get("output_config")
    wanted = output.get("format") if isinstance(output, dict) else None
    return Seen(
        model=str(body["model"]),
        stream=body.get("stream") is True,
        tools={tool["name"]: Tool(parameters_of(tool.get("input_schema"))) for tool in tools},
        results=tuple(results.values()),
        faults=tuple(faults),
        schema=wanted["schema"] if wanted else None,
    )


def _message(seen: Seen) -> JsonObject:
    return {
        "id": f"msg_scripted_{len(seen.results)}",
        "type": "message",
        "role": "assistant",
        "model": seen.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 1},
    }


def _tool_use(call: Call, arguments: JsonObject) -> JsonObject:
    return {"type": "tool_use", "id": f"toolu_scripted_{call.number}", "name": call.name, "input": arguments}


def _stop_reason(reply: Reply) -> str:
    return "tool_use" if isinstance(reply, Call) else "end_turn"


def whole(reply: Reply, seen: Seen) -> JsonObject:
    block = {"type": "text", "text": reply.text} if isinstance(reply, Say) else _tool_use(reply, reply.arguments)
    return _message(seen) | {
        "content": [block],
        "stop_reason": _stop_reason(reply),
        "usage": {"input_tokens": 100, "output_tokens": 20},
    }


def stream(reply: Reply, seen: Seen) -> Iterator[bytes]:
    def event(kind: str, **fields: object) -> bytes:
        return sse({"type": kind} | fields, event=kind)

    yield event("message_start", message=_message(seen))
    yield event("ping")
    if isinstance(reply, Say):
        yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        deltas: list[JsonObject] = [{"type": "text_delta", "text": part} for part in halves(reply.text)]
    else:
        yield event("content_block_start", index=0, content_block=_tool_use(reply, {}))
        parts = ("", *halves(reply.arguments_json))  # the vendor opens with an empty piece
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    for delta in deltas:
        yield event("content_block_delta", index=0, delta=delta)
    yield event("content_block_stop", index=0)
    stop = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"output_tokens": 20})
    yield event("message_stop")


def refusal(status: int, reason: str) -> JsonObject:
    kind = "authentication_error" if status == 401 else "invalid_request_error"
    return {"type": "error", "error": {"type": kind, "message": reason}, "request_id": "req_scripted"}


def asides(path: str) -> JsonObject | None:
    if path == "/v1/messages/count_tokens":
        return {"input_tokens": 100}
    if path == "/v1/models":
        return {"data": [], "has_more": False, "first_id": None, "last_id": None}
    return None


ANTHROPIC_MESSAGES = Wire(
    name="anthropic-messages",
    node={"type": "anthropic-compatible"},
    base="/v1",
    endpoint=re.compile(r"/v1/messages"),
    key=lambda headers: headers.get("x-api-key") or bearer(headers),
    read=read,
    whole=whole,
    stream=stream,
    refusal=refusal,
    asides=asides,
)
