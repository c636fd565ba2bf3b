"""The caller's tools, and which of them the model may or must use."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import ANTHROPIC, ServerTool, Tool, ToolChoice

from ..fields import Fields
from .cache import read_mark
from .client_tools import base_type, client_tool
from .content_in import ext_of

_SERVER_KINDS = {
    "web_fetch": "url_context",
    "tool_search_tool_regex": "tool_search",
    "tool_search_tool_bm25": "tool_search",
}


def read_tools(body: Fields) -> tuple[Tool | ServerTool, ...]:
    """The field ``tools``."""
    out: list[Tool | ServerTool] = []
    for fields in body.objects("tools"):
        kind = fields.text("type")
        known = client_tool(kind) if kind else None
        if kind is None or kind == "custom" or known is not None:
            out.append(_tool(fields, kind, known))
        else:
            word = base_type(kind)
            out.append(ServerTool(_SERVER_KINDS.get(word, word), ANTHROPIC, fields.body))
    return tuple(out)


def _tool(fields: Fields, kind: str | None, known: tuple[str, Any] | None) -> Tool:
    ext: dict[str, Any] = {} if kind is None else {"type": kind}
    cache = read_mark(fields, ext)
    name = fields.text("name", required=True) or ""
    if known is not None:
        return Tool(name, known[0], known[1], cache=cache, ext=ext_of({**fields.rest(), **ext}))
    description = fields.text("description")
    schema = fields.mapping("input_schema")
    if schema is None and fields.body.get("input_schema") is None:
        fields.wrong("input_schema", "is required")
    strict = fields.flag("strict")
    return Tool(name, description, schema or {}, strict, cache=cache, ext=ext_of({**fields.rest(), **ext}))


def read_choice(body: Fields) -> tuple[ToolChoice | None, bool | None]:
    """``tool_choice``, and whether calls may come in parallel (None where nothing was said)."""
    choice = body.object("tool_choice")
    if choice is None:
        return None, None
    serial = choice.flag("disable_parallel_tool_use")
    parallel = None if serial is None else not serial
    kind = choice.text("type", required=True)
    if kind in ("auto", "any", "none"):
        return ToolChoice(kind), parallel  # type: ignore[arg-type]
    if kind == "tool":
        return ToolChoice("named", (choice.text("name", required=True) or "",)), parallel
    if kind is not None:
        choice.wrong("type", "must be one of any, auto, none, tool")
    return None, parallel
