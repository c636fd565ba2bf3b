"""The policy: the user's settings for pacing, cooldowns, breakers and waiting, in one schema with its limits.

Kept under the setting "resilience" as far as it was ever changed. What pacing does is off until it is set;
the other defaults differ by how a connection proves itself, since a login is dearer to lose than a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import attrs
from attrs import field
from omniroute_hooks import BadRequest

from core import bodies
from core.bodies import body
from core.rules import Between

Json = Any
T = TypeVar("T")
SETTING = "resilience"

PerMinute = Annotated[int, Between(1, 100_000)]
Many = Annotated[int, Between(1, 100_000)]
Milliseconds = Annotated[int, Between(0, 3_600_000)]


@body
class RequestQueue:
    """Pacing of each connection. None and 0: no such limit."""

    requests_per_minute: PerMinute | None = None
    min_time_between_requests_ms: Milliseconds = 0
    concurrent_requests: Many | None = None
    max_wait_ms: Annotated[int, Between(0, 600_000)] = 30_000
    max_queued: Many = 1000
    """Requests that wait for one connection; the next one is refused at once."""


@body
class Resting:
    """Cooldowns of one auth type. Each failure in a row doubles the base, ``max_backoff_steps`` times at most."""

    base_cooldown_ms: Annotated[int, Between(100, 3_600_000)] = 3000
    use_upstream_retry_hints: bool = True
    max_backoff_steps: Annotated[int, Between(0, 32)] = 5


@body
class Breaking:
    """The breaker of providers of one auth type."""

    failure_threshold: Annotated[int, Between(1, 10_000)] = 12
    reset_timeout_ms: Annotated[int, Between(100, 3_600_000)] = 30_000


@body
class Waiting:
    """Waiting for the earliest candidate when all of them rest."""

    enabled: bool = True
    max_retries: Annotated[int, Between(0, 10)] = 3
    max_retry_wait_sec: Annotated[int, Between(0, 300)] = 30


@body
class RestingByAuth:
    oauth: Resting = bodies.structured(Resting, {"baseCooldownMs": 5000, "maxBackoffSteps": 8})
    apikey: Resting = Resting()


@body
class BreakingByAuth:
    oauth: Breaking = bodies.structured(Breaking, {"failureThreshold": 8, "resetTimeoutMs": 60_000})
    apikey: Breaking = Breaking()


@body
class ResiliencePolicy:
    """All of it. Connections that prove nothing (auth type "none") count as those with a key."""

    request_queue: RequestQueue = field(factory=RequestQueue)
    connection_cooldown: RestingByAuth = field(factory=RestingByAuth)
    provider_breaker: BreakingByAuth = field(factory=BreakingByAuth)
    wait_for_cooldown: Waiting = field(factory=Waiting)

    def resting(self, auth_type: str) -> Resting:
        """How connections of this auth type rest."""
        return self.connection_cooldown.oauth if auth_type == "oauth" else self.connection_cooldown.apikey

    def breaking(self, auth_type: str) -> Breaking:
        """How providers of this auth type break."""
        return self.provider_breaker.oauth if auth_type == "oauth" else self.provider_breaker.apikey


def policy_of(stored: Json) -> ResiliencePolicy:
    """The policy in force. A stored value that no longer fits (an older release wrote it) counts as unset."""
    return _tolerant(ResiliencePolicy(), stored)


def changed(stored: Json, sent: Mapping[str, Json]) -> tuple[ResiliencePolicy, dict[str, Json]]:
    """The policy after a change of some of its fields, and what the store is to keep.

    Errors: `BadRequest` with every wrong and unknown field by its whole path.
    """
    policy = bodies.structured(ResiliencePolicy, _merged(as_json(policy_of(stored)), sent))
    return policy, _merged(stored if isinstance(stored, dict) else {}, sent)


def as_json(part: Any) -> dict[str, Json]:
    """The policy, or a part of it, by the names on the wire."""
    found = {alias: getattr(part, name) for alias, name in bodies.names_on_the_wire(type(part)).items()}
    return {alias: as_json(value) if attrs.has(type(value)) else value for alias, value in found.items()}


def _tolerant(default: T, stored: Json) -> T:
    if not isinstance(stored, dict):
        return default
    cls = type(default)
    values: dict[str, Any] = {}
    for alias, name in bodies.names_on_the_wire(cls).items():
        known = getattr(default, name)
        if attrs.has(type(known)):
            values[alias] = _tolerant(known, stored.get(alias))
            continue
        try:
            values[alias] = bodies.changes(cls, {alias: stored[alias]})[name] if alias in stored else known
        except BadRequest:
            values[alias] = known
    return cls(**values)


def _merged(under: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    out = dict(under)
    for name, value in over.items():
        old = out.get(name)
        out[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out
