"""10,000 requests in virtual time against providers that fail in every way: none arrives at a candidate before the
time that its provider has named, except a marked probe; and the books of the providers are the judge of that."""

from __future__ import annotations

import asyncio
import collections
import itertools
import random

import pytest
from attrs import define, field
from omniroute_hooks import (
    BadRequest,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    UpstreamError,
    UpstreamTimeout,
)

from core.resilience.guard import Busy, NotNow, Resilience
from core.resilience.policy import policy_of

REQUESTS = 10_000
PROVIDERS = {"acme": ("apikey", 4), "club": ("oauth", 3), "free": ("none", 1)}
MODELS = ("m1", "m2", "m3")
PROBED_S = 15 * 60.0
EPSILON_S = 1e-6


@define
class Books:
    """What the providers have asked for: until when a connection, or a model of it, wants to be left alone."""

    rests: dict[tuple[str, ...], float] = field(factory=dict)
    hinted: dict[tuple[str, ...], float] = field(factory=dict)
    probes: dict[str, list[float]] = field(factory=lambda: collections.defaultdict(list))
    arrived: collections.Counter[str] = field(factory=collections.Counter)
    early: list[str] = field(factory=list)

    def arrive(self, key, passage, now_s):
        self.arrived[key[0]] += 1
        resting = [name for name in ((key[2],), (key[2], key[3])) if self.rests.get(name, 0.0) > now_s + EPSILON_S]
        if resting and not passage.probe:
            self.early.append(f"{key} at {now_s}, which rests until {self.rests[resting[0]]}")
        for name in resting:
            if passage.probe:
                self.probes["/".join(name)].append(now_s)
                if now_s - self.hinted[name] < 60.0:
                    self.early.append(f"{key} is probed {now_s - self.hinted[name]} s after its rest began")

    def rest(self, name, now_s, rest_s, probe):
        self.hinted.setdefault(name, now_s)
        if self.rests.get(name, 0.0) <= now_s:
            self.hinted[name] = now_s
        self.rests[name] = now_s + rest_s if probe else max(self.rests.get(name, 0.0), now_s + rest_s)

    def answer(self, key, probe):
        if probe:
            self.rests.pop((key[2],), None)
            self.rests.pop((key[2], key[3]), None)


def some_hint(rng):
    return rng.choice([0.4, 2.0, 17.0, 60.0, 400.0, PROBED_S, PROBED_S + 1, 3600.0, 5 * 3600.0, 30 * 3600.0])


def some_failure(rng):
    """An error, and the scope that the provider's rule gives it."""
    return rng.choice(
        [
            lambda: (RateLimited("429", retry_after_s=some_hint(rng)), "connection"),
            lambda: (RateLimited("429", retry_after_s=some_hint(rng)), "model"),
            lambda: (RateLimited("429 without a hint"), "connection"),
            lambda: (QuotaExhausted("402", retry_after_s=some_hint(rng)), rng.choice(["connection", "model"])),
            lambda: (QuotaExhausted("402 without a hint"), "connection"),
            lambda: (UpstreamError("500"), "connection"),
            lambda: (UpstreamTimeout("silence"), "connection"),
            lambda: (Overloaded("503", retry_after_s=some_hint(rng)), "connection"),
            lambda: (BadRequest("400"), "connection"),
        ]
    )()


def shortest_rest(error, auth_type):
    """What must pass at least, by the documented defaults."""
    if error.retry_after_s is not None:
        return error.retry_after_s
    if isinstance(error, QuotaExhausted):
        return 300.0
    return 5.0 if auth_type == "oauth" else 3.0


