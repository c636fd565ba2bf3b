"""Shapes: records as the JSON that the dashboard and programs read. No shape has a place for a secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from omniroute_hooks import Model, Provider, QuotaWindow

from core.accounts.quota import Reading
from core.store.records import ApiKeyRecord, ConnectionRecord, NodeRecord
from core.store.times import to_iso

Json = dict[str, Any]


def connection(record: ConnectionRecord, provider: Provider | None, reading: Reading | None) -> Json:
    """A connection. ``quota`` is null where nothing has been read; ``providerName`` where its plugin is missing."""
    return {
        "id": record.id,
        "provider": record.provider,
        "providerName": None if provider is None else provider.name or provider.id,
        "prefix": None if provider is None else provider.prefix,
        "authType": record.auth_type,
        "name": record.name,
        "email": record.email,
        "priority": record.priority,
        "isActive": record.is_active,
        "defaultModel": record.default_model,
        "maxConcurrent": record.max_concurrent,
        "testStatus": record.state,
        "lastError": record.last_error,
        "lastErrorAt": to_iso(record.last_error_at),
        "providerSpecificData": dict(record.provider_specific_data),
        "expiresAt": to_iso(record.expires_at),
        "quota": None if reading is None else quota(reading),
        "createdAt": to_iso(record.created_at),
        "updatedAt": to_iso(record.updated_at),
    }


def quota(reading: Reading) -> Json:
    """A quota reading."""
    return {
        "windows": [_window(window) for window in reading.windows],
        "source": reading.source,
        "readAt": to_iso(reading.read_at_s),
        "stale": reading.stale,
        "error": reading.error,
    }


def _window(window: QuotaWindow) -> Json:
    return {
        "name": window.name,
        "model": window.model,
        "used": window.used,
        "limit": window.limit,
        "unit": window.unit,
        "percentRemaining": percent_remaining(window),
        "resetsAt": moment(window.resets_at),
    }


def percent_remaining(window: QuotaWindow) -> float | None:
    """How much is left, 0 to 100; None for a window without a limit."""
    if not window.limit:
        return None
    return round(min(100.0, max(0.0, 100.0 * (1 - window.used / window.limit))), 2)


def moment(at: datetime | None) -> str | None:
    """An aware time as text in UTC."""
    return None if at is None else to_iso(at.astimezone(UTC).timestamp())


def node(record: NodeRecord) -> Json:
    """A node."""
    return {
        "id": record.id,
        "type": record.type,
        "name": record.name,
        "prefix": record.prefix,
        "apiType": record.api_type,
        "baseUrl": record.base_url,
        "chatPath": record.chat_path,
        "modelsPath": record.models_path,
        "providerSpecificData": dict(record.provider_specific_data),
        "createdAt": to_iso(record.created_at),
        "updatedAt": to_iso(record.updated_at),
    }


def api_key(record: ApiKeyRecord) -> Json:
    """An API key; ``key`` is masked."""
    return {
        "id": record.id,
        "name": record.name,
        "key": record.key_hint,
        "revealable": record.revealable,
        "allowedModels": list(record.allowed_models),
        "allowedConnections": list(record.allowed_connections),
        "noLog": record.no_log,
        "isActive": record.is_active,
        "scopes": list(record.scopes),
        "createdAt": to_iso(record.created_at),
        "lastUsedAt": to_iso(record.last_used_at),
        "expiresAt": to_iso(record.expires_at),
        "revokedAt": to_iso(record.revoked_at),
    }


def model(spec: Model) -> Json:
    """A model. Sizes in tokens, left out where nobody knows them."""
    shown: Json = {
        "id": spec.id,
        "name": spec.name or spec.id,
        "type": spec.kind,
        "capabilities": {
            "vision": "image" in spec.input,
            "tool_calling": spec.tools,
            "reasoning": spec.thinks is not None,
        },
        "input_modalities": list(spec.input),
    }
    if spec.context is not None:
        shown["context_length"] = spec.context
    if spec.max_output is not None:
        shown["max_output_tokens"] = spec.max_output
    return shown
