"""Snapshots made by hand, for tests of names and candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omniroute_hooks import Model, Price, Provider, Strategy
from omniroute_priority import FILL_FIRST, PRIORITY
from running import Running

from core.gateway.naming.combos import CHAINS, COMBO_DEFAULTS, DEFAULTS_KEY
from core.gateway.naming.snapshot import ALIASES, WILDCARDS, Snapshot, build_snapshot
from core.plugins.registry import Registry
from core.settings import Settings
from core.store.records import ComboRecord, ConnectionRecord, StoreContents


def provider(prefix: str, *models: Model | str, any_model: bool = True, name: str = "") -> Provider:
    """A provider whose id is ``<prefix>-id``."""
    specs = tuple(model if isinstance(model, Model) else Model(model) for model in models)
    return Provider(
        id=f"{prefix}-id",
        prefix=prefix,
        name=name or prefix.upper(),
        base_url=f"http://127.0.0.1:9/{prefix}",
        dialect="plain",
        models=specs,
        any_model=any_model,
    )


def connection(prefix: str, name: str = "1", **more: Any) -> ConnectionRecord:
    """A connection of the provider ``<prefix>-id``; its id is ``<prefix>-<name>``."""
    fields: dict[str, Any] = {
        "id": f"{prefix}-{name}",
        "provider": f"{prefix}-id",
        "auth_type": "apikey",
        "name": name,
        "priority": 1,
        "is_active": True,
        "credential": {"api_key": "k"},
        "provider_specific_data": {},
        "state": "active",
        "created_at": 0.0,
        "updated_at": 0.0,
    }
    return ConnectionRecord(**{**fields, **more})


def combo(name: str, *models: Any, strategy: str = "", **more: Any) -> ComboRecord:
    """A combo; its id is its name with ``#`` before it."""
    config = {key: more.pop(key) for key in list(more) if key != "is_active"}
    return ComboRecord(
        id=f"#{name}",
        name=name,
        models=models,
        strategy=strategy,
        config=config,
        sort_order=0,
        is_active=more.get("is_active", True),
        created_at=0.0,
        updated_at=0.0,
    )


def snapshot_of(
    providers: Sequence[Provider],
    connections: Sequence[ConnectionRecord] | None = None,
    *,
    combos: Sequence[ComboRecord] = (),
    aliases: Mapping[str, str] | None = None,
    patterns: Sequence[tuple[str, str]] = (),
    chains: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    strategies: Sequence[Strategy] = (),
) -> Snapshot:
    """What the hot path would read. Without ``connections`` each provider has one."""
    if connections is None:
        connections = [connection(each.prefix) for each in providers]
    wildcards = [{"pattern": pattern, "target": target} for pattern, target in patterns]
    values: dict[str, dict[str, Any]] = {
        "settings": {**(settings or {}), WILDCARDS: wildcards},
        ALIASES: dict(aliases or {}),
        CHAINS: dict(chains or {}),
        COMBO_DEFAULTS: {DEFAULTS_KEY: dict(defaults)} if defaults else {},
    }
    registry = Registry(
        providers={each.id: each for each in providers},
        by_prefix={each.prefix: each for each in providers},
        strategies={each.id: each for each in (PRIORITY, FILL_FIRST, *strategies)},
    )
    contents = StoreContents(
        version=1, connections=tuple(connections), nodes=(), api_keys=(), combos=tuple(combos), key_values=values
    )
    return build_snapshot(registry, contents, Settings(), b"secret")


async def enter(gateway: Running) -> None:
    """A session of the management interface, without a password: hashing one takes its time."""
    gateway.http.cookies.set("auth_token", await gateway.kernel.sessions.create())


def priced(model_id: str, usd_per_1m: float, **more: Any) -> Model:
    """A model whose input and output cost the same."""
    return Model(model_id, price=(Price(usd_per_1m, usd_per_1m),), **more)
