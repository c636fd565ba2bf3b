"""OpenAI Responses, by hand: the provider's side, and requests. Clients' strictness about streams has a module
of its own, `openai_responses_stream`.

Source: the vendor's API reference, "Responses" and "Streaming events".
"""

from __future__ import annotations

from typing import Any

from ..expectations import array, equal, mapping, must, one_of, text
from ..neutral import Ask, Call, Result, Say, Tokens, ToolSpec, Turn, gathered
from ..speaker import Speaker
from ..wire import dumps, loads, pieces, sse
from .openai_chat import error_body, headers
from .openai_chat_heard import read_error
from .openai_responses_heard import read_answer
from .openai_responses_stream import read_stream

Json = Any
CREATED_S = 1_760_000_000
_INCOMPLETE = {"length": "max_output_tokens", "filtered": "content_filter"}

# The provider ------------------------------------------------------------------------------------


def answer(say: Say) -> dict[str, Json]:
    """A ``response`` object."""
    if say.error:
        return error_body(*say.error)
    reason = _INCOMPLETE.get(say.stop)
    return {
        **_response(say, "incomplete" if reason else "completed"),
        "incomplete_details": {"reason": reason} if reason else None,
        "completed_at": None if reason else CREATED_S + 1,
        "output": _items(say),
        "usage": usage_of(say.usage),
    }


def chunks(say: Say) -> list[bytes]:
    """The stream."""
    out: list[bytes] = []

    def emit(kind: str, **fields: Json) -> None:
        out.append(sse({"type": kind, "sequence_number": len(out), **fields}, event=kind))

    for word in ("created", "in_progress"):
        emit(f"response.{word}", response=_response(say, "in_progress"))
    for index, item in enumerate(_items(say)):
        place = {"item_id": item["id"], "output_index": index}
        begun = {**item, "status": "in_progress"}
        if item["type"] == "message":
            emit("response.output_item.added", output_index=index, item={**begun, "content": []})
            part = item["content"][0]
            place["content_index"] = 0
            emit("response.content_part.added", **place, part={**part, "text": ""})
            for piece in pieces(say.text):
                emit("response.output_text.delta", **place, delta=piece, logprobs=[], obfuscation="x7Qm")
            if say.error:
                break
            emit("response.output_text.done", **place, text=say.text, logprobs=[])
            emit("response.content_part.done", **place, part=part)
        elif item["type"] == "reasoning":
            sealed = {"encrypted_content": ""} if say.signature else {}
            emit("response.output_item.added", output_index=index, item={**item, "summary": [], **sealed})
            place["summary_index"] = 0
            if say.thinking:
                part = {"type": "summary_text", "text": say.thinking}
                emit("response.reasoning_summary_part.added", **place, part={**part, "text": ""})
                for piece in pieces(say.thinking):
                    emit("response.reasoning_summary_text.delta", **place, delta=piece)
                emit("response.reasoning_summary_text.done", **place, text=say.thinking)
                emit("response.reasoning_summary_part.done", **place, part=part)
        else:
            emit("response.output_item.added", output_index=index, item={**begun, "arguments": ""})
            for piece in pieces(item["arguments"]):
                emit("response.function_call_arguments.delta", **place, delta=piece)
            emit("response.function_call_arguments.done", **place, arguments=item["arguments"], name=item["name"])
        emit("response.output_item.done", output_index=index, item=item)
    if say.error:
        failure = {"code": "rate_limit_exceeded" if say.error[0] == 429 else "server_error", "message": say.error[1]}
        emit("response.failed", response={**_response(say, "failed"), "error": failure})
    else:
        whole = answer(say)
        emit(f"response.{whole['status']}", response=whole)
    return out


def _response(say: Say, status: str) -> dict[str, Json]:
    return {
        "id": f"resp_{say.id}",
        "object": "response",
        "created_at": CREATED_S,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": say.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
    }


def _items(say: Say) -> list[dict[str, Json]]:
    status = "incomplete" if say.stop in _INCOMPLETE else "completed"
    items: list[dict[str, Json]] = []
    if say.thinking or say.signature:
        summary = [{"type": "summary_text", "text": say.thinking}] if say.thinking else []
        items.append({"id": f"rs_{say.id}", "type": "reasoning", "summary": summary})
        if say.signature:
            items[-1]["encrypted_content"] = say.signature
    if say.text:
        part = {"type": "output_text", "text": say.text, "annotations": [], "logprobs": []}
        message = {"id": f"msg_{say.id}", "type": "message", "role": "assistant", "status": status, "content": [part]}
        items.append(message)
    for number, call in enumerate(say.tool_calls):
        items.append(
            {
                "id": f"fc_{say.id}{number}",
                "type": "function_call",
                "status": "completed",
                "call_id": call.id,
                "name": call.name,
                "arguments": dumps(call.args),
            }
        )
    return items


def usage_of(tokens: Tokens) -> dict[str, Json]:
    """The usage object: input includes the cache, output includes reasoning."""
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.written},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }


