"""Tools that this vendor defines and the caller runs: their inputs, for models of everybody else.

A model of the vendor's own knows them by their type. Any other model is told with a schema what the caller
expects, and the caller cannot tell the difference.

Source: the vendor's tool reference (bash_20250124, text_editor_20250728, memory_20250818, computer_20250124).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STRING = {"type": "string"}
_WHOLE = {"type": "integer"}
_POINT = {"type": "array", "items": {"type": "integer"}, "description": "x and y in pixels"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "object", "properties": properties}
    return {**out, "required": required} if required else out


_FILES = {
    "path": _STRING,
    "file_text": {**_STRING, "description": "for create"},
    "old_str": {**_STRING, "description": "for str_replace: must occur exactly once"},
    "new_str": {**_STRING, "description": "for str_replace and insert"},
    "insert_line": {**_WHOLE, "description": "for insert: the line after which the text goes, from 0"},
    "insert_text": {**_STRING, "description": "for insert"},
    "view_range": {"type": "array", "items": _WHOLE, "description": "for view: first and last line, from 1"},
}
_KNOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "bash": (
        "Runs a command in a bash session that stays open between calls.",
        _object(
            [],
            command={**_STRING, "description": "the command to run"},
            restart={"type": "boolean", "description": "true starts the session anew, without a command"},
        ),
    ),
    "text_editor": (
        "Views and edits text files.",
        _object(
            ["command", "path"],
            command={**_STRING, "enum": ["view", "create", "str_replace", "insert", "undo_edit"]},
            **_FILES,
        ),
    ),
    "memory": (
        "Keeps notes in files under /memories that last between conversations.",
        _object(
            ["command"],
            command={**_STRING, "enum": ["view", "create", "str_replace", "insert", "delete", "rename"]},
            old_path={**_STRING, "description": "for rename"},
            new_path={**_STRING, "description": "for rename"},
            **_FILES,
        ),
    ),
    "computer": (
        "Acts on a computer's screen, mouse and keyboard, and takes screenshots.",
        _object(
            ["action"],
            action={**_STRING, "description": "screenshot, left_click, type, key, mouse_move, scroll, wait, …"},
            coordinate=_POINT,
            start_coordinate=_POINT,
            text={**_STRING, "description": "what to type, or the keys to press"},
            duration={"type": "number", "description": "seconds"},
            scroll_direction={**_STRING, "enum": ["up", "down", "left", "right"]},
            scroll_amount=_WHOLE,
            region={"type": "array", "items": _WHOLE},
        ),
    ),
}
_DATED = re.compile(r"^(.*?)_\d{8}$")


def base_type(kind: str) -> str:
    """A tool type without the date of its version."""
    match = _DATED.match(kind)
    return match[1] if match else kind


def client_tool(kind: str) -> tuple[str, Mapping[str, Any]] | None:
    """Description and input schema of the typed tool ``kind``; None where the provider runs it."""
    return _KNOWN.get(base_type(kind))
