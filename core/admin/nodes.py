"""/api/provider-nodes: upstreams that the user adds by address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from attrs import field
from omniroute_hooks import BadRequest, FieldProblem, NodeType, NotFound
from quart import Blueprint, Response

from core.bodies import body, to_camel
from core.gateway.naming.node_options import check_options
from core.gateway.naming.snapshot import CUSTOM_MODELS, SYNCED_MODELS
from core.plugins.registry import PREFIX
from core.rules import ApiKeyText, Name, Open, Text, WebAddress, Wrong
from core.store.errors import Conflict
from core.store.records import NodeRecord

from . import asking, shapes
from .guard import session
from .web import answer, body_of, changes_of, kernel, wrong

views = Blueprint("nodes", __name__)

Prefix = Annotated[
    str, Text(high=64, pattern=PREFIX.pattern, says="must be lower-case letters, digits, '.', '_' or '-'")
]
Address = Annotated[str, Text(low=0, high=2000)]
Data = Annotated[dict[str, Any], Open()]


@body
class NewNode:
    name: Name
    prefix: Prefix
    type: Name | None = None
    api_type: Name | None = None
    base_url: Address | None = None
    provider_specific_data: Data | None = None


@body
class NodeChanges:
    name: Name
    prefix: Prefix
    api_type: Name | None
    base_url: Address
    provider_specific_data: Data


@body
class Tried:
    base_url: Address
    api_key: ApiKeyText | None = field(default=None, repr=False)
    type: Name | None = None
    api_type: Name | None = None


@views.get("/api/provider-nodes")
@session
async def listed() -> Response:
    """All nodes, and the types that installed plugins bring."""
    types = [
        {
            "id": kind.id,
            "name": kind.name,
            "apiTypes": [name for name in kind.dialects if name is not None],
            "defaultBaseUrl": kind.default_base_url,
            "default": kind.default,
            "providerSpecificData": {to_camel(name): list(values) for name, values in kind.settable.items()},
        }
        for kind in kernel().registry.node_types.values()
    ]
    nodes = [shapes.node(record) for record in await kernel().store.nodes()]
    return answer({"nodes": nodes, "types": types})


@views.post("/api/provider-nodes")
@session
async def create() -> Response:
    """Adds a node."""
    asked = await body_of(NewNode)
    kind = _kind(asked.type)
    _check_prefix(asked.prefix)
    made = await kernel().store.create_node(
        type=kind.id,
        name=asked.name,
        prefix=asked.prefix,
        api_type=_api_type(kind, asked.api_type),
        base_url=_base_url(kind, asked.base_url or ""),
        provider_specific_data=_data(kind, {}, asked.provider_specific_data or {}),
    )
    return answer({"node": shapes.node(made)}, 201)


@views.get("/api/provider-nodes/<node_id>")
@session
async def one(node_id: str) -> Response:
    """One node."""
    return answer({"node": shapes.node(await _found(node_id))})


@views.route("/api/provider-nodes/<node_id>", methods=["PUT", "PATCH"])
@session
async def change(node_id: str) -> Response:
    """Changes what is named; connections follow the address, since they keep no copy of it. In
    ``providerSpecificData`` null removes a field, and unnamed ones stay."""
    record = await _found(node_id)
    changes: dict[str, Any] = await changes_of(NodeChanges)
    if "prefix" in changes and changes["prefix"] != record.prefix:
        _check_prefix(changes["prefix"])
    if "api_type" in changes:
        changes["api_type"] = _api_type(_kind(record.type), changes["api_type"])
    if "base_url" in changes:
        changes["base_url"] = _base_url(_kind(record.type), changes["base_url"])
    if "provider_specific_data" in changes:
        old, new = record.provider_specific_data, changes["provider_specific_data"]
        changes["provider_specific_data"] = _data(_kind(record.type), old, new)
    return answer({"node": shapes.node(await kernel().store.update_node(node_id, **changes))})


@views.delete("/api/provider-nodes/<node_id>")
@session
async def delete(node_id: str) -> Response:
    """Removes a node, its connections and its lists of models."""
    store = kernel().store
    if not await store.delete_node(node_id):
        raise NotFound("Provider node not found.")
    for namespace in (CUSTOM_MODELS, SYNCED_MODELS):
        await store.delete_value(namespace, node_id)
    return answer({"success": True})


@views.post("/api/provider-nodes/validate")
@session
async def validate() -> Response:
    """Asks an address for its models before it is saved. ``valid`` null: this type has no list to ask for."""
    asked = await body_of(Tried)
    kind = _kind(asked.type)
    _api_type(kind, asked.api_type)
    base_url = _base_url(kind, asked.base_url)
    source = kernel().registry.model_sources.get(kind.id)
    if source is None:
        return answer({"valid": None, "error": None, "warning": "This type offers no list of models to ask for."})
    verdict = await asking.try_address(kernel(), source, base_url, asked.api_key)
    error = verdict.error
    return answer(
        {
            "valid": verdict.valid,
            "error": None if error is None else error.message,
            "diagnosis": None if error is None else asking.diagnosis(error),
            "statusCode": None if error is None else error.upstream_status,
            "latencyMs": verdict.latency_ms,
            "method": verdict.method,
        }
    )


async def _found(node_id: str) -> NodeRecord:
    record = await kernel().store.node(node_id)
    if record is None:
        raise NotFound("Provider node not found.")
    return record


def _kind(type_id: str | None) -> NodeType:
    types = kernel().registry.node_types
    if type_id is None:
        found = next((kind for kind in types.values() if kind.default), None)
        if found is None:
            raise wrong("type", "is required: no installed type is the default")
        return found
    if type_id not in types:
        raise wrong("type", f"is not an installed type (installed: {', '.join(types) or 'none'})")
    return types[type_id]


def _api_type(kind: NodeType, api_type: str | None) -> str | None:
    """The name under which the type knows its dialect. None means the type's default, by its name if it has one."""
    named = {name: dialect for name, dialect in kind.dialects.items() if name is not None}
    if api_type is None:
        default = kind.dialects.get(None)
        return next((name for name, dialect in named.items() if default in (None, dialect)), None)
    if api_type not in kind.dialects:
        known = ", ".join(named)
        raise wrong("apiType", f"must be one of {known}" if known else "is not used by this type")
    return api_type


def _base_url(kind: NodeType, typed: str) -> str:
    """The address as it is stored: tidied by the type where that bears being done twice."""
    typed = typed or kind.default_base_url
    if not typed:
        raise wrong("baseUrl", "is required")
    try:
        tidy = WebAddress().check(kind.base_url(typed))
        return tidy if kind.base_url(tidy) == tidy else typed
    except Wrong as exc:
        raise BadRequest.of([FieldProblem("baseUrl", problem.problem) for problem in exc.problems]) from exc
    except BadRequest as exc:
        raise wrong("baseUrl", exc.message) from exc


def _data(kind: NodeType, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored beside the address. Errors: `BadRequest` with every field that does not fit."""
    try:
        check_options(kind, new)
    except BadRequest as exc:
        raise BadRequest.of([FieldProblem(f"providerSpecificData.{p.path}", p.problem) for p in exc.details]) from exc
    return {name: value for name, value in {**old, **new}.items() if value is not None}


def _check_prefix(prefix: str) -> None:
    """Errors: `Conflict` where a provider or another node has it already."""
    taken = kernel().snapshot.by_prefix.get(prefix) or kernel().registry.by_prefix.get(prefix)
    if taken is not None:
        raise Conflict(f"The prefix {prefix!r} is taken by {taken.name or taken.id}.")
