"""What is asked, said and heard in a test, in nobody's wire format and simpler than the real thing.

The scripted speakers of `omniroute_hooks.testing.dialects` write these values as wire bodies and read
wire bodies back into them. They share no code with the translation under test, which is what makes
them worth comparing with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from attrs import evolve, field, frozen

Json = Any
StopWord = Literal["end", "tool", "length", "filtered"]


class Call(NamedTuple):
    """A tool call. ``args`` is the parsed object."""

    id: str
    name: str
    args: Mapping[str, Json]


class Result(NamedTuple):
    """What the tool gave back for the call ``id``."""

    id: str
    name: str
    text: str


def _calls(items: Iterable[tuple[str, str, Mapping[str, Json]]]) -> tuple[Call, ...]:
    return tuple(Call(*item) for item in items)


def _results(items: Iterable[tuple[str, str, str]]) -> tuple[Result, ...]:
    return tuple(Result(*item) for item in items)


@frozen
class Tokens:
    """Counts. ``input`` is all that was read, ``cached`` and ``written`` the parts of it that came from the
    cache or went into it; ``output`` is all that was written, ``reasoning`` a part of it."""

    input: int = 12
    cached: int = 0
    written: int = 0
    output: int = 7
    reasoning: int = 0


@frozen(kw_only=True)
class Say:
    """One answer of a scripted provider: thinking, then text, then tool calls (``(id, name, args)`` each).

    ``stop`` follows from the calls unless given. ``error`` is ``(HTTP status, message)``: a whole answer is
    then the error alone, a stream breaks off with it after whatever else was to be said.
    """

    text: str = ""
    thinking: str = ""
    signature: str | None = None
    tool_calls: tuple[Call, ...] = field(default=(), converter=_calls)
    stop: StopWord = field()
    usage: Tokens = Tokens()
    error: tuple[int, str] | None = None
    model: str = "scripted-1"
    id: str = "a1b2c3"

    @stop.default
    def _stop(self) -> StopWord:
        return "tool" if self.tool_calls else "end"


@frozen(kw_only=True)
class Heard:
    """What a strict client understood. Compares by content: not by seal, model or id.

    ``stop`` and ``usage`` are None where a stream ended in ``error``, its message.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[Call, ...] = field(default=(), converter=_calls)
    stop: StopWord | None = "end"
    usage: Tokens | None = Tokens()
    error: str | None = None
    signature: str | None = field(default=None, eq=False)
    model: str = field(default="", eq=False)
    id: str = field(default="", eq=False)


@frozen
class ToolSpec:
    """A tool the caller offers; ``parameters`` is JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Json]


@frozen(kw_only=True)
class Turn:
    """One speaker's words: the assistant's may hold ``calls``, the user's ``results`` (before its text)."""

    role: Literal["user", "assistant"]
    text: str = ""
    calls: tuple[Call, ...] = field(default=(), converter=_calls)
    results: tuple[Result, ...] = field(default=(), converter=_results)


def user(text: str = "", results: Iterable[tuple[str, str, str]] = ()) -> Turn:
    """A turn of the user's."""
    return Turn(role="user", text=text, results=results)


def assistant(text: str = "", calls: Iterable[tuple[str, str, Mapping[str, Json]]] = ()) -> Turn:
    """A turn of the model's."""
    return Turn(role="assistant", text=text, calls=calls)


@frozen(kw_only=True)
class Ask:
    """A request. Compares by what the model gets to see: not by ``model``, ``stream`` or ``thinks``.

    ``tool_choice`` is "any", "none" or a tool's name; None is the model's choice. ``thinks`` asks the model
    to reason and to show it.
    """

    system: str = ""
    turns: tuple[Turn, ...] = (user("Hello."),)
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | None = None
    max_tokens: int | None = 1024
    temperature: float | None = None
    model: str = field(default="scripted-1", eq=False)
    stream: bool = field(default=False, eq=False)
    thinks: bool = field(default=False, eq=False)


def gathered(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Neighbouring turns of one role as one: dialects differ in how they cut a turn into messages."""
    out: list[Turn] = []
    for turn in turns:
        last = out[-1] if out else None
        if last is not None and last.role == turn.role:
            out[-1] = evolve(
                last,
                text=last.text + turn.text,
                calls=last.calls + turn.calls,
                results=last.results + turn.results,
            )
        else:
            out.append(turn)
    return tuple(out)
