"""The guard: may this candidate be asked now, and what follows from how it went. The one face of this package.

    verdict = resilience.verdict(provider_id, auth_type, connection_id, model, clock())    # a look, changes nothing
    async with resilience.slot(provider_id, auth_type, connection_id, model, request_id) as passage:
        ...                                     # `NotNow` (or `Busy`) instead, where it may not be asked
        passage.answering()                     # the first word of an answer is in; optional
        passage.succeeded()                     # or: passage.failed(error, scope)

Times are seconds on the monotonic ``clock``; the wall clock is only for what is kept over a restart, and for
people. Nothing here touches a disk: what has to outlive the process is written behind (`core.resilience.keeping`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping

from attrs import frozen
from omniroute_hooks import GatewayError

from core.store.records import ConnectionRecord

from . import breaker as breaking
from . import cooldown as resting
from .breaker import Breaker
from .cooldown import Cooldown, Cooldowns
from .keeping import Board, Keeper
from .latency import Latencies, Sample
from .pacing import Limits, Pacing
from .passage import Passage, Slot
from .penalty import penalty
from .policy import ResiliencePolicy
from .verdict import Busy, Key, NotNow, Scope, Verdict, judged

__all__ = ["Busy", "Key", "NotNow", "Passage", "QueueState", "Resilience", "Scope", "Slot", "Standing", "Verdict"]

REASON_CHARS = 200


@frozen
class QueueState:
    """One connection's traffic now."""

    limits: Limits
    running: int
    queued: int


@frozen
class Standing:
    """The state at ``now_s``: what rests, breakers that are not as new (by provider), traffic by connection."""

    now_s: float
    cooldowns: tuple[Cooldown, ...]
    breakers: Mapping[str, Breaker]
    queues: Mapping[str, QueueState]


