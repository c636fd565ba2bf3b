"""Connecting: what a finished login becomes. One account is one connection, however often it logs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omniroute_hooks import Tokens

from core.store.records import ConnectionRecord

if TYPE_CHECKING:
    from core.kernel import Kernel

# What tells two accounts of one person apart, where a vendor's plugin says it.
_IDENTITY = ("organizationId", "accountId")


async def connect(kernel: Kernel, provider: str, tokens: Tokens) -> ConnectionRecord:
    """Stores a login over the connection of the same account, or as a new one, and puts it to use.

    Errors: `Conflict` when a connection of that name is made at the same moment.
    """
    store = kernel.store
    mine = [record for record in await store.connections() if record.provider == provider]
    old = next((record for record in mine if record.auth_type == "oauth" and _same(record, tokens)), None)
    if old is not None:
        record = await store.update_connection(
            old.id,
            credential=dict(tokens.credential),
            expires_at=tokens.expires_at_s,
            email=tokens.email or old.email,
            provider_specific_data={**old.provider_specific_data, **tokens.data},
            state="active",
            last_error=None,
            last_error_at=None,
        )
    else:
        declared = kernel.registry.providers[provider]
        wanted = tokens.email or tokens.name or declared.name or provider
        record = await store.create_connection(
            provider=provider,
            auth_type="oauth",
            name=_free_name(wanted[:180], {record.name for record in mine}),
            email=tokens.email,
            credential=dict(tokens.credential),
            provider_specific_data=dict(tokens.data),
            expires_at=tokens.expires_at_s,
            state="active",
        )
    await kernel.reload()
    return record


def _same(record: ConnectionRecord, tokens: Tokens) -> bool:
    """Whether a login is that connection's account."""
    data, old = tokens.data, record.provider_specific_data
    if any(name in data and name in old and data[name] != old[name] for name in _IDENTITY):
        return False
    if tokens.email is not None or record.email is not None:
        return tokens.email == record.email
    if tokens.name is not None:
        return tokens.name == record.name
    kept = record.credential.get("refresh_token") or record.credential.get("access_token")
    return kept is not None and kept in tokens.credential.values()


def _free_name(wanted: str, taken: set[str]) -> str:
    names = (wanted if number == 1 else f"{wanted} {number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)
