"""Turns as messages for a provider.

Here a message holds one text, one string of reasoning and a list of calls, and every call must be answered by
``tool`` messages right after it. What a ``tool`` message cannot hold follows in a user message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve
from omniroute_hooks import (
    OPENAI_CHAT,
    Audio,
    Conversation,
    Document,
    Image,
    Loss,
    Opaque,
    Part,
    Refusal,
    Target,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from omniroute_hooks.jsonio import dumps

from ..attribution import without_attribution
from ..names import fit
from ..turns import merged, paired
from .answer_out import FREEFORM_FIELD
from .parts_out import (
    Writer,
    assistant_piece,
    is_text,
    message_content,
    signature,
    text_content,
    text_piece,
    user_piece,
    words_of,
)
from .thoughts import details_of, joined_thoughts
from .tools_out import wire_name

_ID_CHARS, _ID_LENGTH = "!-~", 64
_TTL = {"prompt_cache_breakpoint": {"5m": "30m", "1h": "30m"}, "cache_control": {"30m": "1h"}}


def render_messages(conversation: Conversation, target: Target, losses: list[Loss], same: bool) -> list[dict[str, Any]]:
    """The ``messages``. Errors: `Unsupported` for media that cannot go there."""
    writer = Writer(
        target=target,
        same=same,
        losses=losses,
        system_role=str(target.option("system_role", "system")),
        string_content=bool(target.option("string_content", False)),
        reasoning_field=str(target.option("reasoning_field", "reasoning_content")),
        replay=bool(target.option("replay_reasoning", False)),
        native_custom=bool(target.option("custom_tools", False)),
        cache_field=target.option("cache_field"),
        sees=target.spec is None or "image" in target.spec.input,
    )
    turns: Sequence[Turn] = _joined(conversation.turns) if same else merged(conversation.turns)
    out: list[dict[str, Any]] = []
    for turn in turns if same and _in_order(turns) else paired(turns):
        if turn.role == "system":
            out.extend(_system(turn, writer))
        elif turn.role == "assistant":
            out.extend(_assistant(turn, writer))
        else:
            out.extend(_user(turn, writer))
    return out


def _joined(turns: Sequence[Turn]) -> list[Turn]:
    """Neighbours of the assistant become one where the first has calls, or nothing but reasoning: each call must
    be answered right after its message."""
    out: list[Turn] = []
    for turn in turns:
        last = out[-1] if out else None
        if last is not None and last.role == turn.role == "assistant" and last.parts and _unfinished(last.parts):
            out[-1] = evolve(last, parts=last.parts + turn.parts)
        else:
            out.append(turn)
    return out


def _unfinished(parts: Sequence[Part]) -> bool:
    return any(isinstance(p, ToolCall) for p in parts) or all(isinstance(p, Thinking) for p in parts)


def _in_order(turns: Sequence[Turn]) -> bool:
    """Whether every call is answered once, right after its turn, and nothing else is: then nothing is moved."""
    waiting: list[str] = []
    for turn in turns:
        results = [part.call_id for part in turn.parts if isinstance(part, ToolResult)]
        if (results and len(results) < len(turn.parts)) or (waiting and not results):
            return False
        for call_id in results:
            if call_id not in waiting:
                return False
            waiting.remove(call_id)
        if turn.role == "assistant":
            waiting = [part.id for part in turn.parts if isinstance(part, ToolCall)]
    return not waiting


# one function per role ------------------------------------------------------


def _system(turn: Turn, writer: Writer) -> Iterable[dict[str, Any]]:
    parts = without_attribution(turn.parts)
    if len(parts) < len(turn.parts):
        writer.lose("system", "drop", "the client's attribution line")
        if not parts:
            return
    texts = [text_piece(part, writer) for raw in parts for part in words_of(raw, writer)]
    yield {**_extra(turn, writer), "role": writer.system_role, "content": text_content(texts, "\n\n", writer)}


def _user(turn: Turn, writer: Writer) -> Iterable[dict[str, Any]]:
    attached: list[dict[str, Any]] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            yield _result(part, attached, writer)
    rest = [part for part in turn.parts if not isinstance(part, ToolResult)]
    if not rest and len(rest) < len(turn.parts) and not attached:
        return
    content = attached + [piece for part in rest for piece in user_piece(part, writer)]
    if rest and not content and not writer.same:
        return  # only what this dialect has no words for
    yield {**_extra(turn, writer), "role": "user", "content": message_content(content, "\n", writer)}


def _result(part: ToolResult, attached: list[dict[str, Any]], writer: Writer) -> dict[str, Any]:
    """A ``tool`` message; media goes to ``attached``, for a user message after all results."""
    call_id = fit(part.call_id, _ID_CHARS, _ID_LENGTH)
    texts: list[dict[str, Any]] = []
    media = 0
    for inner in part.parts:
        if isinstance(inner, Opaque) and writer.same and inner.dialect == OPENAI_CHAT:
            texts.append(inner.raw)
        elif isinstance(inner, Text | Opaque | Refusal) or (isinstance(inner, Document) and is_text(inner)):
            texts += [text_piece(piece, writer) for piece in words_of(inner, writer)]
        elif isinstance(inner, Image) and not writer.sees:
            texts.append({"type": "text", "text": "[An image that this model cannot see.]"})
            writer.lose("tool_result.image", "drop", "the model takes no images")
        elif isinstance(inner, Image | Document | Audio | Video):
            if not media:
                attached.append({"type": "text", "text": f"Attached to the result of tool call {call_id}:"})
            media += 1
            attached += user_piece(inner, writer)
            writer.lose("tool_result.media", "emulate", "sent in a user message after the results")
    if media:
        texts.append({"type": "text", "text": "[Attached below.]"})
    if part.is_error:
        lead = "Error: "
        if texts and texts[0].get("type") == "text":
            texts[0] = {**texts[0], "text": lead + texts[0]["text"]}
        else:
            texts.insert(0, {"type": "text", "text": lead + "the tool failed."})
        writer.lose("tool_result.is_error", "emulate", "said in the text")
    out = {"role": "tool", "tool_call_id": call_id, "content": text_content(texts, "\n", writer)}
    if writer.same:
        out = {**(part.ext.get(OPENAI_CHAT) or {}), **out}
    return out


def _assistant(turn: Turn, writer: Writer) -> Iterable[dict[str, Any]]:
    message: dict[str, Any] = {**_extra(turn, writer), "role": "assistant"}
    texts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    thoughts: list[Thinking] = []
    refusal = ""
    for part in turn.parts:
        if isinstance(part, Thinking):
            thoughts.append(part)
        elif isinstance(part, ToolCall):
            calls.append(_call(part, writer))
        elif isinstance(part, Refusal) and writer.same:
            refusal += part.text
        else:
            if isinstance(part, Text) and writer.opens(part.seal):
                message["extra_content"] = signature(part.seal)
            texts += assistant_piece(part, writer)
    if texts:
        message["content"] = text_content(texts, "\n", writer)
    else:
        message["content"] = None if calls or refusal else ""
    if refusal:
        message["refusal"] = refusal
    if calls:
        message["tool_calls"] = calls
    _replay(message, thoughts, bool(calls), writer)
    if texts or calls or refusal or writer.same or writer.reasoning_field in message:
        yield message


def _replay(message: dict[str, Any], thoughts: list[Thinking], called: bool, writer: Writer) -> None:
    """Reasoning in the history, for providers that want it back."""
    if not writer.replay:
        if thoughts:
            writer.lose("messages.reasoning", "drop", "the provider does not take reasoning back")
        return
    own = [t for t in thoughts if t.seal is None or writer.opens(t.seal)]
    if len(own) < len(thoughts):
        writer.lose("messages.reasoning", "drop", "made by another model")
    shown = joined_thoughts(own)
    if shown or called:
        # Who demands reasoning back demands it in every message with calls, also where another model made them.
        message[writer.reasoning_field] = shown or " "
    sealed = details_of(t for t in own if t.seal is not None and t.seal.value)
    if sealed:
        message["reasoning_details"] = sealed


def _call(part: ToolCall, writer: Writer) -> dict[str, Any]:
    out: dict[str, Any] = {"id": fit(part.id, _ID_CHARS, _ID_LENGTH)}
    name = part.name if writer.same and not part.namespace else wire_name(part.name, part.namespace)
    if part.kind == "custom" and writer.native_custom:
        out |= {"type": "custom", "custom": {"name": name, "input": part.arguments}}
    else:
        arguments = part.arguments or "{}"
        if part.kind == "custom":
            arguments = dumps({FREEFORM_FIELD: part.arguments}).decode()
        out |= {"type": "function", "function": {"name": name, "arguments": arguments}}
    if writer.opens(part.seal):
        out["extra_content"] = signature(part.seal)
    elif part.seal is not None:
        writer.lose("messages.tool_calls.signature", "drop", "made by another model")
    return out


def _extra(turn: Turn, writer: Writer) -> dict[str, Any]:
    if not writer.same:
        return {}
    extra = dict(turn.ext.get(OPENAI_CHAT) or {})
    return {**extra, "name": turn.name} if turn.name is not None else extra
