"""What a strict client makes of an answer of Anthropic Messages, whole or streamed.

Source: the vendor's API reference, "Messages", "Streaming Messages" and "Errors".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from ..expectations import array, equal, mapping, must, number, one_of, present, text
from ..neutral import Call, Heard, StopWord, Tokens
from ..wire import events, loads

Json = Any
REASONS: Mapping[StopWord, str] = {
    "end": "end_turn",
    "tool": "tool_use",
    "length": "max_tokens",
    "filtered": "refusal",
}
ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
ID = re.compile(r"[a-zA-Z0-9_-]+")


def read_answer(body: Json) -> Heard:
    """What a strict client makes of a ``message``."""
    _check_message(body)
    said, thought, calls, seal = "", "", [], None
    for block in array(body, "content"):
        kind = one_of(block, "type", ("text", "thinking", "redacted_thinking", "tool_use"))
        if kind == "text":
            said += text(block, "text", filled=True)
        elif kind == "thinking":
            thought += text(block, "thinking")
            seal = seal or text(block, "signature", filled=True)
        elif kind == "redacted_thinking":
            seal = seal or text(block, "data", filled=True)
        else:
            calls.append(Call(_tool_id(block), text(block, "name", filled=True), mapping(block, "input")))
    return Heard(
        text=said,
        thinking=thought,
        tool_calls=calls,
        stop=_stop(text(body, "stop_reason"), bool(calls)),
        usage=read_usage(mapping(body, "usage")),
        signature=seal,
        model=body["model"],
        id=body["id"],
    )


def _check_message(body: Json) -> None:
    equal(body, "type", "message")
    equal(body, "role", "assistant")
    text(body, "id", filled=True)
    text(body, "model", filled=True)
    present(body, "stop_reason", "stop_sequence")


def _tool_id(block: Json) -> str:
    call_id = text(block, "id")
    must(ID.fullmatch(call_id), f"the id {call_id!r} does not match {ID.pattern}")
    return call_id


def _stop(reason: str, called: bool) -> StopWord:
    words: dict[str, StopWord] = {word: stop for stop, word in REASONS.items()}
    words["stop_sequence"] = "end"
    must(reason in words, f"stop_reason {reason!r} is unknown")
    must(reason != "tool_use" or called, "stop_reason is tool_use, and there is none")
    must(reason != "end_turn" or not called, "stop_reason is end_turn, and there are tool calls")
    return words[reason]


@define
class _Listener:
    """What has been heard of a stream so far."""

    message: dict[str, Json] | None = None
    blocks: list[dict[str, Json]] = field(factory=list)
    open: bool = False
    ended: dict[str, Json] | None = None  # message_delta
    stopped: bool = False
    error: str | None = None


_FITS = {
    "text_delta": "text",
    "input_json_delta": "tool_use",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}


def read_stream(data: bytes) -> Heard:
    """What a strict client makes of a stream: one open block at a time, every block whole, one end."""
    heard = _Listener()
    for event in events(data):
        body = event.json
        kind = text(body, "type", filled=True)
        must(event.name == kind, f"event {event.name!r} has data of type {kind!r}")
        must(not heard.stopped and heard.error is None, f"{kind} comes after the end")
        if kind == "ping":
            continue
        if kind == "error":
            heard.error = text(mapping(body, "error"), "message", filled=True)
            must(text(mapping(body, "error"), "type") in ERROR_TYPES.values(), "the error's type is unknown")
        elif kind == "message_start":
            _started(heard, body)
        else:
            must(heard.message is not None, f"{kind} comes before message_start")
            must(heard.ended is None or kind == "message_stop", f"{kind} comes after message_delta")
            must(kind in _STEPS, f"{kind} is unknown")
            _STEPS[kind](heard, body)
    if heard.error is not None:
        return _broken(heard)
    if heard.message is None or heard.ended is None or not heard.stopped:
        raise AssertionError("the stream has no message_stop")
    whole = {
        **heard.message,
        **mapping(heard.ended, "delta"),
        "content": heard.blocks,
        "usage": {**heard.message["usage"], **heard.ended["usage"]},
    }
    return read_answer(whole)


def _started(heard: _Listener, body: Mapping[str, Json]) -> None:
    must(heard.message is None, "message_start comes twice")
    message = mapping(body, "message")
    _check_message(message)
    equal(message, "content", [])
    equal(message, "stop_reason", None)
    number(mapping(message, "usage"), "input_tokens")
    number(mapping(message, "usage"), "output_tokens")
    heard.message = message


def _block_started(heard: _Listener, body: Mapping[str, Json]) -> None:
    must(not heard.open, "a block starts while another is open")
    must(number(body, "index") == len(heard.blocks), "block indices must rise by one")
    block = mapping(body, "content_block")
    kind = one_of(block, "type", ("text", "thinking", "redacted_thinking", "tool_use"))
    if kind == "tool_use":
        equal(block, "input", {})
        _tool_id(block)
        text(block, "name", filled=True)
        block["input"] = ""  # its JSON text, until the block stops
    elif kind != "redacted_thinking":
        equal(block, kind, "")
    if kind == "thinking":
        equal(block, "signature", "")
    heard.blocks.append(block)
    heard.open = True


def _block_grew(heard: _Listener, body: Mapping[str, Json]) -> None:
    block = _open_block(heard, body)
    delta = mapping(body, "delta")
    kind = one_of(delta, "type", tuple(_FITS))
    must(_FITS[kind] == block["type"], f"a {kind} in a block of type {block['type']}")
    if kind == "text_delta":
        block["text"] += text(delta, "text")
    elif kind == "input_json_delta":
        block["input"] += text(delta, "partial_json")
    elif kind == "thinking_delta":
        must(not block["signature"], "thinking goes on after its signature")
        block["thinking"] += text(delta, "thinking")
    else:
        must(not block["signature"], "a block has two signatures")
        block["signature"] = text(delta, "signature", filled=True)


def _block_stopped(heard: _Listener, body: Mapping[str, Json]) -> None:
    block = _open_block(heard, body)
    if block["type"] == "tool_use":
        block["input"] = loads(block["input"] or "{}")
    heard.open = False


def _open_block(heard: _Listener, body: Mapping[str, Json]) -> dict[str, Json]:
    must(heard.open, "no block is open")
    must(number(body, "index") == len(heard.blocks) - 1, "an event for a block that is not open")
    return heard.blocks[-1]


def _message_grew(heard: _Listener, body: Mapping[str, Json]) -> None:
    must(not heard.open, "message_delta comes while a block is open")
    present(mapping(body, "delta"), "stop_reason", "stop_sequence")
    number(mapping(body, "usage"), "output_tokens")
    heard.ended = dict(body)


def _message_stopped(heard: _Listener, body: Mapping[str, Json]) -> None:
    must(heard.ended is not None, "message_stop comes before message_delta")
    heard.stopped = True


_STEPS = {
    "content_block_start": _block_started,
    "content_block_delta": _block_grew,
    "content_block_stop": _block_stopped,
    "message_delta": _message_grew,
    "message_stop": _message_stopped,
}


def _broken(heard: _Listener) -> Heard:
    return Heard(
        text="".join(block["text"] for block in heard.blocks if block["type"] == "text"),
        thinking="".join(block["thinking"] for block in heard.blocks if block["type"] == "thinking"),
        stop=None,
        usage=None,
        error=heard.error,
    )


def read_usage(usage: Json) -> Tokens:
    """Counts; the vendor's disjoint ones are added up."""
    cached = number(usage, "cache_read_input_tokens")
    written = number(usage, "cache_creation_input_tokens")
    details = usage.get("output_tokens_details") or {"thinking_tokens": 0}
    tokens = Tokens(
        input=number(usage, "input_tokens") + cached + written,
        cached=cached,
        written=written,
        output=number(usage, "output_tokens"),
        reasoning=number(details, "thinking_tokens"),
    )
    must(tokens.reasoning <= tokens.output, "more was reasoned than was written")
    return tokens


def read_error(status: int, body: Json) -> str:
    """The message of an error body, whose type must fit the status."""
    equal(body, "type", "error")
    error = mapping(body, "error")
    kind = text(error, "type", filled=True)
    fitting = ERROR_TYPES.get(status)
    if fitting is None:
        fitting = "api_error" if status >= 500 else "invalid_request_error"
    must(
        kind in (fitting, "overloaded_error" if status == 503 else fitting), f"{status} goes with {fitting}, not {kind}"
    )
    return text(error, "message", filled=True)
