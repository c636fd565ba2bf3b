"""10,000 requests through the whole data plane in virtual time: names, strategies, pacing, retries, hedges, recovery.

Providers fail in every way and keep books of when they want to be left alone. Nobody asks them earlier, except marked
probes.
"""

from __future__ import annotations

import asyncio
import collections
import json
import random
from typing import Any

import pytest
import virtual_time
from attrs import define, evolve, field
from omniroute_hooks import (
    ApiKey,
    Asked,
    BadRequest,
    BrokenStream,
    Endpoint,
    FailureRule,
    GatewayError,
    LoginExpired,
    Model,
    OAuth,
    Overloaded,
    Provider,
    QuotaExhausted,
    RateLimited,
    Stop,
    UpstreamError,
    UpstreamTimeout,
)
from omniroute_hooks.events import Begin, Stopped, Terminal, TextDelta
from omniroute_hooks.testing import ScriptedUpstream, serving
from omniroute_hooks.testing.simulate import installed
from routing_kit import combo, connection, snapshot_of
from running import running

from core.gateway.answering.seals import Seals
from core.gateway.asking.outgoing import Incoming
from core.gateway.asking.pipeline import Means, Pipeline
from core.gateway.choosing.affinity import session_of
from core.gateway.choosing.choose import Chooser
from core.gateway.choosing.live import Live
from core.gateway.choosing.router import Router, fitting
from core.gateway.intake.exchange import Exchange
from core.gateway.intake.wire import Wire
from core.gateway.telling.trace import Trace, request_id
from core.resilience.guard import Resilience
from core.resilience.policy import policy_of

REQUESTS = 10_000
EPSILON_S = 1e-6
FOR_THIS_MODEL = "for this model"
HINTS_S = [0.4, 2.0, 17.0, 60.0, 400.0, 900.0, 901.0, 3600.0, 5 * 3600.0, 30 * 3600.0]


