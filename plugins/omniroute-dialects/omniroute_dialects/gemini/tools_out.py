"""``tools`` and ``toolConfig`` for a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import GEMINI, Conversation, Loss, ServerTool, Target, Tool

from ..hosted_tools import leave_out
from .contents_out import flat_name
from .family import generation
from .schema import reduce_parameters

Json = dict[str, Any]

ALLOWED = "a-zA-Z0-9_.:-"
LONGEST = 64
FIRST = "a-zA-Z_"

_SERVER = {
    "web_search": "googleSearch",
    "url_context": "urlContext",
    "web_fetch": "urlContext",
    "code_execution": "codeExecution",
    "code_interpreter": "codeExecution",
}
_INPUT = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input, as plain text."}},
    "required": ["input"],
}


def write_tools(conversation: Conversation, target: Target, names: Mapping[str, str], losses: list[Loss]) -> list[Json]:
    """One entry with all functions, then the vendor's own tools.

    Errors: `Unsupported` for a tool that nobody here can run.
    """
    functions: dict[str, Json] = {}
    own: list[Json] = []
    chosen = _filter(conversation, target)
    mixes = conversation.dialect == GEMINI or target.option("mixed_tools", generation(target) != "budget")
    alone = not mixes and any(isinstance(tool, Tool) for tool in conversation.tools)
    for position, tool in enumerate(conversation.tools):
        if isinstance(tool, ServerTool):
            native = _server_tool(tool)
            if native is None or alone:
                why = "this model cannot use its own tools beside functions" if native else None
                leave_out(tool, f"tools[{position}]", conversation, losses, why)
            else:
                own.append(native)
            continue
        flat = flat_name(tool.name, tool.namespace)
        if chosen is not None and flat not in chosen and tool.name not in chosen:
            continue
        name = names.get(flat, flat)
        if name and name not in functions:
            functions[name] = _declaration(tool, name, target)
            if tool.strict and not target.option("validated", False):
                _note(losses, Loss("tools[].strict", "drop"))
    return ([{"functionDeclarations": list(functions.values())}] if functions else []) + own


def _note(losses: list[Loss], loss: Loss) -> None:
    if loss not in losses:
        losses.append(loss)


def _declaration(tool: Tool, name: str, target: Target) -> Json:
    out: Json = {"name": name}
    if tool.description:
        out["description"] = tool.description
    extra = tool.ext.get(GEMINI)
    if extra and "parameters" in extra:
        return {**out, **extra}  # the caller wrote it in the vendor's own words
    schema = _INPUT if tool.kind == "custom" else tool.schema
    if schema and not _empty(schema):
        if target.option("json_schema", True):
            out["parametersJsonSchema"] = schema
        elif (parameters := reduce_parameters(schema)) is not None:
            out["parameters"] = parameters
    return {**out, **extra} if extra else out


_HOLLOW = {"type", "properties", "required", "additionalProperties", "$schema"}


def _empty(schema: Mapping[str, Any]) -> bool:
    """Whether there is nothing to fill in; then the vendor wants no schema at all."""
    if schema.get("properties") or schema.keys() - _HOLLOW or schema.get("type", "object") != "object":
        return False
    return not isinstance(schema.get("additionalProperties"), Mapping)


def _server_tool(tool: ServerTool) -> Json | None:
    if tool.dialect == GEMINI:
        return dict(tool.raw)
    if tool.kind in _SERVER:
        return {_SERVER[tool.kind]: {}}
    return None


def _filter(conversation: Conversation, target: Target) -> tuple[str, ...] | None:
    """Names to declare where the target has no other way to allow some of the tools."""
    choice = conversation.tool_choice
    if choice is None or choice.mode != "allowed" or _validates(conversation, target):
        return None
    return choice.names


def _validates(conversation: Conversation, target: Target) -> bool:
    return conversation.dialect == GEMINI or bool(target.option("validated", generation(target) == "level"))


def write_choice(
    conversation: Conversation, target: Target, tools: list[Json], names: Mapping[str, str]
) -> Json | None:
    """``toolConfig``; None where there is nothing to say."""
    extra: Json = dict((conversation.ext.get(GEMINI) or {}).get("toolConfig") or {})
    if extra:
        return extra  # the caller's own words, which say more than a choice
    if not any("functionDeclarations" in tool for tool in tools):
        return None
    out: Json = {}
    if len(tools) > 1 and generation(target) == "level" and conversation.dialect != GEMINI:
        out["includeServerSideToolInvocations"] = True  # without it the newer models refuse the mix
    calling = _calling(conversation, target, names)
    if calling is not None:
        out["functionCallingConfig"] = calling
    return out or None


def _calling(conversation: Conversation, target: Target, names: Mapping[str, str]) -> Json | None:
    choice = conversation.tool_choice
    mode = choice.mode if choice is not None else "auto"
    strict = any(isinstance(tool, Tool) and tool.strict for tool in conversation.tools)
    if mode == "auto":
        if strict and target.option("validated", False):
            return {"mode": "VALIDATED"}
        return {"mode": "AUTO"} if choice is not None else None
    if mode == "none":
        return {"mode": "NONE"}
    if mode == "any" or choice is None:
        return {"mode": "ANY"}
    chosen = [names.get(name, name) for name in choice.names]
    if mode == "named":
        return {"mode": "ANY", "allowedFunctionNames": chosen}
    if _validates(conversation, target):
        return {"mode": "VALIDATED", "allowedFunctionNames": chosen}
    return {"mode": "AUTO"}
