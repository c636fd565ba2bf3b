"""A caller's tools and tool choice.

A namespace becomes its tools, each knowing the namespace. A tool that the caller runs under a type of its own
becomes a function (see `client_tools`). Tools of the provider stay as they came.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omniroute_hooks import ServerTool, Tool, ToolChoice
from omniroute_hooks.jsonio import json_type

from ..fields import Fields
from .client_tools import TYPED, client_tool
from .vocabulary import ID, slot

_CODE = "code_interpreter"


def server_kind(kind: str) -> str:
    """The common word for a hosted tool's type."""
    if kind.startswith("web_search"):
        return "web_search"  # also _preview and dated variants
    return "code_execution" if kind == _CODE else kind


def parse_tools(items: Iterable[Fields]) -> tuple[Tool | ServerTool, ...]:
    """Tools in their order."""
    return tuple(tool for item in items for tool in _tool(item, None))


def _tool(f: Fields, namespace: str | None) -> Iterable[Tool | ServerTool]:
    kind = f.text("type", required=True)
    if kind == "function":
        nested = f.object("function") if "name" not in f.body and isinstance(f.body.get("function"), dict) else None
        return _named(nested or f, "function", namespace)
    if kind == "custom":
        nested = f.object("custom") if "name" not in f.body and isinstance(f.body.get("custom"), dict) else None
        return _named(nested or f, "custom", namespace)
    if kind == "namespace":
        name = f.text("name", required=True)
        return [tool for item in f.objects("tools", required=True) for tool in _tool(item, name)]
    if kind is None:
        return ()
    return (client_tool(dict(f.body)) or ServerTool(server_kind(kind), ID, dict(f.body)),)


def _named(f: Fields, kind: str, namespace: str | None) -> Iterable[Tool]:
    name, description = f.text("name", required=True), f.text("description")
    if name == "":
        f.wrong("name", "must not be empty")
    if kind == "custom":
        grammar = f.mapping("format")
        ext = slot(f.rest(("type",)))
        return () if not name else (Tool(name, description, None, None, "custom", grammar, namespace, ext=ext),)
    schema, strict = f.mapping("parameters"), f.flag("strict")
    ext = slot(f.rest(("type",)))
    return () if not name else (Tool(name, description, schema, strict, namespace=namespace, ext=ext),)


def parse_choice(f: Fields) -> ToolChoice | None:
    """The field ``tool_choice``. A hosted tool is named by the common word for its type."""
    value = f.raw("tool_choice")
    if value is None:
        return None
    if isinstance(value, str):
        if value == "required":
            return ToolChoice("any")
        if value in ("auto", "none"):
            return ToolChoice("auto" if value == "auto" else "none")
        f.wrong("tool_choice", "must be one of auto, none, required, or an object")
        return None
    choice = f.object("tool_choice") if isinstance(value, dict) else None
    if choice is None:
        f.wrong("tool_choice", f"must be a string or an object, not {json_type(value)}")
        return None
    kind = choice.text("type", required=True)
    if kind != "allowed_tools":
        names = _names(choice)
        return ToolChoice("named", names) if names else None
    inner = choice.object("allowed_tools") if isinstance(choice.body.get("allowed_tools"), dict) else choice
    assert inner is not None  # it is an object, as just seen
    mode = inner.one_of("mode", ("auto", "required"))
    allowed = tuple(name for tool in inner.objects("tools", required=True) for name in _names(tool))
    return ToolChoice("named" if mode == "required" else "allowed", allowed)


def _names(f: Fields) -> tuple[str, ...]:
    kind = f.text("type", required=True)
    if kind is None:
        return ()
    if kind in ("function", "custom"):
        inner = f.object(kind) if "name" not in f.body and isinstance(f.body.get(kind), dict) else f
        name = inner.text("name", required=True) if inner is not None else None
        return (name,) if name else ()
    return (kind,) if kind in TYPED else (server_kind(kind),)


def choice_of(value: Any) -> ToolChoice | None:
    """The choice in a raw value that has been checked before."""
    return parse_choice(Fields({"tool_choice": value}))


def tools_of(value: Any) -> tuple[Tool | ServerTool, ...]:
    """The tools in a raw list that has been checked before."""
    return parse_tools(Fields({"tools": value}).objects("tools"))
