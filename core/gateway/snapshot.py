"""The snapshot: all that the hot path reads, in one immutable value.

Built from the registry and the store when configuration changes, and replaced
whole. A request keeps the one it began with.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen
from omniroute_hooks import BadRequest, Connection, Listed, Model, NodeType, Provider

from core.access.api_keys import ApiKeyTable
from core.plugins.registry import Registry
from core.settings import Settings
from core.store.records import ConnectionRecord, NodeRecord, StoreContents

log = logging.getLogger("omniroute.gateway")

ALIASES = "model-aliases"
CUSTOM_MODELS = "custom-models"  # key "<provider>": list of {"id", "name"}
SYNCED_MODELS = "synced-models"  # key "<provider>": list of {"id", "name", "context", "maxOutput"}


@frozen
class Line:
    """A connection made ready to be called. ``headers`` carry the credential, unless a login makes it change."""

    provider: Provider
    connection: Connection
    base_url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    renewable: bool = False


@frozen
class Snapshot:
    """What a request may use. Keys of ``lines`` are provider ids; lines are in the user's order.

    ``expired`` holds the providers that only lack a new login.
    """

    version: int
    registry: Registry
    providers: Mapping[str, Provider]
    by_prefix: Mapping[str, Provider]
    lines: Mapping[str, tuple[Line, ...]]
    expired: frozenset[str]
    keys: ApiKeyTable
    require_api_key: bool
    settings: Mapping[str, Any]
    aliases: Mapping[str, str]
    bare: Mapping[str, tuple[Provider, str]]
    listed: tuple[Listed, ...]
    by_listed_id: Mapping[str, Listed]


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
    lines: dict[str, tuple[Line, ...]] = {}
    for record in sorted(contents.connections, key=lambda r: (r.priority, r.created_at)):
        known = providers.get(record.provider)
        if known is not None and record.is_active and record.state != "expired":
            lines[known.id] = (*lines.get(known.id, ()), line_of(known, record))
    for provider in providers.values():
        if provider.id not in lines and needs_no_connection(provider):
            lines[provider.id] = (_bare_line(provider),)
    stored = values.get("settings", {})
    for blocked in stored.get("blockedProviders", ()):  # neither listed nor called
        lines.pop(blocked, None)
    order = [p for p in providers.values() if p.id in lines]
    listed = _listed(order)
    return Snapshot(
        version=contents.version,
        registry=registry,
        providers=providers,
        by_prefix={p.prefix: p for p in providers.values()},
        lines=lines,
        expired=frozenset(r.provider for r in contents.connections if r.is_active and r.state == "expired"),
        keys=ApiKeyTable(contents.api_keys, api_key_secret),
        require_api_key=settings.require_api_key or bool(stored.get("requireApiKey", False)),
        settings=stored,
        aliases={str(k): str(v) for k, v in values.get(ALIASES, {}).items()},
        bare=_bare_names(order),
        listed=listed,
        by_listed_id={entry.id: entry for entry in listed},
    )


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
        options=kind.options,
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


def line_of(provider: Provider, record: ConnectionRecord) -> Line:
    """A stored connection, ready to call."""
    connection = connection_of(record)
    renewable = provider.auth.auth_type == "oauth"
    own = record.provider_specific_data.get("baseUrl")
    base_url = str(own).rstrip("/") if isinstance(own, str) and own else provider.base_url
    headers = {} if renewable else provider.auth.headers(connection.credential)
    return Line(provider, connection, base_url, tuple({**provider.headers, **headers}.items()), renewable)


def _bare_line(provider: Provider) -> Line:
    connection = Connection(id=f"{provider.id}:none", provider=provider.id, name=provider.name, credential={})
    return Line(provider, connection, provider.base_url, tuple(provider.headers.items()))


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


def _listed(providers: list[Provider]) -> tuple[Listed, ...]:
    # One time for all, constant while the process lives: clients compare lists.
    return tuple(
        Listed(f"{provider.prefix}/{model.id}", provider.name or provider.id, _STARTED_S, model)
        for provider in providers
        for model in provider.models
    )


def _bare_names(providers: list[Provider]) -> dict[str, tuple[Provider, str]]:
    """Model ids that may be written without a prefix: of several providers, the first that can be called."""
    out: dict[str, tuple[Provider, str]] = {}
    for provider in providers:
        for model in provider.models:
            out.setdefault(model.id, (provider, model.id))
    return out


_STARTED_S = int(time.time())
