"""A caller's tools and tool choice, nested as in this dialect, flat as in Responses, or in Messages form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omniroute_hooks import OPENAI_CHAT, ServerTool, Tool, ToolChoice
from omniroute_hooks.conversation import NO_EXT, Ext

from ..fields import Fields
from .content import _cache

NO_PARAMETERS = {"type": "object", "properties": {}}
_SERVER_KINDS = {"web_search": "web_search", "code_interpreter": "code_execution", "code_execution": "code_execution"}


def read_tools(body: Fields) -> tuple[Tool | ServerTool, ...]:
    """All tools, also those of the deprecated ``functions``; of equal names the first counts."""
    out: list[Tool | ServerTool] = []
    names: set[tuple[str | None, str]] = set()
    for tool in _all(body):
        if isinstance(tool, Tool):
            if (tool.namespace, tool.name) in names:
                continue
            names.add((tool.namespace, tool.name))
        out.append(tool)
    search = body.mapping("web_search_options")
    if search is not None:
        out.append(ServerTool("web_search", OPENAI_CHAT, search))
    return tuple(out)


def _all(body: Fields) -> Iterator[Tool | ServerTool]:
    for entry in body.objects("tools"):
        yield from _tool(entry)
    for entry in body.objects("functions"):
        yield from _function(entry, Fields({}))


def _tool(entry: Fields, namespace: str | None = None) -> Iterator[Tool | ServerTool]:
    kind = entry.raw("type")
    if kind == "namespace":
        name = entry.text("name", required=True)
        for inner in entry.objects("tools"):
            yield from _tool(inner, name)
    elif kind == "custom" and not entry.has("input_schema"):
        yield from _custom(entry, namespace)
    elif entry.has("input_schema") or kind == "function" or (kind is None and entry.has("function")):
        nested = entry.object("function") if entry.has("function") else None
        if isinstance(entry.body.get("type"), str) and entry.body["type"] == "function" and nested is None:
            entry.raw("function")
        yield from _function(entry if nested is None else nested, entry, namespace)
    elif isinstance(kind, str):
        yield ServerTool(_server_kind(kind), OPENAI_CHAT, dict(entry.body))
    elif kind is None and entry.has("name"):
        yield from _function(entry, entry, namespace)
    else:
        entry.wrong("type", "must be function or custom")


def _function(inner: Fields, outer: Fields, namespace: str | None = None) -> Iterator[Tool]:
    name = inner.text("name", required=True)
    if name == "":
        inner.wrong("name", "must not be empty")
    schema_name = "input_schema" if inner.has("input_schema") else "parameters"
    schema = inner.mapping(schema_name)
    description, strict = inner.text("description"), inner.flag("strict")
    if name:
        schema = schema or NO_PARAMETERS
        cache = _cache(outer) or _cache(inner)
        yield Tool(name, description, schema, strict, namespace=namespace, cache=cache, ext=_ext(inner, outer))


def _custom(entry: Fields, namespace: str | None) -> Iterator[Tool]:
    inner = entry.object("custom") if entry.has("custom") else entry
    if inner is None:
        return
    name = inner.text("name", required=True)
    description, grammar = inner.text("description"), inner.raw("format")
    if name:
        yield Tool(name, description, kind="custom", grammar=grammar, namespace=namespace, ext=_ext(inner, entry))


def _ext(inner: Fields, outer: Fields) -> Ext:
    """Unknown fields: ``function`` holds those of the inner object, the rest stand beside it."""
    if inner is outer:
        return NO_EXT  # another format's fields mean nothing here
    inside = inner.rest(("parameters", "cache_control"))
    beside = outer.rest(("function", "custom", "type"))
    found = {**beside, **({"function": inside} if inside else {})}
    return {OPENAI_CHAT: found} if found else NO_EXT


def _server_kind(kind: str) -> str:
    return next((word for prefix, word in _SERVER_KINDS.items() if kind.startswith(prefix)), kind)


def read_choice(body: Fields) -> tuple[ToolChoice | None, bool | None]:
    """The tool choice, and whether calls may come in parallel (None: nothing said)."""
    parallel = body.flag("parallel_tool_calls")
    value = body.raw("tool_choice")
    if value is None:
        value = body.raw("function_call")
        if isinstance(value, dict):
            value = {"type": "function", **value}
    if value is None:
        return None, parallel
    if isinstance(value, str):
        word = _WORDS.get(value)
        if word is None:
            body.wrong("tool_choice", "must be none, auto, required or an object")
        return word, parallel
    if not isinstance(value, dict):
        body.wrong("tool_choice", "must be a string or an object")
        return None, parallel
    choice = Fields(value, body.at("tool_choice"), body.problems)
    if choice.raw("disable_parallel_tool_use") is True and parallel is None:
        parallel = False
    return _choice(choice), parallel


def _choice(choice: Fields) -> ToolChoice | None:
    kind = choice.text("type", required=True)
    if kind is None:
        return None
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in ("function", "custom", "tool"):
        inner = choice.object(kind) if choice.has(kind) else choice
        name = inner.text("name", required=True) if inner is not None else None
        return None if name is None else ToolChoice("named", (name,))
    if kind == "allowed_tools":
        inner = choice.object("allowed_tools") if choice.has("allowed_tools") else choice
        if inner is None:
            return None
        names = tuple(name for tool in inner.objects("tools") if (name := _allowed_name(tool)) is not None)
        return ToolChoice("named" if inner.text("mode") in ("required", "any") else "allowed", names)
    choice.wrong("type", "must be none, auto, required, function, custom or allowed_tools")
    return None


def _allowed_name(tool: Fields) -> str | None:
    kind: Any = tool.body.get("type")
    inner = tool.object(kind) if isinstance(kind, str) and tool.has(kind) else tool
    return None if inner is None else inner.text("name", required=True)


_WORDS = {
    "none": ToolChoice("none"),
    "auto": ToolChoice("auto"),
    "required": ToolChoice("any"),
    "any": ToolChoice("any"),
}
