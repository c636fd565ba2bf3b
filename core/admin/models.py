"""The models of a provider: those it lists itself, those added by hand, and all of them as a catalog."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from attrs import evolve
from omniroute_hooks import Model, Provider
from omniroute_hooks.provider import ModelKind
from quart import Blueprint, Response

from core.bodies import body
from core.gateway.naming.snapshot import CUSTOM_MODELS, SYNCED_MODELS
from core.rules import Between, Text
from core.store.errors import Conflict

from . import asking, shapes
from .connections import found, provider_named
from .guard import session
from .web import answer, body_of, kernel, needed, request_arg, writing, wrong

views = Blueprint("models", __name__)

ModelName = Annotated[str, Text(high=300)]
Tokens = Annotated[int, Between(1, 1_000_000_000)]


@body
class CustomModel:
    provider: ModelName
    model_id: ModelName
    model_name: ModelName | None = None
    type: Literal["chat", "embedding", "image", "transcription", "speech", "moderation", "rerank"] = "chat"
    context_length: Tokens | None = None
    max_output_tokens: Tokens | None = None


# what a provider lists --------------------------------------------------------------------------------------


@views.get("/api/providers/<connection_id>/models")
@session
async def of_connection(connection_id: str) -> Response:
    """What the provider lists for this connection now; what its plugin declares where it lists nothing.

    Nothing is stored.
    """
    record = await found(connection_id)
    models = await asking.models_of(kernel(), record)
    declared = (await asking.provider_of(kernel(), record)).models
    return answer(
        {
            "provider": record.provider,
            "connectionId": record.id,
            "models": [shapes.model(model) for model in (declared if models is None else models)],
            "source": "declared" if models is None else "api",
        }
    )


@views.post("/api/providers/<connection_id>/sync-models")
@session
async def sync(connection_id: str) -> Response:
    """Makes the models that the provider lists callable and listed."""
    record = await found(connection_id)
    provider = await asking.provider_of(kernel(), record)
    models = await asking.models_of(kernel(), record)
    if models is None:
        raise wrong("id", "this provider offers no list of models")
    store = kernel().store
    old = {entry["id"]: entry for entry in await store.get_value(SYNCED_MODELS, provider.id, [])}
    new = {model.id: _entry(model) for model in models}
    await store.set_value(SYNCED_MODELS, provider.id, list(new.values()))
    added, removed = sum(id_ not in old for id_ in new), sum(id_ not in new for id_ in old)
    updated = sum(id_ in old and old[id_] != entry for id_, entry in new.items())
    total = added + removed + updated
    declared = {model.id for model in _installed(provider).models}
    return answer(
        {
            "ok": True,
            "mode": "sync",
            "syncedModels": len(new),
            "availableModelsCount": len(declared | set(new)),
            "modelChanges": {"added": added, "removed": removed, "updated": updated, "total": total},
        }
    )


def _entry(model: Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "kind": model.kind,
        "context": model.context,
        "maxOutput": model.max_output,
    }


# what the user adds -----------------------------------------------------------------------------------------


@views.get("/api/provider-models")
@session
async def custom() -> Response:
    """Models added by hand: of one provider as a list, of all as an object."""
    name = request_arg("provider")
    if name:
        stored = await kernel().store.get_value(CUSTOM_MODELS, provider_named(name).id, [])
        return answer({"models": [_custom_shape(entry) for entry in stored]})
    everything = await kernel().store.get_values(CUSTOM_MODELS)
    return answer({"models": {id_: [_custom_shape(e) for e in entries] for id_, entries in everything.items()}})


@views.post("/api/provider-models")
@session
async def add_custom() -> Response:
    """Adds a model by hand. 409 where it was added before."""
    asked = await body_of(CustomModel)
    provider = provider_named(asked.provider)
    kind: ModelKind = asked.type
    made = Model(
        asked.model_id, asked.model_name, kind=kind, context=asked.context_length, max_output=asked.max_output_tokens
    )
    store = kernel().store
    async with writing():
        stored = await store.get_value(CUSTOM_MODELS, provider.id, [])
        if any(entry["id"] == made.id for entry in stored):
            raise Conflict(f"The model {made.id!r} was added already. Remove it first to change it.")
        await store.set_value(CUSTOM_MODELS, provider.id, [*stored, _entry(made)])
    return answer({"model": _custom_shape(_entry(made))})


@views.delete("/api/provider-models")
@session
async def remove_custom() -> Response:
    """Removes a model that was added by hand."""
    name, model_id = needed("provider"), needed("model")
    known = kernel().snapshot.by_prefix.get(name)
    provider_id = name if known is None or name in kernel().snapshot.providers else known.id
    store = kernel().store
    async with writing():
        stored = await store.get_value(CUSTOM_MODELS, provider_id, [])
        kept = [entry for entry in stored if entry["id"] != model_id]
        if kept:
            await store.set_value(CUSTOM_MODELS, provider_id, kept)
        elif stored:
            await store.delete_value(CUSTOM_MODELS, provider_id)
    return answer({"removed": len(kept) < len(stored)})


def _custom_shape(entry: dict[str, Any]) -> dict[str, Any]:
    spec = Model(
        entry["id"],
        entry.get("name"),
        kind=entry.get("kind", "chat"),
        context=entry.get("context"),
        max_output=entry.get("maxOutput"),
    )
    return {**shapes.model(spec), "source": "manual"}


# all of them ------------------------------------------------------------------------------------------------


@views.get("/api/models/catalog")
@session
async def catalog() -> Response:
    """The models of every provider that can be called now, by prefix."""
    snapshot = kernel().snapshot
    by_hand = await kernel().store.get_values(CUSTOM_MODELS)
    shown = {}
    for provider in snapshot.providers.values():
        if provider.id not in snapshot.lines:
            continue
        custom_ids = {entry["id"] for entry in by_hand.get(provider.id, [])}
        shown[provider.prefix] = {
            "provider": provider.name or provider.id,
            "providerId": provider.id,
            "active": True,
            "models": [{**shapes.model(spec), "custom": spec.id in custom_ids} for spec in provider.models],
        }
    return answer({"catalog": shown, "catalogVersion": str(snapshot.version)})


def _installed(provider: Provider) -> Provider:
    """The provider as its plugin declares it, without listed and added models."""
    return kernel().registry.providers.get(provider.id) or evolve(provider, models=())