class Watched(Resilience):
    """Tells which attempts are marked as probes: by the task that makes them."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.passages: dict[Any, Any] = {}

    async def enter(self, key, request_id, max_wait_s):
        passage = await super().enter(key, request_id, max_wait_s)
        self.passages[asyncio.current_task()] = passage
        return passage


@define
class Books:
    """What the providers have asked for, by connection, or by connection and model: until when to be left alone."""

    guard: Watched
    rng: random.Random
    retries: int
    bad: float = 0.1
    rests: dict[tuple[str, ...], float] = field(factory=dict)
    seen: collections.Counter[str] = field(factory=collections.Counter)
    early: list[str] = field(factory=list)

    async def generate(self, conversation, target):
        """One attempt at a provider, from its arrival to its last word."""
        rng, clock = self.rng, self.guard.clock
        passage = self.guard.passages[asyncio.current_task()]
        whole, part = (target.connection.id,), (target.connection.id, target.model)
        resting = [name for name in (whole, part) if self.rests.get(name, 0.0) > clock() + EPSILON_S]
        self.seen["attempt"] += 1
        if resting and passage.probe:
            self.seen["probe"] += 1
        elif resting:
            self.early.append(f"{part} at {clock()}, which rests until {self.rests[resting[0]]}")
        probed = {tuple(key.split("/", 1)) for key in passage.cooldown_probes}
        await asyncio.sleep(rng.expovariate(1 / 4.0))
        fails = rng.random() < self.bad
        if fails and rng.random() < 0.7:
            raise self.failed(whole, part, probed)
        for name in probed:  # an account that answers has no rest any more
            self.rests.pop(name, None)
        yield Begin("a", target.model)
        for word in ("The ", "quick ", "brown ", "fox"):
            yield TextDelta("t", word)
            await asyncio.sleep(rng.expovariate(1.0))
        if fails:
            self.seen["broken"] += 1
            raise self.failed(whole, part, probed)
        yield Stopped(Stop("end"))
        yield Terminal()
        self.seen["answered"] += 1

    def failed(self, whole, part, probed) -> GatewayError:
        rng, now_s = self.rng, self.guard.clock()
        hint = rng.choice(HINTS_S)
        error: GatewayError = rng.choice(
            [
                RateLimited("slow down", retry_after_s=hint),
                RateLimited(f"slow down {FOR_THIS_MODEL}", retry_after_s=hint),
                RateLimited("slow down, some time"),
                QuotaExhausted("used up", retry_after_s=hint),
                QuotaExhausted("used up, until some time"),
                LoginExpired("who are you?"),
                Overloaded("too many of you", retry_after_s=hint),
                UpstreamError("HTTP 500"),
                UpstreamTimeout("silence"),
                BrokenStream("garbage"),
                BadRequest("what?"),
            ]
        )
        self.seen[type(error).__name__] += 1
        rest_s = self.least_rest(error)
        if rest_s is not None:
            one_model = error.blames == "provider" or FOR_THIS_MODEL in error.message
            name = part if one_model else whole
            news = name in probed and error.retry_after_s is not None
            self.rests[name] = now_s + rest_s if news else max(self.rests.get(name, 0.0), now_s + rest_s)
        return error

    def least_rest(self, error) -> float | None:
        """What must pass before the next attempt at least, by the documented defaults; None: nothing."""
        if isinstance(error, BadRequest):
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s
        if isinstance(error, LoginExpired | QuotaExhausted):
            return 300.0
        if isinstance(error, UpstreamTimeout) or not self.retries or isinstance(error, RateLimited):
            return 3.0
        return None  # a passing fault may be tried once more at once, if the user wants that


def snapshot(books: Books, retries: int):
    """Three providers with eight accounts, and combos of every strategy, nested and hedged."""
    rule = FailureRule(RateLimited, text=FOR_THIS_MODEL, scope="model")
    providers = [
        Provider(
            id=f"{prefix}-id",
            prefix=prefix,
            dialect="plain",
            auth=auth,
            models=(Model("m1"), Model("m2"), Model("m3")),
            failures=(rule,),
            generate=books.generate,
        )
        for prefix, auth in (("key", ApiKey()), ("sub", OAuth()), ("one", ApiKey()))
    ]
    accounts = [
        *(connection("key", str(n), provider_specific_data={"weight": n}) for n in range(4)),
        *(connection("sub", str(n), auth_type="oauth", credential={"access_token": "t"}) for n in range(3)),
        connection("one"),
    ]
    strategies = installed()
    members = ("key/m1", "sub/m2", "one/m3")
    combos = [combo(f"by-{id_}", *members, strategy=id_, maxRetries=retries) for id_ in strategies]
    combos += [
        combo("hurried", *members, hedgeAfterMs=3000, maxRetries=retries),
        combo("nested", {"comboName": "by-round-robin"}, "one/m1", {"comboName": "hurried"}, maxRetries=retries),
    ]
    made = snapshot_of(
        providers,
        accounts,
        combos=combos,
        chains={"spare": {"models": ["one/m2", "key/m2"], "enabled": True, "appliesTo": "all"}},
        settings={"requestRetry": retries},
        strategies=[strategy for id_, strategy in strategies.items() if id_ not in ("priority", "fill-first")],
    )
    return made, [*made.combos, "key/m1", "sub/m2", "m3"]


async def discarded(message):
    """The caller's end of the answer."""


