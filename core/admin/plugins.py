"""/api/plugins and /api/providers/catalog: what is installed, what became of it, and what can be connected."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import ApiKey, AuthFlow, DeviceLogin, FileImport, OAuthCode, Provider
from omniroute_hooks import __version__ as contract_version
from quart import Blueprint, Response

from .guard import session
from .web import answer, kernel

views = Blueprint("plugins", __name__)


@views.get("/api/plugins")
@session
async def listed() -> Response:
    """Every plugin found, good or not, with the reason where it is not used."""
    plugins = [
        {
            "name": record.name,
            "distribution": record.distribution,
            "version": record.version,
            "module": record.module,
            "state": record.state,
            "reason": record.reason or None,
            "brings": {hook: list(items) for hook, items in record.brings.items()},
        }
        for record in kernel().registry.records
    ]
    return answer({"plugins": plugins, "contractVersion": contract_version})


@views.get("/api/providers/catalog")
@session
async def providers() -> Response:
    """Every provider and node, how it is connected, and how many connections it has."""
    counts: dict[str, int] = {}
    for record in await kernel().store.connections():
        counts[record.provider] = counts.get(record.provider, 0) + 1
    shown = [_provider(provider, counts.get(provider.id, 0)) for provider in kernel().snapshot.providers.values()]
    return answer({"providers": shown})


def _provider(provider: Provider, connections: int) -> dict[str, Any]:
    registry = kernel().registry
    return {
        "id": provider.id,
        "prefix": provider.prefix,
        "name": provider.name or provider.id,
        "isNode": provider.id not in registry.providers,
        "dialect": provider.dialect or None,
        "authType": provider.auth.auth_type,
        "apiKeyOptional": isinstance(provider.auth, ApiKey) and provider.auth.optional,
        "logins": [_login(flow) for flow in registry.auth_flows.get(provider.id, ())],
        "hasQuota": provider.id in registry.quota_sources,
        "models": len(provider.models),
        "connections": connections,
        "callable": provider.id in kernel().snapshot.lines,
        "website": provider.website,
        "terms": provider.terms,
    }


def _login(flow: AuthFlow) -> dict[str, Any]:
    if isinstance(flow, OAuthCode):
        return {"type": "authorization_code", "loopback": flow.loopback is not None, "paste": flow.paste is not None}
    if isinstance(flow, DeviceLogin):
        return {"type": "device_code"}
    if isinstance(flow, FileImport):
        return {"type": "import", "describes": flow.describes}
    return {"type": "other"}
