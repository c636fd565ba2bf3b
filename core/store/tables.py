"""The configuration store's tables as peewee models, for building queries.

The schema itself is made by `core.store.migrations`; a test holds the two together. The models are bound to no
database: one process may have several stores open, so each query is executed on the database it is meant for
(`core.store.database`). Times are unix seconds.
"""

from __future__ import annotations

from typing import Any

import orjson
from peewee import BooleanField, CompositeKey, DoubleField, IntegerField, Model, TextField


class JsonField(TextField):
    """Any JSON value, as text. Compared nowhere, so every database can hold it."""

    def db_value(self, value: Any) -> str:
        return orjson.dumps(value).decode()

    def python_value(self, value: str | None) -> Any:
        return None if value is None else orjson.loads(value)


class Row(Model):
    class Meta:
        database = None


class ConnectionRow(Row):
    id = TextField(primary_key=True)
    provider = TextField()
    auth_type = TextField()
    name = TextField()
    email = TextField(null=True)
    priority = IntegerField()
    is_active = BooleanField()
    default_model = TextField(null=True)
    max_concurrent = IntegerField(null=True)
    secret = TextField()  # sealed JSON of the credential
    provider_specific_data = JsonField()
    expires_at = DoubleField(null=True)
    state = TextField()
    last_error = TextField(null=True)
    last_error_at = DoubleField(null=True)
    refresh_lease_owner = TextField(null=True)
    refresh_lease_until = DoubleField(null=True)
    created_at = DoubleField()
    updated_at = DoubleField()

    class Meta:
        table_name = "provider_connections"


class NodeRow(Row):
    id = TextField(primary_key=True)
    type = TextField()
    name = TextField()
    prefix = TextField()
    api_type = TextField(null=True)
    base_url = TextField()
    chat_path = TextField(null=True)
    models_path = TextField(null=True)
    provider_specific_data = JsonField()
    created_at = DoubleField()
    updated_at = DoubleField()

    class Meta:
        table_name = "provider_nodes"


class ComboRow(Row):
    id = TextField(primary_key=True)
    name = TextField()
    models = JsonField()
    strategy = TextField()
    config = JsonField()
    sort_order = IntegerField()
    is_active = BooleanField()
    created_at = DoubleField()
    updated_at = DoubleField()

    class Meta:
        table_name = "combos"


class ApiKeyRow(Row):
    id = TextField(primary_key=True)
    name = TextField()
    key_hash = TextField()
    key_hint = TextField()
    sealed_key = TextField(null=True)
    allowed_models = JsonField()
    allowed_connections = JsonField()
    is_active = BooleanField()
    no_log = BooleanField()
    scopes = JsonField()
    created_at = DoubleField()
    last_used_at = DoubleField(null=True)
    expires_at = DoubleField(null=True)
    revoked_at = DoubleField(null=True)

    class Meta:
        table_name = "api_keys"


class KeyValueRow(Row):
    namespace = TextField()
    key = TextField()
    value = JsonField()

    class Meta:
        table_name = "key_value"
        primary_key = CompositeKey("namespace", "key")


class SessionRow(Row):
    id_hash = TextField(primary_key=True)
    created_at = DoubleField()
    last_seen_at = DoubleField()
    expires_at = DoubleField()
    client = TextField(null=True)

    class Meta:
        table_name = "sessions"


class LoginRow(Row):
    state = TextField(primary_key=True)
    provider = TextField()
    data = TextField()  # sealed JSON
    created_at = DoubleField()
    expires_at = DoubleField()

    class Meta:
        table_name = "logins"


class LeaseRow(Row):
    name = TextField(primary_key=True)
    owner = TextField()
    until = DoubleField()

    class Meta:
        table_name = "leases"


class LiveStateRow(Row):
    key = TextField(primary_key=True)
    value = JsonField()
    expires_at = DoubleField()

    class Meta:
        table_name = "live_state"


class RestRow(Row):
    """``value`` null: it has ended. ``revision`` the number of the write."""

    key = TextField(primary_key=True)
    value = JsonField()
    changed_at = DoubleField()
    expires_at = DoubleField()
    writer = TextField()
    revision = IntegerField(index=True)

    class Meta:
        table_name = "rests"


class ConfigVersionRow(Row):
    """The one row with id 1."""

    id = IntegerField(primary_key=True)
    version = IntegerField()

    class Meta:
        table_name = "config_version"


class VaultCheckRow(Row):
    """The one row with id 1, once a vault has been used: `Vault.proof`."""

    id = IntegerField(primary_key=True)
    proof = TextField()

    class Meta:
        table_name = "vault_check"


class SchemaVersionRow(Row):
    version = IntegerField(primary_key=True)
    name = TextField()
    applied_at = DoubleField()

    class Meta:
        table_name = "schema_version"


ALL_TABLES: tuple[type[Row], ...] = (
    ConnectionRow,
    NodeRow,
    ComboRow,
    ApiKeyRow,
    KeyValueRow,
    SessionRow,
    LoginRow,
    LeaseRow,
    LiveStateRow,
    RestRow,
    ConfigVersionRow,
    VaultCheckRow,
    SchemaVersionRow,
)
