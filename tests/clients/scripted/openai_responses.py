"""A scripted model in the OpenAI responses dialect.

Source of the rules in `read`: https://platform.openai.com/docs/api-reference/responses/create.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripted.openai_chat import asides, refusal
from scripted.plan import JsonObject, Reply, Say, Seen, Tool, parameters_of
from scripted.wire import Wire, bearer, halves, sse, text_of

PARTS = {
    "assistant": {"output_text", "refusal"},
    "user": {"input_text", "input_image", "input_file", "input_audio"},
    "system": {"input_text"},
    "developer": {"input_text"},
}
USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 120,
}


def read(path: str, body: JsonObject) -> Seen:
    """Walk the items: every call has an output and every output a call, by `call_id`."""
    faults: list[str] = []
    results: dict[str, str] = {}
    asked: set[str] = set()
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    assert isinstance(items, list)
    for number, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "message":
            faults += _part_faults(number, item)
        elif kind in ("function_call", "custom_tool_call"):
            asked.add(item["call_id"])
        elif kind in ("function_call_output", "custom_tool_call_output"):
            call_id = item["call_id"]
            if call_id not in asked:
                faults.append(f"input.{number}: no tool call found for the output of {call_id}")
            asked.discard(call_id)
            results[call_id] = text_of(item["output"])
    if asked:
        faults.append(f"no tool output found for {sorted(asked)}")
    tools = body.get("tools") or []
    assert isinstance(tools, list)
    faults += [f"a tool that is not flat: {tool}" for tool in tools if "function" in tool]
    text = body.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    return Seen(
        model=str(body["model"]),
        stream=body.get("stream") is True,
        tools={tool["name"]: _tool(tool) for tool in tools if "name" in tool},
        results=tuple(results.values()),
        faults=tuple(faults),
        schema=wanted.get("schema") if wanted else None,
    )


def _tool(tool: JsonObject) -> Tool:
    return Tool(parameters_of(tool.get("parameters")), freeform=tool["type"] == "custom")


def _part_faults(number: int, item: dict[str, object]) -> list[str]:
    role, content = str(item["role"]), item["content"]
    if role not in PARTS:
        return [f"input.{number}: no such role: {role}"]
    if isinstance(content, str):
        return []
    assert isinstance(content, list)
    wrong = {part["type"] for part in content} - PARTS[role]
    return [f"input.{number}: {sorted(wrong)} in a message of {role}"] if wrong else []


def _response(seen: Seen, status: str, output: list[JsonObject]) -> JsonObject:
    return {
        "id": f"resp_scripted_{len(seen.results)}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": seen.model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": USAGE if status == "completed" else None,
        "metadata": {},
        "store": False,
    }


def _part(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(reply: Reply, seen: Seen, done: bool) -> JsonObject:
    status = "completed" if done else "in_progress"
    if isinstance(reply, Say):
        content = [_part(reply.text)] if done else []
        item_id = f"msg_scripted_{len(seen.results)}"
        return {"type": "message", "id": item_id, "status": status, "role": "assistant", "content": content}
    item: JsonObject = {"call_id": f"call_scripted_{reply.number}", "name": reply.name, "status": status}
    if reply.text is not None:
        given = reply.text if done else ""
        return item | {"type": "custom_tool_call", "id": f"ctc_scripted_{reply.number}", "input": given}
    arguments = reply.arguments_json if done else ""
    return item | {"type": "function_call", "id": f"fc_scripted_{reply.number}", "arguments": arguments}


def whole(reply: Reply, seen: Seen) -> JsonObject:
    return _response(seen, "completed", [_item(reply, seen, done=True)])


def stream(reply: Reply, seen: Seen) -> Iterator[bytes]:
    item = _item(reply, seen, done=True)
    in_item: JsonObject = {"item_id": item["id"], "output_index": 0}
    in_part: JsonObject = in_item | {"content_index": 0}
    events: list[tuple[str, JsonObject]] = [
        ("response.created", {"response": _response(seen, "in_progress", [])}),
        ("response.in_progress", {"response": _response(seen, "in_progress", [])}),
        ("response.output_item.added", {"output_index": 0, "item": _item(reply, seen, done=False)}),
    ]
    if isinstance(reply, Say):
        events.append(("response.content_part.added", in_part | {"part": _part("")}))
        for piece in halves(reply.text):
            events.append(("response.output_text.delta", in_part | {"delta": piece, "logprobs": []}))
        events.append(("response.output_text.done", in_part | {"text": reply.text, "logprobs": []}))
        events.append(("response.content_part.done", in_part | {"part": _part(reply.text)}))
    elif reply.text is not None:
        for piece in halves(reply.text):
            events.append(("response.custom_tool_call_input.delta", in_item | {"delta": piece}))
        events.append(("response.custom_tool_call_input.done", in_item | {"input": reply.text}))
    else:
        for piece in halves(reply.arguments_json):
            events.append(("response.function_call_arguments.delta", in_item | {"delta": piece}))
        arguments = {"arguments": reply.arguments_json, "name": reply.name}
        events.append(("response.function_call_arguments.done", in_item | arguments))
    events.append(("response.output_item.done", {"output_index": 0, "item": item}))
    events.append(("response.completed", {"response": _response(seen, "completed", [item])}))
    for number, (kind, fields) in enumerate(events):
        yield sse({"type": kind, "sequence_number": number} | fields, event=kind)


OPENAI_RESPONSES = Wire(
    name="openai-responses",
    node={"type": "openai-compatible", "apiType": "responses"},
    base="/v1",
    endpoint=re.compile(r"/v1/responses"),
    key=bearer,
    read=read,
    whole=whole,
    stream=stream,
    refusal=refusal,
    asides=asides,
)
