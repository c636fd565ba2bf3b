"""Penalties: what rests after a failure, how long, and whether the provider's breaker counts it.

By who is to blame. The caller's and the model's own failures cost nobody anything: the next request may be
different.
"""

from __future__ import annotations

from attrs import frozen
from omniroute_hooks import GatewayError, LoginExpired, QuotaExhausted
from omniroute_hooks.errors import Entitlement

from .cooldown import LONGEST_GUESS_S, Kind
from .policy import Resting
from .verdict import Scope

LOOK_AGAIN_S = 300.0  # a refused credential or an empty account does not mend within seconds
LONGEST_FAULT_S = 30.0  # an outage is the breaker's business; a model only gets out of the way


@frozen
class Penalty:
    """``scope`` rests for ``hint_s``, else from ``base_s`` on, doubled up to ``max_steps`` times and ``longest_s``."""

    scope: Scope
    kind: Kind
    hint_s: float | None
    base_s: float
    longest_s: float = LONGEST_GUESS_S
    max_steps: int = 5
    counts: bool = False


def penalty(error: GatewayError, scope: Scope, policy: Resting) -> Penalty | None:
    """What follows from this failure; None: nothing. ``scope`` is what the provider's rule says rests."""
    hint_s = error.retry_after_s if policy.use_upstream_retry_hints else None
    base_s, steps = policy.base_cooldown_ms / 1000, policy.max_backoff_steps
    if error.blames == "provider":
        # One broken model does not take the others of the connection with it.
        return Penalty("model", "fault", hint_s, base_s, LONGEST_FAULT_S, steps, counts=True)
    if error.blames != "connection":
        return None
    if isinstance(error, LoginExpired):
        return Penalty("connection", "credential", None, LOOK_AGAIN_S)
    if isinstance(error, Entitlement):  # most often one model that is not in the plan
        return Penalty("model", "entitlement", hint_s, LOOK_AGAIN_S)
    if isinstance(error, QuotaExhausted):
        return Penalty(scope, "quota", hint_s, max(base_s, LOOK_AGAIN_S))
    return Penalty(scope, "limit", hint_s, base_s, LONGEST_GUESS_S, steps)
