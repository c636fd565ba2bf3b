"""The registry: everything that plugins declared, in tables, made once at start-up and never changed."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import importlib_metadata
from attrs import evolve, field, frozen
from omniroute_hooks import (
    AuthFlow,
    Cache,
    ClientTool,
    Dialect,
    Job,
    ModelSource,
    Mount,
    NodeType,
    OAuthCode,
    Observer,
    Provider,
    QuotaSource,
    StateStore,
    Strategy,
)
from omniroute_hooks.specs import UNIQUE

from . import discovery
from .discovery import Loaded, PluginRecord

log = logging.getLogger("omniroute.plugins")
PREFIX = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
Override = Callable[[str, str], str | None]

_TYPES: Mapping[str, type] = {
    "omniroute_providers": Provider,
    "omniroute_node_types": NodeType,
    "omniroute_auth_flows": AuthFlow,
    "omniroute_dialects": Dialect,
    "omniroute_model_sources": ModelSource,
    "omniroute_quota_sources": QuotaSource,
    "omniroute_strategies": Strategy,
    "omniroute_caches": Cache,
    "omniroute_state_stores": StateStore,
    "omniroute_observers": Observer,
    "omniroute_client_tools": ClientTool,
    "omniroute_blueprints": Mount,
    "omniroute_jobs": Job,
}


@frozen
class Registry:
    """Tables by id. ``records`` tells of every plugin found, good or not, in order."""

    records: tuple[PluginRecord, ...] = ()
    providers: Mapping[str, Provider] = field(factory=dict)
    by_prefix: Mapping[str, Provider] = field(factory=dict)
    node_types: Mapping[str, NodeType] = field(factory=dict)
    auth_flows: Mapping[str, tuple[AuthFlow, ...]] = field(factory=dict)
    dialects: Mapping[str, Dialect] = field(factory=dict)
    model_sources: Mapping[str, ModelSource] = field(factory=dict)
    quota_sources: Mapping[str, QuotaSource] = field(factory=dict)
    strategies: Mapping[str, Strategy] = field(factory=dict)
    caches: Mapping[str, Cache] = field(factory=dict)
    state_stores: Mapping[str, StateStore] = field(factory=dict)
    observers: tuple[Observer, ...] = ()
    client_tools: Mapping[str, ClientTool] = field(factory=dict)
    mounts: tuple[Mount, ...] = ()
    jobs: tuple[Job, ...] = ()
    commands: tuple[Any, ...] = ()


def no_override(provider: str, name: str) -> str | None:
    """Nothing is overridden."""
    return None


def build(
    disabled: Collection[str] = (),
    override: Override = no_override,
    entry_points: Sequence[importlib_metadata.EntryPoint] | None = None,
) -> Registry:
    """Discovers plugins and gathers what they bring.

    ``override(provider id, name)`` gives the user's value for BASE_URL, AUTHORIZE_URL, TOKEN_URL, CLIENT_ID or
    CLIENT_SECRET. ``entry_points`` replaces discovery.
    """
    found = discovery.find() if entry_points is None else entry_points
    good, bad = discovery.load(found, disabled, complaint)
    good, clashing = _without_clashes(good)
    bad += clashing
    order = {(ep.name, ep.value): place for place, ep in enumerate(found)}
    records = sorted([p.record for p in good] + bad, key=lambda r: order.get((r.name, r.module), len(order)))
    for record in records:
        if record.state in ("broken", "refused"):
            log.warning("Plugin %s (%s) is skipped: %s", record.name, record.distribution, record.reason)

    def all_of(hook: str) -> list[Any]:
        return [item for plugin in good for item in plugin.declared.get(hook, ())]

    providers = [_with_override(p, override) for p in all_of("omniroute_providers")]
    flows: dict[str, tuple[AuthFlow, ...]] = {}
    for flow in all_of("omniroute_auth_flows"):
        flows[flow.provider] = (*flows.get(flow.provider, ()), _flow_with_override(flow, override))
    return Registry(
        records=tuple(records),
        providers={p.id: p for p in providers},
        by_prefix={p.prefix: p for p in providers},
        node_types=_by_id(all_of("omniroute_node_types")),
        auth_flows=flows,
        dialects=_by_id(all_of("omniroute_dialects")),
        model_sources={s.provider: s for s in all_of("omniroute_model_sources")},
        quota_sources={s.provider: s for s in all_of("omniroute_quota_sources")},
        strategies=_by_id(all_of("omniroute_strategies")),
        caches=_by_id(all_of("omniroute_caches")),
        state_stores={s.scheme: s for s in all_of("omniroute_state_stores")},
        observers=tuple(all_of("omniroute_observers")),
        client_tools=_by_id(all_of("omniroute_client_tools")),
        mounts=tuple(all_of("omniroute_blueprints")),
        jobs=tuple(all_of("omniroute_jobs")),
        commands=tuple(all_of("omniroute_commands")),
    )


def complaint(hook: str, item: Any) -> str | None:
    """What is wrong with one declaration, or None."""
    wanted = _TYPES.get(hook)
    if wanted is None:  # commands
        return None if callable(getattr(item, "main", None)) else "commands must be click commands."
    if not isinstance(item, wanted):
        return f"wants {wanted.__name__} items, not {type(item).__name__}."
    if isinstance(item, Provider):
        if not PREFIX.fullmatch(item.prefix):
            return f"the prefix {item.prefix!r} must be lower-case letters, digits, '.', '_' or '-'."
        if not (item.dialect or item.generate or item.transcribe):
            return f"provider {item.id!r} names no dialect and has no function of its own."
        if item.dialect and not item.generate and not item.base_url.startswith(("http://", "https://")):
            return f"provider {item.id!r} has no base URL."
    return None


def _without_clashes(plugins: Iterable[Loaded]) -> tuple[list[Loaded], list[PluginRecord]]:
    """The first to claim a name keeps it; the plugin that comes second is left out whole."""
    good: list[Loaded] = []
    bad: list[PluginRecord] = []
    owners: dict[tuple[str, str, str], str] = {}
    for plugin in plugins:
        claims: dict[tuple[str, str, str], str] = {}
        reason = ""
        for hook, names in UNIQUE.items():
            for item in plugin.declared.get(hook, ()):
                for name in names:
                    claim = (hook, name, getattr(item, name))
                    if claim in owners or claim in claims:
                        owner = owners.get(claim, "it itself")
                        what = hook.removeprefix("omniroute_").rstrip("s").replace("_", " ")
                        reason = reason or f"The {what} {name} {claim[2]!r} is already taken by {owner}."
                    claims[claim] = plugin.record.name
        if reason:
            bad.append(evolve(plugin.record, state="broken", reason=reason))
        else:
            owners.update(claims)
            good.append(plugin)
    dialects = {value for hook, _, value in owners if hook == "omniroute_dialects"}
    orphans = {
        plugin.record.name: f"It speaks the dialect {provider.dialect!r}, which no installed plugin brings."
        for plugin in good
        for provider in plugin.declared.get("omniroute_providers", ())
        if provider.dialect and provider.dialect not in dialects
    }
    bad += [evolve(p.record, state="broken", reason=orphans[p.record.name]) for p in good if p.record.name in orphans]
    return [p for p in good if p.record.name not in orphans], bad


def _by_id(items: Sequence[Any]) -> dict[str, Any]:
    return {item.id: item for item in items}


def _with_override(provider: Provider, override: Override) -> Provider:
    base_url = override(provider.id, "BASE_URL")
    return evolve(provider, base_url=base_url.rstrip("/")) if base_url else provider


def _flow_with_override(flow: AuthFlow, override: Override) -> AuthFlow:
    if not isinstance(flow, OAuthCode):
        return flow
    fields = ("authorize_url", "token_url", "client_id", "client_secret")
    changes: dict[str, Any] = {name: value for name in fields if (value := override(flow.provider, name.upper()))}
    return evolve(flow, **changes) if changes else flow
