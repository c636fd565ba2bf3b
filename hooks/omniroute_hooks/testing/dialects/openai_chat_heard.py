"""What a strict client makes of an answer of OpenAI's Chat Completions, whole or streamed.

Source: the vendor's API reference, "The chat completion object" and "Streaming"; `openai-python`'s accumulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..expectations import array, equal, mapping, must, number, present, text
from ..neutral import Call, Heard, StopWord, Tokens
from ..wire import events, loads

Json = Any
FINISH: Mapping[StopWord, str] = {
    "end": "stop",
    "tool": "tool_calls",
    "length": "length",
    "filtered": "content_filter",
}


def read_answer(body: Json) -> Heard:
    """What a strict client makes of a ``chat.completion``."""
    equal(body, "object", "chat.completion")
    number(body, "created", least=1)
    choices = array(body, "choices")
    must(len(choices) == 1, f"one choice was asked for, {len(choices)} came")
    choice = choices[0]
    equal(choice, "index", 0)
    message = mapping(choice, "message")
    equal(message, "role", "assistant")
    present(message, "content")
    must(message["content"] is None or isinstance(message["content"], str), "content must be a string or null")
    calls = read_calls(message)
    for call in message.get("tool_calls", ()):
        text(call["function"], "arguments", filled=True)
    return Heard(
        text=message["content"] or "",
        thinking=_thinking(message),
        tool_calls=calls,
        stop=_stop(text(choice, "finish_reason"), calls),
        usage=read_usage(mapping(body, "usage")),
        signature=_signature(message.get("reasoning_details")),
        model=text(body, "model", filled=True),
        id=text(body, "id", filled=True),
    )


def read_stream(data: bytes) -> Heard:
    """What a strict client makes of a stream: joined as the vendor's SDK joins it."""
    found = events(data)
    must(found, "the stream is empty")
    must(not any(event.name for event in found), "chat streams have no event names")
    ended = found[-1].data == "[DONE]"
    frames = [event.json for event in (found[:-1] if ended else found)]
    message: dict[str, Json] = {"content": None, "thinking": "", "calls": [], "details": []}
    finish: str | None = None
    usage: Tokens | None = None
    first: dict[str, Json] | None = None
    for place, frame in enumerate(frames):
        if "error" in frame:
            must(place == len(frames) - 1 and not ended, "nothing may follow an error")
            must(finish is None, "an error after finish_reason")
            complaint = text(mapping(frame, "error"), "message", filled=True)
            return _heard(message, None, None, first or {}, complaint)
        first = first or frame
        equal(frame, "object", "chat.completion.chunk")
        number(frame, "created", least=1)
        for name in ("id", "created", "model"):
            must(frame.get(name) == first.get(name), f"{name} changes within the stream")
        must(usage is None, "a chunk comes after the usage chunk")
        choices = array(frame, "choices")
        if not choices:
            must(finish is not None, "the usage chunk comes before finish_reason")
            usage = read_usage(mapping(frame, "usage"))
            continue
        must(frame.get("usage") is None, "usage belongs to the last chunk, whose choices are empty")
        must(len(choices) == 1, "one choice was asked for")
        equal(choices[0], "index", 0)
        present(choices[0], "finish_reason")
        must(finish is None, "a choice goes on after its finish_reason")
        delta = mapping(choices[0], "delta")
        must(place > 0 or delta.get("role") == "assistant", "the first delta must name the role")
        must(delta.get("role", "assistant") == "assistant", f"role {delta.get('role')!r}")
        _join(message, delta)
        finish = choices[0]["finish_reason"]
    must(ended, "[DONE] is missing")
    must(finish is not None and first is not None, "finish_reason is missing")
    return _heard(message, finish, usage, first or {}, None)