def read_request(body: Json) -> Ask:
    """What a request asks. Errors: `AssertionError` on what the vendor answers with a 400."""
    system = [body["instructions"]] if body.get("instructions") else []
    turns: list[Turn] = []
    names: dict[str, str] = {}
    results: set[str] = set()
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else array(body, "input")
    must(items, "input must not be empty")
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            role = one_of(item, "role", ("user", "system", "developer", "assistant"))
            said = _content(item, "output_text" if role == "assistant" else "input_text")
            if role in ("system", "developer"):
                system.append(said)
            else:
                turns.append(Turn(role="assistant" if role == "assistant" else "user", text=said))
        elif kind == "function_call":
            args = loads(text(item, "arguments") or "{}")
            must(isinstance(args, dict), "arguments must be the JSON text of an object")
            must(
                str(item.get("id", "fc_")).startswith("fc_"), f"the id {item.get('id')!r} of a call must begin with fc_"
            )
            call = Call(text(item, "call_id", filled=True), text(item, "name", filled=True), args)
            must(call.id not in names, f"two calls have the id {call.id!r}")
            must(len(call.id) <= 64, "call_id is longer than 64")
            names[call.id] = call.name
            turns.append(Turn(role="assistant", calls=(call,)))
        elif kind == "function_call_output":
            call_id = text(item, "call_id", filled=True)
            must(call_id in names, f"No tool call found for function call output with call_id {call_id}.")
            must(call_id not in results, f"two outputs for the call {call_id!r}")
            results.add(call_id)
            turns.append(Turn(role="user", results=(Result(call_id, names[call_id], _output(item)),)))
        else:
            must(kind == "reasoning", f"an input item of type {kind!r}")
            array(item, "summary")
            must(item.get("status", "") is not None, "status must be left out of reasoning rather than null")
    must(set(names) == results, f"No tool output found for function call {sorted(set(names) - results)}.")
    for foreign in ("stop", "n", "seed", "frequency_penalty", "presence_penalty", "max_tokens", "messages"):
        must(foreign not in body, f"Unsupported parameter: '{foreign}'.")
    tools = _tools(body)
    limit = body.get("max_output_tokens")
    must(limit is None or limit >= 16, "max_output_tokens is below its minimum of 16")
    return Ask(
        system="".join(system),
        turns=gathered(turns),
        tools=tools,
        tool_choice=_tool_choice(body, tools),
        max_tokens=limit,
        temperature=body.get("temperature"),
        model=text(body, "model", filled=True),
        stream=bool(body.get("stream", False)),
        thinks=(body.get("reasoning") or {}).get("effort") not in (None, "none"),
    )


def _content(item: Json, kind: str) -> str:
    content = item.get("content")
    if isinstance(content, str):
        return content
    out = []
    for part in array(item, "content"):
        equal(part, "type", kind)
        out.append(text(part, "text"))
    return "".join(out)


def _output(item: Json) -> str:
    output = item.get("output")
    return output if isinstance(output, str) else _content({"content": output}, "input_text")


def _tools(body: Json) -> tuple[ToolSpec, ...]:
    out = []
    for tool in array(body, "tools") if "tools" in body else []:
        equal(tool, "type", "function")
        must("function" not in tool, "a function tool is flat in this dialect")
        out.append(
            ToolSpec(text(tool, "name", filled=True), tool.get("description") or "", mapping(tool, "parameters"))
        )
    must(len({tool.name for tool in out}) == len(out), "two tools have the same name")
    return tuple(out)


def _tool_choice(body: Json, tools: tuple[ToolSpec, ...]) -> str | None:
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, str):
        words = {"auto": None, "none": "none", "required": "any"}
        must(choice in words, f"tool_choice {choice!r} is unknown")
        return words[choice]
    equal(choice, "type", "function")
    name = text(choice, "name")
    must(name in {tool.name for tool in tools}, f"tool_choice names {name!r}, which is no tool")
    return name


# The client --------------------------------------------------------------------------------------


def request_of(ask: Ask) -> dict[str, Json]:
    """The request body."""
    items: list[dict[str, Json]] = []
    for turn in ask.turns:
        items += [{"type": "function_call_output", "call_id": r.id, "output": r.text} for r in turn.results]
        if turn.text:
            kind = "output_text" if turn.role == "assistant" else "input_text"
            items.append({"type": "message", "role": turn.role, "content": [{"type": kind, "text": turn.text}]})
        items += [
            {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": dumps(call.args)}
            for call in turn.calls
        ]
    body: dict[str, Json] = {"model": ask.model, "input": items, "store": False}
    if ask.system:
        body["instructions"] = ask.system
    if ask.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in ask.tools
        ]
    if ask.tool_choice is not None:
        words: dict[str, Json] = {"any": "required", "none": "none"}
        body["tool_choice"] = words.get(ask.tool_choice, {"type": "function", "name": ask.tool_choice})
    if ask.max_tokens is not None:
        body["max_output_tokens"] = ask.max_tokens
    if ask.temperature is not None:
        body["temperature"] = ask.temperature
    if ask.thinks:
        body |= {
            "reasoning": {"effort": "medium", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
        }
    if ask.stream:
        body["stream"] = True
    return body


def path(ask: Ask) -> str:
    """Where the request goes."""
    return "/v1/responses"


OPENAI_RESPONSES = Speaker(
    id="openai-responses",
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
