"""A caller's ``tools`` and ``toolConfig``."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import GEMINI, ServerTool, Tool, ToolChoice
from omniroute_hooks.jsonio import json_type

from .body import Body, camel
from .schema import widen

_SERVER_KINDS = {
    "googleSearch": "web_search",
    "googleSearchRetrieval": "web_search",
    "urlContext": "url_context",
    "codeExecution": "code_execution",
}
_MODES = ("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED")


def read_tools(body: Body) -> tuple[Tool | ServerTool, ...]:
    """All tools of all entries, in order. An entry holds function declarations, or a tool of the vendor's own."""
    out: list[Tool | ServerTool] = []
    for entry in body.objects("tools"):
        for declared in entry.objects("functionDeclarations"):
            tool = _tool(declared)
            if tool is not None:
                out.append(tool)
        for name, value in entry.body.items():
            if value is not None and camel(name) != "functionDeclarations":
                out.append(ServerTool(_SERVER_KINDS.get(camel(name), camel(name)), GEMINI, {camel(name): value}))
    return tuple(out)


def _tool(declared: Body) -> Tool | None:
    name = declared.text("name", required=True)
    if name is None:
        return None
    if not name:
        declared.wrong("name", "must not be empty")
        return None
    description = declared.text("description")
    own = declared.raw("parameters")
    full = declared.raw("parametersJsonSchema")
    for field, value in (("parameters", own), ("parametersJsonSchema", full)):
        if value is not None and not isinstance(value, dict):
            declared.wrong(field, f"must be an object, not {json_type(value)}")
            own = full = None
    extra: dict[str, Any] = declared.rest()
    if full is not None:
        schema = full
    elif own is not None:
        schema = widen(own)
        extra = {"parameters": own, **extra}
    else:
        schema = {"type": "object", "properties": {}}
    return Tool(name, description, schema, ext={GEMINI: extra} if extra else {})


def read_choice(body: Body) -> tuple[ToolChoice | None, dict[str, Any]]:
    """The choice, and ``toolConfig`` as it came where it says more than that."""
    config = body.object("toolConfig")
    if config is None:
        return None, {}
    choice: ToolChoice | None = None
    more = False
    calling = config.object("functionCallingConfig")
    if calling is not None:
        mode = calling.word("mode") or "MODE_UNSPECIFIED"
        names = calling.texts("allowedFunctionNames")
        if mode not in _MODES:
            calling.wrong("mode", "must be one of " + ", ".join(_MODES[:-1]))
        elif mode == "NONE":
            choice = ToolChoice("none")
        elif mode == "ANY":
            choice = ToolChoice("named", names) if names else ToolChoice("any")
        elif mode == "VALIDATED":
            choice = ToolChoice("allowed", names) if names else ToolChoice("auto")
            more = True
        elif mode == "AUTO":
            choice = ToolChoice("auto")
        more = more or bool(calling.rest())
    more = more or bool(config.rest())
    return choice, dict(config.body) if more else {}