def _join(message: dict[str, Json], delta: Mapping[str, Json]) -> None:
    content = delta.get("content")
    if content is not None:
        must(isinstance(content, str), "delta.content must be a string")
        message["content"] = (message["content"] or "") + content
    message["thinking"] += _thinking(delta)
    message["details"] += delta.get("reasoning_details") or []
    calls: list[dict[str, Json]] = message["calls"]
    must("tool_calls" not in delta or delta["tool_calls"], "tool_calls must be left out where there are none")
    for piece in delta.get("tool_calls", ()):
        index = number(piece, "index")
        function = mapping(piece, "function")
        if index == len(calls):
            equal(piece, "type", "function")
            calls.append(
                {"id": text(piece, "id", filled=True), "name": text(function, "name", filled=True), "args": ""}
            )
        else:
            must(index < len(calls), f"tool call {index} comes while {len(calls)} are known")
            must(not function.get("name"), "a name that is repeated is joined to itself")
            must(not piece.get("id"), "an id that is repeated is joined to itself")
        calls[index]["args"] += function.get("arguments") or ""


def _heard(
    message: Mapping[str, Json], finish: str | None, usage: Tokens | None, frame: Mapping[str, Json], error: str | None
) -> Heard:
    calls: tuple[Call, ...] = ()
    if error is None:  # the calls of a broken stream may be broken too
        made = [Call(call["id"], call["name"], loads(call["args"])) for call in message["calls"]]
        must(all(isinstance(call.args, dict) for call in made), "arguments must be the JSON text of an object")
        calls = tuple(made)
    return Heard(
        text=message["content"] or "",
        thinking=message["thinking"],
        tool_calls=calls,
        stop=None if finish is None else _stop(finish, calls),
        usage=usage,
        error=error,
        signature=_signature(message["details"]),
        model=str(frame.get("model", "")),
        id=str(frame.get("id", "")),
    )


def _thinking(holder: Mapping[str, Json]) -> str:
    for name in ("reasoning_content", "reasoning"):
        value = holder.get(name)
        if value is not None:
            must(isinstance(value, str), f"{name} must be a string")
            return str(value)
    return ""


def _signature(details: Json) -> str | None:
    found = [d.get("signature") or d.get("data") for d in details or ()]
    return next((str(seal) for seal in found if seal), None)


def _stop(finish: str, calls: tuple[Call, ...]) -> StopWord:
    words: dict[str, StopWord] = {word: stop for stop, word in FINISH.items()}
    must(finish in words, f"finish_reason {finish!r} is unknown")
    must((finish == "tool_calls") <= bool(calls), "finish_reason is tool_calls, and there are none")
    must(finish != "stop" or not calls, "finish_reason is stop, and there are tool calls")
    return words[finish]


def read_usage(usage: Json) -> Tokens:
    """Counts that add up, with both detail objects, which strict clients demand."""
    inside = mapping(usage, "prompt_tokens_details")
    outside = mapping(usage, "completion_tokens_details")
    tokens = Tokens(
        input=number(usage, "prompt_tokens"),
        cached=number(inside, "cached_tokens"),
        written=inside.get("cache_write_tokens", 0),
        output=number(usage, "completion_tokens"),
        reasoning=number(outside, "reasoning_tokens"),
    )
    must(number(usage, "total_tokens") == tokens.input + tokens.output, "total_tokens does not add up")
    must(tokens.cached + tokens.written <= tokens.input, "more is cached than was read")
    must(tokens.reasoning <= tokens.output, "more was reasoned than was written")
    return tokens


def read_error(status: int, body: Json) -> str:
    """The message of an error body."""
    error = mapping(body, "error")
    present(error, "param", "code")
    text(error, "type", filled=True)
    must(status >= 400, f"status {status} is no error")
    must(error["code"] is None or isinstance(error["code"], str), "code must be a string or null")
    return text(error, "message", filled=True)


def read_calls(message: Json) -> tuple[Call, ...]:
    """The finished tool calls of a message."""
    if "tool_calls" not in message:
        return ()
    found = array(message, "tool_calls")
    must(found, "tool_calls must be left out where there are none")
    out = []
    for call in found:
        equal(call, "type", "function")
        function = mapping(call, "function")
        args = loads(text(function, "arguments") or "{}")
        must(isinstance(args, dict), f"arguments must be the JSON text of an object: {args!r}")
        out.append(Call(text(call, "id", filled=True), text(function, "name", filled=True), args))
    return tuple(out)