class Resilience:
    """Cooldowns, breakers, pacing and latencies of this process. ``clock`` runs at the event loop's pace."""

    def __init__(
        self,
        policy: ResiliencePolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.policy = policy or ResiliencePolicy()
        self.clock = clock
        self.latencies = Latencies()
        self._wall = wall
        self._cooldowns = Cooldowns(changed=self._note)
        self._breakers: dict[str, Breaker] = {}
        self._pacing = Pacing(clock)
        self._pacing.update(self.policy.request_queue, {})
        self._credentials: dict[str, int] = {}  # fingerprints, by connection
        self._at_once: dict[str, int] = {}
        self._providers: frozenset[str] | None = None
        self._keeper: Keeper | None = None

    # looking --------------------------------------------------------------------------------------------------

    def verdict(self, provider_id: str, auth_type: str, connection_id: str, model: str, now_s: float) -> Verdict:
        """Whether it may be asked now. Synchronous, O(1), changes nothing: dry runs may look too."""
        breaker = self._breakers.get(provider_id) if self._breakers else None
        return judged(self._cooldowns.of(connection_id, model), breaker, now_s)

    def in_flight(self, connection_id: str) -> int:
        """Attempts through this connection now."""
        return self._pacing.running(connection_id)

    def earliest(self, keys: Iterable[Key], now_s: float) -> float | None:
        """When the first of them may be asked: ``now_s`` if one may now, None without any."""
        first: float | None = None
        for key in keys:
            verdict = self.verdict(*key, now_s)
            at_s = now_s if verdict.retry_at_s is None else verdict.retry_at_s
            first = at_s if first is None else min(first, at_s)
        return first

    def wait_plan(self, retry_ats: Iterable[float | None], attempt: int, now_s: float) -> float | None:
        """Seconds to wait for the earliest; None: do not wait (too long, too often, or switched off).

        ``attempt`` counts the waits of this request, from 0.
        """
        policy = self.policy.wait_for_cooldown
        known = [at_s for at_s in retry_ats if at_s is not None]
        if not known or not policy.enabled or attempt >= policy.max_retries:
            return None
        wait_s = max(0.0, min(known) - now_s)
        return wait_s if wait_s <= policy.max_retry_wait_sec else None

    def live(self) -> Standing:
        """The state now, for people. Not for the hot path."""
        now_s = self.clock()
        pacing = self._pacing
        return Standing(
            now_s,
            tuple(sorted(self._cooldowns.active(now_s).values(), key=lambda c: c.until_s)),
            dict(self._breakers),
            {
                id_: QueueState(pacing.limits(id_), pacing.running(id_), pacing.queued(id_))
                for id_ in pacing.connections()
            },
        )

    def limits(self, connection_id: str) -> Limits:
        """The pace this connection has to keep."""
        return self._pacing.limits(connection_id)

    def wall_time(self, at_s: float) -> float:
        """A monotonic time as unix seconds."""
        return self._wall() + at_s - self.clock()

    # asking ---------------------------------------------------------------------------------------------------

    def slot(
        self,
        provider_id: str,
        auth_type: str,
        connection_id: str,
        model: str,
        request_id: str = "",
        max_wait_s: float | None = None,
    ) -> Slot:
        """The right to ask once, from its turn in the pacing queue to the end of the answer.

        ``request_id``: several failures of one request at one provider count once for its breaker.
        ``max_wait_s``: at most this long in the queue, where that is less than the policy's; 0: not at all.
        """
        return Slot(self, (provider_id, auth_type, connection_id, model), request_id, max_wait_s)

    async def enter(self, key: Key, request_id: str, max_wait_s: float | None) -> Passage:
        """For `Slot`. Errors: `NotNow`, `Busy`."""
        refused = self._refusal(key)
        if refused is not None:
            raise refused
        connection_id = key[2]
        if not self._pacing.enter_now(connection_id):
            await self._pacing.enter(connection_id, lambda: self._refusal(key), max_wait_s)
            refused = self._refusal(key)
            if refused is not None:  # between its turn and now
                self._pacing.leave(connection_id, unused=True)
                raise refused
        passage = Passage(self, key, request_id, self.clock())
        self._claim(passage)
        return passage

    def _refusal(self, key: Key) -> NotNow | None:
        now_s = self.clock()
        verdict = self.verdict(*key, now_s)
        return None if verdict.ok else NotNow(verdict, now_s)

    def _claim(self, passage: Passage) -> None:
        provider_id, _, connection_id, model = passage.key
        now_s = passage.began_s
        for cooldown in self._cooldowns.of(connection_id, model):
            if resting.probe_due(cooldown, now_s):
                self._cooldowns.put(resting.claim(cooldown, now_s))
                passage.cooldown_probes += (cooldown.key,)
        breaker = self._breakers.get(provider_id) if self._breakers else None
        if breaker is not None and breaking.state(breaker, now_s) == "half-open":
            self._breakers[provider_id] = breaking.claim(breaker)
            passage.breaker_probe = True

    def leave(self, passage: Passage) -> None:
        """For `Slot`."""
        if not passage.told:
            self._give_back(passage)
        self._pacing.leave(passage.key[2])

    def _give_back(self, passage: Passage) -> None:
        """A probe that found nothing out: somebody else may try."""
        self._give_back_breaker(passage)
        now_s = self.clock()
        for key in passage.cooldown_probes:
            cooldown = self._cooldowns.get(key)
            if cooldown is not None and cooldown.until_s > now_s:
                self._cooldowns.put(resting.give_back(cooldown, now_s))

    def _give_back_breaker(self, passage: Passage) -> None:
        breaker = self._breakers.get(passage.key[0])
        if passage.breaker_probe and breaker is not None:
            self._breakers[passage.key[0]] = breaking.give_back(breaker)

    def may_repeat(self, passage: Passage) -> bool:
        """For `Passage`."""
        if passage.probe:
            return False  # a probe is one request
        return self.verdict(*passage.key, self.clock()).ok and self._pacing.again(passage.key[2])

    # outcomes -------------------------------------------------------------------------------------------------

    def note_answering(self, passage: Passage) -> None:
        """For `Passage`: the first word is in."""
        passage.first_s = self.clock()
        if not passage.probe:
            return
        provider_id, auth_type, connection_id, model = passage.key
        if passage.breaker_probe:
            breaker = self._breakers.get(provider_id)
            if breaker is not None:
                threshold = self.policy.breaking(auth_type).failure_threshold
                self._breakers[provider_id] = breaking.answering(breaker, threshold)
        if passage.cooldown_probes:
            self._cooldowns.succeeded(connection_id, model, passage.first_s, passage.cooldown_probes)
        passage.breaker_probe, passage.cooldown_probes = False, ()

    def note_success(self, passage: Passage) -> None:
        """For `Passage`: a whole answer."""
        provider_id, _, connection_id, model = passage.key
        now_s = self.clock()
        self._cooldowns.succeeded(connection_id, model, now_s, passage.cooldown_probes)
        if self._breakers:
            breaker = self._breakers.get(provider_id)
            if breaker is not None:
                breaker = breaking.succeeded(breaker, probe=passage.breaker_probe)
                if breaker == breaking.NEW:
                    del self._breakers[provider_id]
        self._measure(passage, now_s, True)

    def note_failure(self, passage: Passage, error: GatewayError, scope: Scope) -> float | None:
        """For `Passage`: who rests now, and until when; None: nobody."""
        _, auth_type, connection_id, model = passage.key
        now_s = self.clock()
        due = penalty(error, scope, self.policy.resting(auth_type))
        if due is None or not due.counts:
            # The caller's fault, or a rate limit: neither says whether the provider is back.
            self._give_back_breaker(passage)
        if due is None:
            return None
        self._measure(passage, now_s, False)
        # Asked before the first such failure came in: many at once are one failure in the provider's row, not many.
        late = not passage.probe and self._cooldowns.resting(connection_id, model, now_s) is not None
        key = f"{connection_id}/{model}" if due.scope == "model" else connection_id
        cooldown = self._cooldowns.rest(
            key,
            now_s,
            due.hint_s,
            error.message[:REASON_CHARS],
            due.base_s,
            max_steps=due.max_steps,
            longest_s=due.longest_s,
            kind=due.kind,
            probe=key in passage.cooldown_probes,
        )
        opened = due.counts and not late and self._count(passage, error, now_s)
        self._pacing.recheck(None if opened else connection_id)
        return cooldown.until_s

    def _count(self, passage: Passage, error: GatewayError, now_s: float) -> bool:
        """One more failure of the provider; whether its breaker has opened."""
        provider_id, auth_type, _, _ = passage.key
        if self._providers is not None and provider_id not in self._providers:
            return False
        known = self._breakers.get(provider_id, breaking.NEW)
        policy = self.policy.breaking(auth_type)
        breaker = self._breakers[provider_id] = breaking.failed(
            known,
            now_s,
            policy.failure_threshold,
            policy.reset_timeout_ms / 1000,
            reason=error.message[:REASON_CHARS],
            request_id=passage.request_id,
            probe=passage.breaker_probe,
        )
        return breaker.open_until_s is not None and breaker.open_until_s != known.open_until_s

    def _measure(self, passage: Passage, now_s: float, ok: bool) -> None:
        began_s, first_s = passage.began_s, passage.first_s
        first_ms = None if first_s is None else (first_s - began_s) * 1000
        self.latencies.note(passage.key[0], Sample(now_s, (now_s - began_s) * 1000, first_ms, ok))

    # the user's doing -----------------------------------------------------------------------------------------

    def update(
        self,
        policy: ResiliencePolicy,
        connections: Iterable[ConnectionRecord] | None = None,
        providers: Iterable[str] | None = None,
    ) -> None:
        """What counts from now on. Called whenever the configuration was read anew; O(its size).

        ``connections`` (all, the inactive ones too) bring their ``max_concurrent``. What belongs to connections
        and providers that are gone is forgotten. A new credential ends the rest of a refused one.
        """
        self.policy = policy
        if connections is not None:
            connections = tuple(connections)
            self._at_once = {c.id: c.max_concurrent for c in connections if c.max_concurrent is not None}
            self._settle_credentials(connections)
        self._pacing.update(policy.request_queue, self._at_once)
        if providers is not None:
            self._providers = frozenset(providers)
            self.latencies.keep_only(self._providers)
            self._breakers = {id_: known for id_, known in self._breakers.items() if id_ in self._providers}

    def _settle_credentials(self, connections: Iterable[ConnectionRecord]) -> None:
        credentials = {c.id: _fingerprint(c) for c in connections}
        gone = self._credentials.keys() - credentials.keys()
        renewed = {id_ for id_, known in self._credentials.items() if credentials.get(id_, known) != known}
        # Another key is most often another account; a renewed token never is.
        keyed = {c.id for c in connections if c.id in renewed and c.auth_type != "oauth"}
        self._credentials = credentials
        for id_ in gone:
            self._pacing.forget(id_)
        if gone or renewed:
            self._end(lambda id_, c: id_ in gone or id_ in keyed or (id_ in renewed and c.kind == "credential"))

    def reset(self, provider_id: str | None = None, connection_ids: Collection[str] | None = None) -> tuple[int, int]:
        """Ends rests and closes breakers: all of them, or this provider's breaker and these connections' rests.

        Returns how many breakers were not closed, and how many cooldowns had not run out.
        """
        now_s = self.clock()
        everything = provider_id is None and connection_ids is None
        ids = None if everything else frozenset(connection_ids or ())
        providers = tuple(self._breakers) if everything else (provider_id,) if provider_id is not None else ()
        ended = [self._breakers.pop(id_) for id_ in providers if id_ in self._breakers]
        breakers = sum(breaker.open_until_s is not None for breaker in ended)
        active = self._cooldowns.active(now_s)
        cooldowns = self._end(lambda id_, c: ids is None or id_ in ids)
        if self._keeper is not None:
            self._keeper.note_reset(provider_id, connection_ids)
        return breakers, sum(key in active for key in cooldowns)

    def _end(self, chosen: Callable[[str, Cooldown], bool]) -> list[str]:
        keys = [c.key for c in self._cooldowns if chosen(resting.connection_of(c.key), c)]
        for key in keys:
            self._cooldowns.end(key)
        return keys

    # over a restart, and in other processes -------------------------------------------------------------------

    async def restore(self, board: Board) -> None:
        """Takes up what earlier processes have left on the board, and tells there what happens from now on.

        Once, before the first request, in the loop that serves. Errors: the board's.
        """
        keeper = Keeper(board, self.clock, self._wall, self._close_breakers)
        try:
            found = await keeper.restored()
        except BaseException:
            await keeper.aclose()
            raise
        for cooldown in found:
            self._cooldowns.put(cooldown)
        self._keeper = keeper

    async def follow(self) -> None:
        """Takes up what other processes have told since the last time. Not for the hot path."""
        if self._keeper is not None and await self._keeper.follow(self._cooldowns):
            self._pacing.recheck()  # who waits for its turn at somebody who rests now may go elsewhere

    def _close_breakers(self, provider_id: str | None) -> None:
        for id_ in tuple(self._breakers) if provider_id is None else (provider_id,):
            self._breakers.pop(id_, None)

    def _note(self, key: str, cooldown: Cooldown | None) -> None:
        if self._keeper is not None:
            self._keeper.note(key, cooldown)

    async def kept(self) -> None:
        """Waits until the store has what is known here."""
        if self._keeper is not None:
            await self._keeper.written()

    async def aclose(self) -> None:
        """Writes what waits to be written. Before the store is closed."""
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            await keeper.aclose()


def _fingerprint(record: ConnectionRecord) -> int:
    """Tells one credential from another, in this process only, and says nothing of it."""
    return hash(tuple(sorted((name, str(value)) for name, value in record.credential.items())))
