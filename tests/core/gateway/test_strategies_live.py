"""Every strategy against its definition: 200 callers at once on a live gateway, for accounts and for members of a
combo, while one candidate fails, rests and returns.

The providers answer in this process, so that what is measured is the gateway. Dice are seeded. The clock of rests and
measures runs as the real one does and can be put forward, so that nobody waits for a rest to end.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

import pytest
from attrs import define, evolve, field, frozen
from gateway_kit import Caller
from omniroute_hooks import ApiKey, Model, Price, Provider, RateLimited, Stop
from omniroute_hooks.events import Begin, Stopped, Terminal, TextDelta
from running import Running, running

from core.gateway.asking.pipeline import Means, Pipeline
from core.gateway.choosing.choose import Chooser
from core.gateway.choosing.live import Live, QuotaLeft
from core.gateway.choosing.router import Router
from core.plugins import registry as plugins
from core.resilience.guard import Resilience

CALLERS = 200
MEASURED = 240
REST_S = 60.0
FORGOTTEN_S = 700.0  # long enough for failures to fade and for uses to be no recent ones; measures still count
NAMES = ("a", "b", "c")
CRITICAL = {1: 15.14, 2: 18.42}  # chi-square, p = 0.0001, by degrees of freedom

Counts = Mapping[str, int]


class Clock:
    """The real one, put forward by a test."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


@define
class Upstream:
    """Three candidates. ``arrived`` in the order of arrival; those that are ``down`` answer 429."""

    level: str
    takes_s: Mapping[str, float] = field(factory=dict)
    down: set[str] = field(factory=set)
    arrived: list[str] = field(factory=list)
    busy: Counter[str] = field(factory=Counter)
    most_busy: Counter[str] = field(factory=Counter)

    async def generate(self, conversation: Any, target: Any) -> Any:
        name = target.connection.name if self.level == "accounts" else target.provider.prefix
        self.arrived.append(name)
        self.busy[name] += 1
        self.most_busy[name] = max(self.most_busy[name], self.busy[name])
        await asyncio.sleep(self.takes_s.get(name, 0.002))
        self.busy[name] -= 1
        if name in self.down:
            raise RateLimited("slow down", retry_after_s=REST_S)
        yield Begin("x", target.model)
        yield TextDelta("t", name)
        yield Stopped(Stop("end"))
        yield Terminal()

    def forget(self) -> None:
        """Counts from here on."""
        self.arrived.clear()
        self.most_busy.clear()


@frozen
class Plan:
    """What a strategy is defined by. ``fair(counts, ready)``: whether these are the shares it promises among those who
    are ready. ``falls``: who is made to fail. The rest are the candidates' facts, by name."""

    fair: Callable[[Counts, str], bool]
    falls: str = "a"
    weights: Mapping[str, float] = field(factory=dict)
    priorities: Mapping[str, int] = field(factory=dict)
    prices: Mapping[str, float] = field(factory=dict)
    takes_s: Mapping[str, float] = field(factory=dict)
    quotas: Mapping[str, QuotaLeft] = field(factory=dict)
    run: Mapping[str, int] = field(factory=dict)  # calls in a row, by level, where the order itself is promised
    makes_up: bool = False  # for what one got more than others a moment ago


def all_to_first_of(order: str, share: float = 1.0) -> Callable[[Counts, str], bool]:
    """Everything goes to whoever is ready and stands first."""

    def fair(counts: Counts, ready: str) -> bool:
        first = next(name for name in order if name in ready)
        return counts[first] >= share * sum(counts.values())

    return fair


def even(counts: Counts, ready: str) -> bool:
    """To within one turn."""
    numbers = [counts[name] for name in ready]
    return max(numbers) - min(numbers) <= 3


def by_chance(shares: Mapping[str, float]) -> Callable[[Counts, str], bool]:
    """As dice would have it."""

    def fair(counts: Counts, ready: str) -> bool:
        total, whole = sum(counts[name] for name in ready), sum(shares[name] for name in ready)
        wanted = {name: total * shares[name] / whole for name in ready}
        return sum((counts[n] - w) ** 2 / w for n, w in wanted.items()) <= CRITICAL[len(ready) - 1]

    return fair


def near(ready_share: float) -> Callable[[Counts, str], bool]:
    """Nearly even: nobody is further from its share than this."""

    def fair(counts: Counts, ready: str) -> bool:
        share = sum(counts[name] for name in ready) / len(ready)
        return all(abs(counts[name] - share) <= ready_share * share for name in ready)

    return fair


