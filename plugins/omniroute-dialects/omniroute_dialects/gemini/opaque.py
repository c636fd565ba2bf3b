"""Parts that only this dialect has, and what they say in plain words."""

from __future__ import annotations

from typing import Any

SERVER_PARTS = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")


def words_of(kind: str, value: Any) -> str:
    """A stand-in for targets of another dialect; "" where there is nothing worth telling."""
    if not isinstance(value, dict):
        return ""
    if kind == "executableCode" and isinstance(value.get("code"), str):
        language = value.get("language")
        return f"```{language.lower() if isinstance(language, str) else ''}\n{value['code']}\n```"
    if kind == "codeExecutionResult" and isinstance(value.get("output"), str):
        return f"```\n{value['output']}\n```"
    return ""
