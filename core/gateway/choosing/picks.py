"""Candidates: a model over a connection, and the list of them that is found out as far as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from attrs import frozen
from omniroute_hooks import Target

from ..naming.combos import PLAIN, ComboConfig
from ..naming.deadlines import Deadlines, over
from ..naming.lines import Line
from ..naming.resolve import Choice


@frozen(eq=False)
class Pick:
    """One candidate: a model over a connection.

    ``combo`` is the innermost combo it stands in, ``path`` its place for people ("premium-coding › 2"), ``config``
    the settings in force for it. ``trail`` names the places on the way, for `Live` and `Affinity`.
    """

    choice: Choice
    line: Line
    combo: str | None = None
    path: str = ""
    config: ComboConfig = PLAIN
    trail: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How people write it."""
        return f"{self.choice.provider.prefix}/{self.choice.model}"

    @property
    def deadlines(self) -> Deadlines:
        """Those in force for it."""
        config = self.config
        ms = (config.connect_ms, config.first_token_ms, config.idle_ms, config.total_ms)
        if ms == (None, None, None, None):
            return self.line.deadlines
        return over(self.line.deadlines, *ms)

    def target(self) -> Target:
        """As plugins see it."""
        return Target(
            self.choice.provider, self.choice.model, self.line.connection, self.line.base_url, self.choice.spec
        )


Rests = Callable[[Pick], float]
"""Seconds until a candidate may be called, 0 for now, infinite where it cannot serve this request at all."""


class Picks(Sequence[Pick]):
    """Candidates, best first, each found when it is asked for. Its length is known once all are."""

    def __init__(self, source: Iterator[Pick]) -> None:
        self._source = source
        self._found: list[Pick] = []

    def __iter__(self) -> Iterator[Pick]:
        place = 0
        while place < len(self._found) or self._more():
            yield self._found[place]
            place += 1

    @overload
    def __getitem__(self, place: int) -> Pick: ...
    @overload
    def __getitem__(self, place: slice) -> list[Pick]: ...
    def __getitem__(self, place: int | slice) -> Pick | list[Pick]:
        while (isinstance(place, slice) or place < 0 or place >= len(self._found)) and self._more():
            pass
        return self._found[place]

    def __len__(self) -> int:
        while self._more():
            pass
        return len(self._found)

    def __bool__(self) -> bool:
        return bool(self._found) or self._more()

    def _more(self) -> bool:
        pick = next(self._source, None)
        if pick is None:
            return False
        self._found.append(pick)
        return True
