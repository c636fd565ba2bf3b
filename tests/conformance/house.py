"""A gateway between real clients and four scripted providers, one of each dialect."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from attrs import define, evolve, field
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing import ScriptedUpstream, serving
from omniroute_hooks.testing.serving import Hosted
from running import Running, running

from core.gateway.answering.seals import Seals
from core.gateway.naming.snapshot import CUSTOM_MODELS
from core.plugins.registry import build

DIALECTS = (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GEMINI)
MODEL = "scripted-1"
_NODES = {  # dialect: (node type, which of its interfaces)
    OPENAI_CHAT: ("openai-compatible", "chat"),
    OPENAI_RESPONSES: ("openai-compatible", "responses"),
    ANTHROPIC: ("anthropic-compatible", None),
    GEMINI: ("gemini-compatible", None),
}
_REPLAYING = "takes-reasoning-back"  # chat providers that do are rare, so their node type is ours
_NEIGHBOUR = "neighbour"
_BASE = {OPENAI_CHAT: "/v1", OPENAI_RESPONSES: "/v1", ANTHROPIC: "/v1", GEMINI: "/v1beta"}


class Stand(Hosted):
    """An address on which one scripted provider after another stands, so that no test sees another's script."""

    def __init__(self) -> None:
        self.now = ScriptedUpstream()

    def closing(self) -> None:
        self.now.closing()

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        await self.now(scope, receive, send)


@define
class House:
    """``key`` opens the gateway to a caller; ``stands`` are the providers by dialect."""

    gateway: Running
    stands: Mapping[str, Stand]
    key: str
    _prefixes: dict[str, str] = field(factory=dict)
    _nodes: dict[str, str] = field(factory=dict)
    _numbers: itertools.count[int] = field(factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        """Where callers ask, without a path."""
        return self.gateway.url

    def upstream(self, dialect: str) -> ScriptedUpstream:
        """The provider of this dialect, to script and to look at."""
        return self.stands[dialect].now

    def model(self, dialect: str) -> str:
        """The name of that provider's model, as callers write it."""
        return f"{self._prefixes[dialect]}/{MODEL}"

    def provider(self, dialect: str) -> str:
        """The id of that provider."""
        return self._nodes[dialect]

    def replaying(self, dialect: str) -> str:
        """As `model`, of a provider that takes its own reasoning back."""
        return f"{_REPLAYING}/{MODEL}" if dialect == OPENAI_CHAT else self.model(dialect)

    def neighbour(self, dialect: str) -> str:
        """The same model of another provider of this dialect."""
        return f"{_NEIGHBOUR}-{dialect}/{MODEL}"

    async def furnish(self, dialect: str) -> str:
        """Puts a provider nobody has failed at before in the place of this one; its model's name.

        Failures of one test (a connection that rests) are then no matter to the next.
        """
        store = self.gateway.kernel.store
        if dialect in self._nodes:
            await store.delete_node(self._nodes[dialect])
        type_, api_type = _NODES[dialect]
        prefix = f"{dialect}-{next(self._numbers)}"
        base_url = self.stands[dialect].url + _BASE[dialect]
        self._nodes[dialect] = await self.gateway.add_node(base_url, type_, prefix, api_type)
        self._prefixes[dialect] = prefix
        return self.model(dialect)

    async def list_model(self, dialect: str) -> str:
        """Makes that provider's model one that is listed; its name."""
        kernel = self.gateway.kernel
        await kernel.store.set_value(CUSTOM_MODELS, self._nodes[dialect], [{"id": MODEL}])
        await kernel.reload()
        return self.model(dialect)

    @contextlib.asynccontextmanager
    async def visit(self) -> AsyncIterator[House]:
        """One test: scripts are empty, nobody rests, and in the end everything that was scripted has been asked for."""
        for stand in self.stands.values():
            stand.now = ScriptedUpstream()
        yield self
        for dialect, stand in self.stands.items():
            stand.now.closing()
            assert not stand.now.unplayed, f"{dialect} was asked less often than its script has it"
        self.gateway.kernel.resilience.reset()
        front = self.gateway.application.front
        assert front is not None
        front.seals = Seals()  # the samples use the same call ids in every conversation, which no provider does


@contextlib.asynccontextmanager
async def housed(data_dir: Path) -> AsyncIterator[House]:
    """Starts the gateway and the four providers."""
    async with contextlib.AsyncExitStack() as stack:
        stands = {dialect: await stack.enter_async_context(serving(Stand())) for dialect in DIALECTS}
        registry = build()
        plain = registry.node_types["openai-compatible"]
        replaying = evolve(plain, id=_REPLAYING, options={"replay_reasoning": True}, default=False)
        registry = evolve(registry, node_types={**registry.node_types, _REPLAYING: replaying})
        gateway = await stack.enter_async_context(running(data_dir, registry, require_api_key=True))
        await gateway.login()
        made = await gateway.http.post("/api/keys", json={"name": "tests"})
        house = House(gateway, stands, made.json()["key"])
        for dialect in DIALECTS:
            await house.furnish(dialect)
            type_, api_type = _NODES[dialect] if dialect != OPENAI_CHAT else (_REPLAYING, None)
            await gateway.add_node(stands[dialect].url + _BASE[dialect], type_, f"{_NEIGHBOUR}-{dialect}", api_type)
        await gateway.add_node(stands[OPENAI_CHAT].url + _BASE[OPENAI_CHAT], _REPLAYING, _REPLAYING)
        yield house
