"""Echo: a model that repeats what it is told, without an account and without a network.

For a first request, and for trying out a client. Two tricks, each a line of its own in what the user says:

- ``/tool NAME {"json": 1}`` calls that tool, if the caller offers it. Its result is repeated in the next turn.
- ``/think words`` thinks these words before it answers.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from omniroute_hooks import (
    Conversation,
    Model,
    NoAuth,
    Part,
    Price,
    Provider,
    Stop,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    hookimpl,
)
from omniroute_hooks.events import (
    Begin,
    Ended,
    Signal,
    Stopped,
    Terminal,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UsageSeen,
)
from omniroute_hooks.jsonio import loads_upstream

_TRICK = re.compile(r"^/(tool|think)[ \t]+(.+?)[ \t]*$\n?", re.MULTILINE)
_WORD = re.compile(r"\s*\S+(?:\s+\Z)?|\s+")  # joined again, they are the text
_NOTHING = "You sent no text."


async def generate(conversation: Conversation, target: Target) -> AsyncIterator[Signal]:
    """The answer to ``conversation``: the user's last text word by word. Counts words as tokens, estimated.

    ``max_tokens`` cuts the text after that many words. Same request, same answer.
    """
    said, thoughts, calls = _heard(conversation)
    words = _WORD.findall(said)
    cut = conversation.max_tokens is not None and len(words) > conversation.max_tokens
    words = words[: conversation.max_tokens]

    yield Begin(model=target.model)
    for position, thought in enumerate(thoughts):
        yield ThinkingDelta(f"think-{position}", thought)
        yield Ended(f"think-{position}")
    for word in words:
        yield TextDelta("text", word)
    for position, (tool, arguments) in enumerate(calls):
        yield ToolDelta(f"tool-{position}", arguments, name=tool.name, kind=tool.kind, namespace=tool.namespace)
        yield Ended(f"tool-{position}")
    yield UsageSeen(
        Usage(
            input_fresh=_words_of(conversation),
            output_visible=len(words) + sum(_count(arguments) for _, arguments in calls),
            reasoning=sum(_count(thought) for thought in thoughts),
            estimated=True,
        )
    )
    yield Stopped(Stop("length" if cut else "tool" if calls else "end"))
    yield Terminal()


def _heard(conversation: Conversation) -> tuple[str, list[str], list[tuple[Tool, str]]]:
    """What to say, what to think, and which tools to call with which arguments."""
    last = next((turn.parts for turn in reversed(conversation.turns) if turn.role == "user"), ())
    results = [part for part in last if isinstance(part, ToolResult)]
    if results:  # never obeyed: a result that holds a trick would call tools for ever
        return "\n".join(_text(result.parts) for result in results) or _NOTHING, [], []

    offered = {tool.name: tool for tool in conversation.tools if isinstance(tool, Tool)}
    thoughts: list[str] = []
    calls: list[tuple[Tool, str]] = []

    def trick(match: re.Match[str]) -> str:
        if match[1] == "think":
            thoughts.append(match[2])
            return ""
        name, _, arguments = match[2].partition(" ")
        tool = offered.get(name)
        if tool is None or (tool.kind == "function" and not _is_object(arguments)):
            return match[0]
        calls.append((tool, arguments.strip()))
        return ""

    said = _TRICK.sub(trick, _text(last))
    return said or ("" if calls or thoughts else _NOTHING), thoughts, calls


def _is_object(arguments: str) -> bool:
    try:
        return not arguments.strip() or isinstance(loads_upstream(arguments), dict)
    except ValueError:
        return False


def _text(parts: Sequence[Part]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def _count(text: str) -> int:
    return len(text.split())


def _words_of(conversation: Conversation) -> int:
    return sum(_count(text) for turn in conversation.turns for text in _texts(turn.parts))


def _texts(parts: Sequence[Any]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Text):
            yield part.text
        elif isinstance(part, ToolCall):
            yield part.arguments
        elif isinstance(part, ToolResult):
            yield from _texts(part.parts)


ECHO = Provider(
    id="echo",
    prefix="echo",
    name="Echo",
    auth=NoAuth(),
    models=(
        Model(
            "echo",
            "Echo",
            context=1_000_000,
            input=("text", "image", "pdf", "audio", "video"),  # what is no text goes unheard
            price=(Price(input_usd_per_1m=0, output_usd_per_1m=0),),
        ),
    ),
    any_model=False,
    generate=generate,
)


@hookimpl
def omniroute_providers() -> list[Provider]:
    return [ECHO]
