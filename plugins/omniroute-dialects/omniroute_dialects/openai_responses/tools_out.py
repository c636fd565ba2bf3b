"""Tools and tool choice for a provider of this dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Conversation, FieldProblem, Loss, ServerTool, Target, Tool, ToolChoice, Unsupported

from .strict_schema import fits_strict, object_schema
from .tools_in import choice_of, server_kind, tools_of
from .vocabulary import ECHO, ID, own

Json = dict[str, Any]
_TWINS = {"web_search": "web_search", "code_execution": "code_interpreter"}


def render_tools(c: Conversation, target: Target, names: Mapping[str, str], losses: list[Loss]) -> Json:
    """The fields tools, tool_choice and parallel_tool_calls; none of them where there are no tools.

    Errors: `Unsupported` where a tool of another vendor is all there is to call.
    """
    raw = (c.ext.get(ECHO) or {}).get("tools") if c.dialect == ID else None
    kept = tuple(t for t in c.tools if not (isinstance(t, Tool) and own(t.ext).get("among_items")))
    if c.dialect != ID and any(isinstance(t, Tool) and t.cache is not None for t in c.tools):
        losses.append(Loss("tools.cache_control", "drop", "prompt caching is implicit here"))
    tools = raw if raw is not None and tools_of(raw) == kept else _tools(c, kept, target, names, losses)
    if not tools:
        return {}
    out: Json = {"tools": tools}
    choice = _choice(c, names)
    if choice is not None:
        out["tool_choice"] = choice
    if c.parallel_tools is not None:
        out["parallel_tool_calls"] = c.parallel_tools
    return out


def _tools(
    c: Conversation,
    tools: tuple[Tool | ServerTool, ...],
    target: Target,
    names: Mapping[str, str],
    losses: list[Loss],
) -> list[Json]:
    out: list[Json] = []
    groups: dict[str, Json] = {}
    seen: set[tuple[str | None, str]] = set()
    for tool in tools:
        if isinstance(tool, ServerTool):
            twin = _server_tool(c, tool, target, losses)
            if twin is not None:
                out.append(twin)
            continue
        if (tool.namespace, tool.name) in seen:
            continue  # duplicate names are refused
        seen.add((tool.namespace, tool.name))
        rendered = _tool(tool, c.dialect, names)
        if tool.namespace is None:
            out.append(rendered)
            continue
        group = groups.get(tool.namespace)
        if group is None:
            group = {"type": "namespace", "name": tool.namespace, "description": tool.namespace, "tools": []}
            groups[tool.namespace] = group
            out.append(group)
        group["tools"].append(rendered)
    return out


def _tool(tool: Tool, dialect: str, names: Mapping[str, str]) -> Json:
    fields = own(tool.ext)
    typed = fields.get("typed")
    if isinstance(typed, Mapping):
        return dict(typed)
    out: Json = {"type": tool.kind, "name": names.get(tool.name, tool.name)}
    if tool.description is not None:
        out["description"] = tool.description
    if tool.kind == "custom":
        if tool.grammar is not None:
            out["format"] = _format(tool.grammar)
    elif dialect == ID:
        if tool.schema is not None:
            out["parameters"] = dict(tool.schema)
        if tool.strict is not None:
            out["strict"] = tool.strict
    else:
        out["parameters"] = object_schema(tool.schema)
        # Absent means strict to this vendor, and then optional fields come back filled with "".
        out["strict"] = tool.strict is True and fits_strict(tool.schema)
    out.update({name: value for name, value in fields.items() if name != "among_items"})
    return out


def _format(grammar: Any) -> Any:
    """A custom tool's format; chat nests what stands flat here."""
    if isinstance(grammar, Mapping) and isinstance(grammar.get("grammar"), Mapping):
        return {"type": "grammar", **grammar["grammar"]}
    return grammar


def _server_tool(c: Conversation, tool: ServerTool, target: Target, losses: list[Loss]) -> Json | None:
    if tool.dialect == ID:
        return dict(tool.raw)
    kind = _TWINS.get(tool.kind)
    runs = target.option("hosted_tools", tuple(_TWINS.values()))
    if kind is None or kind not in runs:
        forced = c.tool_choice is not None and c.tool_choice.mode == "named" and tool.kind in c.tool_choice.names
        if forced or len(c.tools) == 1:
            raise Unsupported.of([FieldProblem("tools", f"this model cannot run the tool {tool.kind}")])
        losses.append(Loss("tools", "drop", f"the target cannot run {tool.kind}"))
        return None
    if kind == "code_interpreter":
        return {"type": kind, "container": {"type": "auto"}}
    out: Json = {"type": kind}
    raw = tool.raw if isinstance(tool.raw, Mapping) else {}
    if isinstance(raw.get("allowed_domains"), list):
        out["filters"] = {"allowed_domains": raw["allowed_domains"]}
    if isinstance(raw.get("user_location"), Mapping):
        out["user_location"] = dict(raw["user_location"])
    for name in ("blocked_domains", "max_uses"):
        if raw.get(name):
            losses.append(Loss(f"tools.{name}", "drop"))
    return out


def _choice(c: Conversation, names: Mapping[str, str]) -> Any:
    choice = c.tool_choice
    if choice is None:
        return None
    raw = (c.ext.get(ECHO) or {}).get("tool_choice") if c.dialect == ID else None
    if raw is not None and choice_of(raw) == choice:
        return raw
    if choice.mode in ("auto", "none"):
        return choice.mode
    if choice.mode == "any":
        return "required"
    return _named(choice, c.tools, names)


def _named(choice: ToolChoice, tools: tuple[Tool | ServerTool, ...], names: Mapping[str, str]) -> Any:
    entries = [_entry(name, tools, names) for name in choice.names]
    if choice.mode == "named" and len(entries) == 1:
        return entries[0]
    return {"type": "allowed_tools", "mode": "required" if choice.mode == "named" else "auto", "tools": entries}


def _entry(name: str, tools: tuple[Tool | ServerTool, ...], names: Mapping[str, str]) -> Json:
    for tool in tools:
        if isinstance(tool, Tool) and tool.name == name:
            if "typed" in own(tool.ext):
                return {"type": name}
            return {"type": tool.kind, "name": names.get(name, name)}
        if isinstance(tool, ServerTool) and tool.kind == name:
            native = tool.raw.get("type") if tool.dialect == ID and isinstance(tool.raw, Mapping) else None
            return {"type": native or _TWINS.get(server_kind(name), name)}
    return {"type": "function", "name": names.get(name, name)}
