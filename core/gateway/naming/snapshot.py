"""The snapshot: all that the hot path reads, in one immutable value.

Built from the registry and the store when configuration changes, and replaced
whole. A request keeps the one it began with. What takes time and may not be needed
(plans for names, the list of all models) is made when first asked for, and kept.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field
from omniroute_hooks import BadRequest, Connection, Listed, Model, NodeType, Provider

from core.access.api_keys import ApiKeyTable
from core.plugins.registry import Registry
from core.settings import Settings
from core.store.records import ConnectionRecord, NodeRecord, StoreContents

from ..bounded import Bounded
from . import catalogue
from .aliases import Aliases, aliases_of
from .combos import CHAINS, Chain, Combo, ComboConfig, Combos, chains_of, defaults_of, named
from .deadlines import NO_DEADLINES, Deadlines, deadlines_of, declared
from .lines import Line, Roster, roster
from .node_options import options_of

if TYPE_CHECKING:
    from omniroute_hooks import Candidate

    from ..choosing.live import Facts
    from .lines import Crew
    from .resolve import Plan

__all__ = ["ALIASES", "CUSTOM_MODELS", "SYNCED_MODELS", "WILDCARDS", "Line", "Snapshot", "build_snapshot"]
log = logging.getLogger("omniroute.gateway")

ALIASES = "model-aliases"  # exact ones: key "<alias>": the name it stands for
WILDCARDS = "wildcardAliases"  # of the settings: list of {"pattern", "target"}, in the user's order
CUSTOM_MODELS = "custom-models"  # key "<provider>": list of {"id", "name"}
SYNCED_MODELS = "synced-models"  # key "<provider>": list of {"id", "name", "context", "maxOutput"}


MOST_PLANS = 4096
MOST_CREWS = 20_000


@define(frozen=True, slots=False, eq=False)
class Snapshot:
    """What a request may use. Keys of ``lines`` are provider ids; lines are in the user's order.

    ``expired`` holds the providers that only lack a new login. ``specs`` are the known models of each provider;
    ``bare`` the providers that serve a model id, in the order in which they are asked. Behind ``chains`` stands what
    `core.gateway.naming.resolve` and `core.gateway.choosing.choose` remember as long as this configuration holds.
    """

    version: int
    registry: Registry
    providers: Mapping[str, Provider]
    by_prefix: Mapping[str, Provider]
    by_word: Mapping[str, Provider]
    lines: Mapping[str, tuple[Line, ...]]
    rosters: Mapping[str, Roster]
    specs: Mapping[str, Mapping[str, Model]]
    expired: frozenset[str]
    keys: ApiKeyTable
    require_api_key: bool
    settings: Mapping[str, Any]
    names: Aliases
    bare: Mapping[str, tuple[Provider, ...]]
    combos: Combos
    combo_defaults: ComboConfig
    chains: tuple[Chain, ...]
    plans: Bounded[str, Plan] = field(factory=lambda: Bounded(MOST_PLANS), repr=False)
    rosters_of_keys: Bounded[tuple[str, tuple[str, ...]], Roster] = field(
        factory=lambda: Bounded(MOST_PLANS), repr=False
    )
    crew_candidates: Bounded[Crew, tuple[Facts, Candidate]] = field(factory=lambda: Bounded(MOST_CREWS), repr=False)

    @property
    def aliases(self) -> Mapping[str, str]:
        """The exact aliases."""
        return self.names.exact

    @cached_property
    def listed(self) -> tuple[Listed, ...]:
        """Everything that callers may write as a model: combos, exact aliases, models. Each can be called."""
        return catalogue.listed(self, _STARTED_S)

    @cached_property
    def by_listed_id(self) -> Mapping[str, Listed]:
        """The same by id."""
        return {entry.id: entry for entry in self.listed}

    @cached_property
    def near(self) -> catalogue.Near:
        """Known names that are like an unknown one."""
        connected = (provider for provider in self.providers.values() if provider.id in self.lines)
        written = (f"{provider.prefix}/{model.id}" for provider in connected for model in provider.models)
        return catalogue.Near([*self.combos, *self.names.exact, *self.bare, *written])

    @cached_property
    def near_prefix(self) -> catalogue.Near:
        """Known prefixes that are like an unknown one."""
        return catalogue.Near(list(self.by_prefix))

    def combo(self, name: str) -> Combo | None:
        """The combo that is switched on under this name, also written ``combo/<name>``."""
        return named(self.combos, name)

    def spec(self, provider: Provider, model: str) -> Model | None:
        """What is known of a model."""
        return self.specs[provider.id].get(model)


def build_snapshot(registry: Registry, contents: StoreContents, settings: Settings, api_key_secret: bytes) -> Snapshot:
    """The snapshot of this configuration. Broken rows are left out and logged, never in the way of the others."""
    providers = dict(registry.providers)
    for node in contents.nodes:
        provider = provider_of_node(node, registry.node_types)
        if provider is not None:
            providers[provider.id] = provider
    values = contents.key_values
    providers = {
        id_: _with_models(provider, values.get(CUSTOM_MODELS, {}), values.get(SYNCED_MODELS, {}))
        for id_, provider in providers.items()
    }
    stored = values.get("settings", {})
    lines = _lines(providers, contents.connections, stored.get("blockedProviders", ()))
    connected = [p for p in providers.values() if p.id in lines]
    return Snapshot(
        version=contents.version,
        registry=registry,
        providers=providers,
        by_prefix={p.prefix: p for p in providers.values()},
        by_word=_by_word(providers.values()),
        lines=lines,
        rosters={id_: roster(id_, own) for id_, own in lines.items()},
        specs={p.id: {model.id: model for model in p.models} for p in providers.values()},
        expired=frozenset(r.provider for r in contents.connections if r.is_active and r.state == "expired"),
        keys=ApiKeyTable(contents.api_keys, api_key_secret),
        require_api_key=settings.require_api_key or bool(stored.get("requireApiKey", False)),
        settings=stored,
        names=aliases_of(values.get(ALIASES, {}), stored.get(WILDCARDS)),
        bare=_bare_names(connected),
        combos=Combos(contents.combos),
        combo_defaults=defaults_of(values),
        chains=tuple(chain for chain in chains_of(values.get(CHAINS, {})) if chain.enabled),
    )


def _lines(
    providers: Mapping[str, Provider], connections: Iterable[ConnectionRecord], blocked: Iterable[str]
) -> dict[str, tuple[Line, ...]]:
    """The connections that may be called, by provider, in the user's order."""
    found: dict[str, list[Line]] = {}
    limits: dict[str, Deadlines] = {}
    for record in sorted(connections, key=lambda r: (r.priority, r.created_at)):
        known = providers.get(record.provider)
        if known is not None and record.is_active and record.state != "expired":
            if known.id not in found:
                found[known.id] = []
                limits[known.id] = declared(known.options)
            found[known.id].append(line_of(known, record, limits[known.id]))
    for provider in providers.values():
        if provider.id not in found and needs_no_connection(provider):
            found[provider.id] = [_bare_line(provider)]
    for id_ in blocked:  # neither listed nor called
        found.pop(id_, None)
    return {id_: tuple(lines) for id_, lines in found.items()}