def _in(seconds: float) -> float:
    return time.time() + seconds


PLANS = {
    "priority": Plan(all_to_first_of("abc")),
    "round-robin": Plan(even, run={"accounts": 3, "members": 1}),
    "p2c": Plan(near(0.35), falls="b"),
    "random": Plan(by_chance({"a": 1, "b": 1, "c": 1}), falls="b"),
    "weighted": Plan(by_chance({"a": 5, "b": 3, "c": 2}), weights={"a": 5, "b": 3, "c": 2}),
    "least-used": Plan(even, falls="c", makes_up=True),
    "cost-optimized": Plan(
        all_to_first_of("bca"),
        falls="b",
        prices={"a": 9.0, "b": 1.0, "c": 3.0},
        priorities={"a": 3, "b": 1, "c": 2},
    ),
    # In so full an event loop an answer comes some 100 ms late, whoever gives it.
    "latency-aware": Plan(all_to_first_of("cba", 0.9), falls="c", takes_s={"a": 0.9, "b": 0.4, "c": 0.01}),
    "quota-aware": Plan(
        all_to_first_of("bac"),
        falls="b",
        quotas={
            "a": QuotaLeft(0.9, _in(5 * 3600)),
            "b": QuotaLeft(0.2, _in(1800)),
            "c": QuotaLeft(1.0, _in(6 * 86400)),
        },
    ),
}


@frozen
class Stage:
    """A gateway with three candidates behind one name, and 200 connections to it."""

    gateway: Running
    upstream: Upstream
    clock: Clock
    callers: list[Caller]
    model: str

    async def ask(self, count: int, at_once: int = CALLERS) -> Counter[str]:
        """So many requests, by so many callers at once; who has answered how many. All are answered."""
        self.upstream.forget()
        left, answered = iter(range(count)), Counter[str]()
        body = json.dumps({"model": self.model, "messages": [{"role": "user", "content": "hi"}]}).encode()

        async def calls(caller: Caller) -> None:
            for _ in left:
                await caller.ask("POST", "/v1/chat/completions", body)
                answer = await caller.answer()
                assert answer.status == 200, answer.body
                answered[answer.json["choices"][0]["message"]["content"]] += 1

        await asyncio.gather(*(calls(caller) for caller in self.callers[:at_once]))
        assert sum(answered.values()) == count
        return answered


@pytest.fixture
async def stage(tmp_path, strategy_id, level):
    plan = PLANS[strategy_id]
    upstream = Upstream(level, plan.takes_s)
    installed = plugins.build()
    registry = evolve(installed, **_providers(installed, upstream, plan, level))
    async with running(tmp_path / "data", registry, initial_password=None) as gateway:
        clock = await _with_clock(gateway, plan)
        model = await (_accounts if level == "accounts" else _members)(gateway, strategy_id, plan)
        host, port = gateway.url.removeprefix("http://").split(":")
        streams = [await asyncio.open_connection(host, int(port)) for _ in range(CALLERS)]
        try:
            yield Stage(gateway, upstream, clock, [Caller(*stream) for stream in streams], model)
        finally:
            for _, writer in streams:
                writer.transport.abort()


def _providers(installed: Any, upstream: Upstream, plan: Plan, level: str) -> dict[str, Any]:
    made = [
        Provider(
            id=f"{prefix}-id",
            prefix=prefix,
            dialect="none",
            auth=ApiKey(),
            models=(Model("m", price=(Price(plan.prices.get(prefix, 1.0), plan.prices.get(prefix, 1.0)),)),),
            generate=upstream.generate,
        )
        for prefix in (("up",) if level == "accounts" else NAMES)
    ]
    return {
        "providers": {**installed.providers, **{each.id: each for each in made}},
        "by_prefix": {**installed.by_prefix, **{each.prefix: each for each in made}},
    }


