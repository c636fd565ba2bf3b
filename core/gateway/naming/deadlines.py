"""Deadlines of one attempt: until the first word, between two pieces, and for the whole answer. Off unless set.

A combo's come first, then a connection's, then its provider's; docs/routing.md tells it to users.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from attrs import frozen
from omniroute_hooks import BadRequest

from core import bodies
from core.bodies import body
from core.rules import Between

Json = Any
Deadline = Annotated[int, Between(1, 24 * 3600 * 1000)]


@frozen
class Deadlines:
    """Seconds; None leaves it to the transport's own limits."""

    connect_s: float | None = None
    first_token_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None


NO_DEADLINES = Deadlines()


@body
class DeadlineSettings:
    """What the user may say of them beside a credential. None: as the next one up says."""

    connect_ms: Deadline | None = None
    first_token_ms: Deadline | None = None
    idle_ms: Deadline | None = None
    total_ms: Deadline | None = None


_FIELDS = bodies.names_on_the_wire(DeadlineSettings)
DEADLINE_NAMES = frozenset(_FIELDS)  # on the wire


def check_deadlines(sent: Mapping[str, Json]) -> None:
    """Errors: `BadRequest` with every deadline in ``sent`` that cannot be one; other fields are not looked at."""
    own = {name: sent[name] for name in _FIELDS if name in sent}
    if own:
        bodies.changes(DeadlineSettings, own)


def deadlines_of(said: Mapping[str, Json], otherwise: Deadlines = NO_DEADLINES) -> Deadlines:
    """The deadlines in a ``providerSpecificData``, over those that hold ``otherwise``. What does not fit counts as
    unset."""
    if DEADLINE_NAMES.isdisjoint(said):
        return otherwise
    found: dict[str, int | None] = {}
    for alias, name in _FIELDS.items():
        if alias in said:
            try:
                found[name] = bodies.changes(DeadlineSettings, {alias: said[alias]})[name]
            except BadRequest:
                continue
    return over(otherwise, **found)


def declared(options: Mapping[str, Json]) -> Deadlines:
    """The deadlines in a provider's options, which a plugin declares by the names of `DeadlineSettings`."""
    return deadlines_of({alias: options[name] for alias, name in _FIELDS.items() if name in options})


def over(
    otherwise: Deadlines,
    connect_ms: int | None = None,
    first_token_ms: int | None = None,
    idle_ms: int | None = None,
    total_ms: int | None = None,
) -> Deadlines:
    """What was said, and for the rest what holds otherwise."""
    return Deadlines(
        otherwise.connect_s if connect_ms is None else connect_ms / 1000,
        otherwise.first_token_s if first_token_ms is None else first_token_ms / 1000,
        otherwise.idle_s if idle_ms is None else idle_ms / 1000,
        otherwise.total_s if total_ms is None else total_ms / 1000,
    )
