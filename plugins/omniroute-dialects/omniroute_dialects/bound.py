"""What binds a request to providers of its own dialect (`Conversation.bound`).

Most of it are names of things that one provider keeps: files, stores, containers. Another provider would answer as if
the caller had never spoken of them, so a request that holds such a name is refused there rather than cut down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from omniroute_hooks import Audio, Document, Image, Part, ToolResult, Turn, Video

_NAMES = frozenset(
    {
        "container_id",
        "file_id",
        "file_ids",
        "fileSearchStoreNames",
        "file_search_store_names",
        "retrieval",
        "vector_store_ids",
    }
)
_TYPES_WITHOUT = (None, "function", "custom", "namespace")  # what the caller itself runs, whatever its schema says
_DEEPEST = 4  # levels below a tool; vendors put such names within two


def bound_files(turns: Iterable[Turn], path: str) -> Iterator[str]:
    """``path``, once, where any part of the turns is a file that a provider keeps."""
    if any(_is_kept(part) for turn in turns for part in turn.parts):
        yield path


def _is_kept(part: Part) -> bool:
    if isinstance(part, ToolResult):
        return any(_is_kept(inner) for inner in part.parts)
    return isinstance(part, Image | Document | Audio | Video) and part.source.file_id is not None


def bound_tools(body: Mapping[str, Any]) -> Iterator[str]:
    """The paths of such names in the definitions of tools that the provider runs."""
    tools = body.get("tools")
    for position, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, dict) and tool.get("type") in _TYPES_WITHOUT and not _is_entry(tool):
            continue
        yield from _names_in(tool, f"tools[{position}]", _DEEPEST)


def _is_entry(tool: Mapping[str, Any]) -> bool:
    """Whether a tool has the form of Gemini's, which name their kind by a field of their own."""
    return "type" not in tool and not ("name" in tool or "function" in tool)


def _names_in(value: Any, path: str, deeper: int) -> Iterator[str]:
    if isinstance(value, list) and deeper:
        for position, inner in enumerate(value):
            yield from _names_in(inner, f"{path}[{position}]", deeper - 1)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if inner and (name in _NAMES or (name == "container" and isinstance(inner, str))):
                yield f"{path}.{name}"
            elif deeper and name not in ("functionDeclarations", "function_declarations"):
                yield from _names_in(inner, f"{path}.{name}", deeper - 1)
