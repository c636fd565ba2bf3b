"""The hooks. Each is called once, at start-up, and returns declarations; none may do I/O.

A plugin implements the ones it needs, under exactly these names, with `hookimpl`.
pluggy does not await: whatever takes time is an async function in a field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .accounts import AuthFlow, ModelSource, QuotaSource
    from .dialect import Dialect
    from .provider import NodeType, Provider
    from .services import Cache, ClientTool, Job, Mount, Observer, StateStore
    from .strategy import Strategy

PROJECT = "omniroute"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# What nobody else may have declared, by hook: fields of what it returns. The first plugin to claim a value keeps it.
UNIQUE: Mapping[str, tuple[str, ...]] = {
    "omniroute_providers": ("id", "prefix"),
    "omniroute_node_types": ("id",),
    "omniroute_dialects": ("id",),
    "omniroute_strategies": ("id",),
    "omniroute_caches": ("id",),
    "omniroute_state_stores": ("scheme",),
    "omniroute_model_sources": ("provider",),
    "omniroute_quota_sources": ("provider",),
    "omniroute_client_tools": ("id",),
}


@hookspec
def omniroute_providers() -> Iterable[Provider]:
    """Say who can be called. Ids and prefixes are unique; the first plugin to claim one keeps it."""


@hookspec
def omniroute_node_types() -> Iterable[NodeType]:
    """Say which kinds of provider a user may add by address."""


@hookspec
def omniroute_auth_flows() -> Iterable[AuthFlow]:
    """Say how to log in at a provider, and how its tokens are renewed. API keys need no flow."""


@hookspec
def omniroute_dialects() -> Iterable[Dialect]:
    """Translate a wire format, in both directions."""


@hookspec
def omniroute_model_sources() -> Iterable[ModelSource]:
    """Say how the models of a connection are listed. Awaited later: on request and once a day."""


@hookspec
def omniroute_quota_sources() -> Iterable[QuotaSource]:
    """Say how a provider's remaining quota is read: awaited on a timer and on refresh, or read from headers.

    Source: user guide, "Rate Limits" card.
    """


@hookspec
def omniroute_strategies() -> Iterable[Strategy]:
    """Order candidates: accounts of a provider, members of a combo."""


@hookspec
def omniroute_caches() -> Iterable[Cache]:
    """Remember answers."""


@hookspec
def omniroute_state_stores() -> Iterable[StateStore]:
    """Keep live state somewhere else than in this process."""


@hookspec
def omniroute_observers() -> Iterable[Observer]:
    """Be told of finished requests."""


@hookspec
def omniroute_client_tools() -> Iterable[ClientTool]:
    """Write the gateway into a client program's configuration, and take it out again."""


@hookspec
def omniroute_blueprints() -> Iterable[Mount]:
    """Serve pages or endpoints of your own."""


@hookspec
def omniroute_jobs() -> Iterable[Job]:
    """Do something on a timer."""


@hookspec
def omniroute_commands() -> Iterable[Any]:
    """Add `click.Command` objects to the ``omniroute`` program."""