def _by_word(providers: Iterable[Provider]) -> dict[str, Provider]:
    """By what people write in an address: the prefix, the id, or the name in lower case. The first keeps a word."""
    out: dict[str, Provider] = {}
    known = tuple(providers)
    words = ([p.prefix for p in known], [p.id for p in known], [p.name.lower() for p in known])
    for of_all in words:
        for word, provider in zip(of_all, known, strict=True):
            out.setdefault(word, provider)
    out.pop("", None)
    return out


def needs_no_connection(provider: Provider) -> bool:
    """Whether the provider can be called without a credential."""
    return provider.auth.auth_type == "none" or bool(getattr(provider.auth, "optional", False))


def provider_of_node(node: NodeRecord, types: Mapping[str, NodeType]) -> Provider | None:
    """The provider that a user's node amounts to; None, logged, where its type is not installed."""
    kind = types.get(node.type)
    dialect = kind.dialects.get(node.api_type) if kind is not None else None
    if kind is None or dialect is None:
        log.warning("Node %s is of a type that no installed plugin brings: %s %s.", node.id, node.type, node.api_type)
        return None
    try:
        base_url = kind.base_url(node.base_url or kind.default_base_url)
    except BadRequest as exc:
        log.warning("Node %s has no usable address: %s", node.id, exc.message)
        return None
    return Provider(
        id=node.id,
        prefix=node.prefix,
        name=node.name,
        base_url=base_url,
        dialect=dialect,
        auth=kind.auth,
        options=options_of(kind, node.provider_specific_data),
        headers=kind.headers,
    )


def connection_of(record: ConnectionRecord) -> Connection:
    """The plugin's view of a stored connection."""
    return Connection(
        id=record.id,
        provider=record.provider,
        name=record.name,
        credential={k: v for k, v in record.credential.items() if isinstance(v, str)},
        data=record.provider_specific_data,
        expires_at_s=record.expires_at,
        priority=record.priority,
    )


def line_of(provider: Provider, record: ConnectionRecord, otherwise: Deadlines = NO_DEADLINES) -> Line:
    """A stored connection, ready to call. The deadlines ``otherwise`` hold where it has none itself."""
    connection = connection_of(record)
    renewable = provider.auth.auth_type == "oauth"
    own = record.provider_specific_data.get("baseUrl")
    base_url = str(own).rstrip("/") if isinstance(own, str) and own else provider.base_url
    headers = {} if renewable else provider.auth.headers(connection.credential)
    deadlines = deadlines_of(record.provider_specific_data, otherwise)
    return Line(provider, connection, base_url, tuple({**provider.headers, **headers}.items()), renewable, deadlines)


def _bare_line(provider: Provider) -> Line:
    connection = Connection(id=f"{provider.id}:none", provider=provider.id, name=provider.name, credential={})
    headers = tuple(provider.headers.items())
    return Line(provider, connection, provider.base_url, headers, deadlines=declared(provider.options))


def _with_models(provider: Provider, custom: Mapping[str, Any], synced: Mapping[str, Any]) -> Provider:
    """The provider with the models that were listed by it or added by hand behind the declared ones."""
    known = {model.id: model for model in provider.models}
    for entry in (*synced.get(provider.id, ()), *custom.get(provider.id, ())):
        if entry["id"] not in known:
            known[entry["id"]] = Model(
                entry["id"],
                name=entry.get("name"),
                kind=entry.get("kind", "chat"),
                context=entry.get("context"),
                max_output=entry.get("maxOutput"),
            )
    return provider if len(known) == len(provider.models) else evolve(provider, models=tuple(known.values()))


def _bare_names(providers: Iterable[Provider]) -> dict[str, tuple[Provider, ...]]:
    """Model ids that may be written without a prefix, and who serves them: plugins first, in the order in which they
    were found, then the user's nodes, the oldest first."""
    out: dict[str, list[Provider]] = {}
    for provider in providers:
        for model in provider.models:
            out.setdefault(model.id, []).append(provider)
    return {id_: tuple(serving) for id_, serving in out.items()}


# One time for all that is listed, constant while the process lives: clients compare lists.
_STARTED_S = int(time.time())
