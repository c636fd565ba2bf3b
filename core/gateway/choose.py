"""Choose: a plan's choices, each with its connections, in the order in which they are tried."""

from __future__ import annotations

import random
import time
from collections.abc import MutableMapping
from typing import Any

from attrs import frozen
from omniroute_hooks import Candidate, Round, Strategy, Target

from .resolve import Choice, Plan
from .snapshot import Line, Snapshot

DEFAULT_STRATEGY = "priority"


@frozen
class Pick:
    """One candidate: a model over a connection."""

    choice: Choice
    line: Line

    @property
    def name(self) -> str:
        """How people write it."""
        return f"{self.choice.provider.prefix}/{self.choice.model}"

    def target(self) -> Target:
        """As plugins see it."""
        return Target(
            self.choice.provider, self.choice.model, self.line.connection, self.line.base_url, self.choice.spec
        )


class Chooser:
    """Orders candidates by the user's strategy; keeps each list's memory, as strategies ask."""

    def __init__(self, seed: int | None = None) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - choosing an account is no secret
        self._memory: dict[str, MutableMapping[str, Any]] = {}

    def order(self, snapshot: Snapshot, plan: Plan, allowed: tuple[str, ...] = ()) -> list[Pick]:
        """All candidates, best first. ``allowed`` limits the connections; empty means no limit."""
        picks: list[Pick] = []
        for choice in plan.choices:
            lines = choice.lines
            if allowed:
                lines = tuple(line for line in lines if line.connection.id in allowed)
            if len(lines) > 1:
                lines = self._accounts(snapshot, choice, lines)
            picks.extend(Pick(choice, line) for line in lines)
        return picks

    def _accounts(self, snapshot: Snapshot, choice: Choice, lines: tuple[Line, ...]) -> tuple[Line, ...]:
        strategy = self._strategy(snapshot)
        if strategy is None:
            return lines
        candidates = [
            Candidate(
                key=line.connection.id,
                provider=choice.provider.id,
                model=choice.model,
                connection_id=line.connection.id,
                position=position,
                priority=line.connection.priority,
            )
            for position, line in enumerate(lines)
        ]
        memory = self._memory.setdefault(choice.provider.id, {})
        round_ = Round(time.monotonic(), self._rng, memory, "accounts", snapshot.settings)
        ordered = strategy.order(candidates, round_)
        return tuple(lines[candidate.position] for candidate in ordered)

    def _strategy(self, snapshot: Snapshot) -> Strategy | None:
        wanted = snapshot.settings.get("fallbackStrategy") or DEFAULT_STRATEGY
        return snapshot.registry.strategies.get(str(wanted)) or snapshot.registry.strategies.get(DEFAULT_STRATEGY)
