"""A caller's request as a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omniroute_hooks import (
    OPENAI_CHAT,
    Asked,
    BadRequest,
    Conversation,
    FieldProblem,
    OutputFormat,
    Part,
    Peek,
    Reasoning,
    Sampling,
    Text,
    Turn,
)
from omniroute_hooks.conversation import Effort
from omniroute_hooks.jsonio import json_type

from ..bound import bound_tools
from ..effort import LADDER
from ..fields import Fields
from .content import read_content
from .messages_in import MessageReader
from .tools_in import read_choice, read_tools

# Vendors' own switches for reasoning. They stay in ``Reasoning.ext`` as they came.
_SWITCHES = ("reasoning", "thinking", "enable_thinking", "thinking_budget")
_SESSION_HEADERS = ("x-session-id", "session-id", "session_id", "x-conversation-id")


def peek(body: Mapping[str, Any], asked: Asked) -> Peek:
    """Model, stream and session of a request. Errors: `BadRequest`."""
    fields = Fields(body)
    model = _model(fields)
    stream = fields.flag("stream") or False
    fields.check()
    session = body.get("prompt_cache_key") or body.get("session_id")
    if not isinstance(session, str):
        session = next((asked.headers[name] for name in _SESSION_HEADERS if asked.headers.get(name)), None)
    return Peek(model, stream, session)


def parse_request(body: Mapping[str, Any], asked: Asked) -> Conversation:
    """The whole request. Errors: `BadRequest` with every wrong field."""
    try:
        return _parse(body)
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None


def _parse(body: Mapping[str, Any]) -> Conversation:
    fields = Fields(body)
    model = _model(fields)
    stream = fields.flag("stream") or False
    turns = _turns(fields)
    tools = read_tools(fields)
    choice, parallel = read_choice(fields)
    if fields.has("functions"):
        parallel = False  # the deprecated form of an answer holds one call
    style, verbosity = _format(fields)
    options = fields.object("stream_options")
    include_usage = options is not None and options.flag("include_usage") is True
    conversation = Conversation(
        model=model,
        turns=tuple(turns),
        dialect=OPENAI_CHAT,
        stream=stream,
        tools=tools,
        tool_choice=choice,
        parallel_tools=parallel,
        sampling=_sampling(fields),
        max_tokens=_max_tokens(fields),
        stop=_stop(fields),
        reasoning=_reasoning(fields),
        format=style,
        verbosity=verbosity,
        user=fields.text("user"),
        metadata=fields.mapping("metadata"),
        service_tier=fields.text("service_tier"),
        cache_key=fields.text("prompt_cache_key"),
        previous_answer_id=fields.text("previous_response_id"),
        store=fields.flag("store"),
        include_usage=include_usage,
        bound=tuple(_bound(body)),
        ext=_ext(fields),
    )
    fields.check()
    return conversation


def _bound(body: Mapping[str, Any]) -> Iterator[str]:
    """What only a provider of this dialect knows or can do; see `Conversation`."""
    if body.get("previous_response_id") is not None:
        yield "previous_response_id"
    modalities = body.get("modalities")
    if isinstance(modalities, list) and any(word != "text" for word in modalities):
        yield "modalities"
    for position, message in enumerate(messages if isinstance(messages := body.get("messages"), list) else ()):
        if isinstance(message, dict) and isinstance(message.get("audio"), dict):
            yield f"messages[{position}].audio"  # an answer in sound, by its id
    yield from bound_tools(body)


def _ext(fields: Fields) -> dict[str, Any]:
    """The fields nobody has read, and ``functions``, so that the answer takes the same deprecated form."""
    rest = {name: value for name, value in fields.rest().items() if value is not None}
    if fields.has("functions"):
        rest["functions"] = fields.raw("functions")
    return {OPENAI_CHAT: rest} if rest else {}


def _model(fields: Fields) -> str:
    model = fields.text("model", required=True)
    if model is not None and not model.strip():
        fields.wrong("model", "must not be empty")
    return model or ""


def _turns(fields: Fields) -> list[Turn]:
    turns: list[Turn] = []
    for name in ("instructions", "system"):  # the neighbours' place for the system text
        parts = tuple(read_content(fields, name))
        if parts:
            turns.append(Turn("system", parts))
    name = "input" if fields.has("input") and not fields.has("messages") else "messages"
    if name == "input" and isinstance(fields.raw(name), str):
        words: list[Part] = [Text(fields.raw(name))]
        return [*turns, Turn("user", tuple(words))]
    return turns + MessageReader().read(fields.objects(name, required=True, filled=True))


def _sampling(fields: Fields) -> Sampling:
    logprobs = fields.flag("logprobs")
    return Sampling(
        temperature=fields.number("temperature", 0),
        top_p=fields.number("top_p", 0),
        top_k=fields.whole("top_k"),
        frequency_penalty=fields.number("frequency_penalty"),
        presence_penalty=fields.number("presence_penalty"),
        seed=fields.whole("seed"),
        logit_bias=fields.mapping("logit_bias"),
        logprobs=logprobs,
        top_logprobs=fields.whole("top_logprobs", 0),
        n=fields.whole("n", 1),
    )


def _max_tokens(fields: Fields) -> int | None:
    found: int | None = None
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
        value = fields.whole(name, 1)
        found = value if found is None else found
    return found


def _stop(fields: Fields) -> tuple[str, ...]:
    for name in ("stop", "stop_sequences"):
        if isinstance(fields.body.get(name), str):
            fields.raw(name)
            return (fields.body[name],)
        if fields.has(name):
            return fields.texts(name)
    return ()


def _format(fields: Fields) -> tuple[OutputFormat | None, str | None]:
    """``response_format`` and ``verbosity``; the Responses form has both in ``text``."""
    verbosity = fields.text("verbosity")
    text = fields.object("text") if isinstance(fields.body.get("text"), dict) else None
    if text is not None:
        verbosity = verbosity or text.text("verbosity")
    holder, name = (text, "format") if text is not None else (fields, "response_format")
    value = holder.body.get(name)
    if value is None:
        holder.raw(name)
        return None, verbosity
    if not isinstance(value, dict):
        holder.wrong(name, f"must be an object, not {json_type(value)}")
        return None, verbosity
    kind = value.get("type")
    if kind == "json_schema":
        holder.raw(name)
        wrapper = Fields(value, holder.at(name), fields.problems)
        inner = wrapper.object("json_schema") if wrapper.has("json_schema") else wrapper
        if inner is None:
            return None, verbosity
        schema, title = inner.mapping("schema"), inner.text("name")
        return OutputFormat("json_schema", schema, title, inner.text("description"), inner.flag("strict")), verbosity
    if kind == "json_object":
        holder.raw(name)
        return OutputFormat("json_object"), verbosity
    if kind == "text":
        holder.raw(name)
    elif not isinstance(kind, str):
        fields.problems.append(FieldProblem(f"{holder.at(name)}.type", "must be text, json_object or json_schema"))
    return None, verbosity  # a vendor's own kind stays among the unknown fields


def _reasoning(fields: Fields) -> Reasoning:
    """``reasoning_effort``, and the switches that vendors invented beside it."""
    ext: dict[str, Any] = {name: fields.raw(name) for name in _SWITCHES if fields.has(name)}
    effort = _effort(fields, "reasoning_effort", ext)
    budget: int | None = None
    off: bool | None = None
    show = None
    if isinstance(ext.get("reasoning"), dict):  # OpenRouter, Responses
        inner = Fields(ext["reasoning"], "reasoning", fields.problems)
        effort = effort or _effort(inner, "effort", {})
        budget = inner.whole("max_tokens", 0)
        off = True if inner.raw("enabled") is False else None
        show = "none" if inner.raw("exclude") is True else "summary" if inner.has("summary") else None
    if isinstance(ext.get("thinking"), dict):  # GLM, Kimi, DeepSeek; Messages
        inner = Fields(ext["thinking"], "thinking", fields.problems)
        kind = inner.raw("type")
        off = {"disabled": True, "enabled": False, "auto": False, "adaptive": False}.get(str(kind), off)
        budget = inner.whole("budget_tokens", 0) if inner.has("budget_tokens") else budget
    if isinstance(ext.get("enable_thinking"), bool):  # Qwen
        off = not ext["enable_thinking"]
    if fields.has("thinking_budget"):
        budget = fields.whole("thinking_budget", 0)
    if not ext and effort is None:
        return Reasoning()
    known = {OPENAI_CHAT: ext} if ext else {}
    if off or effort == "none":
        return Reasoning("off", effort, budget, show, known)  # type: ignore[arg-type]
    if effort is None and budget is None and off is None:
        return Reasoning("auto" if "reasoning_effort" in ext else "unset", None, None, show, known)  # type: ignore[arg-type]
    return Reasoning("on", effort, budget, show, known)  # type: ignore[arg-type]


def _effort(fields: Fields, name: str, ext: dict[str, Any]) -> Effort | None:
    word = fields.text(name)
    if word is None:
        return None
    if word in ("auto", "default"):  # Groq and others: whatever the model does by itself
        ext[name] = word
        return None
    known = fields.one_of(name, LADDER)
    return known  # type: ignore[return-value]
