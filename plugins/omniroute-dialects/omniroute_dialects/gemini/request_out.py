"""A request for a provider of this dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from omniroute_hooks import (
    GEMINI,
    Conversation,
    Loss,
    Passed,
    Rendered,
    Target,
    Tool,
    Unsupported,
)
from omniroute_hooks.jsonio import dumps
from omniroute_hooks.sealing import ENVELOPE

from ..answer_room import answer_room
from ..names import name_codec
from . import slots
from .contents_out import ContentsWriter, all_names, flat_name
from .family import generation
from .schema import reduce
from .thinking_out import write_thinking
from .tools_out import ALLOWED, FIRST, LONGEST, write_choice, write_tools

Json = dict[str, Any]

MAX_STOPS = 5
_MARKS = (slots.MARK.encode(), ENVELOPE.encode())
_TIERS = {"flex": "flex", "priority": "priority", "fast": "priority"}
_SILENT = ("logit_bias", "verbosity", "user", "metadata", "cache_key", "parallel_tools", "store")


def method_path(model: str, method: str) -> str:
    """The path of a model's method. Errors: `Unsupported` for names that would leave the models' address."""
    name = model.removeprefix("models/")
    if not name or any(step in ("", ".", "..") for step in name.split("/")):
        raise Unsupported(f"model: {model!r} is no model's name.")
    base = "" if name.startswith("tunedModels/") else "/models"
    return f"{base}/{quote(name, safe='/')}:{method}"


def stream_path(model: str, stream: bool) -> str:
    """Without ``alt=sse`` the vendor streams a JSON array."""
    return method_path(model, "streamGenerateContent") + "?alt=sse" if stream else method_path(model, "generateContent")


def render_request(conversation: Conversation, target: Target, stream: bool) -> Rendered:
    """The request. Errors: `Unsupported`, naming the field."""
    body, losses = render_body(conversation, target)
    cut_at = conversation.stop[_most_stops(target) :]
    return Rendered(stream_path(target.model, stream), body, losses=tuple(losses), cut_at=cut_at)


def render_body(conversation: Conversation, target: Target) -> tuple[Json, list[Loss]]:
    """The body without regard to the method."""
    losses: list[Loss] = []
    _refuse(conversation, losses)
    declared = [flat_name(t.name, t.namespace) for t in conversation.tools if isinstance(t, Tool)]
    names = name_codec(all_names(conversation, declared), ALLOWED, LONGEST, FIRST)
    writer = ContentsWriter(conversation, target, names)
    system, contents = writer.write()
    tools = write_tools(conversation, target, names, losses)
    config, told = _config(conversation, target, bool(declared), losses)
    if told:
        system = {"parts": [*(system["parts"] if system else ()), {"text": told}]}
    body: Json = {"contents": contents}
    if system is not None:
        body["systemInstruction"] = system
    if tools:
        body["tools"] = tools
    choice = write_choice(conversation, target, tools, names)
    if choice is not None:
        body["toolConfig"] = choice
    if config:
        body["generationConfig"] = config
    own = conversation.ext.get(GEMINI) or {}
    body |= {name: value for name, value in own.items() if name not in ("toolConfig", "generationConfig")}
    tier = conversation.service_tier
    if conversation.dialect == GEMINI:
        if tier is not None:
            body["serviceTier"] = tier
        if conversation.store is not None:
            body["store"] = conversation.store
    elif tier in _TIERS:
        body["serviceTier"] = _TIERS[tier]
    return body, losses + writer.losses


def _refuse(conversation: Conversation, losses: list[Loss]) -> None:
    """Fields that change what the caller gets are refused; those that do not are dropped and noted."""
    sampling = conversation.sampling
    if sampling.n is not None and sampling.n > 1:
        raise Unsupported("n: this provider is asked for one answer at a time.")
    if conversation.dialect == GEMINI:
        return
    if sampling.logprobs or sampling.top_logprobs:
        raise Unsupported("logprobs: this provider's log probabilities cannot be translated.")
    extra = foreign_fields(conversation)
    losses.extend(Loss(name, "drop") for name in sorted(extra))
    for name in _SILENT:
        value = sampling.logit_bias if name == "logit_bias" else getattr(conversation, name, None)
        if value is not None and not (name == "parallel_tools" and value is True):
            losses.append(Loss(name, "drop"))
    if conversation.service_tier not in (None, "auto", *_TIERS):
        losses.append(Loss("service_tier", "drop"))


def foreign_fields(conversation: Conversation) -> Mapping[str, Any]:
    """The unknown fields of another dialect's request."""
    return conversation.ext.get(conversation.dialect) or {}


