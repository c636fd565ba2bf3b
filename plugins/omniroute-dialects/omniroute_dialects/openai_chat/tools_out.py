"""Tools, tool choice and structured output for a provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from omniroute_hooks import (
    OPENAI_CHAT,
    Conversation,
    Loss,
    OutputFormat,
    ServerTool,
    Target,
    Tool,
    ToolChoice,
)

from ..hosted_tools import leave_out
from ..names import fit
from .answer_out import FREEFORM_FIELD

NAME_CHARS, NAME_LENGTH = "a-zA-Z0-9_-", 64
_FREEFORM = {
    "type": "object",
    "properties": {FREEFORM_FIELD: {"type": "string", "description": "The tool's whole input as plain text."}},
    "required": [FREEFORM_FIELD],
}


def wire_name(name: str, namespace: str | None = None) -> str:
    """A tool's name as providers of this dialect take it: the namespace in front, odd characters replaced."""
    return fit(f"{namespace}__{name}" if namespace else name, NAME_CHARS, NAME_LENGTH)


def render_tools(conversation: Conversation, target: Target, losses: list[Loss], same: bool) -> dict[str, Any]:
    """The fields ``tools``, ``tool_choice``, ``parallel_tool_calls`` and ``web_search_options``, as far as needed.

    Errors: `Unsupported` where a tool that the caller relies on cannot exist there.
    """
    native = bool(target.option("custom_tools", False))
    out: dict[str, Any] = {}
    tools: list[dict[str, Any]] = []
    kinds: dict[str, str] = {}
    wanted = conversation.tool_choice
    for position, tool in enumerate(conversation.tools):
        if isinstance(tool, ServerTool):
            raw = _server_tool(tool, f"tools[{position}]", conversation, losses, same)
            if raw is not None and tool.kind == "web_search" and "type" not in raw:
                out["web_search_options"] = raw
            elif raw is not None:
                tools.append(raw)
            continue
        name = wire_name(tool.name, tool.namespace) if not same or tool.namespace else tool.name
        if name not in kinds:
            kinds[name] = "custom" if tool.kind == "custom" and native else "function"
            tools.append(_tool(tool, name, native, same))
    choice = None if wanted is None else _choice(wanted, conversation, kinds, same)
    if isinstance(choice, dict) and choice["type"] == "allowed_tools" and _refuses(target, "allowed_tools"):
        names = {_name_in(entry) for entry in choice["allowed_tools"]["tools"]}
        tools = [entry for entry in tools if _name_in(entry) in names]
        choice = choice["allowed_tools"]["mode"]
        losses.append(Loss("tool_choice", "emulate", "only the allowed tools are sent"))
    if tools:
        out["tools"] = tools
        if choice is not None:
            out["tool_choice"] = choice
        if conversation.parallel_tools is not None:
            out["parallel_tool_calls"] = conversation.parallel_tools
    return out


def _tool(tool: Tool, name: str, native: bool, same: bool) -> dict[str, Any]:
    extra = dict(tool.ext.get(OPENAI_CHAT) or {}) if same else {}
    inner: dict[str, Any] = {"name": name}
    if tool.description is not None:
        inner["description"] = tool.description
    if tool.kind == "custom" and native:
        if tool.grammar is not None:
            inner["format"] = _grammar(tool.grammar)
        return {**extra, "type": "custom", "custom": inner}
    inner["parameters"] = _FREEFORM if tool.kind == "custom" else object_schema(tool.schema)
    if tool.kind == "function" and tool.strict is not None:
        inner["strict"] = tool.strict
    inner.update(extra.pop("function", None) or {})
    return {**extra, "type": "function", "function": inner}


def _grammar(value: Any) -> Any:
    """A freeform tool's format; the Responses form has the grammar's fields beside the type."""
    if isinstance(value, dict) and value.get("type") == "grammar" and "grammar" not in value:
        return {"type": "grammar", "grammar": {k: v for k, v in value.items() if k != "type"}}
    return value


def object_schema(schema: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Parameters always are an object's schema with properties: vendors refuse less."""
    if not schema:
        return {"type": "object", "properties": {}}
    kind = schema.get("type")
    if kind is None and not any(name in schema for name in ("anyOf", "oneOf", "allOf", "$ref")):
        return {"type": "object", "properties": {}, **schema}
    if kind == "object" and "properties" not in schema:
        return {**schema, "properties": {}}
    return schema


def _server_tool(
    tool: ServerTool, path: str, conversation: Conversation, losses: list[Loss], same: bool
) -> dict[str, Any] | None:
    if same and tool.dialect == OPENAI_CHAT and isinstance(tool.raw, dict):
        return dict(tool.raw)
    leave_out(tool, path, conversation, losses)
    return None


def _choice(choice: ToolChoice, conversation: Conversation, kinds: Mapping[str, str], same: bool) -> Any:
    if choice.mode in ("auto", "none"):
        return choice.mode
    if choice.mode == "any":
        return "required"
    spaces = {t.name: t.namespace for t in conversation.tools if isinstance(t, Tool)}
    wire = (n if same and not spaces.get(n) else wire_name(n, spaces.get(n)) for n in choice.names)
    names = [name for name in wire if name in kinds]
    if not names:
        return "auto" if choice.mode == "allowed" else "required"
    entries = [{"type": kinds[name], kinds[name]: {"name": name}} for name in names]
    if choice.mode == "named" and len(entries) == 1:
        return entries[0]
    mode = "required" if choice.mode == "named" else "auto"
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": entries}}


def _name_in(entry: Mapping[str, Any]) -> str | None:
    inner = entry.get(entry.get("type", ""))
    return inner.get("name") if isinstance(inner, Mapping) else None


def _refuses(target: Target, name: str) -> bool:
    return name in (target.option("unsupported") or ())


def render_format(wanted: OutputFormat, same: bool) -> dict[str, Any]:
    """The ``response_format``."""
    if wanted.kind == "json_object":
        return {"type": "json_object"}
    inner: dict[str, Any] = {"name": fit(wanted.name or "answer", NAME_CHARS, NAME_LENGTH)}
    if wanted.description is not None:
        inner["description"] = wanted.description
    if wanted.schema is not None:
        inner["schema"] = wanted.schema
    if wanted.strict is not None:
        inner["strict"] = wanted.strict
    elif not same and wanted.schema is not None and _strict_ready(wanted.schema):
        inner["strict"] = True  # elsewhere a schema is always enforced
    return {"type": "json_schema", "json_schema": inner}


def _strict_ready(schema: Any) -> bool:
    """Whether strict mode takes this schema: objects closed, and every property required."""
    if isinstance(schema, list):
        return all(_strict_ready(item) for item in schema)
    if not isinstance(schema, Mapping):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, Mapping):
        required = schema.get("required")
        names = set(properties) if isinstance(properties, Mapping) else set()
        if schema.get("additionalProperties") is not False:
            return False
        if not names <= set(_strings(required)):
            return False
    below: list[Any] = [schema.get(name) for name in ("items", "anyOf", "oneOf", "allOf")]
    for name in ("properties", "$defs", "definitions"):
        inner = schema.get(name)
        if isinstance(inner, Mapping):
            below.extend(inner.values())
    return all(_strict_ready(item) for item in below)


def _strings(value: Any) -> Iterable[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
