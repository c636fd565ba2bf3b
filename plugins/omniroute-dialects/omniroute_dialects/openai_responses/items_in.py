"""A caller's input items, as turns.

Neighbouring items of the model (messages, reasoning, calls) make one assistant turn, neighbouring results of
tools one user turn; every message of the user is a turn of its own. What marks an item's border or belongs to it
alone rides along, so that the items can be written again as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve
from omniroute_hooks import (
    Opaque,
    Part,
    Seal,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute_hooks.conversation import Ext
from omniroute_hooks.jsonio import json_type

from ..fields import Fields
from .client_tools import BY_CALL, BY_OUTPUT, TOOL_SEARCH, TypedTool, typed_result
from .hosted import hosted_part
from .parts_in import parse_content, without_empty
from .slots import read_slot
from .tools_in import parse_tools
from .vocabulary import ID, own, slot, text_json

_OF_THE_MODEL = {"program", "mcp_list_tools", "mcp_approval_request", "additional_tools"}


class ItemReader:
    """Reads items one after another into ``turns``.

    ``tools`` are definitions that came among the items, ``reference`` the id of an item that only the provider
    holds, ``bound`` the paths of all items that nobody else can read.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.tools: list[Tool | ServerTool] = []
        self.reference: str | None = None
        self.bound: list[str] = []
        self._model: list[Part] = []
        self._results: list[Part] = []
        self._of_calls: dict[str, Seal] = {}

    def read(self, item: Fields) -> None:
        """One item; problems are noted in it."""
        kind = item.text("type") or ("message" if item.has("role") else None)
        if kind is None and item.has("id"):
            kind = "item_reference"
        if kind is None:
            item.wrong("type", "is required")
        elif kind == "message":
            self._message(item)
        elif kind == "reasoning":
            self._reasoning(item)
        elif kind in ("function_call", "custom_tool_call"):
            self._call(item, kind == "custom_tool_call")
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._output(item, kind == "custom_tool_call_output")
        elif kind in BY_CALL and not _hosted(kind, item):
            self._typed_call(item, BY_CALL[kind])
        elif kind in BY_OUTPUT and not _hosted(kind, item):
            self._typed_output(item, BY_OUTPUT[kind])
        else:
            self._other(kind, item)

    def end(self) -> None:
        """Closes the last turn, and gives calls the seals that came in items of their own."""
        self._close()
        if self._of_calls:
            self.turns = [evolve(turn, parts=tuple(self._sealed(p) for p in turn.parts)) for turn in self.turns]

    def _sealed(self, part: Part) -> Part:
        if isinstance(part, ToolCall) and part.id in self._of_calls:
            return evolve(part, seal=self._of_calls[part.id])
        return part

    # turns ------------------------------------------------------------------

    def _said(self, *parts: Part) -> None:
        self._close_results()
        self._model.extend(parts)

    def _gave(self, part: Part) -> None:
        self._close_model()
        self._results.append(part)

    def _close(self) -> None:
        self._close_model()
        self._close_results()

    def _close_model(self) -> None:
        if self._model:
            self.turns.append(Turn("assistant", tuple(self._model)))
            self._model.clear()

    def _close_results(self) -> None:
        if self._results:
            self.turns.append(Turn("user", tuple(self._results)))
            self._results.clear()

    # items ------------------------------------------------------------------

    def _message(self, item: Fields) -> None:
        role = item.one_of("role", ("user", "assistant", "system", "developer"))
        parts = parse_content(item, "content")
        rest = without_empty(item.rest(("type",)))
        if role is None:
            if not item.has("role"):
                item.wrong("role", "is required")
        elif role == "assistant":
            self._said(*_bordered(parts, rest))
        else:
            self._close()
            if role == "user":
                self.turns.append(Turn("user", parts, ext=slot(rest)))
            else:
                self.turns.append(Turn("system", parts, ext=slot({**rest, "role": role})))

    def _reasoning(self, item: Fields) -> None:
        summary = [_text_of(part) for part in item.objects("summary")]
        content = [_text_of(part) for part in item.objects("content")]
        text = "\n\n".join(t for t in summary if t) or "".join(content)
        item_id, token = item.text("id"), item.text("encrypted_content")
        if token is None:
            self._said(Thinking(text, id=item_id, ext=slot({"item": without_empty(item.body)})))
            return
        held = read_slot(token)
        seal, owner = held.seal, held.owner
        if owner == "call":
            if seal is not None:
                self._of_calls[held.call_id] = seal
        elif owner == "text":
            if seal is not None and self._model and isinstance(self._model[-1], Text):
                self._model[-1] = evolve(self._model[-1], seal=seal)
        elif seal is not None and seal.dialect == ID and seal.provider is None:
            ext = slot({"item": without_empty(item.body)})
            self._said(Thinking(text, seal, redacted=not text, id=item_id, ext=ext))
        elif text or seal is not None:
            redacted = owner == "redacted" or (not text and seal is not None and seal.dialect == ID)
            self._said(Thinking(text, seal, redacted=redacted, id=item_id))

    def _call(self, item: Fields, custom: bool) -> None:
        call_id, name = item.text("call_id", required=True), item.text("name", required=True)
        namespace = item.text("namespace")
        given = item.raw("input" if custom else "arguments")
        if given is not None and not isinstance(given, str):
            if isinstance(given, dict) and not custom:
                given = text_json(given)  # some clients send the arguments parsed
            else:
                item.wrong("input" if custom else "arguments", f"must be a string, not {json_type(given)}")
        if call_id is not None and name is not None and (given is None or isinstance(given, str)):
            ext = slot(without_empty(item.rest(("type",))))
            self._said(ToolCall(call_id, name, given or "", "custom" if custom else "function", namespace, ext=ext))

    def _output(self, item: Fields, custom: bool) -> None:
        call_id = item.text("call_id", required=True)
        value = item.raw("output")
        parts: tuple[Part, ...] = ()
        if isinstance(value, dict):
            parts = (Text(text_json(value)),)
        elif value is not None and not isinstance(value, str | list):
            item.wrong("output", f"must be a string or an array, not {json_type(value)}")
        else:
            parts = parse_content(item, "output")
        if call_id is not None:
            ext = slot(without_empty(item.rest(("type",))))
            self._gave(ToolResult(call_id, parts, kind="custom" if custom else "function", ext=ext))

    def _typed_call(self, item: Fields, typed: TypedTool) -> None:
        call_id = item.text("call_id") or item.text("id")
        action = item.raw(typed.field)
        if call_id is None:
            item.wrong("call_id", "is required")
        elif not isinstance(action, dict):
            item.wrong(typed.field, f"must be an object, not {json_type(action)}")
        else:
            ext = slot({"item": without_empty(item.body)})
            self._said(ToolCall(call_id, typed.kind, text_json(action), ext=ext))

    def _typed_output(self, item: Fields, typed: TypedTool) -> None:
        call_id = item.text("call_id") or item.text("id")
        if typed is TOOL_SEARCH:
            self._found(item)
        if call_id is None:
            item.wrong("call_id", "is required")
            return
        text, failed = typed_result(dict(item.body))
        ext = slot({"item": without_empty(item.body)})
        self._gave(ToolResult(call_id, (Text(text),) if text else (), is_error=failed, name=typed.kind, ext=ext))

    def _other(self, kind: str, item: Fields) -> None:
        raw = dict(item.body)
        if kind == "item_reference":
            reference = item.text("id", required=True)
            if reference and not reference.startswith("rs_"):
                self.reference = self.reference or reference
                self.bound.append(f"{item.path}.id")
        elif kind == "compaction" or (kind == "image_generation_call" and item.has("id") and not item.has("result")):
            # The history in a form that its maker alone can read; an image that is not here, but there.
            self.bound.append(item.path)
        elif kind in ("additional_tools", TOOL_SEARCH.output):
            self._found(item)
        if kind.endswith("_call") or kind in _OF_THE_MODEL:
            part = hosted_part(kind, raw)
            self._said(part)
        else:
            self._gave(Opaque(ID, kind, raw))

    def _found(self, item: Fields) -> None:
        """Tools that are loaded on the way: other dialects get them from the start."""
        for tool in parse_tools(item.objects("tools")):
            if isinstance(tool, Tool):
                self.tools.append(evolve(tool, ext=slot({**own(tool.ext), "among_items": True})))


def _hosted(kind: str, item: Fields) -> bool:
    """Whether the provider itself ran a call that could also be the caller's."""
    if kind in (TOOL_SEARCH.call, TOOL_SEARCH.output):
        return item.body.get("execution") != "client"
    place = item.body.get("environment")
    return isinstance(place, dict) and place.get("type") not in (None, "local")


def _text_of(part: Fields) -> str:
    return part.text("text", required=True) or ""


def _bordered(parts: tuple[Part, ...], rest: Mapping[str, Any]) -> tuple[Part, ...]:
    """The parts of one message of the model; its first text carries what the message itself says."""
    out: list[Part] = []
    border: Mapping[str, Any] | None = rest
    for part in parts:
        if border is not None and isinstance(part, Text):
            ext: Ext = slot({**own(part.ext), "message": border})
            part = evolve(part, ext=ext)
            border = None
        out.append(part)
    return tuple(out)
