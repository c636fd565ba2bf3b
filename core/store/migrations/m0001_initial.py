"""The first schema of the configuration store."""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    """
    CREATE TABLE provider_connections (
        id TEXT NOT NULL PRIMARY KEY,
        provider TEXT NOT NULL,
        auth_type TEXT NOT NULL CHECK (auth_type IN ('apikey', 'oauth', 'none')),
        name TEXT NOT NULL,
        email TEXT,
        priority INTEGER NOT NULL,
        is_active BOOLEAN NOT NULL,
        default_model TEXT,
        max_concurrent INTEGER,
        secret TEXT NOT NULL,
        provider_specific_data TEXT NOT NULL,
        expires_at DOUBLE PRECISION,
        state TEXT NOT NULL CHECK (state IN ('unknown', 'active', 'error', 'expired', 'credits_exhausted')),
        last_error TEXT,
        last_error_at DOUBLE PRECISION,
        refresh_lease_owner TEXT,
        refresh_lease_until DOUBLE PRECISION,
        created_at DOUBLE PRECISION NOT NULL,
        updated_at DOUBLE PRECISION NOT NULL,
        UNIQUE (provider, name)
    )
    """,
    """
    CREATE TABLE provider_nodes (
        id TEXT NOT NULL PRIMARY KEY,
        type TEXT NOT NULL,
        name TEXT NOT NULL,
        prefix TEXT NOT NULL UNIQUE,
        api_type TEXT,
        base_url TEXT NOT NULL,
        chat_path TEXT,
        models_path TEXT,
        created_at DOUBLE PRECISION NOT NULL,
        updated_at DOUBLE PRECISION NOT NULL
    )
    """,
    """
    CREATE TABLE combos (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        models TEXT NOT NULL,
        strategy TEXT NOT NULL,
        config TEXT NOT NULL,
        sort_order INTEGER NOT NULL,
        is_active BOOLEAN NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        updated_at DOUBLE PRECISION NOT NULL
    )
    """,
    """
    CREATE TABLE api_keys (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        key_hash TEXT NOT NULL UNIQUE,
        key_hint TEXT NOT NULL,
        sealed_key TEXT,
        allowed_models TEXT NOT NULL,
        allowed_connections TEXT NOT NULL,
        is_active BOOLEAN NOT NULL,
        no_log BOOLEAN NOT NULL,
        scopes TEXT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        last_used_at DOUBLE PRECISION,
        expires_at DOUBLE PRECISION,
        revoked_at DOUBLE PRECISION
    )
    """,
    """
    CREATE TABLE key_value (
        namespace TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (namespace, key)
    )
    """,
    """
    CREATE TABLE sessions (
        id_hash TEXT NOT NULL PRIMARY KEY,
        created_at DOUBLE PRECISION NOT NULL,
        last_seen_at DOUBLE PRECISION NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL,
        client TEXT
    )
    """,
    """
    CREATE TABLE logins (
        state TEXT NOT NULL PRIMARY KEY,
        provider TEXT NOT NULL,
        data TEXT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL
    )
    """,
    """
    CREATE TABLE leases (
        name TEXT NOT NULL PRIMARY KEY,
        owner TEXT NOT NULL,
        until DOUBLE PRECISION NOT NULL
    )
    """,
    """
    CREATE TABLE live_state (
        key TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL
    )
    """,
    "CREATE TABLE config_version (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL)",
    "INSERT INTO config_version (id, version) VALUES (1, 1)",
    "CREATE TABLE vault_check (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), proof TEXT NOT NULL)",
)


def apply(db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
