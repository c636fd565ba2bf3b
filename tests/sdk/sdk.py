"""A conversation held through a vendor's own library: what the tests of all four have in common."""

from __future__ import annotations

from typing import Protocol, TypeVar

from omniroute_hooks.testing import Ask, Call, Heard, Result, ToolSpec, assistant, user
from pydantic import BaseModel

SYSTEM = "Use tools."
LIMIT = 2048
TOOLS = (
    ToolSpec(
        "get_weather",
        "The weather of a city, now.",
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    ),
    ToolSpec("run_shell", "Runs a command.", {"type": "object", "properties": {"command": {"type": "string"}}}),
)
M = TypeVar("M", bound=BaseModel)


class Talk(Protocol):
    """One conversation. Each method is one request; the history is kept in the library's own objects.

    ``thinks`` asks for reasoning. What comes back is told as `Heard`, after the library's types have been
    held to what they promise.
    """

    async def ask(self, text: str) -> Heard:
        """The user's words."""
        ...

    async def give(self, results: list[Result]) -> Heard:
        """What the tools gave back."""
        ...


class Library(Protocol):
    """A vendor's library against the gateway: conversations, model names (all, and one looked up), input tokens."""

    dialect: str

    def __init__(self, url: str, key: str) -> None: ...
    def talk(self, model: str, stream: bool, thinks: bool = False) -> Talk: ...
    async def listed(self) -> list[str]: ...
    async def known(self, model: str) -> str: ...
    async def count(self, model: str, text: str) -> int: ...
    async def aclose(self) -> None: ...


def checked(value: M, kind: type[M]) -> M:
    """``value``, after every field of it has been held to the library's types.

    Libraries build their objects without validation, so a wrong field is found only by whoever reads it.
    """
    assert isinstance(value, kind)
    kind.model_validate_json(value.model_dump_json(exclude_unset=True, by_alias=True, warnings="error"))
    return value


def asked(text: str, heard: Heard | None = None, results: list[Result] | None = None) -> Ask:
    """What the provider must have been asked by the end of such a conversation."""
    turns = [user(text)]
    if heard is not None:
        turns += [assistant(heard.text, heard.tool_calls), user(results=results or [])]
    return Ask(system=SYSTEM, turns=tuple(turns), tools=TOOLS, max_tokens=LIMIT)


def run(calls: tuple[Call, ...]) -> list[Result]:
    """The tools themselves."""
    return [Result(call.id, call.name, f"{call.name} of {sorted(call.args.items())}: “fine”") for call in calls]
