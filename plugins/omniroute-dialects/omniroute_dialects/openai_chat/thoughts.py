"""Reasoning in a message: one string to show, and an ordered list where some of it is sealed.

The string is ``reasoning_content`` or ``reasoning``. The list, ``reasoning_details``, holds our own entries
({type: thinking, text, signature} and {type: redacted_thinking, data}) or those of providers that seal
reasoning in this dialect ({type: reasoning.text | reasoning.summary | reasoning.encrypted, …}). An entry of
the second kind is kept whole, as the seal's value, since its maker wants every field of it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omniroute_hooks import OPENAI_CHAT, Seal, Thinking
from omniroute_hooks.jsonio import dumps, loads_upstream
from omniroute_hooks.sealing import token_for, unwrap

GAP = "\n\n"  # between the thoughts of one message, and between its texts, where they are shown as one string
_VENDOR = "reasoning."


def read_thoughts(message: Mapping[str, Any]) -> list[Thinking]:
    """The reasoning of a message, in order. Fields of a wrong type count as absent."""
    shown = shown_thought(message)
    raw = message.get("reasoning_details")
    known = [part for detail in raw if (part := thinking_of(detail)) is not None] if isinstance(raw, list) else []
    if not known:
        return [Thinking(shown)] if shown else []
    out: list[Thinking] = []
    for part in known:
        # The list may leave out what is not sealed; the string tells where it stood.
        at = shown.find(part.text) if part.text else -1
        if at >= 0:
            _add(out, shown[:at])
            shown = shown[at + len(part.text) :]
        out.append(part)
    if not any(part.text for part in known):
        head: list[Thinking] = []
        _add(head, shown)
        return head + out
    _add(out, shown)
    return out


def shown_thought(message: Mapping[str, Any]) -> str:
    """The reasoning a message or delta shows; some providers send the same text under both names."""
    for name in ("reasoning_content", "reasoning"):
        text = message.get(name)
        if isinstance(text, str) and text:
            return text
    return ""


def thinking_of(detail: Any) -> Thinking | None:
    """One entry of ``reasoning_details``; None for what says nothing."""
    if not isinstance(detail, dict):
        return None
    kind = detail.get("type")
    if kind == "redacted_thinking":
        data = detail.get("data")
        return Thinking("", unwrap(data, OPENAI_CHAT), redacted=True) if isinstance(data, str) and data else None
    if isinstance(kind, str) and kind.startswith(_VENDOR):
        text = detail_text(detail)
        seal = vendor_seal(detail)
        return Thinking(text, seal, redacted=not text) if text or seal else None
    text = detail_text(detail)
    token = detail.get("signature")
    seal = unwrap(token, OPENAI_CHAT) if isinstance(token, str) and token else None
    return Thinking(text, seal) if text or seal else None


def detail_text(detail: Mapping[str, Any]) -> str:
    """The words of an entry, under any of their names."""
    for name in ("text", "summary", "thinking"):
        text = detail.get(name)
        if isinstance(text, str) and text:
            return text
    return ""


def vendor_seal(detail: Mapping[str, Any]) -> Seal | None:
    """A provider's own entry as a seal: all of it but its words; None where nothing in it is sealed."""
    if not any(isinstance(detail.get(name), str) and detail[name] for name in ("signature", "data")):
        return None
    kept = {name: value for name, value in detail.items() if name not in ("text", "summary", "index")}
    return Seal(dumps(kept).decode(), OPENAI_CHAT)


def detail_of(part: Thinking, index: int) -> dict[str, Any] | None:
    """The entry that carries this reasoning; None where it has no seal. ``index`` is its place in the list,
    which clients need to join streamed entries."""
    if part.seal is None:
        return None
    token = token_for(part.seal, OPENAI_CHAT)
    vendor = _vendor_entry(token)
    if vendor is not None:
        words = {("summary" if vendor.get("type") == "reasoning.summary" else "text"): part.text} if part.text else {}
        return {**vendor, **words, "index": index}
    if part.redacted:
        return {"type": "redacted_thinking", "data": token, "index": index}
    return {"type": "thinking", "text": part.text, "signature": token, "index": index}


def details_of(parts: Iterable[Thinking]) -> list[dict[str, Any]]:
    """The entries of a whole message."""
    out: list[dict[str, Any]] = []
    for part in parts:
        detail = detail_of(part, len(out))
        if detail is not None:
            out.append(detail)
    return out


def joined_thoughts(parts: Sequence[Thinking]) -> str:
    """All of it as one string."""
    return GAP.join(part.text for part in parts if part.text)


def _add(out: list[Thinking], text: str) -> None:
    text = text.removeprefix(GAP).removesuffix(GAP)
    if text:
        out.append(Thinking(text))


def _vendor_entry(token: str) -> dict[str, Any] | None:
    if not token.startswith("{"):
        return None
    try:
        entry = loads_upstream(token)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and str(entry.get("type", "")).startswith(_VENDOR) else None
