"""Lines: connections made ready to be called, and the roster of those that one provider has.

A roster of many connections is cut into crews, and those into smaller ones, so that
ordering accounts looks at a few dozen of them, however many there are: the strategy
orders crews as it orders accounts, and then the accounts within the crew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from attrs import field, frozen
from omniroute_hooks import Connection, Provider

from .deadlines import NO_DEADLINES, Deadlines

CROWD = 64  # up to here the strategy sees every account; nobody has that many by hand
FEW = 16


@frozen
class Line:
    """A connection made ready to be called. ``headers`` carry the credential, unless a login makes it change.

    ``weight`` is the user's share for it: ``weight`` of its providerSpecificData, 1 where there is none.
    ``deadlines`` hold where no combo says otherwise.
    """

    provider: Provider
    connection: Connection
    base_url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    renewable: bool = False
    deadlines: Deadlines = NO_DEADLINES
    weight: float = field(init=False)

    @weight.default
    def _share(self) -> float:
        weight = self.connection.data.get("weight", 1.0)
        usable = isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight < 1e9
        return float(weight) if usable else 1.0


@frozen(eq=False)
class Crew:
    """A part of a crowd: either ``lines`` or smaller crews. ``priority`` is its best, ``weight`` all of theirs."""

    key: str
    priority: int
    weight: float
    crews: tuple[Crew, ...] = ()
    lines: tuple[Line, ...] = ()


@frozen(eq=False)
class Roster:
    """The connections of one provider, in the user's order. ``crew`` only where they are a crowd."""

    key: str
    lines: tuple[Line, ...]
    by_id: Mapping[str, Line] = field(repr=False)
    crew: Crew | None = field(default=None, repr=False)

    def only(self, connection_ids: Sequence[str]) -> Roster:
        """The same with these connections alone, in the user's order."""
        wanted = frozenset(connection_ids)
        lines = [self.by_id[id_] for id_ in wanted if id_ in self.by_id]
        if len(lines) > 1:
            place = {line.connection.id: place for place, line in enumerate(self.lines)}
            lines.sort(key=lambda line: place[line.connection.id])
        # Who may use other connections takes other turns.
        return roster(f"{self.key}|{hash(wanted):x}", lines)


def roster(key: str, lines: Sequence[Line]) -> Roster:
    """The roster of these lines; ``key`` names it in what is remembered of turns."""
    crowd = tuple(lines)
    crew = _crew(key, crowd) if len(crowd) > CROWD else None
    return Roster(key, crowd, {line.connection.id: line for line in crowd}, crew)


def _crew(key: str, lines: tuple[Line, ...]) -> Crew:
    """A tree of crews, as even as the numbers allow, at most `FEW` parts to each."""
    levels = 1
    while FEW**levels < len(lines):
        levels += 1
    priority = min(line.connection.priority for line in lines)
    weight = sum(line.weight for line in lines)
    if levels == 1:
        return Crew(key, priority, weight, lines=lines)
    parts = 2
    while parts**levels < len(lines):
        parts += 1
    bounds = [len(lines) * part // parts for part in range(parts + 1)]
    crews = tuple(_crew(f"{key}.{part}", lines[begin:end]) for part, (begin, end) in enumerate(pairwise(bounds)))
    return Crew(key, priority, weight, crews=crews)
