"""An answer as a caller of this dialect reads it, whole; the stream encoder shares its pieces."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from omniroute_hooks import (
    OPENAI_CHAT,
    Answer,
    Audio,
    Citation,
    Conversation,
    Image,
    Opaque,
    Part,
    Refusal,
    Reply,
    Seal,
    Stop,
    Text,
    Thinking,
    Tool,
    ToolCall,
)
from omniroute_hooks.jsonio import loads_upstream
from omniroute_hooks.sealing import token_for

from ..blobs import data_url
from ..hosted_tools import shown_words
from ..names import original_name
from .stops import finish_reason
from .thoughts import GAP, details_of, joined_thoughts
from .usage import render_usage

FREEFORM_FIELD = "input"  # a freeform tool, where only functions exist, is a function with this one string


def render_answer(answer: Answer, reply: Reply) -> dict[str, Any]:
    """The body of an answer without a stream."""
    legacy = is_legacy(reply.conversation)
    extra = dict(answer.ext.get(OPENAI_CHAT) or {})
    choice = {
        "index": 0,
        "message": _message(answer.parts, tools_of(reply.conversation), legacy),
        "logprobs": extra.pop("logprobs", None),
        "finish_reason": finish_word(answer.stop, legacy),
    }
    out: dict[str, Any] = {
        **extra,
        "id": f"chatcmpl-{reply.reply_id}",
        "object": "chat.completion",
        "created": reply.created_s,
        "model": reply.model,
        "choices": [choice],
    }
    if answer.usage is not None:
        out["usage"] = render_usage(answer.usage)
    return out


def is_legacy(conversation: Conversation) -> bool:
    """Whether the caller wrote the deprecated ``functions`` and so expects ``function_call`` back."""
    return conversation.dialect == OPENAI_CHAT and "functions" in conversation.ext.get(OPENAI_CHAT, {})


@frozen
class CallerTools:
    """The caller's tools by name. Freeform ones come back as functions from most providers, and some names
    come back changed."""

    names: frozenset[str]
    freeform: frozenset[str]

    def name(self, called: str) -> str:
        """The caller's own name for what the model has called."""
        return called if called in self.names else original_name(called, self.names)


def tools_of(conversation: Conversation) -> CallerTools:
    """The tools of this conversation."""
    tools = [tool for tool in conversation.tools if isinstance(tool, Tool)]
    return CallerTools(
        frozenset(f"{t.namespace}__{t.name}" if t.namespace else t.name for t in tools),
        frozenset(t.name for t in tools if t.kind == "custom"),
    )


def call_input(arguments: str) -> str:
    """The plain text for a freeform tool out of a function call's arguments."""
    try:
        value = loads_upstream(arguments)
    except (ValueError, RecursionError):
        return arguments
    if isinstance(value, dict) and isinstance(value.get(FREEFORM_FIELD), str):
        return str(value[FREEFORM_FIELD])
    return value if isinstance(value, str) else arguments


def finish_word(stop: Stop, legacy: bool) -> str:
    """The ``finish_reason``."""
    word = finish_reason(stop)
    return "function_call" if legacy and word == "tool_calls" else word


def seal_field(seal: Seal) -> dict[str, Any]:
    """The ``extra_content`` that carries a call's or text's signature."""
    return {"google": {"thought_signature": token_for(seal, OPENAI_CHAT)}}


def annotation_of(citation: Citation, start: int, end: int) -> dict[str, Any] | None:
    """A citation of the text that stands from ``start`` to ``end`` in the message; None if it has no address."""
    if citation.url is None:
        return None
    first = start + citation.start if citation.start is not None else start
    last = start + citation.end if citation.end is not None else end
    where: dict[str, Any] = {
        "url": citation.url,
        "title": citation.title or "",
        "start_index": first,
        "end_index": max(first, last),
    }
    if citation.cited_text:
        where["content"] = citation.cited_text
    return {"type": "url_citation", "url_citation": where}


def image_of(image: Image, index: int = 0) -> dict[str, Any]:
    """A picture the model made, in the form that clients know from OpenRouter."""
    return {"type": "image_url", "image_url": {"url": data_url(image.source) or ""}, "index": index}


def _message(parts: tuple[Part, ...], tools: CallerTools, legacy: bool) -> dict[str, Any]:
    text = ""
    last: Part | None = None
    spoken = False
    refusal = ""
    thoughts: list[Thinking] = []
    calls: list[ToolCall] = []
    annotations: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    seal: Seal | None = None
    audio: Any = None
    for part in parts:
        if isinstance(part, Text):
            if text and not isinstance(last, Text):
                text += GAP
            start = len(text)
            text += part.text
            spoken = True
            seal = seal or part.seal
            found = (annotation_of(citation, start, len(text)) for citation in part.citations)
            annotations.extend(annotation for annotation in found if annotation is not None)
        elif isinstance(part, Refusal):
            refusal += part.text
        elif isinstance(part, Thinking):
            thoughts.append(part)
        elif isinstance(part, ToolCall):
            calls.append(part)
        elif isinstance(part, Image):
            images.append(image_of(part, len(images)))
        elif isinstance(part, Audio):
            audio = part.ext.get(OPENAI_CHAT)
        elif isinstance(part, Opaque) and (words := shown_words(part)):
            text += (GAP if text else "") + words
            spoken = True
        last = part
    empty = not calls and not refusal
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text if spoken or empty else None,
        "refusal": refusal or None,
    }
    shown = joined_thoughts(thoughts)
    if shown:
        message["reasoning_content"] = shown
    details = details_of(thoughts)
    if details:
        message["reasoning_details"] = details
    if annotations:
        message["annotations"] = annotations
    if images:
        message["images"] = images
    if audio:
        message["audio"] = audio
    if seal is not None:
        message["extra_content"] = seal_field(seal)
    if calls and legacy:
        message["function_call"] = {"name": tools.name(calls[0].name), "arguments": calls[0].arguments or "{}"}
    elif calls:
        message["tool_calls"] = [_call(call, tools) for call in calls]
    return message


def _call(call: ToolCall, tools: CallerTools) -> dict[str, Any]:
    out: dict[str, Any] = {"id": call.id}
    name = tools.name(call.name)
    if call.kind == "custom":
        out |= {"type": "custom", "custom": {"name": name, "input": call.arguments}}
    elif name in tools.freeform:
        out |= {"type": "custom", "custom": {"name": name, "input": call_input(call.arguments)}}
    else:
        out |= {"type": "function", "function": {"name": name, "arguments": call.arguments or "{}"}}
    if call.seal is not None:
        out["extra_content"] = seal_field(call.seal)
    return out