async def play(seed: int, count: int, policy: dict[str, Any], retries: int) -> Books:
    rng = random.Random(seed)
    clock = asyncio.get_running_loop().time
    guard = Watched(policy_of(policy), clock, clock)
    live = Live(clock)
    router = Router(guard, live)
    router.chooser = Chooser(seed, live, clock)
    books = Books(guard, rng, retries)
    base, names = snapshot(books, retries)
    snapshots = [evolve(base, settings={**base.settings, "fallbackStrategy": id_}) for id_ in installed()]
    dialect = next(d for d in _dialects() if d.id == "openai-chat")
    pipeline = Pipeline(Means(None, None, guard, live), clock)  # type: ignore[arg-type]  # nobody has a network here
    seals = Seals()

    async def request(number: int) -> None:
        stream = rng.random() < 0.5
        body = {
            "model": rng.choice(names),
            "stream": stream,
            "messages": [{"role": "user", "content": f"{number % 40}"}],
        }
        raw = json.dumps(body).encode()
        asked = Asked(
            Endpoint("POST", "/v1/chat/completions", "generate"), None, {}, {"x-session-id": f"s{number % 40}"}
        )
        trace = Trace(request_id(), endpoint=asked.endpoint.path, dialect=dialect.id)
        exchange = Exchange(snapshots[number % len(snapshots)], dialect, asked, Wire(discarded), trace, None)
        exchange.incoming = Incoming(dialect, asked, raw, body, body["model"], stream)
        exchange.seals = seals
        exchange.session = session_of(asked.headers, dialect.peek(body, asked), body, None)
        left = asyncio.timeout(rng.expovariate(1 / 3.0) if rng.random() < 0.03 else None)
        try:
            async with left:
                pick = await pipeline.answer(exchange, router.route(exchange).picks, fitting(exchange))
                router.affinity.served(exchange.session, pick, None)
                books.seen["request answered" if trace.error is None else "request broke"] += 1
        except TimeoutError:
            books.seen["caller left"] += 1
        except GatewayError:
            books.seen["request refused"] += 1
        books.seen["hedge"] += any(attempt.outcome == "dropped" for attempt in trace.attempts)
        books.seen["waited"] += any("waited for" in words for _, words in trace.notes)
        guard.passages.pop(asyncio.current_task(), None)

    tasks = []
    for number in range(count):
        books.bad = 0.9 if number % 1000 < 200 else 0.05  # calm and trouble, rush hours and nights
        await asyncio.sleep(rng.expovariate(1 / (0.1 if number % 500 < 400 else 30.0)))
        tasks.append(asyncio.create_task(request(number)))
    await asyncio.gather(*tasks)
    assert all(guard.in_flight(line.connection.id) == 0 for lines in base.lines.values() for line in lines)
    return books


def _dialects():
    from omniroute_dialects.openai_chat import omniroute_dialects

    return omniroute_dialects()


@pytest.mark.parametrize(
    ("seed", "count", "policy", "retries"),
    [
        pytest.param(1, REQUESTS, {}, 0, id="every-failure-rests"),
        pytest.param(
            2,
            4000,
            {
                "requestQueue": {"requestsPerMinute": 60, "concurrentRequests": 5},
                "providerBreaker": {"apikey": {"failureThreshold": 3}},
            },
            1,
            id="paced-with-retries-and-nervous-breakers",
        ),
    ],
)
def test_no_request_reaches_a_candidate_before_its_retry_at_except_marked_probes(seed, count, policy, retries):
    books = virtual_time.run(play(seed, count, policy, retries))

    seen = books.seen
    assert books.early == []
    # The trouble was real, and everything that is to be shown has happened.
    assert seen["request answered"] > 0.5 * count
    assert seen["attempt"] > seen["answered"] + 500
    for what in (
        *("RateLimited", "QuotaExhausted", "LoginExpired", "Overloaded", "UpstreamError", "UpstreamTimeout"),
        *("probe", "broken", "hedge", "waited", "caller left", "request refused"),
    ):
        assert seen[what] >= 10, (what, seen)


async def test_a_retry_is_not_sent_where_another_request_has_found_a_rest_meanwhile(tmp_path):
    async with serving(ScriptedUpstream()) as upstream, running(tmp_path / "data", initial_password=None) as gateway:
        await gateway.add_node(upstream.url + "/v1", "openai-compatible", "up", "chat")
        config = {"maxRetries": 1, "retryDelayMs": 300}
        await gateway.kernel.store.create_combo(name="one", models=["up/m"], config=config)
        await gateway.kernel.reload()
        upstream.reply(500, json={"error": {"message": "oops"}})
        upstream.reply(429, json={"error": {"message": "slow down"}}, headers={"Retry-After": "60"})
        body = {"model": "one", "messages": [{"role": "user", "content": "hi"}]}

        first = asyncio.create_task(gateway.http.post("/v1/chat/completions", json=body))
        await upstream.arrived()
        second = await gateway.http.post("/v1/chat/completions", json=body)

        assert second.status_code == 429
        assert (await first).status_code in (429, 502, 503)
        assert len(upstream.requests) == 2
