"""A caller's request, as a conversation.

``instructions`` becomes the first system turn. Fields that mean something to this dialect alone ride along;
those that every answer repeats are kept a second time, as they came (see `vocabulary.ECHO`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from omniroute_hooks import (
    Asked,
    Conversation,
    OutputFormat,
    Peek,
    Reasoning,
    Sampling,
    Text,
    Tool,
    Turn,
)
from omniroute_hooks.conversation import Effort
from omniroute_hooks.jsonio import json_type

from ..bound import bound_files, bound_tools
from ..fields import Fields
from .items_in import ItemReader
from .tools_in import parse_choice, parse_tools
from .vocabulary import ECHO, ID, slot

Json = Mapping[str, Any]
ECHOED = (
    "background",
    "conversation",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)
_SESSION_HEADERS = ("session_id", "session-id", "thread-id")
_STATE = ("previous_response_id", "conversation", "prompt")
_EFFORTS = frozenset(get_args(Effort))


def peek(body: Json, asked: Asked) -> Peek:
    """Model, stream and session, and nothing else. Errors: `BadRequest`."""
    f = Fields(body)
    model, stream = f.text("model", required=True), f.flag("stream")
    f.check()
    key = body.get("prompt_cache_key")
    sessions = [key if isinstance(key, str) else None, *(asked.headers.get(name) for name in _SESSION_HEADERS)]
    return Peek(model or "", stream is True, next((s for s in sessions if s), None))


def parse_request(body: Json, asked: Asked) -> Conversation:
    """The whole request. Errors: `BadRequest` with every wrong field."""
    f = Fields(body)
    model = f.text("model", required=True)
    reader = ItemReader()
    instructions = f.text("instructions")
    if instructions is not None:
        reader.turns.append(Turn("system", (Text(instructions),)))
    previous = f.text("previous_response_id")
    state = previous or _state(f) or None
    _read_input(f, reader, state)
    if f.flag("background"):
        f.wrong("background", "is not offered here: nothing could fetch the answer later")
    tools = (*parse_tools(f.objects("tools")), *reader.tools)
    tool_choice = parse_choice(f)
    reasoning = _reasoning(f)
    output_format, verbosity, text_rest = _text(f)
    conversation = Conversation(
        model=model or "",
        turns=tuple(reader.turns),
        dialect=ID,
        stream=f.flag("stream") is True,
        tools=_once(tools),
        tool_choice=tool_choice,
        parallel_tools=f.flag("parallel_tool_calls"),
        sampling=Sampling(
            temperature=f.number("temperature", 0, 2),
            top_p=f.number("top_p", 0, 1),
            logprobs=True if "message.output_text.logprobs" in _include(f) else None,
            top_logprobs=f.whole("top_logprobs", 0),
        ),
        max_tokens=f.whole("max_output_tokens", 1),
        reasoning=reasoning,
        format=output_format,
        verbosity=verbosity,
        user=f.text("user"),
        metadata=f.mapping("metadata"),
        service_tier=f.text("service_tier"),
        cache_key=f.text("prompt_cache_key"),
        previous_answer_id=state or reader.reference,
        store=f.flag("store"),
        bound=(
            *(name for name in _STATE if body.get(name) is not None),
            *reader.bound,
            *bound_files(reader.turns, "input.content.file_id"),
            *bound_tools(body),
        ),
        ext={ID: {**f.rest(), **text_rest}, ECHO: {k: body[k] for k in ECHOED if body.get(k) is not None}},
    )
    f.check()
    return conversation


def _read_input(f: Fields, reader: ItemReader, state: str | None) -> None:
    value = f.raw("input")
    if isinstance(value, str):
        reader.turns.append(Turn("user", (Text(value),)))
    elif isinstance(value, list):
        for item in f.objects("input"):
            reader.read(item)
        reader.end()
    elif value is not None:
        f.wrong("input", f"must be a string or an array, not {json_type(value)}")
    elif state is None and not reader.turns:
        f.wrong("input", "is required")


def _state(f: Fields) -> str | None:
    """The id of what the provider is to continue from or fill in. The fields themselves ride along."""
    for name in ("conversation", "prompt"):
        value = f.body.get(name)
        if isinstance(value, dict):
            value = value.get("id")
            if not isinstance(value, str):
                f.wrong(f"{name}.id", "is required")
        elif value is not None and (name == "prompt" or not isinstance(value, str)):
            f.wrong(name, f"must be an object, not {json_type(value)}")
            value = None
        if isinstance(value, str):
            return value
    return None


def _include(f: Fields) -> list[Any]:
    value = f.body.get("include")
    if value is None:
        return []
    if not isinstance(value, list):
        f.wrong("include", f"must be an array, not {json_type(value)}")
        return []
    return value


def _reasoning(f: Fields) -> Reasoning:
    r = f.object("reasoning")
    if r is None:
        return Reasoning()
    word, summary = r.text("effort"), r.text("summary") or r.text("generate_summary")
    effort: Effort | None = word if word in _EFFORTS else None  # type: ignore[assignment]  # new words ride along
    return Reasoning(
        mode="unset" if word is None else "off" if word == "none" else "on",
        effort=effort,
        show=None if summary is None else "none" if summary == "none" else "summary",
        ext=slot(dict(r.body)),
    )


def _text(f: Fields) -> tuple[OutputFormat | None, str | None, dict[str, Any]]:
    """Format, verbosity, and whatever else ``text`` holds (as a field ``text`` to ride along)."""
    t = f.object("text")
    if t is None:
        return None, None, {}
    verbosity = t.text("verbosity")
    shape = t.object("format")
    rest = t.rest()
    more = {"text": rest} if rest else {}
    if shape is None:
        return None, verbosity, more
    kind = shape.one_of("type", ("text", "json_object", "json_schema"))
    if kind == "json_object":
        return OutputFormat("json_object"), verbosity, more
    if kind != "json_schema":
        if not shape.has("type"):
            shape.wrong("type", "is required")
        return None, verbosity, more
    inner = shape.object("json_schema") if isinstance(shape.body.get("json_schema"), dict) else shape  # as in chat
    assert inner is not None  # it is an object, as just seen
    schema = inner.mapping("schema")
    if schema is None and not inner.has("schema"):
        inner.wrong("schema", "is required")
    name, description, strict = inner.text("name"), inner.text("description"), inner.flag("strict")
    return OutputFormat("json_schema", schema, name, description, strict), verbosity, more


def _once(tools: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tools that came among the items, unless they are listed already."""
    out: list[Any] = []
    seen: set[tuple[str | None, str]] = set()
    for tool in tools:
        if isinstance(tool, Tool):
            if (tool.namespace, tool.name) in seen:
                continue
            seen.add((tool.namespace, tool.name))
        out.append(tool)
    return tuple(out)
