"""Choose: a plan's candidates in the order in which they are tried.

Members of a combo are ordered by the combo's strategy, the accounts of a provider by
the user's. An order is made when it is reached and not before: who is never tried
takes no turn.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from itertools import islice
from typing import Any, Literal

from attrs import define, frozen
from omniroute_hooks import Candidate, Round, Strategy

from ..bounded import Bounded
from ..naming.combos import DEFAULT_STRATEGY, PLAIN, ComboConfig
from ..naming.lines import CROWD, FEW, Crew, Line, Roster
from ..naming.resolve import Choice, Group, Member, Plan, allowed_members
from ..naming.snapshot import Snapshot
from .affinity import Kept
from .live import Facts, Live
from .picks import Pick, Picks, Rests

log = logging.getLogger("omniroute.gateway")
MOST_PICKS = 256  # for one request: as much as anybody wants to wait for, or to read in a trace
MOST_MEMORIES = 20_000
Level = Literal["accounts", "members"]


@define
class _Turn:
    """One request's choosing."""

    snapshot: Snapshot
    now_s: float
    rng: random.Random
    allowed: tuple[str, ...]
    kept: Kept | None
    rests: Rests | None
    dry: bool


@frozen
class _Place:
    """Where in a plan an order is made."""

    config: ComboConfig
    combo: str | None = None
    path: str = ""
    trail: tuple[str, ...] = ()


