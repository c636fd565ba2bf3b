"""Asking providers on the user's behalf: which models there are, and whether a connection works.

A plugin does the asking; whatever goes wrong in it becomes a `GatewayError` with words for people.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from attrs import frozen
from omniroute_hooks import (
    BadRequest,
    Connection,
    GatewayError,
    LoginExpired,
    Model,
    ModelSource,
    Provider,
    QuotaExhausted,
    UpstreamError,
    UpstreamTimeout,
)

from core.gateway.asking.call import transport_failure
from core.gateway.naming.snapshot import connection_of
from core.store.records import ConnectionRecord

if TYPE_CHECKING:
    from core.kernel import Kernel

log = logging.getLogger("omniroute.admin")
T = TypeVar("T")
PATIENCE_S = 30.0


@frozen
class Verdict:
    """What asking a provider has shown. ``valid`` None: there is nothing that could be asked for free.

    ``method`` names what was asked; ``error`` is None when it worked. ``latency_ms`` of the asking.
    """

    valid: bool | None
    method: str | None
    error: GatewayError | None = None
    latency_ms: int = 0
    refreshed: bool = False


async def provider_of(kernel: Kernel, record: ConnectionRecord) -> Provider:
    """The connection's provider. Errors: `BadRequest` where its plugin or node is not there."""
    provider = kernel.snapshot.providers.get(record.provider)
    if provider is None:
        raise BadRequest("The provider of this connection is not installed or is switched off.")
    return provider


async def model_source(kernel: Kernel, provider_id: str) -> ModelSource | None:
    """How the models of a provider, or of a node of this id, are listed."""
    source = kernel.registry.model_sources.get(provider_id)
    if source is None:
        node = await kernel.store.node(provider_id)
        source = None if node is None else kernel.registry.model_sources.get(node.type)
    return source


async def models_of(kernel: Kernel, record: ConnectionRecord) -> Sequence[Model] | None:
    """The models that a connection may use, asked now. None where its provider offers no list.

    Errors: `LoginExpired`, `UpstreamError` and its kinds, `BadRequest`.
    """
    provider = await provider_of(kernel, record)
    source = await model_source(kernel, provider.id)
    if source is None:
        return None
    base_url = base_url_of(provider, record)
    models, _ = await _with_login(
        kernel, connection_of(record), lambda usable: source.list_models(usable, base_url, kernel.http)
    )
    return models


async def try_connection(kernel: Kernel, record: ConnectionRecord) -> Verdict:
    """Asks the provider something that costs nothing. Never raises for what the provider does."""
    provider = await provider_of(kernel, record)
    source = await model_source(kernel, provider.id)
    quota_source = kernel.registry.quota_sources.get(provider.id)
    quota = None if quota_source is None else quota_source.read
    if source is None and quota is None:
        local = provider.generate is not None
        return Verdict(True if local else None, "local" if local else None)
    method = "models_endpoint" if source is not None else "quota_endpoint"
    began = time.perf_counter()

    async def ask(connection: Connection) -> object:
        if source is not None:
            return await source.list_models(connection, base_url_of(provider, record), kernel.http)
        assert quota is not None
        return await quota(connection, kernel.http)

    try:
        _, refreshed = await _with_login(kernel, connection_of(record), ask)
    except GatewayError as exc:
        return Verdict(False, method, exc, _ms_since(began))
    return Verdict(True, method, None, _ms_since(began), refreshed)


async def try_address(kernel: Kernel, source: ModelSource, base_url: str, api_key: str | None) -> Verdict:
    """Asks an address that is not stored for its models. Never raises for what the provider does."""
    credential = {"api_key": api_key} if api_key else {}
    connection = Connection(id="unsaved", provider=source.provider, name="unsaved", credential=credential)
    began = time.perf_counter()
    try:
        await guarded(source.list_models(connection, base_url, kernel.http))
    except GatewayError as exc:
        return Verdict(False, "models_endpoint", exc, _ms_since(began))
    return Verdict(True, "models_endpoint", None, _ms_since(began))


def base_url_of(provider: Provider, record: ConnectionRecord) -> str:
    """The connection's own address, or its provider's."""
    own = record.provider_specific_data.get("baseUrl")
    return own.rstrip("/") if isinstance(own, str) and own else provider.base_url


def diagnosis(error: GatewayError) -> dict[str, Any]:
    """What kind of trouble it is, whose, and in whose words."""
    if isinstance(error, LoginExpired):
        kind = "credential"
    elif isinstance(error, QuotaExhausted):
        kind = "credits"
    elif isinstance(error, UpstreamTimeout):
        kind = "timeout"
    elif isinstance(error, UpstreamError) and error.upstream_status is None:
        kind = "network"
    else:
        kind = "provider" if isinstance(error, UpstreamError) else "configuration"
    source = "gateway" if kind == "configuration" else "upstream"
    return {"type": kind, "source": source, "message": error.message, "code": error.upstream_code or error.code}


async def guarded(work: Awaitable[T]) -> T:
    """Awaits a plugin's function within `PATIENCE_S`. Errors: `GatewayError` and its kinds, nothing else."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await work
    except GatewayError:
        raise
    except TimeoutError as exc:
        raise UpstreamTimeout("The provider did not answer in time.") from exc
    except httpx.TransportError as exc:
        raise transport_failure(exc) from exc
    except httpx.InvalidURL as exc:
        raise BadRequest("baseUrl: this address cannot be called.") from exc
    except Exception as exc:
        log.exception("A plugin failed while it asked a provider.")
        raise UpstreamError("The provider's answer could not be read.") from exc


async def _with_login(
    kernel: Kernel, connection: Connection, ask: Callable[[Connection], Awaitable[T]]
) -> tuple[T, bool]:
    """Asks with a token that still lasts, and once more with a new one where a login is refused."""
    usable = await kernel.accounts.usable(connection)
    refreshed = usable.credential != connection.credential
    try:
        return await guarded(ask(usable)), refreshed
    except LoginExpired:
        if refreshed or not connection.credential.get("refresh_token"):
            raise
    renewed = await kernel.accounts.renewed(usable)
    return await guarded(ask(renewed)), True


def _ms_since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
