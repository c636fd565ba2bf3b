"""Tools of a type of their own that the caller runs itself: local_shell, shell, apply_patch, client tool search.

Other dialects know only functions. Each such tool becomes a function with the schema of its native action, and
a call of that function becomes the native item again.

Source: openai-python 3.54, types/responses: local_shell, function_shell_tool, apply_patch_tool, tool_search_tool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from attrs import frozen
from omniroute_hooks import Tool

from .vocabulary import slot

Json = dict[str, Any]


@frozen
class TypedTool:
    """``kind`` is the tool's type and the function's name; ``field`` of the ``call`` item holds the arguments."""

    kind: str
    call: str
    output: str
    field: str
    prefix: str
    description: str
    schema: Json
    native: Callable[[Json], Json | None]


def _texts(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and value and all(isinstance(v, str) for v in value) else None


def _whole(given: Json, *names: str) -> Json:
    return {n: int(given[n]) for n in names if isinstance(given.get(n), int | float) and not isinstance(given[n], bool)}


def _exec(given: Json) -> Json | None:
    command = given.get("command")
    words = ["bash", "-lc", command] if isinstance(command, str) and command else _texts(command)
    if words is None:
        return None
    env = given.get("env")
    pairs = {k: v for k, v in env.items() if isinstance(v, str)} if isinstance(env, dict) else {}
    place = {n: given[n] for n in ("working_directory", "user") if isinstance(given.get(n), str)}
    return {"type": "exec", "command": words, "env": pairs, **place, **_whole(given, "timeout_ms")}


def _commands(given: Json) -> Json | None:
    commands = given.get("commands")
    lines = [commands] if isinstance(commands, str) and commands else _texts(commands)
    return None if lines is None else {"commands": lines, **_whole(given, "timeout_ms", "max_output_length")}


def _operation(given: Json) -> Json | None:
    kind, path, diff = given.get("type"), given.get("path"), given.get("diff")
    if not isinstance(path, str) or kind not in ("create_file", "update_file", "delete_file"):
        return None
    if kind == "delete_file":
        return {"type": kind, "path": path}
    return {"type": kind, "path": path, "diff": diff} if isinstance(diff, str) else None


_LINES = {"type": "array", "items": {"type": "string"}}
_WHOLE = {"type": "integer"}
_TEXT = {"type": "string"}

LOCAL_SHELL = TypedTool(
    "local_shell",
    "local_shell_call",
    "local_shell_call_output",
    "action",
    "lsh",
    "Runs a command on the user's machine and returns its output.",
    {
        "type": "object",
        "properties": {
            "command": {**_LINES, "description": "The program and its arguments, one word each."},
            "working_directory": {**_TEXT, "description": "Where to run it."},
            "timeout_ms": {**_WHOLE, "description": "Give up after this many milliseconds."},
            "env": {"type": "object", "additionalProperties": _TEXT, "description": "Environment variables."},
        },
        "required": ["command"],
    },
    _exec,
)
SHELL = TypedTool(
    "shell",
    "shell_call",
    "shell_call_output",
    "action",
    "sh",
    "Runs shell commands on the user's machine, one after another, and returns their output.",
    {
        "type": "object",
        "properties": {
            "commands": {**_LINES, "description": "Shell command lines."},
            "timeout_ms": {**_WHOLE, "description": "Give up after this many milliseconds."},
            "max_output_length": {**_WHOLE, "description": "Characters of output to return at most."},
        },
        "required": ["commands"],
    },
    _commands,
)
APPLY_PATCH = TypedTool(
    "apply_patch",
    "apply_patch_call",
    "apply_patch_call_output",
    "operation",
    "apc",
    "Creates, updates or deletes one file. Creating and updating take a diff in V4A format.",
    {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
            "path": {**_TEXT, "description": "The file."},
            "diff": {**_TEXT, "description": "What to write; not for delete_file."},
        },
        "required": ["type", "path"],
    },
    _operation,
)
TOOL_SEARCH = TypedTool(
    "tool_search",
    "tool_search_call",
    "tool_search_output",
    "arguments",
    "tsc",
    "Looks for further tools.",
    {"type": "object", "properties": {"query": _TEXT}},
    lambda given: given,
)

TYPED: Mapping[str, TypedTool] = {t.kind: t for t in (LOCAL_SHELL, SHELL, APPLY_PATCH, TOOL_SEARCH)}
BY_CALL: Mapping[str, TypedTool] = {t.call: t for t in TYPED.values()}
BY_OUTPUT: Mapping[str, TypedTool] = {t.output: t for t in TYPED.values()}


def client_tool(raw: Json) -> Tool | None:
    """The function for a tool definition that the caller runs itself; None where the provider runs it."""
    kind = raw.get("type")
    typed = TYPED.get(kind) if isinstance(kind, str) else None
    if typed is None:
        return None
    place = raw.get("environment")
    if typed is SHELL and isinstance(place, dict) and place.get("type") != "local":
        return None  # a container of the vendor's
    description, schema = typed.description, typed.schema
    if typed is TOOL_SEARCH:
        if raw.get("execution") != "client":
            return None
        description = raw["description"] if isinstance(raw.get("description"), str) else description
        schema = raw["parameters"] if isinstance(raw.get("parameters"), dict) else schema
    return Tool(typed.kind, description, schema, ext=slot({"typed": raw}))


def typed_call(typed: TypedTool, call_id: str, item_id: str, arguments: str, status: str) -> Json | None:
    """The native item for a call of the function; None where the arguments do not amount to an action."""
    try:
        given = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return None
    native = typed.native(given) if isinstance(given, dict) else None
    if native is None:
        return None
    item: Json = {"type": typed.call, "id": item_id, "call_id": call_id, "status": status, typed.field: native}
    if typed is TOOL_SEARCH:
        item["execution"] = "client"
    return item


def typed_result(item: Json) -> tuple[str, bool]:
    """What such a tool gave back, in words, and whether it failed."""
    output = item.get("output")
    if item.get("type") == TOOL_SEARCH.output:
        return _found(item.get("tools")), False
    if isinstance(output, list):
        return "\n".join(_shell_lines(chunk) for chunk in output if isinstance(chunk, dict)), False
    return output if isinstance(output, str) else "", item.get("status") == "failed"


def _shell_lines(chunk: Json) -> str:
    outcome = chunk.get("outcome")
    end = ""
    if isinstance(outcome, dict):
        end = "timed out" if outcome.get("type") == "timeout" else f"exit code {outcome.get('exit_code')}"
    pieces = [chunk.get("stdout"), chunk.get("stderr"), end]
    return "\n".join(p.rstrip("\n") for p in pieces if isinstance(p, str) and p)


def _found(tools: Any) -> str:
    names: list[str] = []
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            continue
        inner = tool.get("tools")
        if isinstance(inner, list):
            names += [f"{tool['name']}__{t.get('name')}" for t in inner if isinstance(t, dict)]
        else:
            names.append(tool["name"])
    return "Tools found: " + ", ".join(names) if names else "No tools found."
