"""OpenAI Chat Completions, by hand: the provider's side, and requests. `openai_chat_heard` reads answers.

Source: the vendor's API reference, "Chat Completions"; ``reasoning_content`` as DeepSeek and others send it,
``reasoning_details`` as OpenRouter does where reasoning is signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..expectations import array, equal, mapping, must, one_of, text
from ..neutral import Ask, Result, Say, Tokens, ToolSpec, Turn, gathered
from ..speaker import Speaker
from ..wire import dumps, pieces, sse
from .openai_chat_heard import FINISH, read_answer, read_calls, read_error, read_stream

Json = Any
CREATED_S = 1_760_000_000
_ERROR_TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 429: "rate_limit_error"}
_ERROR_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}

# The provider ------------------------------------------------------------------------------------


def answer(say: Say) -> dict[str, Json]:
    """A ``chat.completion``."""
    if say.error:
        return error_body(*say.error)
    message: dict[str, Json] = {"role": "assistant", "content": say.text or None, "refusal": None, "annotations": []}
    if say.signature:
        message["reasoning"] = say.thinking
        message["reasoning_details"] = [_signed(say, say.thinking)]
    elif say.thinking:
        message["reasoning_content"] = say.thinking
    if say.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": dumps(call.args)}}
            for call in say.tool_calls
        ]
    return {
        "id": f"chatcmpl-{say.id}",
        "object": "chat.completion",
        "created": CREATED_S,
        "model": say.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[say.stop]}],
        "usage": usage_of(say.usage),
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    }


def chunks(say: Say) -> list[bytes]:
    """The stream, with the usage chunk that every gateway should ask for."""

    def chunk(choices: list[Json], usage: Json = None) -> bytes:
        return sse(
            {
                "id": f"chatcmpl-{say.id}",
                "object": "chat.completion.chunk",
                "created": CREATED_S,
                "model": say.model,
                "system_fingerprint": "fp_44709d6fcb",
                "choices": choices,
                "usage": usage,
            }
        )

    def delta(fields: Mapping[str, Json], finish: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": fields, "logprobs": None, "finish_reason": finish}])

    out = [delta({"role": "assistant", "content": "", "refusal": None})]
    for piece in pieces(say.thinking):
        fields: dict[str, Json] = {"reasoning_content": piece}
        if say.signature:
            fields = {
                "reasoning": piece,
                "reasoning_details": [{"type": "reasoning.text", "text": piece, "format": "scripted", "index": 0}],
            }
        out.append(delta(fields))
    if say.signature:
        out.append(delta({"reasoning": "", "reasoning_details": [_signed(say, None)]}))
    out += [delta({"content": piece}) for piece in pieces(say.text)]
    for index, call in enumerate(say.tool_calls):
        function = {"name": call.name, "arguments": ""}
        out.append(delta({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}))
        for piece in pieces(dumps(call.args)):
            out.append(delta({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    if say.error:
        return [*out, sse(error_body(*say.error))]
    return [*out, delta({}, FINISH[say.stop]), chunk([], usage_of(say.usage)), sse("[DONE]")]


def usage_of(tokens: Tokens) -> dict[str, Json]:
    """The usage object: input includes the cache, output includes reasoning."""
    details = {"cached_tokens": tokens.cached, "audio_tokens": 0}
    if tokens.written:
        details["cache_write_tokens"] = tokens.written
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def error_body(status: int, message: str) -> dict[str, Json]:
    """The error envelope."""
    kind = _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": _ERROR_CODES.get(status)}}


def _signed(say: Say, words: str | None) -> dict[str, Json]:
    detail = {"type": "reasoning.text", "signature": say.signature, "format": "scripted", "index": 0}
    return detail if words is None else {**detail, "text": words}


def read_request(body: Json) -> Ask:
    """What a request asks. Errors: `AssertionError` on what the vendor answers with a 400."""
    system: list[str] = []
    turns: list[Turn] = []
    waiting: dict[str, str] = {}  # calls without a result: id -> name
    messages = array(body, "messages")
    must(messages, "messages must not be empty")
    for message in messages:
        role = one_of(message, "role", ("system", "developer", "user", "assistant", "tool"))
        must(role == "tool" or not waiting, f"calls {sorted(waiting)} must be answered before a {role} message")
        if role == "tool":
            call_id = text(message, "tool_call_id", filled=True)
            must(call_id in waiting, f"a tool message answers {call_id!r}, which no call before it has")
            turns.append(Turn(role="user", results=(Result(call_id, waiting.pop(call_id), _content(message)),)))
        elif role == "user":
            turns.append(Turn(role="user", text=_content(message)))
        elif role == "assistant":
            calls = read_calls(message)
            must(len({call.id for call in calls}) == len(calls), "two calls have the same id")
            waiting.update({call.id: call.name for call in calls})
            said = "" if message.get("content") is None else _content(message)
            must(calls or message.get("content") is not None, "an assistant message has neither content nor calls")
            turns.append(Turn(role="assistant", text=said, calls=calls))
        else:
            system.append(_content(message))
    must(not waiting, f"calls {sorted(waiting)} are never answered")
    tools = _tools(body)
    return Ask(
        system="".join(system),
        turns=gathered(turns),
        tools=tools,
        tool_choice=_tool_choice(body, tools),
        max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
        temperature=body.get("temperature"),
        model=text(body, "model", filled=True),
        stream=_stream_flag(body),
        thinks=body.get("reasoning_effort") not in (None, "none"),
    )


def _stream_flag(body: Json) -> bool:
    stream = body.get("stream", False)
    must(isinstance(stream, bool), "stream must be true or false")
    must(stream or "stream_options" not in body, "stream_options without stream")
    return bool(stream)


def _content(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    out = []
    for part in array(message, "content"):
        equal(part, "type", "text")
        out.append(text(part, "text"))
    return "".join(out)


def _tools(body: Json) -> tuple[ToolSpec, ...]:
    if "tools" not in body:
        must("tool_choice" not in body, "tool_choice without tools")
        must("parallel_tool_calls" not in body, "parallel_tool_calls without tools")
        return ()
    found = array(body, "tools")
    must(found, "tools must be left out where there are none")
    out = []
    for tool in found:
        equal(tool, "type", "function")
        function = mapping(tool, "function")
        out.append(
            ToolSpec(text(function, "name", filled=True), function.get("description") or "", function["parameters"])
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
    name = text(mapping(choice, "function"), "name")
    must(name in {tool.name for tool in tools}, f"tool_choice names {name!r}, which is no tool")
    return name


# The client --------------------------------------------------------------------------------------


def request_of(ask: Ask) -> dict[str, Json]:
    """The request body."""
    messages: list[dict[str, Json]] = []
    if ask.system:
        messages.append({"role": "system", "content": ask.system})
    for turn in ask.turns:
        messages += [{"role": "tool", "tool_call_id": r.id, "content": r.text} for r in turn.results]
        if turn.role == "assistant":
            message: dict[str, Json] = {"role": "assistant", "content": turn.text or None}
            if turn.calls:
                message["tool_calls"] = [
                    {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": dumps(call.args)}}
                    for call in turn.calls
                ]
            messages.append(message)
        elif turn.text:
            messages.append({"role": "user", "content": turn.text})
    body: dict[str, Json] = {"model": ask.model, "messages": messages}
    if ask.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in ask.tools
        ]
    if ask.tool_choice is not None:
        words: dict[str, Json] = {"any": "required", "none": "none"}
        body["tool_choice"] = words.get(ask.tool_choice, {"type": "function", "function": {"name": ask.tool_choice}})
    if ask.max_tokens is not None:
        body["max_completion_tokens"] = ask.max_tokens
    if ask.temperature is not None:
        body["temperature"] = ask.temperature
    if ask.thinks:
        body["reasoning_effort"] = "medium"
    if ask.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def path(ask: Ask) -> str:
    """Where the request goes."""
    return "/v1/chat/completions"


def headers(key: str) -> dict[str, str]:
    """How the client shows its key."""
    return {"Authorization": f"Bearer {key}"}


OPENAI_CHAT = Speaker(
    id="openai-chat",
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
