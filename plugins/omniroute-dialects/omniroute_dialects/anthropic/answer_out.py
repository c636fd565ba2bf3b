"""An answer for a caller of this dialect, whole; and its blocks, which streams share.

Thinking is shown to callers who asked for it, and to callers with tools, whose next request must bring it
back. Everybody else gets what the vendor would send them: none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omniroute_hooks import (
    ANTHROPIC,
    Answer,
    Audio,
    Blob,
    Citation,
    Conversation,
    Document,
    Image,
    Opaque,
    Part,
    Refusal,
    Reply,
    Seal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    Video,
)
from omniroute_hooks.sealing import token_for, wrap

from ..blobs import text_of
from ..hosted_tools import shown_words
from ..names import fit, original_name
from .carriers import call_carrier, text_carrier
from .content_out import LONGEST_ID
from .stops import stop_fields
from .tools_out import NAME_CHARS, call_input
from .usage import usage_fields

UNSIGNED = wrap(Seal("", ANTHROPIC))  # clients insist on a signature where the maker gives none

Block = dict[str, Any]


def render_answer(answer: Answer, reply: Reply) -> dict[str, Any]:
    """The message object."""
    names = caller_names(reply.conversation)
    shown = shows_thinking(reply.conversation)
    content = [block for part in answer.parts for block in part_blocks(part, names, shown)]
    out: dict[str, Any] = {
        "id": answer_id(answer.id, reply),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        **stop_fields(answer),
        "usage": usage_fields(answer.usage, reply.input_estimate),
    }
    if answer.ext:
        extra = answer.ext.get(ANTHROPIC) or {}
        out |= {name: value for name, value in extra.items() if name not in out}
    return out


def answer_id(id: str | None, reply: Reply) -> str:
    """The provider's id where it is of this dialect, else one of our own."""
    return id if id is not None and id.startswith("msg_") else f"msg_{reply.reply_id}"


def shows_thinking(conversation: Conversation) -> bool:
    """Whether this caller gets to see thinking."""
    return conversation.reasoning.mode in ("on", "auto") or bool(conversation.tools)


def caller_names(conversation: Conversation) -> Callable[[str], str]:
    """Gives the caller's own name of a tool for the one that the provider used."""
    known = frozenset(tool.name for tool in conversation.tools if isinstance(tool, Tool))
    return lambda name: original_name(name, known)


def part_blocks(part: Part, names: Callable[[str], str], shown: bool) -> list[Block]:
    """The blocks of one part: one as a rule, none for what has no words, two where a seal must be carried."""
    if isinstance(part, Text):
        return _text(part, shown)
    if isinstance(part, ToolCall):
        block = {**call_block(part, names), "input": call_input(part.arguments, part.kind)}
        block |= (part.ext.get(ANTHROPIC) or {}) if part.ext else {}
        carried = [] if part.seal is None else [call_carrier(part.seal, block["id"])]
        return [*carried, block]
    if isinstance(part, Thinking):
        return [thinking_block(part)] if shown and (part.text or part.seal is not None) else []
    if isinstance(part, Opaque) and part.dialect == ANTHROPIC:
        return [part.raw]
    words = _words(part)
    return [{"type": "text", "text": words}] if words else []


def call_block(part: ToolCall, names: Callable[[str], str]) -> Block:
    """A call without its input."""
    return {
        "type": "tool_use",
        "id": fit(part.id, NAME_CHARS, LONGEST_ID),
        "name": names(part.name),
        "input": {},
    }


def thinking_block(part: Thinking) -> Block:
    """Thinking with its signature: the maker's own, or one that carries it home."""
    if part.redacted and part.seal is not None:
        return {"type": "redacted_thinking", "data": token_for(part.seal, ANTHROPIC)}
    return {"type": "thinking", "thinking": part.text, "signature": signature_of(part)}


def signature_of(part: Thinking) -> str:
    """The signature that this dialect's clients must bring back."""
    return token_for(part.seal, ANTHROPIC) if part.seal is not None else UNSIGNED


def citation_fields(citation: Citation) -> Block | None:
    """A citation as the vendor writes it; another maker's as a web search's."""
    own = citation.ext.get(ANTHROPIC) if citation.ext else None
    if own is not None:
        return dict(own)
    if citation.url is None:
        return None
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "cited_text": citation.cited_text or "",
        "encrypted_index": UNSIGNED,
    }


def _text(part: Text, shown: bool) -> list[Block]:
    out: list[Block] = []
    if part.text:
        block: Block = {"type": "text", "text": part.text}
        cited = [fields for one in part.citations if (fields := citation_fields(one)) is not None]
        if cited:
            block["citations"] = cited
        out.append(block)
    if part.seal is not None and shown:
        out.append(text_carrier(part.seal, not part.text))
    return out


def _words(part: Part) -> str:
    """What a caller of this dialect can be told of a part that it has no block for."""
    if isinstance(part, Refusal):
        return part.text
    if isinstance(part, Opaque):
        return shown_words(part)
    if isinstance(part, Document):
        return text_of(part.source) or _named(part.source, part.title or "document")
    if isinstance(part, Image):
        url = part.source.url
        return f"![image]({url})" if url else _named(part.source, "image")
    if isinstance(part, Audio | Video):
        return _named(part.source, "audio" if isinstance(part, Audio) else "video")
    return ""


def _named(blob: Blob, what: str) -> str:
    return f"[{what}: {blob.url or blob.mime or 'of unknown type'}]"
