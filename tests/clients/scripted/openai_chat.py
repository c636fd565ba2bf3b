"""A scripted model in the OpenAI chat dialect.

Source of the rules in `read`: https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from scripted.plan import Call, JsonObject, Reply, Say, Seen, Tool, parameters_of
from scripted.wire import Wire, bearer, halves, sse, text_of

ROLES = ("developer", "system", "user", "assistant", "tool")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def read(path: str, body: JsonObject) -> Seen:
    """Walk the messages: after `tool_calls` come `tool` messages, one for each call, before anything else."""
    faults: list[str] = []
    results: dict[str, str] = {}
    asked: set[str] = set()
    messages = body["messages"]
    assert isinstance(messages, list)
    for number, message in enumerate(messages):
        role = message["role"]
        if role not in ROLES:
            faults.append(f"messages.{number}: no such role: {role}")
        if role == "tool":
            call_id = message["tool_call_id"]
            if call_id not in asked:
                faults.append(f"messages.{number}: result of {call_id}, which nobody asked for here")
            asked.discard(call_id)
            results[call_id] = text_of(message["content"])
            continue
        if asked:
            faults.append(f"messages.{number}: {role} came before the results of {sorted(asked)}")
        calls = message.get("tool_calls") or []
        asked = {call["id"] for call in calls}
        for call in calls:
            if call["type"] == "function" and not _is_json_object(call["function"]["arguments"]):
                faults.append(f"messages.{number}: arguments are no JSON object: {call}")
        if role in ("system", "user") and not message["content"]:
            faults.append(f"messages.{number}: no content")
    if asked:
        faults.append(f"no results for {sorted(asked)}")
    if "stream_options" in body and body.get("stream") is not True:
        faults.append("stream_options without stream")
    given = body.get("tools") or []
    assert isinstance(given, list)
    tools = {tool[tool["type"]]["name"]: _tool(tool) for tool in given}
    faults += [f"tool name {name}" for name in tools if not TOOL_NAME.fullmatch(name)]
    if not tools and {"tool_choice", "parallel_tool_calls"} & body.keys():
        faults.append("tool_choice or parallel_tool_calls without tools")
    wanted = body.get("response_format")
    schema = wanted.get("json_schema") if isinstance(wanted, dict) else None
    return Seen(
        model=str(body["model"]),
        stream=body.get("stream") is True,
        tools=tools,
        results=tuple(results.values()),
        faults=tuple(faults),
        schema=schema["schema"] if schema else None,
    )


def _tool(tool: dict[str, dict[str, object]]) -> Tool:
    if "custom" in tool:
        return Tool(freeform=True)
    return Tool(parameters_of(tool["function"].get("parameters")))


def _is_json_object(text: object) -> bool:
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _head(seen: Seen, kind: str) -> JsonObject:
    return {
        "id": f"chatcmpl-scripted-{len(seen.results)}",
        "object": kind,
        "created": 1_700_000_000,
        "model": seen.model,
    }


def _finish_reason(reply: Reply) -> str:
    return "tool_calls" if isinstance(reply, Call) else "stop"


def _call(call: Call, given: str) -> JsonObject:
    call_id = f"call_scripted_{call.number}"
    if call.text is not None:
        return {"id": call_id, "type": "custom", "custom": {"name": call.name, "input": given}}
    return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": given}}


def _given(call: Call) -> str:
    return call.arguments_json if call.text is None else call.text


def whole(reply: Reply, seen: Seen) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": reply.text if isinstance(reply, Say) else None}
    if isinstance(reply, Call):
        message["tool_calls"] = [_call(reply, _given(reply))]
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(reply), "logprobs": None}
    return _head(seen, "chat.completion") | {"choices": [choice], "usage": USAGE}


def stream(reply: Reply, seen: Seen) -> Iterator[bytes]:
    def chunk(delta: JsonObject, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return sse(_head(seen, "chat.completion.chunk") | {"choices": [choice], "usage": None})

    if isinstance(reply, Say):
        yield chunk({"role": "assistant", "content": ""})
        for part in halves(reply.text):
            yield chunk({"content": part})
    else:
        yield chunk({"role": "assistant", "content": None, "tool_calls": [{"index": 0} | _call(reply, "")]})
        for part in halves(_given(reply)):
            piece = {"function": {"arguments": part}} if reply.text is None else {"custom": {"input": part}}
            yield chunk({"tool_calls": [{"index": 0} | piece]})
    yield chunk({}, _finish_reason(reply))
    yield sse(_head(seen, "chat.completion.chunk") | {"choices": [], "usage": USAGE})
    yield sse("[DONE]")


def refusal(status: int, reason: str) -> JsonObject:
    code = "invalid_api_key" if status == 401 else None
    error = {"message": reason, "type": "invalid_request_error", "param": None, "code": code}
    return {"error": error}


def asides(path: str) -> JsonObject | None:
    return {"object": "list", "data": []} if path == "/v1/models" else None


OPENAI_CHAT = Wire(
    name="openai-chat",
    node={"type": "openai-compatible", "apiType": "chat"},
    base="/v1",
    endpoint=re.compile(r"/v1/chat/completions"),
    key=bearer,
    read=read,
    whole=whole,
    stream=stream,
    refusal=refusal,
    asides=asides,
)
