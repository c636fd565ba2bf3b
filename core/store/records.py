"""What the store hands out: frozen records. Times are unix seconds, None where unset or unlimited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

AuthType = Literal["apikey", "oauth", "none"]
ConnectionState = Literal["unknown", "active", "error", "expired", "credits_exhausted"]


@frozen(kw_only=True)
class ConnectionRecord:
    """One credential for a provider. ``credential`` is secret; ``provider_specific_data`` never is."""

    id: str
    provider: str
    """A provider's id, or a node's."""
    auth_type: AuthType
    name: str
    email: str | None = None
    priority: int
    """1 comes first among the connections of a provider."""
    is_active: bool
    default_model: str | None = None
    max_concurrent: int | None = None
    credential: Mapping[str, Any] = field(repr=False)
    """Empty when it could not be unsealed; ``state`` is "error" then."""
    provider_specific_data: Mapping[str, Any]
    expires_at: float | None = None
    state: ConnectionState
    last_error: str | None = None
    last_error_at: float | None = None
    refresh_lease_owner: str | None = None
    refresh_lease_until: float | None = None
    created_at: float
    updated_at: float


@frozen(kw_only=True)
class NodeRecord:
    """An upstream of the user's own. Its ``id`` is a provider id; its ``prefix`` is what models are written with."""

    id: str
    type: str
    name: str
    prefix: str
    api_type: str | None = None
    base_url: str
    chat_path: str | None = None
    models_path: str | None = None
    provider_specific_data: Mapping[str, Any] = field(factory=dict)
    created_at: float
    updated_at: float


@frozen(kw_only=True)
class ComboRecord:
    """A named, ordered list of models plus a strategy."""

    id: str
    name: str
    models: tuple[Any, ...]
    strategy: str
    config: Mapping[str, Any]
    sort_order: int
    is_active: bool
    created_at: float
    updated_at: float


@frozen(kw_only=True)
class ApiKeyRecord:
    """A caller's key for this gateway, without the key. Empty ``allowed_...`` means no restriction."""

    id: str
    name: str
    key_hash: str = field(repr=False)
    key_hint: str
    revealable: bool
    """Whether the key itself is kept, sealed."""
    allowed_models: tuple[str, ...]
    allowed_connections: tuple[str, ...]
    is_active: bool
    no_log: bool
    scopes: tuple[str, ...]
    created_at: float
    last_used_at: float | None = None
    expires_at: float | None = None
    revoked_at: float | None = None


@frozen(kw_only=True)
class SessionRecord:
    """One browser that is logged in. ``id_hash`` cannot be turned back into its token."""

    id_hash: str = field(repr=False)
    created_at: float
    last_seen_at: float
    expires_at: float
    client: str | None = None


@frozen(kw_only=True)
class LoginRecord:
    """An OAuth login that was begun and waits for its answer. ``data`` is secret (the PKCE verifier)."""

    state: str = field(repr=False)
    provider: str
    data: Mapping[str, Any] = field(repr=False)
    created_at: float
    expires_at: float


@frozen(kw_only=True)
class RestRecord:
    """What became of one rest: ``value`` tells how it stands, None that it has ended.

    ``changed_at`` and ``expires_at`` unix seconds; ``writer`` the process that says so.
    """

    key: str
    value: Any
    changed_at: float
    expires_at: float
    writer: str = ""


@frozen(kw_only=True)
class StoreContents:
    """The whole configuration at one moment: what a snapshot is built from."""

    version: int
    connections: tuple[ConnectionRecord, ...]
    nodes: tuple[NodeRecord, ...]
    api_keys: tuple[ApiKeyRecord, ...]
    combos: tuple[ComboRecord, ...]
    key_values: Mapping[str, Mapping[str, Any]]
    """namespace -> key -> JSON value."""
