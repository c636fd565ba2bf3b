"""/api/providers: connections, one credential for a provider each. No answer ever holds a secret."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from attrs import field
from omniroute_hooks import ApiKey, BadRequest, FieldProblem, NoAuth, NotFound, OAuth, Provider, QuotaExhausted
from quart import Blueprint, Response

from core.bodies import body
from core.gateway.naming.deadlines import check_deadlines
from core.gateway.naming.snapshot import connection_of
from core.rules import ApiKeyText, Between, Name, Open, WebAddress, Wrong
from core.store.records import AuthType, ConnectionRecord
from core.store.times import to_iso

from . import asking, shapes
from .guard import session
from .web import answer, body_of, changes_of, kernel, wrong

views = Blueprint("connections", __name__)

Priority = Annotated[int, Between(1, 1_000_000)]
Concurrency = Annotated[int, Between(1, 100_000)]
Data = Annotated[dict[str, Any], Open()]
# Whoever puts a credential here by mistake would see it come back in clear.
_SECRET_NAMES = frozenset({"apikey", "accesstoken", "refreshtoken", "idtoken", "password", "secret", "clientsecret"})


@body
class NewConnection:
    provider: Name
    name: Name
    api_key: ApiKeyText | None = field(default=None, repr=False)
    auth_type: Literal["apikey", "none"] | None = None
    priority: Priority | None = None
    is_active: bool = True
    default_model: Name | None = None
    max_concurrent: Concurrency | None = None
    provider_specific_data: Data | None = None


@body
class ConnectionChanges:
    name: Name
    api_key: ApiKeyText = field(repr=False)
    priority: Priority
    is_active: bool
    default_model: Name | None
    max_concurrent: Concurrency | None
    provider_specific_data: Data


@body
class Test:
    model: Name | None = None


@views.get("/api/providers")
@session
async def listed() -> Response:
    """All connections: by provider, then priority."""
    return answer({"connections": [_shown(record) for record in await kernel().store.connections()]})


@views.post("/api/providers")
@session
async def create() -> Response:
    """Adds a connection; without a priority it comes last."""
    asked = await body_of(NewConnection)
    provider = provider_named(asked.provider)
    auth_type, credential = _credential(provider, asked)
    made = await kernel().store.create_connection(
        provider=provider.id,
        auth_type=auth_type,
        name=asked.name,
        credential=credential,
        priority=asked.priority,
        is_active=asked.is_active,
        default_model=asked.default_model,
        max_concurrent=asked.max_concurrent,
        provider_specific_data=_data({}, asked.provider_specific_data or {}),
    )
    return answer({"connection": _shown(made)}, 201)


@views.get("/api/providers/<connection_id>")
@session
async def one(connection_id: str) -> Response:
    """One connection."""
    return answer({"connection": _shown(await found(connection_id))})


@views.route("/api/providers/<connection_id>", methods=["PUT", "PATCH"])
@session
async def change(connection_id: str) -> Response:
    """Changes what is named. In ``providerSpecificData`` null removes a field, and unnamed ones stay."""
    record = await found(connection_id)
    changes = await changes_of(ConnectionChanges)
    if "api_key" in changes:
        if record.auth_type == "oauth":
            raise wrong("apiKey", "this connection is a login; log in again to renew it")
        changes |= {"credential": {"api_key": changes.pop("api_key")}, "auth_type": "apikey"}
        changes |= {"state": "unknown", "last_error": None, "last_error_at": None}
    if "provider_specific_data" in changes:
        old = record.provider_specific_data
        changes["provider_specific_data"] = _data(old, changes["provider_specific_data"])
    return answer({"connection": _shown(await kernel().store.update_connection(connection_id, **changes))})


@views.delete("/api/providers/<connection_id>")
@session
async def delete(connection_id: str) -> Response:
    """Removes a connection."""
    if not await kernel().store.delete_connection(connection_id):
        raise NotFound("Connection not found.")
    return answer({"success": True})


@views.post("/api/providers/<connection_id>/test")
@session
async def test(connection_id: str) -> Response:
    """Asks the provider something free, and notes the outcome. ``valid`` null: it offers nothing to ask for."""
    await body_of(Test, optional=True)
    record = await found(connection_id)
    verdict = await asking.try_connection(kernel(), record)
    await _note(record, verdict)
    error = verdict.error
    return answer(
        {
            "valid": verdict.valid,
            "error": None if error is None else error.message,
            "warning": None if verdict.valid is not None else "This provider has nothing that can be asked for free.",
            "refreshed": verdict.refreshed,
            "diagnosis": None if error is None else asking.diagnosis(error),
            "latencyMs": verdict.latency_ms,
            "statusCode": None if error is None else error.upstream_status,
            "method": verdict.method,
            "testedAt": to_iso(time.time()),
        }
    )


@views.post("/api/providers/<connection_id>/refresh")
@session
async def refresh(connection_id: str) -> Response:
    """Renews a login's token now."""
    record = await found(connection_id)
    if record.auth_type != "oauth":
        raise wrong("id", "Only OAuth connections support manual token refresh")
    await kernel().accounts.renewed(connection_of(record))
    return answer({"success": True, "connection": _shown(await found(connection_id))})


