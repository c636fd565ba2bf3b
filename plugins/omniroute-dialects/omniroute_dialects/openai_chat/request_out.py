"""A conversation as a provider's request.

A provider of this dialect may be anybody, so what came from another dialect is cut down to what everybody
takes; fields of a caller of this dialect stay, unknown ones included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import (
    OPENAI_CHAT,
    Conversation,
    Loss,
    Rendered,
    Target,
    Text,
    Unsupported,
)

from ..answer_room import answer_room
from ..effort import effort_of, fit_effort
from .continuing import going_on
from .messages_out import render_messages
from .tools_out import render_format, render_tools

PATH = "/chat/completions"
MAX_STOPS = 4
_JSON_PLEASE = "Answer in JSON."


def render_request(conversation: Conversation, target: Target, stream: bool) -> Rendered:
    """The request. Errors: `Unsupported` naming what cannot go there."""
    same = conversation.dialect == OPENAI_CHAT
    _refuse(conversation, stream, same)
    losses: list[Loss] = []
    body = render_body(conversation, target, stream, losses)
    rendered = Rendered(PATH, body, losses=tuple(losses), cut_at=left_out_stops(conversation, body))
    return going_on(rendered, target) if conversation.begun else rendered


def left_out_stops(conversation: Conversation, body: Mapping[str, Any]) -> tuple[str, ...]:
    """The stop strings for which a rendered body has no place."""
    sent = body.get("stop") or ()
    return tuple(word for word in conversation.stop if word not in sent)


def render_body(conversation: Conversation, target: Target, stream: bool, losses: list[Loss]) -> dict[str, Any]:
    """The body, with what is lost added to ``losses``. Errors: `Unsupported`."""
    same = conversation.dialect == OPENAI_CHAT
    body: dict[str, Any] = {
        "model": target.model,
        "messages": render_messages(conversation, target, losses, same),
    }
    body |= render_tools(conversation, target, losses, same)
    body |= _sampling(conversation, losses, same)
    room = answer_room(conversation, target, losses)
    if room is not None:
        body[str(target.option("max_tokens_field", "max_tokens"))] = room
    refused = target.option("unsupported") or ()
    if conversation.stop:
        most = 0 if "stop" in refused else int(target.option("max_stops", MAX_STOPS))
        if most:
            body["stop"] = list(conversation.stop[:most])
        if len(conversation.stop) > most:
            losses.append(Loss("stop", "emulate", f"the first {most} are sent; at the others the answer is cut"))
    body |= _reasoning(conversation, target, losses, same)
    if conversation.format is not None:
        body["response_format"] = render_format(conversation.format, same)
        if conversation.format.kind == "json_object" and not same and not _says_json(conversation):
            body["messages"] = [
                {"role": target.option("system_role", "system"), "content": _JSON_PLEASE},
                *body["messages"],
            ]
            losses.append(Loss("format", "emulate", "JSON is also asked for in words"))
    if conversation.verbosity is not None:
        body["verbosity"] = conversation.verbosity
    _about(body, conversation, losses, same)
    if stream:
        body["stream"] = True
        if target.option("stream_usage", True):
            body["stream_options"] = {"include_usage": True}
    if same:
        for name, value in _own(conversation).items():
            if name != "functions":
                body.setdefault(name, value)
    for name in refused:
        if body.pop(name, None) is not None:
            losses.append(Loss(name, "drop", "the provider does not take it"))
    return body


def _own(conversation: Conversation) -> Mapping[str, Any]:
    """The fields that only this dialect knows."""
    return conversation.ext.get(OPENAI_CHAT) or {}


def _refuse(conversation: Conversation, stream: bool, same: bool) -> None:
    """What would give the caller something else than it asked for, without a word."""
    sampling = conversation.sampling
    if sampling.n is not None and sampling.n > 1:
        raise Unsupported("n: only one answer at a time can be translated.")
    if (sampling.logprobs or sampling.top_logprobs) and (stream or not same):
        raise Unsupported("logprobs: they cannot be translated.")
    if same and "audio" in (_own(conversation).get("modalities") or ()):
        raise Unsupported("modalities: sound cannot be translated.")


def _sampling(conversation: Conversation, losses: list[Loss], same: bool) -> dict[str, Any]:
    sampling = conversation.sampling
    out: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "logit_bias": sampling.logit_bias,
        "logprobs": sampling.logprobs,
        "top_logprobs": sampling.top_logprobs,
        "n": sampling.n if same else None,
    }
    if sampling.top_k is not None:
        if same:
            out["top_k"] = sampling.top_k
        else:
            losses.append(Loss("top_k", "drop", "not a field of this dialect"))
    return {name: value for name, value in out.items() if value is not None}


def _reasoning(conversation: Conversation, target: Target, losses: list[Loss], same: bool) -> dict[str, Any]:
    """``reasoning_effort``; nothing said stays nothing said. A caller's own switches go as they came."""
    reasoning = conversation.reasoning
    switches = dict(reasoning.ext.get(OPENAI_CHAT) or {}) if same else {}
    if switches:
        if reasoning.effort is not None and "reasoning" not in switches:
            switches.setdefault("reasoning_effort", reasoning.effort)
        return switches
    word = effort_of(reasoning)
    if word is None:
        return {}
    spec = target.spec
    thinks = spec.thinks if spec is not None else None
    if not same and thinks is None and (spec is not None or word == "none"):
        # The model is declared without reasoning, or may not know the word for none.
        losses.append(Loss("reasoning", "drop", "not known to steer this model"))
        return {}
    if word == "none" and thinks is not None and not thinks.always and thinks.efforts and "none" not in thinks.efforts:
        losses.append(Loss("reasoning", "drop", "the model has no word for none"))
        return {} if not same else {"reasoning_effort": fit_effort(word, thinks)}
    return {"reasoning_effort": fit_effort(word, thinks)}


def _about(body: dict[str, Any], conversation: Conversation, losses: list[Loss], same: bool) -> None:
    """Fields about the request rather than the answer: strict providers refuse those they do not know."""
    fields = {
        "user": conversation.user,
        "metadata": conversation.metadata,
        "service_tier": conversation.service_tier,
        "prompt_cache_key": conversation.cache_key,
        "previous_response_id": conversation.previous_answer_id,
        "store": conversation.store,
    }
    for name, value in fields.items():
        if value is None:
            continue
        if same:
            body[name] = value
        else:
            losses.append(Loss(name, "drop", "says nothing to another provider"))


def _says_json(conversation: Conversation) -> bool:
    """Whether the word stands anywhere in the prompt, as JSON mode demands."""
    return any(
        isinstance(part, Text) and "json" in part.text.lower() for turn in conversation.turns for part in turn.parts
    )
