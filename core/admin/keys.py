"""/api/keys: the keys that callers of this gateway present. A key is shown once, when it is made."""

from __future__ import annotations

import time
from typing import Annotated, Any

from omniroute_hooks import Forbidden, NotFound
from quart import Blueprint, Response

from core.access.api_keys import mint_api_key
from core.bodies import body, to_camel
from core.rules import Few, Name, Text
from core.store.records import ApiKeyRecord
from core.store.times import from_iso

from . import shapes
from .guard import session
from .web import answer, body_of, changes_of, kernel, wrong

views = Blueprint("keys", __name__)

ModelNames = Annotated[tuple[Annotated[str, Text(high=300)], ...], Few(1000)]
ConnectionIds = Annotated[tuple[Name, ...], Few(1000)]
Moment = Annotated[str, Text(high=40)]


@body
class NewKey:
    name: Name
    no_log: bool = False
    allowed_models: ModelNames = ()
    allowed_connections: ConnectionIds = ()
    expires_at: Moment | None = None


@body
class KeyChanges:
    name: Name
    no_log: bool
    is_active: bool
    allowed_models: ModelNames
    allowed_connections: ConnectionIds
    expires_at: Moment | None


@views.get("/api/keys")
@session
async def listed() -> Response:
    """All keys, masked."""
    keys = [shapes.api_key(record) for record in await kernel().store.api_keys()]
    return answer({"keys": keys, "total": len(keys), "allowKeyReveal": kernel().settings.allow_api_key_reveal})


@views.post("/api/keys")
@session
async def create() -> Response:
    """Makes a key. This answer is the one place where it stands in full."""
    asked = await body_of(NewKey)
    await _check_connections(asked.allowed_connections)
    expires_at = _moment(asked.expires_at)
    store = kernel().store
    minted = mint_api_key(store.vault.api_key_secret)
    made = await store.create_api_key(
        name=asked.name,
        key_hash=minted.key_hash,
        key_hint=minted.key_hint,
        key_to_seal=minted.key if kernel().settings.allow_api_key_reveal else None,
        allowed_models=asked.allowed_models,
        allowed_connections=asked.allowed_connections,
        no_log=asked.no_log,
        expires_at=expires_at,
    )
    return answer({**shapes.api_key(made), "key": minted.key}, 201)


@views.get("/api/keys/<key_id>")
@session
async def one(key_id: str) -> Response:
    """One key, masked."""
    return answer(shapes.api_key(await _found(key_id)))


@views.route("/api/keys/<key_id>", methods=["PATCH", "PUT"])
@session
async def change(key_id: str) -> Response:
    """Changes what is named; it counts from the next request on."""
    await _found(key_id)
    changes: dict[str, Any] = await changes_of(KeyChanges)
    await _check_connections(changes.get("allowed_connections", ()))
    if "expires_at" in changes:
        changes["expires_at"] = _moment(changes["expires_at"])
    shown = shapes.api_key(await kernel().store.update_api_key(key_id, **changes))
    changed = {to_camel(name): shown[to_camel(name)] for name in changes}
    return answer({"message": "API key settings updated successfully", **changed})


@views.delete("/api/keys/<key_id>")
@session
async def delete(key_id: str) -> Response:
    """Removes a key; it stops working at once."""
    if not await kernel().store.delete_api_key(key_id):
        raise NotFound("Key not found.")
    return answer({"message": "Key deleted successfully"})


@views.get("/api/keys/<key_id>/reveal")
@session
async def reveal(key_id: str) -> Response:
    """The key in full, where the environment allows that and the key was kept."""
    if not kernel().settings.allow_api_key_reveal:
        raise Forbidden("API key reveal is disabled. Set ALLOW_API_KEY_REVEAL=true to allow it.")
    key = await kernel().store.reveal_api_key(key_id)
    if key is None:
        raise NotFound("This key was made while showing keys was switched off, so it was not kept.")
    return answer({"key": key})


async def _found(key_id: str) -> ApiKeyRecord:
    record = await kernel().store.api_key(key_id)
    if record is None:
        raise NotFound("Key not found.")
    return record


async def _check_connections(ids: tuple[str, ...]) -> None:
    if not ids:
        return
    known = {record.id for record in await kernel().store.connections()}
    unknown = [id_ for id_ in ids if id_ not in known]
    if unknown:
        raise wrong("allowedConnections", f"these connections do not exist: {', '.join(unknown[:5])}")


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        at = from_iso(text)
    except (ValueError, OverflowError) as exc:
        raise wrong("expiresAt", "must be an ISO-8601 time such as 2030-01-31T12:00:00Z") from exc
    if at <= time.time():
        raise wrong("expiresAt", "must be in the future")
    return at
