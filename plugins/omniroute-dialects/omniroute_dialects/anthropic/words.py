"""Server-side blocks in plain words: what another vendor's model may be told of a search or a run that went before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omniroute_hooks.jsonio import dumps

_TOLD = ("title", "url", "text", "stdout", "stderr", "data", "tool_name", "error_code", "error_message")


def plain_words(block: Mapping[str, Any]) -> str:
    """The gist of a block; "" where there is nothing to tell."""
    kind = str(block.get("type"))
    if kind.endswith("tool_use"):
        return f"[{block.get('name')}: {dumps(block.get('input')).decode()}]"
    return "\n".join(_strings({"content": block.get("content"), "tool_name": block.get("tool_name")}))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        content = value.get("content")
        if value.get("type") == "base64":
            return  # bytes are no words
        for name in _TOLD:
            if isinstance(value.get(name), str) and value[name]:
                yield value[name]
        if isinstance(content, str):
            if content:
                yield content
        else:
            yield from _strings(content)
        yield from _strings(value.get("source"))
        yield from _strings(value.get("tool_references"))
