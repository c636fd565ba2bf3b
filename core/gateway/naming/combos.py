"""Combos and fallback chains as the user wrote them: names in an order, a strategy, and settings.

Nothing here knows who can be called; that is found out when a name is resolved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from attrs import evolve, frozen
from omniroute_hooks import BadRequest

from core import bodies
from core.bodies import body
from core.rules import Between, Text
from core.store.records import ComboRecord

from .deadlines import Deadline

Json = Any
CHAINS = "fallback-chains"
COMBO_DEFAULTS = "combo-defaults"
DEFAULTS_KEY = "all"
DEFAULT_STRATEGY = "priority"
EXPLICIT = "combo/"
MAX_DEPTH = 10
MAX_STEPS = 100
MAX_LEAVES = 128

StreamMode = Literal["direct", "guarded"]
Milliseconds = Annotated[int, Between(0, 60_000)]


@body
class ComboSettings:
    """What a combo, or the defaults of all combos, may say. None means: as the next one up says."""

    strategy: Annotated[str, Text()] | None = None
    max_retries: Annotated[int, Between(0, 10)] | None = None
    retry_delay_ms: Milliseconds | None = None
    hedge_after_ms: Milliseconds | None = None
    stream: StreamMode | None = None
    route_around_refusals: bool | None = None
    keep_member: bool | None = None
    connect_ms: Deadline | None = None
    first_token_ms: Deadline | None = None
    idle_ms: Deadline | None = None
    total_ms: Deadline | None = None


NOTHING_SAID = ComboSettings()
_FIELDS = bodies.names_on_the_wire(ComboSettings)


@frozen
class ComboConfig:
    """The settings in force for a candidate.

    ``max_retries`` on the same candidate after a passing fault, ``retry_delay_ms`` before each. A second candidate
    joins after ``hedge_after_ms``; None: never. ``stream`` "guarded" holds words back until they are safe.
    ``keep_member``: a conversation stays with the member that answered it last. Deadlines None: the gateway's own.
    ``weights`` are those of the members, in the user's order.
    """

    strategy: str = DEFAULT_STRATEGY
    max_retries: int = 1
    retry_delay_ms: int = 250
    hedge_after_ms: int | None = None
    stream: StreamMode = "direct"
    route_around_refusals: bool = False
    keep_member: bool = False
    connect_ms: int | None = None
    first_token_ms: int | None = None
    idle_ms: int | None = None
    total_ms: int | None = None
    weights: tuple[float, ...] = ()

    def under(self, settings: ComboSettings) -> ComboConfig:
        """With what ``settings`` say put over it."""
        said = {name: value for name in _FIELDS.values() if (value := getattr(settings, name)) is not None}
        return evolve(self, **said)

    def as_json(self) -> dict[str, Json]:
        """By the names on the wire, without the weights."""
        return {alias: getattr(self, name) for alias, name in _FIELDS.items()}


PLAIN = ComboConfig()


@frozen
class Step:
    """One place in a combo: a name, as callers write models, or another combo's."""

    name: str
    weight: float = 1.0
    connection_id: str | None = None

    @property
    def key(self) -> str:
        """Tells it from the other steps of its combo, wherever the user moves it."""
        return self.name if self.connection_id is None else f"{self.name}@{self.connection_id}"


@frozen
class Combo:
    """A named, ordered list of models plus a strategy."""

    id: str
    name: str
    steps: tuple[Step, ...]
    settings: ComboSettings = NOTHING_SAID
    is_active: bool = True


@frozen
class Chain:
    """A global fallback chain. ``applies_to`` "listed": only to requests for one of its models."""

    name: str
    models: tuple[str, ...]
    enabled: bool = True
    applies_to: Literal["all", "listed"] = "all"
    place: int = 0


# from what is stored ----------------------------------------------------------------------------------------


def combo_of(record: ComboRecord) -> Combo:
    """A stored combo. What an older release wrote and no longer fits counts as unset."""
    settings = settings_of({**record.config, "strategy": record.strategy or None})
    return Combo(record.id, record.name, steps_of(record), settings, record.is_active)


def steps_of(record: ComboRecord) -> tuple[Step, ...]:
    """The steps of a stored combo that can be read."""
    return tuple(step for step in map(step_of, record.models) if step is not None)


def step_of(stored: Json) -> Step | None:
    """A stored step: a name, or an object that holds one."""
    if isinstance(stored, str):
        return Step(stored) if stored else None
    if not isinstance(stored, dict):
        return None
    name = stored.get("model") or stored.get("comboName")
    weight, connection = stored.get("weight", 1.0), stored.get("connectionId")
    if not isinstance(name, str):
        return None
    usable = isinstance(weight, int | float) and not isinstance(weight, bool) and weight >= 0
    return Step(name, float(weight) if usable else 1.0, connection if isinstance(connection, str) else None)


