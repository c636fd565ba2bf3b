"""Tools and tool choice for the provider, and the names that both go by.

Names are made to fit with a digest of the original, so that the same name always gives the same name, in
definitions, choices and history alike. A freeform tool becomes a function with one string, ``input``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import (
    ANTHROPIC,
    Conversation,
    Loss,
    ServerTool,
    Target,
    Tool,
    ToolCall,
)
from omniroute_hooks.jsonio import loads_upstream

from ..hosted_tools import leave_out
from ..names import name_codec
from .cache import mark_fields
from .schema import input_schema, is_recursive, output_schema

NAME_CHARS = "a-zA-Z0-9_-"
LONGEST_NAME = 128
_TYPES = {
    "web_search": ("web_search", "web_search_20250305"),
    "url_context": ("web_fetch", "web_fetch_20250910"),
    "code_execution": ("code_execution", "code_execution_20250825"),
}


def flat_name(name: str, namespace: str | None) -> str:
    """A tool's name with its namespace before it."""
    return f"{namespace}__{name}" if namespace else name


def wire_names(conversation: Conversation) -> Mapping[str, str]:
    """Flat name -> the name this vendor takes, for those that must change."""
    names = dict.fromkeys(flat_name(t.name, t.namespace) for t in conversation.tools if isinstance(t, Tool))
    for turn in conversation.turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                names[flat_name(part.name, part.namespace)] = None
    return name_codec(names, NAME_CHARS, LONGEST_NAME)


def render_tools(
    conversation: Conversation, target: Target, names: Mapping[str, str], strict: bool, losses: list[Loss]
) -> list[dict[str, Any]]:
    """The field ``tools``. ``strict``: whether the model knows strict tools.

    Errors: `Unsupported` for a tool that only another vendor can run.
    """
    allowed = _allowed(conversation)
    out: list[dict[str, Any]] = []
    seen: set[str] = set()
    for position, tool in enumerate(conversation.tools):
        rendered = (
            _tool(tool, conversation.dialect == ANTHROPIC, names, strict, losses)
            if isinstance(tool, Tool)
            else _server_tool(tool, conversation, target, f"tools[{position}]", losses)
        )
        if rendered is None or (isinstance(tool, Tool) and allowed is not None and tool.name not in allowed):
            continue
        name = rendered.get("name")
        if isinstance(name, str) and name in seen:
            losses.append(Loss(f"tools[{position}]", "drop", "a tool of this name is there already"))
            continue
        seen.add(str(name))
        out.append(rendered)
    return out


def _allowed(conversation: Conversation) -> frozenset[str] | None:
    """The names that a choice leaves over; None where it leaves all."""
    choice = conversation.tool_choice
    if choice is None or not choice.names:
        return None
    if choice.mode == "allowed" or (choice.mode == "named" and len(choice.names) > 1):
        return frozenset(choice.names)
    return None


def _tool(tool: Tool, own: bool, names: Mapping[str, str], strict: bool, losses: list[Loss]) -> dict[str, Any] | None:
    ext = (tool.ext.get(ANTHROPIC) or {}) if tool.ext else {}
    flat = flat_name(tool.name, tool.namespace)
    if not flat:
        losses.append(Loss("tools", "drop", "a tool without a name"))
        return None
    out: dict[str, Any] = {"name": names.get(flat, flat)}
    if ext.get("type") in (None, "custom"):
        if tool.description:
            out["description"] = tool.description
        if tool.kind == "custom":
            out["input_schema"] = _freeform(tool)
        else:
            out["input_schema"] = tool.schema if own and tool.schema else input_schema(tool.schema)
        if tool.strict and (own or (strict and not is_recursive(tool.schema))):
            out["strict"] = True
            if not own:
                out["input_schema"] = output_schema(out["input_schema"])
    return {**out, **mark_fields(tool.cache), **ext}


def _freeform(tool: Tool) -> dict[str, Any]:
    field: dict[str, Any] = {"type": "string"}
    grammar = tool.grammar.get("grammar", tool.grammar) if isinstance(tool.grammar, dict) else None
    if isinstance(grammar, dict) and grammar.get("definition"):
        field["description"] = f"Must match this {grammar.get('syntax', '')} grammar:\n{grammar['definition']}"
    return {"type": "object", "properties": {"input": field}, "required": ["input"]}


def _server_tool(
    tool: ServerTool, conversation: Conversation, target: Target, path: str, losses: list[Loss]
) -> dict[str, Any] | None:
    if tool.dialect == ANTHROPIC:
        return dict(tool.raw)
    name, kind = _TYPES.get(tool.kind, ("", ""))
    kind = target.option(name, kind) if name else ""
    if not kind or not isinstance(kind, str):
        leave_out(tool, path, conversation, losses)
        return None
    out: dict[str, Any] = {"type": kind, "name": name}
    if tool.kind != "code_execution":
        out |= _search_limits(tool.raw, losses, path)
    return out


def _search_limits(raw: Any, losses: list[Loss], path: str) -> dict[str, Any]:
    """What other dialects' search tools say that this one can say too."""
    if not isinstance(raw, dict):
        return {}
    out: dict[str, Any] = {}
    filters = raw.get("filters")
    domains = filters.get("allowed_domains") if isinstance(filters, dict) else None
    if isinstance(domains, list) and domains:
        out["allowed_domains"] = domains
    place = raw.get("user_location")
    if isinstance(place, dict):
        inner = place.get("approximate")
        named: dict[str, Any] = inner if isinstance(inner, dict) else place
        told = {key: named[key] for key in ("city", "region", "country", "timezone") if named.get(key)}
        if told:
            out["user_location"] = {"type": "approximate", **told}
    if raw.get("search_context_size"):
        losses.append(Loss(f"{path}.search_context_size", "drop"))
    return out


def render_choice(conversation: Conversation, names: Mapping[str, str], relaxed: bool) -> dict[str, Any] | None:
    """The field ``tool_choice``; None where it says nothing. ``relaxed``: this model cannot be forced."""
    choice = conversation.tool_choice
    serial = {"disable_parallel_tool_use": True} if conversation.parallel_tools is False else {}
    if choice is None:
        return {"type": "auto", **serial} if serial else None
    if choice.mode == "none":
        return {"type": "none"}
    if choice.mode in ("auto", "allowed") or relaxed:
        return {"type": "auto", **serial}
    if choice.mode == "named" and len(choice.names) == 1:
        return {"type": "tool", "name": _choice_name(conversation, choice.names[0], names), **serial}
    return {"type": "any", **serial}


def _choice_name(conversation: Conversation, name: str, names: Mapping[str, str]) -> str:
    flats = (flat_name(t.name, t.namespace) for t in conversation.tools if isinstance(t, Tool) and t.name == name)
    flat = next(flats, name)
    return names.get(flat, flat)


def call_input(arguments: str, kind: str = "function") -> dict[str, Any]:
    """A call's arguments as the object that this dialect wants. Text that is no object is wrapped, not lost."""
    if kind == "custom":
        return {"input": arguments}
    if not arguments.strip():
        return {}
    try:
        value = loads_upstream(arguments)
    except (ValueError, RecursionError):
        return {"_raw": arguments}
    return value if isinstance(value, dict) else {"_raw": arguments}
