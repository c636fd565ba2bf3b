"""Calls of a provider's model as the items that the caller's own tools bring about.

Other dialects know functions only, so a call of a freeform tool comes as a function with one ``input``, a tool
in a namespace under a joined name, a tool of a type of its own as the function that stood for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from attrs import frozen
from omniroute_hooks import ServerTool, Tool, ToolCall

from ..names import fit
from .client_tools import TYPED, TypedTool, typed_call
from .vocabulary import LONGEST_ID, own

Json = dict[str, Any]
_ALLOWED = "a-zA-Z0-9_-"
_PREFIX = {"function_call": "fc", "custom_tool_call": "ctc"}


@frozen
class CallPlan:
    """How a call is shown. ``kind`` is the item's type; ``wrapped``: its input is inside JSON arguments;
    ``typed``: it is a native item, whose action is known when the call is complete."""

    kind: str
    name: str
    namespace: str | None = None
    wrapped: bool = False
    typed: TypedTool | None = None

    @property
    def prefix(self) -> str:
        """The vendor's prefix for ids of this item."""
        return self.typed.prefix if self.typed is not None else _PREFIX[self.kind]


class CallPlans:
    """The plans for one conversation's tools."""

    def __init__(self, tools: Sequence[Tool | ServerTool]) -> None:
        self._tools = [tool for tool in tools if isinstance(tool, Tool)]
        self._by_name: Mapping[str, Tool] | None = None

    def plan(self, call: ToolCall) -> CallPlan:
        """How this call is shown; only its kind, name and namespace are looked at."""
        if self._by_name is None:
            self._by_name = _by_name(self._tools)
        if call.namespace is not None:
            kind = "custom_tool_call" if call.kind == "custom" else "function_call"
            return CallPlan(kind, call.name, call.namespace)
        tool = self._by_name.get(call.name)
        name, namespace = (call.name, None) if tool is None else (tool.name, tool.namespace)
        if call.kind == "custom":
            return CallPlan("custom_tool_call", name, namespace)
        if tool is not None and tool.kind == "custom":
            return CallPlan("custom_tool_call", name, namespace, wrapped=True)
        if tool is not None and "typed" in own(tool.ext):
            typed = TYPED[tool.name]
            return CallPlan(typed.call, name, typed=typed)
        return CallPlan("function_call", name, namespace)


def function_plan(name: str) -> CallPlan:
    """A call shown as a plain function: what remains where arguments amount to no action."""
    return CallPlan("function_call", name)


def empty_item(plan: CallPlan, item_id: str, call_id: str) -> Json:
    """The item when it is added: who is called, not with what."""
    item: Json = {"type": plan.kind, "id": item_id, "call_id": call_id, "name": plan.name}
    if plan.kind == "function_call":
        item.update(arguments="", status="in_progress")
    else:
        item["input"] = ""
    if plan.namespace is not None:
        item["namespace"] = plan.namespace
    return item


def unwrapped(arguments: str) -> str:
    """The freeform input in a function's arguments; arguments of any other shape are the input themselves."""
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    if isinstance(value, dict) and isinstance(value.get("input"), str):
        return str(value["input"])
    return value if isinstance(value, str) else arguments


def native_item(plan: CallPlan, call: ToolCall, item_id: str, call_id: str) -> Json | None:
    """The item of a typed tool; None where the arguments amount to no action."""
    assert plan.typed is not None  # the caller looked
    return typed_call(plan.typed, call_id, item_id, call.arguments, "in_progress")


def _by_name(tools: Sequence[Tool]) -> dict[str, Tool]:
    """Tools by every name that a target may have given them; a tool's own name wins over a changed one."""
    out: dict[str, Tool] = {}
    for tool in tools:
        joined = tool.name if tool.namespace is None else f"{tool.namespace}__{tool.name}"
        changed = [fit(joined, _ALLOWED, LONGEST_ID), fit(joined, _ALLOWED, 128)]
        changed += [fit("_" + name, _ALLOWED, length) for name, length in zip(changed, (LONGEST_ID, 128), strict=True)]
        for name in (joined, *changed):
            out.setdefault(name, tool)
    for tool in tools:
        if tool.namespace is not None:
            out.setdefault(tool.name, tool)
    return {**out, **{tool.name: tool for tool in tools if tool.namespace is None}}