@define
class World:
    """The gateway's part and the providers' part. ``bad`` 0..1: how often what fails."""

    rng: random.Random
    guard: Resilience
    books: Books = field(factory=Books)
    bad: float = 0.1
    outcomes: collections.Counter[str] = field(factory=collections.Counter)

    async def request(self, number):
        keys = [
            (provider, auth_type, f"{provider}-{connection}", self.rng.choice(MODELS))
            for provider, (auth_type, connections) in PROVIDERS.items()
            for connection in range(connections)
        ]
        self.rng.shuffle(keys)
        for wait in itertools.count():
            retry_ats = []
            for key in keys[:5]:
                verdict = self.guard.verdict(*key, self.guard.clock())
                if not verdict.ok:
                    retry_ats.append(verdict.retry_at_s)
                    continue
                try:
                    if await self.attempt(key, f"r{number}"):
                        return
                except NotNow as exc:
                    self.outcomes["busy" if isinstance(exc, Busy) else "changed its mind"] += 1
                    retry_ats.append(exc.verdict.retry_at_s)
            wait_s = self.guard.wait_plan(retry_ats, wait, self.guard.clock())
            if wait_s is None:
                self.outcomes["nobody could"] += 1
                return
            self.outcomes["waited"] += 1
            await asyncio.sleep(wait_s)

    async def attempt(self, key, request_id):
        clock, rng = self.guard.clock, self.rng
        async with self.guard.slot(*key, request_id) as passage:
            self.books.arrive(key, passage, clock())
            self.outcomes["probe" if passage.probe else "attempt"] += 1
            # Only who probes the rest itself brings news of it; the provider's breaker is another matter.
            probed = {tuple(name.split("/")) for name in passage.cooldown_probes}
            takes_s = rng.expovariate(1 / 4.0)
            if rng.random() < 0.02:  # the caller leaves
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.sleep(takes_s + 1), takes_s)
                self.outcomes["left"] += 1
                return True
            await asyncio.sleep(takes_s)
            if rng.random() >= self.bad:
                passage.succeeded()
                self.books.answer(key, bool(probed))
                self.outcomes["answered"] += 1
                return True
            error, scope = some_failure(rng)
            if not isinstance(error, BadRequest):
                scope = "model" if error.blames == "provider" else scope
                name = (key[2], key[3]) if scope == "model" else (key[2],)
                hint_counts = name in probed and error.retry_after_s is not None
                self.books.rest(name, clock(), shortest_rest(error, key[1]), hint_counts)
            passage.failed(error, scope)
            self.outcomes[type(error).__name__] += 1
            return isinstance(error, BadRequest)


@pytest.mark.parametrize(
    ("seed", "policy"),
    [
        pytest.param(1, {}, id="defaults"),
        pytest.param(2, {"requestQueue": {"requestsPerMinute": 6, "concurrentRequests": 2}}, id="paced"),
        pytest.param(3, {"providerBreaker": {"apikey": {"failureThreshold": 2}}}, id="nervous-breakers"),
    ],
)
def test_no_request_arrives_before_its_retry_at_except_marked_probes(virtually, seed, policy):
    async def work():
        rng = random.Random(seed)
        clock = asyncio.get_running_loop().time
        guard = Resilience(policy_of(policy), clock, clock)
        world = World(rng, guard)
        tasks = []
        for number in range(REQUESTS):
            # Calm and trouble, rush hours and nights.
            world.bad = 0.9 if number % 1000 < 300 else 0.05
            await asyncio.sleep(rng.expovariate(1 / (0.1 if number % 500 < 400 else 30.0)))
            tasks.append(asyncio.create_task(world.request(number)))
        await asyncio.gather(*tasks)
        return world

    world = virtually(work())
    books, seen = world.books, world.outcomes
    assert books.early == []
    # The trouble was real, and everything that is to be shown has happened.
    assert seen["answered"] > 1000
    assert seen["attempt"] > 2000
    assert all(seen[kind] > 20 for kind in ("RateLimited", "QuotaExhausted", "UpstreamError", "Overloaded", "probe"))
    assert seen["waited"] > 20
    assert seen["nobody could"] > 20
    assert seen["left"] > 5
    assert set(books.arrived) == set(PROVIDERS)
    gaps = [later - earlier for times in books.probes.values() for earlier, later in itertools.pairwise(times)]
    assert len(gaps) > 10
    assert min(gaps) >= 60.0 - EPSILON_S
    assert all(world.guard.in_flight(f"{provider}-0") == 0 for provider in PROVIDERS)