async def found(connection_id: str) -> ConnectionRecord:
    """The stored connection. Errors: `NotFound`."""
    record = await kernel().store.connection(connection_id)
    if record is None:
        raise NotFound("Connection not found.")
    return record


def provider_named(name: str) -> Provider:
    """An installed provider or a node, by its id or its prefix. Errors: `BadRequest`."""
    snapshot = kernel().snapshot
    provider = snapshot.providers.get(name) or snapshot.by_prefix.get(name)
    if provider is None:
        raise wrong("provider", "Invalid provider: no installed plugin or node has this id")
    return provider


def _credential(provider: Provider, asked: NewConnection) -> tuple[AuthType, dict[str, str]]:
    auth = provider.auth
    if isinstance(auth, OAuth):
        raise wrong("provider", f"Invalid provider: connect it by logging in, at /api/oauth/{provider.id}/authorize")
    if asked.auth_type is not None and asked.auth_type != auth.auth_type:
        raise wrong("authType", f"this provider takes {auth.auth_type!r}")
    if isinstance(auth, NoAuth):
        if asked.api_key is not None:
            raise wrong("apiKey", "this provider takes no key")
        return "none", {}
    if asked.api_key is None:
        if isinstance(auth, ApiKey) and auth.optional:
            return "apikey", {}
        raise wrong("apiKey", "is required")
    return "apikey", {"api_key": asked.api_key}


def _data(old: Any, new: dict[str, Any]) -> dict[str, Any]:
    """What is stored beside the credential, with its address and its deadlines checked."""
    secret = next((name for name in new if name.replace("_", "").lower() in _SECRET_NAMES), None)
    if secret is not None:
        raise wrong(f"providerSpecificData.{secret}", "no secret belongs here; the key goes into apiKey")
    if new.get("baseUrl") is not None:
        try:
            if not isinstance(new["baseUrl"], str):
                raise Wrong("must be a string")
            new = {**new, "baseUrl": WebAddress().check(new["baseUrl"])}
        except Wrong as exc:
            raise wrong("providerSpecificData.baseUrl", exc.problems[0].problem) from exc
    try:
        check_deadlines(new)
    except BadRequest as exc:
        raise BadRequest.of([FieldProblem(f"providerSpecificData.{p.path}", p.problem) for p in exc.details]) from exc
    return {name: value for name, value in {**old, **new}.items() if value is not None}


async def _note(record: ConnectionRecord, verdict: asking.Verdict) -> None:
    """A test's outcome becomes the connection's state. A refused login was marked where it was refused."""
    if verdict.valid is None:
        return
    changes: dict[str, Any] = {"state": "active", "last_error": None, "last_error_at": None}
    if verdict.error is None:
        kernel().resilience.reset(None, [record.id])  # who answers need not rest
    else:
        state = "credits_exhausted" if isinstance(verdict.error, QuotaExhausted) else "error"
        changes = {"state": state, "last_error": verdict.error.message, "last_error_at": time.time()}
        current = await kernel().store.connection(record.id)
        if current is not None and current.state == "expired":
            del changes["state"]
    await kernel().store.update_connection(record.id, **changes)


def _shown(record: ConnectionRecord) -> dict[str, Any]:
    provider = kernel().snapshot.providers.get(record.provider)
    return shapes.connection(record, provider, kernel().quotas.of(record.id))
