"""A conversation as a request for a provider of this dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import (
    OPENAI_CHAT,
    Conversation,
    FieldProblem,
    Loss,
    Rendered,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
    Unsupported,
)
from omniroute_hooks.sealing import opens_for

from ..answer_room import answer_room
from ..attribution import without_attribution
from ..effort import effort_of, fit_effort
from ..names import fit, name_codec
from ..turns import leading_system, paired, plain_text
from .items_out import ItemWriter
from .strict_schema import fits_strict
from .target_fields import fitted
from .tools_out import render_tools
from .vocabulary import ECHO, ID, LONGEST_ID, own

Json = dict[str, Any]
PATH = "/responses"
_LEAST_OUTPUT = 16  # the vendor refuses smaller limits
_SEALED = "reasoning.encrypted_content"
_JSON_WANTED = {"type": "message", "role": "developer", "content": "Answer in JSON."}


def render_request(conversation: Conversation, target: Target, stream: bool) -> Rendered:
    """The request. Errors: `Unsupported` naming the field that this dialect has no place for."""
    c = conversation
    losses: list[Loss] = []
    _refuse(c)
    body: Json = {"model": target.model}
    names = _names(c)
    body.update(_input(c, target, names, losses))
    body.update(render_tools(c, target, names, losses))
    body.update(_reasoning(c, target, losses))
    body.update(_text(c))
    body.update(_limits(c, target, losses))
    body.update(_identity(c, losses))
    if stream:
        body["stream"] = True
    if c.dialect == ID:
        _ride_along(c, body)
    else:
        body["store"] = bool(c.store)  # unless asked to, the provider keeps nothing
        if not c.store and _wants_seals(c, target):
            body["include"] = [_SEALED]
        _name_json(c, body, losses)
    return Rendered(PATH, fitted(body, target) or body, losses=tuple(losses), cut_at=c.stop)


def _refuse(c: Conversation) -> None:
    if c.begun:  # an answer at the end of the input is a finished one here, and the next would be another
        raise Unsupported("The provider does not go on with an answer that is begun.")
    if c.dialect == ID:
        return
    if c.sampling.n is not None and c.sampling.n > 1:
        raise Unsupported.of([FieldProblem("n", "this model gives one answer at a time")])
    if c.sampling.logprobs or c.sampling.top_logprobs:
        raise Unsupported.of([FieldProblem("logprobs", "they cannot be brought back from this provider")])


def _names(c: Conversation) -> Mapping[str, str]:
    if c.dialect == ID:
        return {}
    called = [p.name for turn in c.turns for p in turn.parts if isinstance(p, ToolCall)]
    return name_codec([*(t.name for t in c.tools if isinstance(t, Tool)), *called], "a-zA-Z0-9_-", 64)


# input ---------------------------------------------------------------------------


def _input(c: Conversation, target: Target, names: Mapping[str, str], losses: list[Loss]) -> Json:
    instructions, turns = _instructions(c)
    if c.dialect != ID:
        turns = _complete(turns)
    writer = ItemWriter(c, target, names, losses)
    writer.write(turns)
    if not writer.items and instructions and c.previous_answer_id is None:
        return {"input": [{"type": "message", "role": "user", "content": instructions}]}
    out: Json = {} if instructions is None else {"instructions": instructions}
    if writer.items or c.previous_answer_id is None:
        out["input"] = writer.items
    return out


def _instructions(c: Conversation) -> tuple[str | None, tuple[Turn, ...]]:
    """The text of the system turns at the start, and the other turns."""
    if c.dialect == ID:
        first = c.turns[0] if c.turns else None
        if first is None or first.role != "system" or "role" in own(first.ext):
            return None, c.turns
        return plain_text(first.parts), c.turns[1:]
    parts, turns = leading_system(c.turns)
    parts = without_attribution(parts)
    text = plain_text(parts, "\n\n")
    media = tuple(p for p in parts if not isinstance(p, Text) and not plain_text((p,)))
    return text or None, (Turn("user", media), *turns) if media else turns


def _complete(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Every call with exactly one result after it, as the vendor demands; other order is left alone."""
    calls: set[str] = set()
    open_calls: set[str] = set()
    for turn in turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                if part.id in calls:
                    return paired(turns)
                calls.add(part.id)
                open_calls.add(part.id)
            elif isinstance(part, ToolResult):
                if part.call_id not in open_calls:
                    return paired(turns)
                open_calls.discard(part.call_id)
    return paired(turns) if open_calls else turns


# settings -------------------------------------------------------------------------


