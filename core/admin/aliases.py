"""/api/models/alias: the user's own names for models, exact ones and patterns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from quart import Blueprint, Response

from core.bodies import body
from core.gateway.naming.aliases import WILDCARDS as WILDCARD_CHARACTERS
from core.gateway.naming.aliases import pattern_entries
from core.gateway.naming.snapshot import ALIASES, WILDCARDS
from core.rules import Text
from core.runtime_settings import ONE_NAME, WildcardAliases

from .guard import session
from .web import answer, body_of, kernel, needed, writing, wrong

views = Blueprint("aliases", __name__)

ModelName = Annotated[str, Text(high=300)]


@body
class Alias:
    model: ModelName
    alias: ModelName


@body
class Patterns:
    wildcards: WildcardAliases


@views.get("/api/models/alias")
@session
async def aliases() -> Response:
    """The user's own names for models: exact ones, and patterns in the order in which they are looked through."""
    stored = await kernel().store.get_values(ALIASES)
    return answer(
        {
            "aliases": stored,
            "wildcards": _patterns(await _stored_patterns()),
            "catalogVersion": str(kernel().snapshot.version),
        }
    )


@views.put("/api/models/alias")
@session
async def set_alias() -> Response:
    """Gives a model another name. The target may be a name that works only later; a circle is refused.

    A name with ``*`` or ``?`` is a pattern; a new one comes last.
    """
    asked = await body_of(Alias)
    if WILDCARD_CHARACTERS.search(asked.alias):
        if WILDCARD_CHARACTERS.search(asked.model):
            raise wrong("model", ONE_NAME)
        async with writing():
            known = dict(await _stored_patterns())
            known[asked.alias] = asked.model
            await _keep_patterns(known.items())
    else:
        stored = await kernel().store.get_values(ALIASES)
        step: str | None = asked.model
        for _ in range(len(stored) + 1):
            if step == asked.alias:
                raise wrong("alias", "would lead back to itself")
            step = stored.get(step) if step is not None else None
        await kernel().store.set_value(ALIASES, asked.alias, asked.model)
    return answer({"success": True, "model": asked.model, "alias": asked.alias})


@views.put("/api/models/alias/wildcards")
@session
async def set_patterns() -> Response:
    """Replaces all patterns: this is how they are put in another order."""
    asked = await body_of(Patterns)
    pairs = {each.pattern: each.target for each in asked.wildcards}
    async with writing():
        await _keep_patterns(pairs.items())
    return answer({"success": True, "wildcards": _patterns(pairs.items())})


@views.delete("/api/models/alias")
@session
async def drop_alias() -> Response:
    """Takes a name away; nothing happens where there is none."""
    alias = needed("alias")
    if WILDCARD_CHARACTERS.search(alias):
        async with writing():
            await _keep_patterns([pair for pair in await _stored_patterns() if pair[0] != alias])
    await kernel().store.delete_value(ALIASES, alias)
    return answer({"success": True})


async def _stored_patterns() -> list[tuple[str, str]]:
    return pattern_entries((await kernel().store.settings()).get(WILDCARDS))


async def _keep_patterns(pairs: Iterable[tuple[str, str]]) -> None:
    await kernel().store.patch_settings({WILDCARDS: _patterns(pairs) or None})


def _patterns(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"pattern": pattern, "target": target} for pattern, target in pairs]