class Chooser:
    """Orders candidates; keeps each list's memory, as strategies ask. ``live`` is what it knows of them."""

    def __init__(
        self, seed: int | None = None, live: Live | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.live = Live(clock) if live is None else live
        self._rng = random.Random(seed)  # noqa: S311 - choosing an account is no secret
        self._clock = clock
        self._memory: Bounded[str, dict[str, Any]] = Bounded(MOST_MEMORIES)

    def picks(
        self,
        snapshot: Snapshot,
        plan: Plan,
        allowed: tuple[str, ...] = (),
        *,
        models: tuple[str, ...] = (),
        kept: Kept | None = None,
        rests: Rests | None = None,
        dry: bool = False,
    ) -> Picks:
        """All candidates, best first.

        ``allowed`` limits the connections and ``models`` what a fallback chain may add; empty means no limit.
        ``kept`` comes first among the accounts of its provider, unless it rests. ``dry`` changes no memory: the
        next request is given the same order.
        """
        rng = self._rng
        if dry:
            rng = random.Random()  # noqa: S311 - as above
            rng.setstate(self._rng.getstate())
        turn = _Turn(snapshot, self._clock(), rng, allowed, kept, rests, dry)
        return Picks(self._plan(turn, plan, models))

    def order(self, snapshot: Snapshot, plan: Plan, allowed: tuple[str, ...] = (), **more: Any) -> list[Pick]:
        """The same as a list, everybody's turn taken. Arguments as for `picks`."""
        return list(self.picks(snapshot, plan, allowed, **more))

    def _plan(self, turn: _Turn, plan: Plan, models: tuple[str, ...]) -> Iterator[Pick]:
        if not plan.groups:
            yield from islice(self._node(turn, plan.root, _Place(plan.config)), MOST_PICKS)
            return
        chain = plan.chain
        if chain is not None and models:
            chain = allowed_members(chain, models)
        yield from islice(self._once(turn, (plan.root, plan.config), (chain, PLAIN)), MOST_PICKS)

    def _once(self, turn: _Turn, *nodes: tuple[Choice | Group | None, ComboConfig]) -> Iterator[Pick]:
        """Nobody twice, though several members may mean the same."""
        seen: set[tuple[str, str, str]] = set()
        for node, config in nodes:
            if node is None:
                continue
            for pick in self._node(turn, node, _Place(config)):
                key = (pick.choice.provider.id, pick.choice.model, pick.line.connection.id)
                if key not in seen:
                    seen.add(key)
                    yield pick

    def _node(self, turn: _Turn, node: Choice | Group, place: _Place) -> Iterator[Pick]:
        if isinstance(node, Choice):
            yield from self._accounts(turn, node, place)
            return
        for member in self._members(turn, node):
            trail = place.trail if node.combo is None else (*place.trail, member.key)
            combo = node.combo or place.combo
            yield from self._node(turn, member.node, _Place(node.config, combo, member.path, trail))

    # members ------------------------------------------------------------------------------------------------

    def _members(self, turn: _Turn, group: Group) -> Sequence[Member]:
        members = group.members
        strategy = self._strategy(turn.snapshot, group.strategy, "members") if len(members) > 1 else None
        if strategy is None or group.strategy is None:
            return members
        candidates = [self._member(turn, group, member, position) for position, member in enumerate(members)]
        ordered = [members[position] for position in self._ask(turn, strategy, group.key, candidates, "members")]
        if group.config.keep_member and turn.kept is not None:
            mine = next((m for m in ordered if m.key in turn.kept.trail and not self._resting(turn, m.node)), None)
            if mine is not None:
                ordered.remove(mine)
                ordered.insert(0, mine)
        return ordered

    def _member(self, turn: _Turn, group: Group, member: Member, position: int) -> Candidate:
        node = member.node
        if isinstance(node, Choice):
            provider, model = node.provider.id, node.model
            facts = self._with_quota(node, self.live.member(member.key, (provider, model)))
        else:
            provider, model = "", node.combo or member.asked
            facts = self.live.member(member.key, None)
        busy, last_s, uses, latency_ms, failing, left, resets_s = facts
        return Candidate(
            member.key,
            provider,
            model,
            "",
            position,
            1,
            member.weight,
            busy,
            last_s,
            uses,
            latency_ms,
            failing,
            node.usd_per_1m,
            left,
            resets_s,
            self._resting(turn, node),
        )

    def _resting(self, turn: _Turn, node: Choice | Group) -> float:
        """Seconds until the first of its candidates may be called. Of a crowd, somebody always may."""
        if turn.rests is None:
            return 0.0
        if isinstance(node, Group):
            return self._soonest(self._resting(turn, member.node) for member in node.members)
        lines = self._roster(turn, node).lines
        if len(lines) > CROWD:
            return 0.0
        rests = turn.rests
        return self._soonest(rests(Pick(node, line)) for line in lines)

    @staticmethod
    def _soonest(waits: Iterator[float]) -> float:
        soonest = float("inf")
        for wait_s in waits:
            if wait_s <= 0:
                return 0.0
            soonest = min(soonest, wait_s)
        return soonest

    def _with_quota(self, choice: Choice, facts: Facts) -> Facts:
        """With the quota of the account that has most left."""
        if not self.live.knows_quota:
            return facts
        own = (self.live.facts(line.connection.id, choice.provider.id, choice.model) for line in choice.lines[:FEW])
        best = max((f for f in own if f.quota_left is not None), key=lambda f: f.quota_left or 0.0, default=None)
        if best is None:
            return facts
        return facts._replace(quota_left=best.quota_left, quota_resets_s=best.quota_resets_s)

    # accounts -----------------------------------------------------------------------------------------------

    def _accounts(self, turn: _Turn, choice: Choice, place: _Place) -> Iterator[Pick]:
        roster = self._roster(turn, choice)
        kept: Line | None = None
        if turn.kept is not None and len(roster.lines) > 1:
            kept = roster.by_id.get(turn.kept.connection_id)
            if kept is not None:
                pick = self._pick(choice, kept, place)
                if turn.rests is None or turn.rests(pick) <= 0:
                    yield pick
                else:
                    kept = None
        picks: Iterable[Pick]
        if roster.crew is None:
            picks = self._ordered(turn, choice, roster.key, roster.lines, place)
        else:
            picks = self._crowd(turn, choice, roster.crew, place)
        for pick in picks:
            if pick.line is not kept:
                yield pick

    @staticmethod
    def _pick(choice: Choice, line: Line, place: _Place) -> Pick:
        return Pick(choice, line, place.combo, place.path, place.config, place.trail)

    def _roster(self, turn: _Turn, choice: Choice) -> Roster:
        if not turn.allowed:
            return choice.roster
        key = (choice.roster.key, turn.allowed)
        known = turn.snapshot.rosters_of_keys.get(key)
        return known or turn.snapshot.rosters_of_keys.put(key, choice.roster.only(turn.allowed))

    def _ordered(self, turn: _Turn, choice: Choice, key: str, lines: tuple[Line, ...], place: _Place) -> Sequence[Pick]:
        picks = [self._pick(choice, line, place) for line in lines]
        strategy = self._strategy(turn.snapshot, turn.snapshot.settings.get("fallbackStrategy"), "accounts")
        if strategy is None or len(lines) < 2:
            return picks
        facts, rests = self.live.facts, turn.rests
        provider, model, price = choice.provider.id, choice.model, choice.usd_per_1m
        candidates = []
        for position, pick in enumerate(picks):
            connection = pick.line.connection
            id_ = connection.id
            busy, last_s, uses, latency_ms, failing, left, resets_s = facts(id_, provider, model)
            candidates.append(
                Candidate(
                    id_,
                    provider,
                    model,
                    id_,
                    position,
                    connection.priority,
                    pick.line.weight,
                    busy,
                    last_s,
                    uses,
                    latency_ms,
                    failing,
                    price,
                    left,
                    resets_s,
                    0.0 if rests is None else rests(pick),
                )
            )
        return [picks[position] for position in self._ask(turn, strategy, key, candidates, "accounts")]

    def _crowd(self, turn: _Turn, choice: Choice, crew: Crew, place: _Place) -> Iterator[Pick]:
        """Those who rest come last, and only so many of them: a crowd is too many to look through."""
        resting: list[Pick] = []
        for pick in self._crew(turn, choice, crew, place):
            if turn.rests is None or turn.rests(pick) <= 0:
                yield pick
            elif len(resting) < MOST_PICKS:
                resting.append(pick)
        yield from resting

    def _crew(self, turn: _Turn, choice: Choice, crew: Crew, place: _Place) -> Iterator[Pick]:
        """The smaller crews in the strategy's order, and within them the accounts."""
        if not crew.crews:
            yield from self._ordered(turn, choice, crew.key, crew.lines, place)
            return
        for inner in self._ordered_crews(turn, choice, crew):
            within = _Place(place.config, place.combo, place.path, (*place.trail, inner.key))
            yield from self._crew(turn, choice, inner, within)

    def _ordered_crews(self, turn: _Turn, choice: Choice, crew: Crew) -> Sequence[Crew]:
        strategy = self._strategy(turn.snapshot, turn.snapshot.settings.get("fallbackStrategy"), "accounts")
        if strategy is None:
            return crew.crews
        known = turn.snapshot.crew_candidates
        candidates = [
            _crew_candidate(known, choice.provider.id, inner, position, self.live.group(inner.key))
            for position, inner in enumerate(crew.crews)
        ]
        return [crew.crews[position] for position in self._ask(turn, strategy, crew.key, candidates, "accounts")]

    # strategies ---------------------------------------------------------------------------------------------

    def _strategy(self, snapshot: Snapshot, wanted: object, level: Level) -> Strategy | None:
        strategies = snapshot.registry.strategies
        found = strategies.get(str(wanted or DEFAULT_STRATEGY))
        return found if found is not None and level in found.levels else strategies.get(DEFAULT_STRATEGY)

    def _ask(
        self, turn: _Turn, strategy: Strategy, key: str, candidates: Sequence[Candidate], level: Level
    ) -> list[int]:
        """The positions in the strategy's order. A plugin's mistake costs its order and nobody's answer."""
        memory = self._memory.get(key)
        if memory is None:
            memory = {} if turn.dry else self._memory.put(key, {})
        elif turn.dry:
            memory = deepcopy(memory)
        positions: dict[int, None] = {}
        try:
            ordered = strategy.order(candidates, Round(turn.now_s, turn.rng, memory, level, turn.snapshot.settings))
            positions = {c.position: None for c in ordered if 0 <= c.position < len(candidates)}
        except Exception:
            log.exception("The strategy %s failed; the user's order is taken.", strategy.id)
        for position in range(len(candidates)):
            positions.setdefault(position)
        return list(positions)


def _crew_candidate(
    known: Bounded[Crew, tuple[Facts, Candidate]], provider: str, crew: Crew, position: int, facts: Facts
) -> Candidate:
    """Kept while the facts are the same: a tree of crews has dozens of them on the way to one account. Model and
    price are left out, since they are the same for all."""
    found = known.get(crew)
    if found is not None and found[0] is facts:
        return found[1]
    busy, last_s, uses, latency_ms, failing, _, _ = facts
    made = Candidate(
        crew.key,
        provider,
        "",
        "",
        position,
        crew.priority,
        crew.weight,
        busy,
        last_s,
        uses,
        latency_ms,
        failing,
    )
    known.put(crew, (facts, made))
    return made