async def _with_clock(gateway: Running, plan: Plan) -> Clock:
    """Puts this clock, these dice and these quotas in the place of the gateway's own."""
    clock, kernel, front = Clock(), gateway.kernel, gateway.application.front
    assert front is not None

    def quota(connection_id: str, model: str) -> QuotaLeft | None:
        lines = (line for lines in kernel.snapshot.lines.values() for line in lines)
        return next(
            (plan.quotas.get(line.connection.name) for line in lines if line.connection.id == connection_id), None
        )

    await kernel.resilience.aclose()
    kernel.resilience = Resilience(clock=clock)
    kernel.live = Live(clock, quota if plan.quotas else None)
    kernel.router = front.router = Router(kernel.resilience, kernel.live)
    front.router.chooser = Chooser(7, kernel.live, clock)
    front.pipeline = Pipeline(Means(kernel.egress, kernel.accounts, kernel.resilience, kernel.live), clock)
    await kernel.reload()
    return clock


async def _accounts(gateway: Running, strategy_id: str, plan: Plan) -> str:
    for name in NAMES:
        data = {"weight": plan.weights[name]} if plan.weights else {}
        priority = plan.priorities.get(name, NAMES.index(name) + 1)
        await gateway.add_connection("up-id", {"api_key": "k"}, name, priority=priority, provider_specific_data=data)
    await gateway.kernel.store.patch_settings({"fallbackStrategy": strategy_id})
    await gateway.kernel.reload()
    return "up/m"


async def _members(gateway: Running, strategy_id: str, plan: Plan) -> str:
    for name in NAMES:
        await gateway.add_connection(f"{name}-id", {"api_key": "k"}, name)
    models = [{"model": f"{name}/m", "weight": plan.weights.get(name, 1)} for name in NAMES]
    await gateway.kernel.store.create_combo(name="team", models=models, strategy=strategy_id)
    await gateway.kernel.reload()
    return "team"


@pytest.mark.parametrize("level", ["accounts", "members"])
@pytest.mark.parametrize("strategy_id", list(PLANS))
async def test_it_keeps_its_definition_while_one_fails_rests_and_returns(stage, strategy_id, level):
    plan, upstream = PLANS[strategy_id], stage.upstream
    others = "".join(name for name in NAMES if name != plan.falls)
    await stage.ask(6, at_once=1)  # everybody is known by then

    healthy = await stage.ask(MEASURED)
    assert plan.fair(healthy, "abc"), healthy
    if level in plan.run:
        assert_runs(upstream.arrived, plan.run[level])

    upstream.down.add(plan.falls)
    falling = await stage.ask(CALLERS)  # all of them were answered, though some had asked the one that fails
    assert falling[plan.falls] == 0
    assert 0 < upstream.arrived.count(plan.falls) <= CALLERS

    resting = await stage.ask(MEASURED)
    assert upstream.arrived.count(plan.falls) == 0
    if plan.makes_up and level == "members":
        resting += falling
    assert plan.fair(resting, others), resting

    stage.clock.ahead_s += FORGOTTEN_S
    failing_again = await stage.ask(CALLERS)
    assert failing_again[plan.falls] == 0

    upstream.down.clear()
    stage.clock.ahead_s += FORGOTTEN_S
    await stage.ask(30, at_once=10)  # now and then, somebody is measured again
    back = await stage.ask(MEASURED)
    assert plan.fair(back, "abc"), back


def assert_runs(arrived: list[str], length: int) -> None:
    """Everybody has so many calls in a row, in turn; the first and the last run may be cut by the measuring."""
    runs = [(name, len(list(calls))) for name, calls in groupby(arrived)][1:-1]
    assert {count for _, count in runs} == {length}
    order = "".join(name for name, _ in runs)
    assert order in "abc" * len(order)


@pytest.mark.parametrize("level", ["accounts"])
@pytest.mark.parametrize("strategy_id", ["p2c"])
async def test_two_choices_favour_whoever_is_quicker_to_be_free(stage):
    stage.upstream.takes_s = {"c": 0.4}

    counts = await stage.ask(600)

    assert counts["c"] < 0.7 * min(counts["a"], counts["b"]), counts


@pytest.mark.parametrize("level", ["members"])
@pytest.mark.parametrize("strategy_id", ["least-used"])
async def test_the_least_used_one_is_the_one_with_the_fewest_requests(stage):
    for name in "ab":
        await stage.gateway.http.post(
            "/v1/chat/completions", json={"model": f"{name}/m", "messages": [{"role": "user", "content": "hi"}]}
        )

    assert (await stage.ask(MEASURED))["c"] == MEASURED / 3  # calls past the combo are no use of its members
    assert max(stage.upstream.most_busy.values()) - min(stage.upstream.most_busy.values()) <= 3
