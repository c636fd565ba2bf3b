"""A plan: the steps a scripted model takes, and its next reply in a conversation.

Nothing here knows a wire format. A dialect reads a request into `Seen`; `next_reply` looks how many of the plan's
calls have been answered and says what comes next. The script keeps no state of its own, so retries, side calls and
several clients at once cannot confuse it: the conversation alone says where it stands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from attrs import evolve, field, frozen

JsonObject = dict[str, object]


@frozen
class RunShell:
    """Have the client run `command` in its working directory."""

    command: str


@frozen
class EditFile:
    """Have the client replace the line `old` by `new` in the existing file at the absolute `path`."""

    path: str
    old: str
    new: str


Step = RunShell | EditFile


@frozen
class Plan:
    """Steps in order; after the last one the model quotes what every call returned."""

    steps: tuple[Step, ...]


@frozen
class Tool:
    """A tool on offer: the names of its parameters, or ``freeform`` when it takes plain text instead."""

    parameters: tuple[str, ...] = ()
    freeform: bool = False


@frozen
class Seen:
    """What one request shows of the conversation so far.

    ``results`` are the answers to our calls, in the order of the calls. ``faults`` are things for which the vendor
    would refuse the request. ``schema`` is the JSON schema demanded of the answer, if any.
    """

    model: str
    stream: bool
    tools: Mapping[str, Tool]
    results: tuple[str, ...]
    faults: tuple[str, ...] = ()
    schema: Mapping[str, object] | None = None


@frozen
class Call:
    """A tool call. ``number`` counts the calls of a plan from 1, and ids are made from it.

    ``text`` is what a freeform tool gets; it is None for a tool with ``arguments``.
    """

    number: int
    name: str
    arguments: JsonObject = field(factory=dict)
    text: str | None = None

    @property
    def arguments_json(self) -> str:
        return json.dumps(self.arguments)


@frozen
class Say:
    """A final text."""

    text: str


Reply = Call | Say


class NoToolFor(Exception):
    """The client offers none of the tools by which a step could be taken."""


# How each client names its shell tool and what it wants there.
SHELLS: Mapping[str, Callable[[str], JsonObject]] = {
    "Bash": lambda command: {"command": command, "description": "Run the step of the plan"},
    "run_shell_command": lambda command: {"command": command, "description": "Run the step of the plan"},
    "exec_command": lambda command: {"cmd": command},
    "shell_command": lambda command: {"command": command},
    "shell": lambda command: {"command": ["bash", "-c", command]},
}


def parameters_of(schema: object) -> tuple[str, ...]:
    """The names of the parameters in a tool's JSON schema, in its order."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return tuple(properties) if isinstance(properties, dict) else ()


def is_agent_turn(seen: Seen) -> bool:
    """Whether this is the task itself; titles, summaries and probes come without a shell tool."""
    return any(name in seen.tools for name in SHELLS)


def next_reply(plan: Plan, seen: Seen) -> Reply:
    """The reply that follows the conversation in `seen`.

    Raises: `NoToolFor` when the client cannot take the step that is due.
    """
    if seen.schema is not None:
        return Say(json.dumps(example_of(seen.schema)))
    if not is_agent_turn(seen):
        return Say("An aside")
    calls = [call for step in plan.steps for call in _calls(step, seen.tools)]
    done = len(seen.results)
    if done < len(calls):
        return evolve(calls[done], number=done + 1)
    return Say("The plan is done. Its calls returned:\n" + "\n".join(seen.results))


def _calls(step: Step, tools: Mapping[str, Tool]) -> list[Call]:
    """The tool calls that take `step`, not numbered yet."""
    if isinstance(step, RunShell):
        return [_shell(step.command, tools)]
    edit: JsonObject = {"file_path": step.path, "old_string": step.old, "new_string": step.new}
    if {"Read", "Edit"} <= tools.keys():  # this client refuses to edit a file that it has not read
        return [Call(0, "Read", {"file_path": step.path}), Call(0, "Edit", edit)]
    if "replace" in tools:
        edit["instruction"] = "Take the step of the plan"
        return [Call(0, "replace", edit)]
    patch = _patch(step)
    if "apply_patch" not in tools:
        # The client looks for this very form of command and applies the patch by itself.
        return [_shell(f"apply_patch <<'EOF'\n{patch}EOF\n", tools)]
    patcher = tools["apply_patch"]
    if patcher.freeform:
        return [Call(0, "apply_patch", text=patch)]
    if not patcher.parameters:
        raise NoToolFor("apply_patch takes nothing")
    # A dialect without freeform tools offers it as a function; whatever its one parameter is called takes the text.
    return [Call(0, "apply_patch", {patcher.parameters[0]: patch})]


def _patch(step: EditFile) -> str:
    removed = "".join(f"-{line}\n" for line in step.old.splitlines())
    added = "".join(f"+{line}\n" for line in step.new.splitlines())
    return f"*** Begin Patch\n*** Update File: {step.path}\n@@\n{removed}{added}*** End Patch\n"


def _shell(command: str, tools: Mapping[str, Tool]) -> Call:
    for name, arguments in SHELLS.items():
        if name in tools:
            return Call(0, name, arguments(command))
    raise NoToolFor(f"no shell among {sorted(tools)}")


def example_of(schema: Mapping[str, object]) -> object:
    """Some value of a JSON schema as clients use them for side calls: enough for objects, lists and scalars."""
    if isinstance(choices := schema.get("enum"), list):
        return choices[0]
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties")
        assert isinstance(properties, dict)
        return {name: example_of(of) for name, of in properties.items()}
    if kind == "array":
        return []
    if kind in ("integer", "number"):
        return 1
    return kind == "boolean" or "An aside"
