"""/api/fallback/chains: whom requests go on to when nobody that they named can answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from omniroute_hooks import NotFound
from quart import Blueprint, Response

from core.bodies import body
from core.gateway.naming.combos import CHAINS, MAX_STEPS, Chain, Step, chain_of, chains_of
from core.gateway.naming.resolve import step_problem
from core.rules import Few, Text
from core.store.errors import Conflict

from .guard import session
from .web import answer, body_of, changes_of, kernel, writing

views = Blueprint("fallback_chains", __name__)

ChainName = Annotated[
    str, Text(high=100, pattern=r"[\w.-]+", says="must be letters, digits, '-', '_' or '.', without spaces")
]
Models = Annotated[tuple[Annotated[str, Text(high=300)], ...], Few(MAX_STEPS)]
Applies = Literal["all", "listed"]


@body
class NewChain:
    name: ChainName
    models: Models
    enabled: bool = True
    applies_to: Applies = "all"


@body
class ChainChanges:
    models: Models
    enabled: bool
    applies_to: Applies


@body
class Order:
    names: Annotated[tuple[ChainName, ...], Few(1000)]


@views.get("/api/fallback/chains")
@session
async def listed() -> Response:
    """All chains, in the order in which they are looked through."""
    return answer({"chains": [_shown(chain) for chain in await _all()]})


@views.post("/api/fallback/chains")
@session
async def create() -> Response:
    """Adds a chain behind the others."""
    asked = await body_of(NewChain)
    async with writing():
        known = await _all()
        if any(chain.name == asked.name for chain in known):
            raise Conflict(f"A fallback chain named {asked.name!r} exists already.")
        place = max((chain.place for chain in known), default=-1) + 1
        made = Chain(asked.name, asked.models, asked.enabled, asked.applies_to, place)
        await _keep(made)
    return answer({"chain": _shown(made)}, 201)


@views.get("/api/fallback/chains/<name>")
@session
async def one(name: str) -> Response:
    """One chain."""
    return answer({"chain": _shown(await _found(name))})


@views.route("/api/fallback/chains/<name>", methods=["PUT", "PATCH"])
@session
async def change(name: str) -> Response:
    """Changes what is named; it counts from the next request on."""
    changes = await changes_of(ChainChanges)
    async with writing():
        old = await _found(name)
        new = Chain(
            name,
            changes.get("models", old.models),
            changes.get("enabled", old.enabled),
            changes.get("applies_to", old.applies_to),
            old.place,
        )
        await _keep(new)
    return answer({"chain": _shown(new)})


@views.delete("/api/fallback/chains/<name>")
@session
async def delete(name: str) -> Response:
    """Removes a chain."""
    if not await kernel().store.delete_value(CHAINS, name):
        raise NotFound("Fallback chain not found.")
    return answer({"success": True})


@views.post("/api/fallback/chains/reorder")
@session
async def reorder() -> Response:
    """Puts the named chains first, in this order; unknown names do nothing."""
    asked = await body_of(Order)
    async with writing():
        place = {name: place for place, name in enumerate(asked.names)}
        known = sorted(await _all(), key=lambda chain: place.get(chain.name, len(place)))
        for number, chain in enumerate(known):
            if chain.place != number:
                await _keep(Chain(chain.name, chain.models, chain.enabled, chain.applies_to, number))
    return answer({"chains": [_shown(chain) for chain in await _all()]})


async def _all() -> tuple[Chain, ...]:
    return chains_of(await kernel().store.get_values(CHAINS))


async def _found(name: str) -> Chain:
    chain = chain_of(name, await kernel().store.get_value(CHAINS, name))
    if chain is None:
        raise NotFound("Fallback chain not found.")
    return chain


async def _keep(chain: Chain) -> None:
    value = {
        "models": list(chain.models),
        "enabled": chain.enabled,
        "appliesTo": chain.applies_to,
        "place": chain.place,
    }
    await kernel().store.set_value(CHAINS, chain.name, value)


def _shown(chain: Chain) -> dict[str, Any]:
    """A chain; ``problems`` by model, where one is passed over as things stand."""
    snapshot = kernel().snapshot
    problems = {model: step_problem(snapshot, Step(model)) for model in chain.models}
    return {
        "name": chain.name,
        "models": list(chain.models),
        "enabled": chain.enabled,
        "appliesTo": chain.applies_to,
        "problems": {model: problem for model, problem in problems.items() if problem is not None},
    }
