"""A caller's messages as turns, in the order they came, nothing regrouped.

Items of the Responses format, which some clients send in ``messages`` or under ``input``, are read by type.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve
from omniroute_hooks import (
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    Opaque,
    Part,
    Refusal,
    Seal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute_hooks.conversation import NO_EXT, Ext, Role
from omniroute_hooks.sealing import unwrap

from ..fields import Fields
from .content import read_content, tool_input
from .thoughts import read_thoughts

_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class MessageReader:
    """Reads messages one after another; it remembers which calls still wait for their results, so that the
    deprecated ``function`` messages and results without an id find theirs."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str]] = []  # id and name of calls without a result
        self._count = 0

    def read(self, messages: Iterable[Fields]) -> list[Turn]:
        """The turns of these messages."""
        turns: list[Turn] = []
        for message in messages:
            turn = self._message(message)
            if turn is not None:
                turns.append(turn)
                self._count += 1
        return turns

    def _message(self, message: Fields) -> Turn | None:
        role = message.text("role")
        kind = message.raw("type")
        if role is None and isinstance(kind, str) and kind != "message":
            return self._item(message, kind)
        if role in ("tool", "function"):
            return self._result(message)
        if role not in _ROLES:
            message.wrong("role", "must be one of system, developer, user, assistant, tool")
            return None
        speaker = message.text("name")
        if role == "assistant":
            parts = self._assistant(message)
        else:
            parts = read_content(message)
            for part in parts:
                if isinstance(part, ToolResult):
                    self._close(part.call_id)
        return Turn(_ROLES[role], tuple(parts), speaker, _ext(message))

    def _assistant(self, message: Fields) -> list[Part]:
        for name in ("reasoning_content", "reasoning", "reasoning_details"):
            message.raw(name)
        parts: list[Part] = [*read_thoughts(message.body), *read_content(message)]
        refusal = message.text("refusal")
        if refusal:
            parts.append(Refusal(refusal))
        for position, call in enumerate(message.objects("tool_calls")):
            found = self._call(call, position)
            if found is not None:
                parts.append(found)
        legacy = message.object("function_call")
        if legacy is not None:
            called = legacy.text("name", required=True)
            if called is not None:
                parts.append(ToolCall(self._made_up_id(0), called, tool_input(legacy.raw("arguments"))))
        self._open.extend((part.id, part.name) for part in parts if isinstance(part, ToolCall))
        return _seal_text(parts, message)

    def _call(self, call: Fields, position: int) -> ToolCall | None:
        call_id = call.text("id") or call.text("call_id") or self._made_up_id(position)
        kind = call.raw("type")
        call.raw("index")  # left over from a stream
        inner = call.object("custom") if kind == "custom" else call.object("function")
        inner = call if inner is None else inner
        name = inner.text("name", required=True)
        arguments = tool_input(inner.raw("input" if kind == "custom" else "arguments"))
        seal = read_seal(call)
        if name is None:
            return None
        return ToolCall(call_id, name, arguments, "custom" if kind == "custom" else "function", seal=seal)

    def _result(self, message: Fields) -> Turn | None:
        name = message.text("name")
        call_id = message.text("tool_call_id") or self._waiting(name)
        parts = tuple(read_content(message))
        if call_id is None:
            message.wrong("tool_call_id", "is required")
            return None
        self._close(call_id)
        result = ToolResult(call_id, parts, name=name, ext=_ext(message))
        return Turn("user", (result,))

    def _item(self, item: Fields, kind: str) -> Turn | None:
        if kind in ("function_call", "custom_tool_call"):
            call_id, name = item.text("call_id") or item.text("id"), item.text("name", required=True)
            if name is None:
                return None
            call_id = call_id or self._made_up_id(0)
            self._open.append((call_id, name))
            custom = kind == "custom_tool_call"
            arguments = tool_input(item.raw("input" if custom else "arguments"))
            return Turn("assistant", (ToolCall(call_id, name, arguments, "custom" if custom else "function"),))
        if kind in ("function_call_output", "custom_tool_call_output"):
            call_id = item.text("call_id") or self._waiting(None)
            if call_id is None:
                item.wrong("call_id", "is required")
                return None
            self._close(call_id)
            custom = kind == "custom_tool_call_output"
            parts = tuple(read_content(item, "output"))
            return Turn("user", (ToolResult(call_id, parts, kind="custom" if custom else "function"),))
        if kind == "reasoning":
            texts = [part.text for name in ("summary", "content") for part in _texts(item, name)]
            token = item.text("encrypted_content")
            seal = unwrap(token, OPENAI_RESPONSES) if token else None
            thinking = Thinking("\n\n".join(texts), seal, redacted=not texts, id=item.text("id"))
            return Turn("assistant", (thinking,)) if texts or seal else None
        if kind == "item_reference":
            return None  # points into a store of another address; there is nothing to show for it
        return Turn("assistant", (Opaque(OPENAI_RESPONSES, kind, dict(item.body)),))

    def _made_up_id(self, position: int) -> str:
        """An id for a call that came without one: the same for the same conversation."""
        return f"call_{self._count}_{position}"

    def _waiting(self, name: str | None) -> str | None:
        """The oldest call without a result, of this name if there is one."""
        same = next((call_id for call_id, called in self._open if name is not None and called == name), None)
        return same if same is not None or not self._open else self._open[0][0]

    def _close(self, call_id: str) -> None:
        self._open = [entry for entry in self._open if entry[0] != call_id]


def read_seal(holder: Fields) -> Seal | None:
    """The signature at ``extra_content.google.thought_signature``, where Gemini's own endpoint of this dialect
    puts it."""
    extra = holder.body.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    token = google.get("thought_signature") if isinstance(google, dict) else None
    holder.raw("extra_content")
    return unwrap(token, OPENAI_CHAT) if isinstance(token, str) and token else None


def _seal_text(parts: list[Part], message: Fields) -> list[Part]:
    """A message's own signature belongs to its text; a signed text may be empty."""
    seal = read_seal(message)
    if seal is None:
        return parts
    for position in range(len(parts) - 1, -1, -1):
        part = parts[position]
        if isinstance(part, Text):
            parts[position] = evolve(part, seal=seal)
            return parts
    after = sum(isinstance(part, Thinking) for part in parts)
    parts.insert(after, Text("", seal=seal))
    return parts


def _texts(item: Fields, name: str) -> list[Text]:
    """Text parts of a reasoning item, whatever their type is called."""
    value = item.raw(name)
    pieces = value if isinstance(value, list) else []
    return [Text(p["text"]) for p in pieces if isinstance(p, dict) and isinstance(p.get("text"), str) and p["text"]]


def _ext(message: Fields) -> Ext:
    rest = message.rest(("type", "id", "status", "phase", "index"))
    rest = {name: value for name, value in rest.items() if value is not None and value != []}
    return {OPENAI_CHAT: rest} if rest else NO_EXT
