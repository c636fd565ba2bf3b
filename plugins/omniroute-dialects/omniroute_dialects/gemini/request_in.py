"""A caller's request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omniroute_hooks import GEMINI, Asked, BadRequest, Conversation, OutputFormat, Peek, Reasoning, Sampling
from omniroute_hooks.conversation import Effort
from omniroute_hooks.jsonio import json_type

from ..bound import bound_files, bound_tools
from .body import Body
from .contents_in import read_contents, read_system
from .schema import widen
from .tools_in import read_choice, read_tools

_LEVELS: dict[str, Effort] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "xhigh",
}
DYNAMIC = -1  # thinkingBudget: the model decides


def peek(body: Mapping[str, Any], asked: Asked) -> Peek:
    """The model and the method are in the path. Cached content lives at one account, so it keeps a session there."""
    cached = body.get("cachedContent") or body.get("cached_content")
    return Peek(path_model(asked), bool(asked.endpoint.stream), cached if isinstance(cached, str) else None)


def path_model(asked: Asked) -> str:
    """The model that the path names. Errors: `BadRequest` without one."""
    model = (asked.path_model or "").strip("/").removeprefix("models/")
    if not model:
        raise BadRequest("The path names no model: /v1beta/models/{model}:generateContent.")
    return model


def parse_request(body: Mapping[str, Any], asked: Asked) -> Conversation:
    """The conversation. Errors: `BadRequest` with every wrong field."""
    fields = Body(body)
    if asked.endpoint.operation == "count_tokens" and fields.has("generateContentRequest"):
        inner = fields.object("generateContentRequest")
        if inner is None:
            fields.check()
        else:
            fields = inner
    model = path_model(asked)
    fields.raw("model")  # countTokens repeats it in the body
    turns = (*read_system(fields), *read_contents(fields))
    tools = read_tools(fields)
    choice, tool_config = read_choice(fields)
    config = fields.object("generationConfig") or Body({}, "generationConfig", fields.problems)
    conversation = Conversation(
        model=model,
        turns=turns,
        dialect=GEMINI,
        stream=bool(asked.endpoint.stream),
        tools=tools,
        tool_choice=choice,
        sampling=_sampling(config),
        max_tokens=config.whole("maxOutputTokens", 1),
        stop=config.texts("stopSequences"),
        reasoning=_reasoning(config),
        format=_format(config),
        service_tier=fields.text("serviceTier"),
        store=fields.flag("store"),
        bound=(*_bound(fields, config), *bound_files(turns, "contents.parts.fileData.fileUri")),
        ext=_ext(fields, config, tool_config),
    )
    fields.check()
    return conversation


def _bound(fields: Body, config: Body) -> Iterator[str]:
    """What only a provider of this dialect knows or can do; see `Conversation`."""
    if fields.has("cachedContent"):
        yield fields.at("cachedContent")
    modalities = config.body.get("responseModalities", config.body.get("response_modalities"))
    if isinstance(modalities, list) and any(not isinstance(w, str) or w.upper() != "TEXT" for w in modalities):
        yield config.at("responseModalities")
    yield from bound_tools(fields.body)


def _sampling(config: Body) -> Sampling:
    top_k = config.number("topK", 0, 1_000_000)
    return Sampling(
        temperature=config.number("temperature", 0, 2),
        top_p=config.number("topP", 0, 1),
        top_k=None if top_k is None else int(top_k),
        frequency_penalty=config.number("frequencyPenalty"),
        presence_penalty=config.number("presencePenalty"),
        seed=config.whole("seed"),
        logprobs=config.flag("responseLogprobs"),
        top_logprobs=config.whole("logprobs", 0),
        n=config.whole("candidateCount", 1),
    )


def _reasoning(config: Body) -> Reasoning:
    thinking = config.object("thinkingConfig")
    if thinking is None:
        return Reasoning()
    shown = thinking.flag("includeThoughts")
    budget = thinking.whole("thinkingBudget", DYNAMIC)
    level = thinking.word("thinkingLevel")
    if level not in (None, "THINKING_LEVEL_UNSPECIFIED", *_LEVELS):
        thinking.wrong("thinkingLevel", "must be one of " + ", ".join(_LEVELS))
    if budget is not None and level in _LEVELS:
        thinking.wrong("", "thinkingBudget and thinkingLevel exclude each other")
    extra = thinking.rest()
    effort = _LEVELS.get(level or "")
    return Reasoning(
        mode="unset" if budget is None and effort is None else _mode(budget),
        effort=effort,
        budget=None if budget == DYNAMIC else budget,
        show=None if shown is None else "summary" if shown else "none",
        ext={GEMINI: extra} if extra else {},
    )


def _mode(budget: int | None) -> Any:
    return {0: "off", DYNAMIC: "auto"}.get(-2 if budget is None else budget, "on")


def _format(config: Body) -> OutputFormat | None:
    mime = (config.text("responseMimeType") or "").lower()
    own = config.raw("responseSchema")
    full = config.raw("responseJsonSchema")
    for name, value in (("responseSchema", own), ("responseJsonSchema", full)):
        if value is not None and not isinstance(value, dict):
            config.wrong(name, f"must be an object, not {json_type(value)}")
            return None
    if mime != "application/json":
        return None  # "text/x.enum" and others have no equal elsewhere: they ride along
    schema = full if full is not None else widen(own)
    return OutputFormat("json_object") if schema is None else OutputFormat("json_schema", schema)


def _ext(fields: Body, config: Body, tool_config: dict[str, Any]) -> dict[str, Any]:
    """What has no name in a conversation, for targets of this dialect."""
    extra = fields.rest()
    more = config.rest()
    mime = config.raw("responseMimeType")
    mime = mime if isinstance(mime, str) else ""
    if mime.lower() not in ("application/json", "text/plain", ""):
        more["responseMimeType"] = mime
    if config.raw("responseJsonSchema") is None and (own := config.raw("responseSchema")) is not None:
        more["responseSchema"] = own  # in the vendor's own words, so that nothing is lost on the way back to them
    if mime.lower() != "application/json" and (full := config.raw("responseJsonSchema")) is not None:
        more["responseJsonSchema"] = full
    if more:
        extra["generationConfig"] = more
    if tool_config:
        extra["toolConfig"] = tool_config
    return {GEMINI: extra} if extra else {}