def _reasoning(c: Conversation, target: Target, losses: list[Loss]) -> Json:
    r = c.reasoning
    spec = target.spec
    out: Json = dict(own(r.ext)) if c.dialect == ID else {}
    if r.mode == "unset" and r.show is None and r.effort is None and r.budget is None:
        return {"reasoning": out} if out else {}
    if spec is not None and spec.thinks is None and c.dialect != ID:
        losses.append(Loss("reasoning", "drop", "this model does not reason"))
        return {}
    thinks = spec.thinks if spec is not None else None
    word = effort_of(r)
    if word == "none" and r.effort is None and (thinks is None or "none" not in thinks.efforts):
        losses.append(Loss("reasoning", "drop", "it may not be possible to turn reasoning off"))
        word = None
    if word is not None:
        out["effort"] = fit_effort(word, thinks)
    if r.show in ("summary", "full") and word != "none":
        out.setdefault("summary", "auto")
    return {"reasoning": out} if out else {}


def _text(c: Conversation) -> Json:
    out: Json = {}
    shape = c.format
    if shape is not None and shape.kind == "json_object":
        out["format"] = {"type": "json_object"}
    elif shape is not None:
        strict = shape.strict
        if c.dialect not in (ID, OPENAI_CHAT):
            strict = strict is not False and fits_strict(shape.schema)
        name = fit(shape.name, "a-zA-Z0-9_-", 64) if shape.name else None
        wanted: Json = {"type": "json_schema", "name": name or (None if c.dialect == ID else "answer")}
        wanted.update(schema=shape.schema, strict=strict, description=shape.description)
        out["format"] = {key: value for key, value in wanted.items() if value is not None}
    if c.verbosity is not None:
        out["verbosity"] = c.verbosity
    return {"text": out} if out else {}


def _limits(c: Conversation, target: Target, losses: list[Loss]) -> Json:
    s = c.sampling
    out: Json = {}
    room = answer_room(c, target, losses)
    if room is not None:
        out["max_output_tokens"] = room if c.dialect == ID else max(room, _LEAST_OUTPUT)
        if out["max_output_tokens"] > room:
            losses.append(Loss("max_tokens", "emulate", f"raised to the vendor's least, {_LEAST_OUTPUT}"))
    for name in ("temperature", "top_p", "top_logprobs"):
        value = getattr(s, name)
        if value is not None:
            out[name] = value
    for name in ("top_k", "frequency_penalty", "presence_penalty", "seed", "logit_bias"):
        if getattr(s, name):
            losses.append(Loss(name, "drop"))
    if c.stop:
        losses.append(Loss("stop", "emulate", "this dialect has no stop strings: the answer is cut at them"))
    return out


def _identity(c: Conversation, losses: list[Loss]) -> Json:
    same_vendor = c.dialect in (ID, OPENAI_CHAT)
    out: Json = {}
    if c.metadata:
        if c.dialect == ID or (same_vendor and all(isinstance(v, str) for v in c.metadata.values())):
            out["metadata"] = dict(c.metadata)
        else:
            losses.append(Loss("metadata", "drop"))
    elif c.metadata is not None and c.dialect == ID:
        out["metadata"] = {}
    for name, value in (("user", c.user), ("service_tier", c.service_tier)):
        if value is None:
            continue
        if same_vendor:
            out[name] = value
        else:
            losses.append(Loss(name, "drop", "a word of another vendor's"))
    if c.cache_key is not None:
        key = c.cache_key
        out["prompt_cache_key"] = key if c.dialect == ID else fit(key, "a-zA-Z0-9_.:-", LONGEST_ID)
    return out


def _ride_along(c: Conversation, body: Json) -> None:
    """Fields that only this dialect knows, as its caller wrote them."""
    given = c.ext.get(ECHO) or {}
    if "previous_response_id" in given:
        body["previous_response_id"] = given["previous_response_id"]
    if c.store is not None:
        body["store"] = c.store
    for name, value in own(c.ext).items():
        if name == "text":
            body["text"] = {**value, **body.get("text", {})}
        elif name != "stream_options" or body.get("stream"):
            body.setdefault(name, value)
    if c.parallel_tools is not None and "tools" not in body:
        body["parallel_tool_calls"] = c.parallel_tools


def _wants_seals(c: Conversation, target: Target) -> bool:
    """Whether to ask for reasoning in sealed form. Models that do not reason refuse the question."""
    option = target.option("encrypted_reasoning")
    if option is not None:
        return bool(option)
    if target.spec is not None:
        return target.spec.thinks is not None
    if c.reasoning.mode == "on":
        return True
    return any(
        isinstance(part, Thinking) and opens_for(part.seal, ID, target.provider.id, target.model)
        for turn in c.turns
        for part in turn.parts
    )


def _name_json(c: Conversation, body: Json, losses: list[Loss]) -> None:
    """The vendor refuses json_object unless the input itself, not only the instructions, says "JSON"."""
    if c.format is None or c.format.kind != "json_object":
        return
    said = any(
        isinstance(part, Text) and "json" in part.text.lower()
        for turn in leading_system(c.turns)[1]
        for part in turn.parts
    )
    if not said and body.get("input"):
        body["input"] = [dict(_JSON_WANTED), *body["input"]]
        losses.append(Loss("response_format", "emulate", "the input now asks for JSON"))
