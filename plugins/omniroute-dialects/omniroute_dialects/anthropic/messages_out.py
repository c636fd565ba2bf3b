"""The turns as this dialect's ``system`` and ``messages``, with the repairs that the vendor needs.

System text at the start goes to ``system``; later system turns keep their place. Calls and results are paired,
neighbours of one role become one message, and the first message is the user's. A trailing answer of the assistant is a
prefill where the model takes one.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen
from omniroute_hooks import ANTHROPIC, Conversation, Text, Thinking, Turn

from ..turns import leading_system, paired, plain_text
from .content_out import Page, collapsed, render_parts, unsupported

Blocks = list[dict[str, Any]]
_START = "Continue."
_GO_ON = "Continue from there."


@frozen
class Messages:
    """``loop_broken``: calls are open, and the turn that made them does not begin with its thinking."""

    system: str | Blocks | None
    messages: list[dict[str, Any]]
    loop_broken: bool


def render_messages(conversation: Conversation, page: Page, *, system_turns: bool, prefill: bool) -> Messages:
    """All turns. ``system_turns``: the model takes system messages in mid conversation; ``prefill``: see above.

    Errors: `Unsupported`.
    """
    system_parts, turns = leading_system(conversation.turns)
    system = render_parts(system_parts, page, "system")
    if not system_turns:
        turns = tuple(_as_reminder(turn, page) if turn.role == "system" else turn for turn in turns)
    rendered: list[tuple[str, Blocks]] = []
    extra: dict[int, dict[str, Any]] = {}
    for position, turn in enumerate(paired(turns)):
        blocks = render_parts(turn.parts, page, f"messages[{position}].content") or _last_words(turn)
        if not blocks:
            continue
        if rendered and rendered[-1][0] == turn.role:
            rendered[-1][1].extend(blocks)
        else:
            rendered.append((turn.role, blocks))
        if turn.ext.get(ANTHROPIC):
            extra.setdefault(id(rendered[-1][1]), {}).update(turn.ext[ANTHROPIC])
    if not rendered and system:
        rendered, system = [("user", system)], []
    if any(block.get("type") != "text" for block in system):
        raise unsupported("system", "this provider takes only text there")
    if not rendered or rendered[0][0] != "user":
        rendered.insert(0, ("user", [{"type": "text", "text": _START}]))
        page.lost("messages", "emulate", "the first message must be the user's")
    if rendered[-1][0] == "assistant":
        _settle_prefill(rendered, page, prefill)
    return Messages(
        collapsed(system) if system else None,
        [{"role": role, "content": collapsed(blocks), **extra.get(id(blocks), {})} for role, blocks in rendered],
        _loop_broken(rendered),
    )


def _as_reminder(turn: Turn, page: Page) -> Turn:
    text = plain_text(turn.parts, "\n\n")
    if not text.strip():
        return evolve(turn, role="user", parts=())
    page.lost("messages", "emulate", "a system message in mid conversation is told as the user's")
    return Turn("user", (Text(f"<system-reminder>\n{text}\n</system-reminder>"),))


def _last_words(turn: Turn) -> Blocks:
    """A turn that was nothing but foreign reasoning keeps its words: it was the whole answer."""
    if turn.role != "assistant":
        return []
    text = "\n".join(part.text for part in turn.parts if isinstance(part, Thinking) and part.text.strip())
    return [{"type": "text", "text": text}] if text else []


def _settle_prefill(rendered: list[tuple[str, Blocks]], page: Page, prefill: bool) -> None:
    """The last message is the assistant's: an answer to be continued."""
    blocks = rendered[-1][1]
    last = blocks[-1]
    if not prefill:
        rendered.append(("user", [{"type": "text", "text": _GO_ON}]))
        page.lost("messages", "emulate", "the model does not continue a started answer")
    elif last.get("type") == "text":
        last["text"] = last["text"].rstrip()  # refused with trailing white space


def _loop_broken(rendered: list[tuple[str, Blocks]]) -> bool:
    if rendered[-1][0] == "assistant":  # a prefill must begin with thinking, too
        return not _is_thought(rendered[-1][1][0])
    if len(rendered) < 2 or rendered[-1][1][0].get("type") != "tool_result":
        return False
    role, blocks = rendered[-2]
    return role == "assistant" and not _is_thought(blocks[0])


def _is_thought(block: dict[str, Any]) -> bool:
    return block.get("type") in ("thinking", "redacted_thinking")
