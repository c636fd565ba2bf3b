"""What a provider's error says, in any of the shapes seen: message, code, parameter, status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from omniroute_hooks.jsonio import dumps

from ..failures_in import one_line

_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,300})", re.IGNORECASE)


def words_in(value: Any) -> tuple[str, str | None, str | None]:
    """Message, code and parameter of an error in any of the shapes seen."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str):
        return value, None, None
    if not isinstance(value, dict):
        return "", None, None
    inner = value.get("error")
    if isinstance(inner, str) and inner:
        more = value.get("message")
        return (more if isinstance(more, str) and more else inner), _code(value), None
    if isinstance(inner, list) and inner:
        return words_in(inner[0])
    if not isinstance(inner, dict):
        inner = value
        nested = value.get("errors")
        if isinstance(nested, list) and nested and not value.get("message"):
            return words_in(nested[0])
    message = _message(inner)
    param = inner.get("param")
    meta = inner.get("metadata")
    raw = meta.get("raw") if isinstance(meta, dict) else None
    if raw and message is not None:  # OpenRouter: the words of the provider behind it
        behind = raw if isinstance(raw, str) else dumps(raw).decode()
        message = f"{message}: {behind[:1000]}"
    return message or "", _code(inner) or _code(value), param if isinstance(param, str) and param else None


def _message(holder: Mapping[str, Any]) -> str | None:
    for name in ("message", "detail", "msg", "error_msg", "reason"):
        value = holder.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, list) and value:  # FastAPI: [{loc, msg}]
            return "; ".join(_detail(item) for item in value[:20])
        if isinstance(value, dict) and value:
            inner = value.get("message")
            return inner if isinstance(inner, str) else dumps(value).decode()
    return None


def _detail(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    where = item.get("loc")
    path = ".".join(str(step) for step in where) if isinstance(where, list) else ""
    words = item.get("msg")
    return f"{path}: {words}" if path else str(words)


def _code(holder: Mapping[str, Any]) -> str | None:
    """The provider's word for it: the code, else the type; numbers are no words."""
    for name in ("code", "type", "status"):
        value = holder.get(name)
        if isinstance(value, str) and value and not value.isdigit() and value != "error":
            return value
    return None


def status_in(value: Any) -> int | None:
    """An HTTP status that stands inside the JSON."""
    for holder in (value.get("error") if isinstance(value, dict) else None, value):
        if not isinstance(holder, dict):
            continue
        for name in ("code", "status", "status_code", "http_code"):
            number = holder.get(name)
            if isinstance(number, str) and number.isdigit() and len(number) == 3:
                number = int(number)
            if isinstance(number, int) and not isinstance(number, bool) and 400 <= number < 600:
                return number
    return None


def page_words(text: str, status: int) -> str:
    """What a web page says in place of an error: its title, else its first words."""
    title = _TITLE.search(text)
    words = title[1] if title else one_line(text)[:300]
    return f"The provider answered with a web page ({status}): {words.strip()}"
