"""What the user says of a node beyond its address: its deadlines, and options that its kind leaves to the user.

Stored by the names of the management API (``replayReasoning``); dialects read them as options of the provider that
the node amounts to (``replay_reasoning``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import BadRequest, FieldProblem, NodeType
from omniroute_hooks.jsonio import dumps

from core import bodies
from core.bodies import to_camel

from .deadlines import DEADLINE_NAMES, DeadlineSettings, check_deadlines

Json = Any
_DEADLINES = bodies.names_on_the_wire(DeadlineSettings)


def check_options(kind: NodeType, sent: Mapping[str, Json]) -> None:
    """Errors: `BadRequest` with every field that this kind of node does not have, or that holds something else."""
    problems: list[FieldProblem] = []
    try:
        check_deadlines(sent)
    except BadRequest as exc:
        problems.extend(exc.details)
    allowed = {to_camel(name): values for name, values in kind.settable.items()}
    for name, value in sent.items():
        if name in DEADLINE_NAMES or value is None:
            continue
        if name not in allowed:
            known = ", ".join([*allowed, *sorted(DEADLINE_NAMES)])
            problems.append(FieldProblem(name[:100], f"is not a field here; there are {known}"))
        elif not _is_one_of(value, allowed[name]):
            words = ", ".join(dumps(each).decode() for each in allowed[name])
            problems.append(FieldProblem(name, f"must be one of {words}"))
    if problems:
        raise BadRequest.of(problems)


def options_of(kind: NodeType, said: Mapping[str, Json]) -> dict[str, Json]:
    """The options of a node's provider. What does not fit any more, since its plugin has changed, counts as unset."""
    out = dict(kind.options)
    for name, values in kind.settable.items():
        value = said.get(to_camel(name))
        if value is not None and _is_one_of(value, values):
            out[name] = value
    out |= {name: said[alias] for alias, name in _DEADLINES.items() if said.get(alias) is not None}
    return out


def _is_one_of(value: Json, values: tuple[Json, ...]) -> bool:
    return any(type(value) is type(each) and value == each for each in values)  # 1 is not true
