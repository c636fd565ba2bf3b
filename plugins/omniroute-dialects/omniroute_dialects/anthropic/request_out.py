"""A conversation as a request to a provider of this dialect."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from omniroute_hooks import ANTHROPIC, Conversation, FieldProblem, Loss, Rendered, Target, Unsupported

from ..answer_room import answer_room
from .cache import keep_to_limits
from .content_out import Page
from .messages_out import Messages, render_messages
from .rules import Rules, rules_for
from .sampling import sampling_fields
from .structured import ANSWER_TOOL, answer_tool, instruction, native_format
from .thinking_out import may_think, thinking_fields
from .tools_out import render_choice, render_tools, wire_names

DEFAULT_MAX_TOKENS = 8192


def render_request(conversation: Conversation, target: Target, stream: bool) -> Rendered:
    """The whole request. Errors: `Unsupported` naming the field."""
    _check(conversation)
    rules = rules_for(target)
    if conversation.begun and not rules.prefill:
        raise Unsupported("The model does not go on with an answer that is begun.")
    own = conversation.dialect == ANTHROPIC
    names = wire_names(conversation)
    page = Page(target, names, own)
    losses = page.losses
    system_turns = target.option("system_turns")
    said = render_messages(
        conversation,
        page,
        system_turns=own if system_turns is None else bool(system_turns),
        prefill=rules.prefill,
    )
    max_tokens = _max_tokens(conversation, target, losses)
    body: dict[str, Any] = {"model": target.model, "max_tokens": max_tokens}
    tools = render_tools(conversation, target, names, own or rules.structured_output, losses)
    choice = conversation.tool_choice
    forced = bool(tools) and choice is not None and choice.mode in ("any", "named")
    thinking, effort = thinking_fields(conversation, rules, max_tokens, forced, said.loop_broken, losses)
    thinks = may_think(thinking, rules.thinks)
    relaxed = forced and thinks and not rules.forced_tool_with_thinking
    if relaxed:
        losses.append(Loss("tool_choice", "drop", "this model always thinks, and cannot be forced to call"))
    config: dict[str, Any] = {} if effort is None else {"effort": effort}
    system, answer = _settle_format(conversation, rules, own, bool(tools) or thinks, said, config, losses)
    if system:
        body["system"] = system
    body["messages"] = said.messages
    if answer is not None:
        body["tools"] = [answer]
        body["tool_choice"] = {"type": "tool", "name": ANSWER_TOOL}
    elif tools:
        body["tools"] = tools
        picked = render_choice(conversation, names, relaxed)
        if picked is not None:
            body["tool_choice"] = picked
    if thinking is not None:
        body["thinking"] = thinking
    body |= sampling_fields(conversation, rules, thinks, losses)
    _add_rest(body, conversation, config, own, losses)
    if stream:
        body["stream"] = True
    dropped = keep_to_limits(body)
    if dropped:
        losses.append(Loss("cache_control", "drop", f"{dropped} marks more than the vendor allows"))
    cut_at = tuple(word for word in conversation.stop if not word.strip())
    return Rendered(path_of("/messages", target), body, losses=tuple(losses), cut_at=cut_at)


def path_of(path: str, target: Target) -> str:
    """The path, with the query that the vendor's own client sends where the provider asks for it."""
    return f"{path}?beta=true" if target.option("beta_query") else path


def _check(conversation: Conversation) -> None:
    """Errors: `Unsupported` for wishes whose loss the caller would not notice."""
    sampling = conversation.sampling
    problems = []
    if sampling.n is not None and sampling.n > 1:
        problems.append(FieldProblem("n", "this provider gives one answer at a time"))
    if sampling.logprobs or sampling.top_logprobs:
        problems.append(FieldProblem("logprobs", "this provider does not tell probabilities"))
    if problems:
        raise Unsupported.of(problems)


def _max_tokens(conversation: Conversation, target: Target, losses: list[Loss]) -> int:
    room = answer_room(conversation, target, losses)
    if room is not None:
        return room
    default = target.option("max_tokens_default")
    if isinstance(default, int) and not isinstance(default, bool) and default > 0:
        return default
    return (target.spec.max_output if target.spec is not None else None) or DEFAULT_MAX_TOKENS


def _settle_format(
    conversation: Conversation,
    rules: Rules,
    own: bool,
    busy: bool,
    said: Messages,
    config: dict[str, Any],
    losses: list[Loss],
) -> tuple[Any, dict[str, Any] | None]:
    """Structured output by field, by forced tool or in words. ``busy``: a tool cannot be forced.

    Gives the system text, perhaps with those words, and the tool.
    """
    form = conversation.format
    if form is None:
        return said.system, None
    native = native_format(form, own) if rules.structured_output else None
    if native is not None:
        config["format"] = native
        return said.system, None
    tool = None if busy else answer_tool(form)
    if tool is not None:
        losses.append(Loss("response_format", "emulate", "asked for with a forced tool"))
        return said.system, tool
    losses.append(Loss("response_format", "emulate", "asked for in words"))
    words = {"type": "text", "text": instruction(form)}
    if isinstance(said.system, list):
        return [*said.system, words], None
    return [{"type": "text", "text": said.system}, words] if said.system else words["text"], None


def _add_rest(
    body: dict[str, Any], conversation: Conversation, config: dict[str, Any], own: bool, losses: list[Loss]
) -> None:
    """Stop strings, identity, and the caller's fields that only this dialect knows."""
    stop = [word for word in conversation.stop if word.strip()]
    if stop:
        body["stop_sequences"] = stop
    if len(stop) < len(conversation.stop):
        losses.append(Loss("stop", "emulate", "blank ones are refused: the answer is cut at them"))
    ext: Mapping[str, Any] = (conversation.ext.get(ANTHROPIC) or {}) if own and conversation.ext else {}
    if conversation.user is not None:
        body["metadata"] = {"user_id": conversation.user if own else _opaque_user(conversation.user)}
    if own and conversation.service_tier is not None:
        body["service_tier"] = conversation.service_tier
    config = {**(ext.get("output_config") or {}), **config}
    if config:
        body["output_config"] = config
    for name, value in ext.items():
        if name == "metadata":
            body["metadata"] = {**body.get("metadata", {}), **value}
        elif name not in ("output_config", "model", "messages", "stream"):
            body[name] = value
    if own:
        return
    for field, value in (
        ("metadata", conversation.metadata),
        ("service_tier", conversation.service_tier),
        ("verbosity", conversation.verbosity),
        ("prompt_cache_key", conversation.cache_key),
        ("store", conversation.store),
    ):
        if value is not None:
            losses.append(Loss(field, "drop"))


def _opaque_user(user: str) -> str:
    """Other vendors' callers send names and addresses here, which this vendor refuses."""
    return hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()[:32]
