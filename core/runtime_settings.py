"""Runtime settings: what can be changed while the gateway runs, with types, limits and defaults, in one schema.

The store keeps only what was ever changed, as JSON by the names on the wire. Settings of the environment are
`core.settings`; where both exist, the field says which one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import attrs
from omniroute_hooks import BadRequest, FieldProblem

from core import bodies
from core.bodies import body
from core.gateway.naming.aliases import WILDCARDS as WILDCARD_CHARACTERS
from core.plugins.registry import Registry
from core.rules import Between, Few, Text, Wrong
from core.settings import Settings

Json = Any
Id = Annotated[str, Text(high=200)]
Ids = Annotated[tuple[Id, ...], Few()]


ONE_NAME = "is one name, without '*' and '?'"


@attrs.frozen
class Wild:
    """A rule of bodies: whether a name has a wildcard in it."""

    wanted: bool

    def check(self, value: str) -> str:
        value = Text(high=300).check(value)
        if bool(WILDCARD_CHARACTERS.search(value)) is not self.wanted:
            raise Wrong("must have a '*' or a '?' in it" if self.wanted else ONE_NAME)
        return value


@body
class WildcardAlias:
    """A name for models with ``*`` or ``?`` in it, and what it stands for."""

    pattern: Annotated[str, Wild(True)]
    target: Annotated[str, Wild(False)]


WildcardAliases = Annotated[tuple[WildcardAlias, ...], Few(10_000)]


@body
class RuntimeSettings:
    """All of them. None means "as the environment says", or the core's own default."""

    require_api_key: bool = False
    """Whether callers of the model endpoints need a key. The environment can only make it stricter."""
    fallback_strategy: Id | None = None
    """The installed strategy that orders the connections of a provider."""
    sticky_round_robin_limit: Annotated[int, Between(1, 1000)] = 3
    """Calls in a row that a rotating strategy gives to one connection."""
    request_retry: Annotated[int, Between(0, 10)] = 1
    """How often the same candidate is asked once more after a passing fault, outside combos."""
    blocked_providers: Ids = ()
    """Ids of providers that are neither listed nor called."""
    disabled_plugins: Ids = ()
    """Plugins to leave out, by their own or their distribution's name; from the next start on."""
    cache: Id | None = None
    """The installed cache that remembers answers at temperature 0; none without it."""
    wildcard_aliases: WildcardAliases = ()
    """The user's patterns of names, in the order in which they are looked through; also at /api/models/alias."""
    theme: Literal["system", "light", "dark"] = "system"
    hidden_sidebar_items: Ids = ()


_FIELDS = bodies.names_on_the_wire(RuntimeSettings)


def runtime_settings(stored: Mapping[str, Json]) -> RuntimeSettings:
    """The settings in force. A stored value that no longer fits (an older release wrote it) counts as unset."""
    values: dict[str, Any] = {}
    for alias, name in _FIELDS.items():
        if alias in stored:
            try:
                values[alias] = bodies.changes(RuntimeSettings, {alias: stored[alias]})[name]
            except BadRequest:
                continue
    return RuntimeSettings(**values)


def checked_changes(sent: Mapping[str, Json], registry: Registry, settings: Settings) -> dict[str, Json]:
    """Changes as the store keeps them; None takes a setting back to its default.

    Errors: `BadRequest` with every unknown name and every value that cannot be used here.
    """
    problems: list[FieldProblem] = []
    resets = {name: None for name, value in sent.items() if value is None and name in _FIELDS}
    rest = {name: value for name, value in sent.items() if name not in resets}
    try:
        found = bodies.changes(RuntimeSettings, rest) if rest else {}
    except BadRequest as exc:
        found = {}
        problems.extend(exc.details)
    strategy = found.get("fallback_strategy")
    if strategy is not None and strategy not in registry.strategies:
        known = ", ".join(sorted(registry.strategies)) or "none"
        problems.append(FieldProblem("fallbackStrategy", f"is not an installed strategy (installed: {known})"))
    cache = found.get("cache")
    if cache is not None and cache not in registry.caches:
        known = ", ".join(sorted(registry.caches)) or "none"
        problems.append(FieldProblem("cache", f"is not an installed cache (installed: {known})"))
    if settings.require_api_key and found.get("require_api_key") is False:
        problems.append(FieldProblem("requireApiKey", "cannot be switched off while REQUIRE_API_KEY=true is set"))
    if problems:
        raise BadRequest.of(problems)
    return {**resets, **{alias: _plain(found[name]) for alias, name in _FIELDS.items() if name in found}}


def as_json(values: RuntimeSettings, settings: Settings) -> dict[str, Json]:
    """The settings in force by their names on the wire, the environment's share included."""
    shown = {alias: _plain(getattr(values, name)) for alias, name in _FIELDS.items()}
    shown["requireApiKey"] = values.require_api_key or settings.require_api_key
    return shown


def _plain(value: Any) -> Json:
    """A setting as JSON."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, WildcardAlias):
        return {"pattern": value.pattern, "target": value.target}
    return value
