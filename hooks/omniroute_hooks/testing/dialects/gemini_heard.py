"""What a strict client makes of an answer of Gemini's generateContent, whole or streamed.

Source: the vendor's API reference, "Generating content" and "Thought signatures"; `google-genai`'s reader.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from ..expectations import array, equal, mapping, must, number, text
from ..neutral import Call, Heard, StopWord, Tokens
from ..wire import events, loads

Json = Any
STATUS: Mapping[int, tuple[str, ...]] = {
    400: ("INVALID_ARGUMENT", "FAILED_PRECONDITION"),
    401: ("UNAUTHENTICATED",),
    403: ("PERMISSION_DENIED",),
    404: ("NOT_FOUND",),
    429: ("RESOURCE_EXHAUSTED",),
    499: ("CANCELLED",),
    500: ("INTERNAL",),
    503: ("UNAVAILABLE",),
    504: ("DEADLINE_EXCEEDED",),
}


def read_answer(body: Json) -> Heard:
    """What a strict client makes of a ``GenerateContentResponse``."""
    return _read([body])


def read_stream(data: bytes) -> Heard:
    """What a strict client makes of a stream: server-sent events, or one JSON array (without ``alt=sse``).

    The vendor's Python SDK takes any line that does not begin with ``data: `` for JSON.
    """
    if data.lstrip()[:1] == b"[":
        return _read(array({"stream": loads(data)}, "stream"))
    found = events(data, comments=False)
    must(not any(event.name for event in found), "streams of this dialect have no event names")
    return _read([event.json for event in found])


def _read(bodies: list[Json]) -> Heard:
    must(bodies, "the stream is empty")
    said, thought, seal, finish, usage = "", "", None, None, None
    calls: list[Call] = []
    for body in bodies:
        if "error" in body:
            must(body is bodies[-1], "nothing may follow an error")
            must(finish is None, "an error comes after finishReason")
            message = text(mapping(body, "error"), "message", filled=True)
            return Heard(text=said, thinking=thought, stop=None, usage=None, error=message)
        for name in ("responseId", "modelVersion"):
            must(text(body, name, filled=True) == bodies[0][name], f"{name} changes within the stream")
        if "usageMetadata" in body:
            usage = mapping(body, "usageMetadata")
        if not body.get("candidates"):
            feedback = mapping(body, "promptFeedback")  # else the SDK's callers read candidates[0] blindly
            text(feedback, "blockReason", filled=True)
            must(body is bodies[-1], "nothing may follow a blocked prompt")
            finish = "SAFETY"
            continue
        must(len(body["candidates"]) == 1, "one candidate was asked for")
        candidate = body["candidates"][0]
        must(candidate.get("index", 0) == 0, "the first candidate has index 0")
        must(finish is None, "a chunk comes after finishReason")
        content = candidate.get("content", {"role": "model"})
        equal(content, "role", "model")
        for part in content.get("parts", []):
            kind = data_of(part)
            seal = part.get("thoughtSignature", seal)
            must(kind in ("text", "functionCall"), f"a part with {kind}")
            if kind == "functionCall":
                call = mapping(part, "functionCall")
                calls.append(
                    Call(
                        call.get("id", ""),
                        text(call, "name", filled=True),
                        mapping(call, "args") if "args" in call else {},
                    )
                )
            elif part.get("thought"):
                must(part["thought"] is True, "thought must be true")
                thought += text(part, "text")
            else:
                said += text(part, "text")
        finish = candidate.get("finishReason")
    must(finish is not None, "finishReason is missing")
    return Heard(
        text=said,
        thinking=thought,
        tool_calls=calls,
        stop=_stop(str(finish), bool(calls)),
        usage=None if usage is None else read_usage(usage),
        signature=seal,
        model=bodies[0]["modelVersion"],
        id=bodies[0]["responseId"],
    )


def _stop(finish: str, called: bool) -> StopWord:
    if finish == "STOP":
        return "tool" if called else "end"
    words: dict[str, StopWord] = {"MAX_TOKENS": "length", "SAFETY": "filtered"}
    must(finish in words, f"finishReason {finish!r} is unknown")
    return words[finish]


def read_usage(usage: Json) -> Tokens:
    """Counts that add up; absent ones are 0."""
    counts = {
        name: number({name: usage.get(name, 0)}, name)
        for name in (
            "promptTokenCount",
            "cachedContentTokenCount",
            "candidatesTokenCount",
            "thoughtsTokenCount",
            "toolUsePromptTokenCount",
            "totalTokenCount",
        )
    }
    tokens = Tokens(
        input=counts["promptTokenCount"] + counts["toolUsePromptTokenCount"],
        cached=counts["cachedContentTokenCount"],
        output=counts["candidatesTokenCount"] + counts["thoughtsTokenCount"],
        reasoning=counts["thoughtsTokenCount"],
    )
    must(counts["totalTokenCount"] == tokens.input + tokens.output, "totalTokenCount does not add up")
    must(tokens.cached <= tokens.input, "more is cached than was read")
    return tokens


def read_error(status: int, body: Json) -> str:
    """The message of an error body, whose code is the status and whose word fits it."""
    error = mapping(body, "error")
    equal(error, "code", status)
    word = text(error, "status", filled=True)
    must(re.fullmatch(r"[A-Z_]+", word), f"status {word!r} is no word of this vendor's")
    must(word in STATUS.get(status, (word,)), f"{status} goes with {STATUS.get(status)}, not {word}")
    return text(error, "message", filled=True)


def data_of(part: Json) -> str:
    """The one data field of a part."""
    found = [name for name in ("text", "functionCall", "functionResponse", "inlineData", "fileData") if name in part]
    must(len(found) == 1, f"required oneof field 'data' must have one initialized field: {sorted(part)}")
    if "thoughtSignature" in part:
        must(found[0] != "functionResponse", "functionResponse parts are never signed")
        if part["thoughtSignature"] != "skip_thought_signature_validator":
            _check_base64(text(part, "thoughtSignature", filled=True))
    return found[0]


def _check_base64(value: str) -> None:
    try:
        base64.b64decode(value, validate=True)
    except ValueError as exc:
        raise AssertionError(f"thoughtSignature is not base64: {value!r}") from exc