def _most_stops(target: Target) -> int:
    return int(target.option("max_stops", MAX_STOPS))


def _config(conversation: Conversation, target: Target, functions: bool, losses: list[Loss]) -> tuple[Json, str | None]:
    """``generationConfig``, and a sentence for the system text where the format has to be asked for in words."""
    sampling = conversation.sampling
    most = _most_stops(target)
    out: Json = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "candidateCount": sampling.n,
        "maxOutputTokens": answer_room(conversation, target, losses),
        "stopSequences": list(conversation.stop[:most]) or None,
        "presencePenalty": sampling.presence_penalty,
        "frequencyPenalty": sampling.frequency_penalty,
        "seed": sampling.seed,
        "responseLogprobs": sampling.logprobs,
        "logprobs": sampling.top_logprobs,
        "thinkingConfig": write_thinking(conversation, target, losses),
    }
    out = {name: value for name, value in out.items() if value is not None}
    if sampling.temperature is not None and sampling.temperature > 2:
        out["temperature"] = 2
    if len(conversation.stop) > most:
        losses.append(Loss("stop", "emulate", f"the first {most} are sent; at the others the answer is cut"))
    told = _format(conversation, target, functions, out, losses)
    own = (conversation.ext.get(GEMINI) or {}).get("generationConfig") or {}
    if "responseSchema" in own:
        out.pop("responseJsonSchema", None)
    return out | own, told


def _format(conversation: Conversation, target: Target, functions: bool, out: Json, losses: list[Loss]) -> str | None:
    wanted = conversation.format
    if wanted is None:
        return None
    if functions and conversation.dialect != GEMINI and generation(target) == "budget":
        losses.append(Loss("response_format", "emulate", "this model knows no format beside functions"))
        if wanted.schema is None:
            return "Give your final answer as one JSON object and nothing else."
        text = dumps(wanted.schema).decode()
        return f"Give your final answer as JSON that fits this JSON Schema, and nothing else:\n{text}"
    out["responseMimeType"] = "application/json"
    if wanted.schema is not None:
        if target.option("json_schema", True):
            out["responseJsonSchema"] = wanted.schema
        else:
            out["responseSchema"] = reduce(wanted.schema)
    return None


def pass_request(raw: bytes, body: Mapping[str, Any], target: Target, stream: bool) -> Passed:
    """The caller's bytes as they are: the model is in the path. Only envelopes of the gateway are taken out."""
    if any(mark in raw for mark in _MARKS):
        raw = dumps(_opened(body, target))
    return Passed(stream_path(target.model, stream), raw)


def _opened(body: Mapping[str, Any], target: Target) -> Json:
    """The body with every signature as its maker made it, and without those that the target did not make.

    Reasoning that another model sealed goes with its seal.
    """
    contents = body.get("contents")
    if not isinstance(contents, list):
        return dict(body)
    out: list[Any] = []
    for content in contents:
        parts = content.get("parts") if isinstance(content, dict) else None
        if isinstance(parts, list):
            kept = [new for part in parts if (new := _unsealed(part, target)) is not None]
            if parts and not kept:
                continue
            content = {**content, "parts": kept}
        out.append(content)
    return {**body, "contents": out}


def _unsealed(part: Any, target: Target) -> Any:
    name = "thoughtSignature" if isinstance(part, dict) and "thoughtSignature" in part else "thought_signature"
    value = part.get(name) if isinstance(part, dict) else None
    if not isinstance(value, str) or not value.startswith((slots.MARK, ENVELOPE)):
        return part
    rest = {key: inner for key, inner in part.items() if key != name}
    own = slots.bare(value, target.provider.id, target.model)
    if own is not None:
        return {**rest, name: own}
    if rest.get("thought") or not (rest.keys() - {"text", "thought"} or rest.get("text")):
        return None
    return rest