def settings_of(stored: Mapping[str, Json]) -> ComboSettings:
    """Stored settings; a value that does not fit counts as unset."""
    values: dict[str, Any] = {}
    for alias, name in _FIELDS.items():
        if stored.get(alias) is not None:
            try:
                values[alias] = bodies.changes(ComboSettings, {alias: stored[alias]})[name]
            except BadRequest:
                continue
    return ComboSettings(**values)


def defaults_of(key_values: Mapping[str, Mapping[str, Json]]) -> ComboConfig:
    """What holds for combos that say nothing themselves."""
    stored = key_values.get(COMBO_DEFAULTS, {}).get(DEFAULTS_KEY)
    return PLAIN.under(settings_of(stored if isinstance(stored, dict) else {}))


def chains_of(stored: Mapping[str, Json]) -> tuple[Chain, ...]:
    """The stored chains by their place, switched off ones included."""
    chains = [chain for name, value in stored.items() if (chain := chain_of(name, value)) is not None]
    return tuple(sorted(chains, key=lambda chain: (chain.place, chain.name)))


def chain_of(name: str, value: Json) -> Chain | None:
    """One stored chain."""
    if not isinstance(value, dict) or not isinstance(value.get("models"), list):
        return None
    models = tuple(model for model in value["models"] if isinstance(model, str) and model)
    place = value.get("place", 0)
    return Chain(
        name,
        models,
        bool(value.get("enabled", True)),
        "listed" if value.get("appliesTo") == "listed" else "all",
        place if isinstance(place, int) else 0,
    )


# by name ----------------------------------------------------------------------------------------------------


class Combos(Mapping[str, Combo]):
    """The combos that are switched on, by name, in the user's order. Read when first asked for: there may be many."""

    def __init__(self, records: Iterable[ComboRecord]) -> None:
        known = tuple(records)
        self._records = {record.name: record for record in known if record.is_active}
        self.switched_off = frozenset(record.name for record in known if not record.is_active)
        self._read: dict[str, Combo] = {}

    def __getitem__(self, name: str) -> Combo:
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = combo_of(self._records[name])
        return found

    def steps(self, name: str) -> tuple[Step, ...]:
        """The steps of one of them, without reading the rest."""
        return steps_of(self._records[name])

    def __contains__(self, name: object) -> bool:
        return name in self._records

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def named(combos: Mapping[str, Combo], name: str) -> Combo | None:
    """The combo that a name means, also written ``combo/<name>``."""
    own = own_name(combos, name)
    return None if own is None else combos[own]


def own_name(combos: Mapping[str, Combo], name: str) -> str | None:
    """The same, as the combo's own name."""
    if name in combos:
        return name
    bare = name[len(EXPLICIT) :]
    return bare if name.startswith(EXPLICIT) and bare in combos else None


def flaw(start: Combo, combos: Mapping[str, Combo], follow: Callable[[str], str]) -> str | None:
    """Why this combo may not be: it leads back to itself, lies too deep, or has too many models in all.

    ``follow`` gives the name that aliases make of a name.
    """
    sizes: dict[str, tuple[int, int]] = {}  # name -> models in it, levels of it

    def measured(combo: Combo, way: tuple[str, ...]) -> tuple[int, int]:
        if combo.name in sizes:
            return sizes[combo.name]
        models, levels = 0, 1
        for step in combo.steps:
            inner = named(combos, follow(step.name))
            if inner is None:
                models += 1
                continue
            if inner.name in way:
                raise _Flawed("circular combo reference: " + " → ".join((*way, inner.name)))
            if len(way) >= MAX_DEPTH:
                raise _Flawed(f"combos may be nested {MAX_DEPTH} levels deep: " + " → ".join((*way, inner.name)))
            inside, deep = measured(inner, (*way, inner.name))
            models, levels = models + inside, max(levels, deep + 1)
        sizes[combo.name] = (models, levels)
        return models, levels

    try:
        models, levels = measured(start, (start.name,))
    except _Flawed as exc:
        return str(exc)
    if levels > MAX_DEPTH:
        return f"combos may be nested {MAX_DEPTH} levels deep"
    return f"has {models} models with those of its combos; {MAX_LEAVES} are allowed" if models > MAX_LEAVES else None


class _Flawed(Exception):
    pass
