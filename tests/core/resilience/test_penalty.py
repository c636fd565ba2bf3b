"""Penalties: who rests for which failure, and whether the breaker counts it."""

import pytest
from omniroute_hooks import (
    BadRequest,
    GatewayError,
    LoginExpired,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    UpstreamError,
    UpstreamTimeout,
)
from omniroute_hooks.errors import BrokenStream, ContextTooLong, Entitlement, LimitReached, Refused, Unsupported

from core.resilience.penalty import LONGEST_FAULT_S, LOOK_AGAIN_S, penalty
from core.resilience.policy import ResiliencePolicy

POLICY = ResiliencePolicy().resting("apikey")


@pytest.mark.parametrize(
    ("error", "rule", "scope", "base_s", "counts"),
    [
        pytest.param(RateLimited, "connection", "connection", 3.0, False, id="rate-limit"),
        pytest.param(RateLimited, "model", "model", 3.0, False, id="rate-limit-of-a-model"),
        pytest.param(QuotaExhausted, "connection", "connection", LOOK_AGAIN_S, False, id="no-quota"),
        pytest.param(QuotaExhausted, "model", "model", LOOK_AGAIN_S, False, id="no-quota-for-a-model"),
        pytest.param(LoginExpired, "connection", "connection", LOOK_AGAIN_S, False, id="refused-credential"),
        pytest.param(Entitlement, "connection", "model", LOOK_AGAIN_S, False, id="not-in-the-plan"),
        pytest.param(UpstreamError, "connection", "model", 3.0, True, id="500"),
        pytest.param(Overloaded, "connection", "model", 3.0, True, id="503"),
        pytest.param(UpstreamTimeout, "connection", "model", 3.0, True, id="silence"),
        pytest.param(BrokenStream, "connection", "model", 3.0, True, id="cut-stream"),
    ],
)
def test_who_rests(error, rule, scope, base_s, counts):
    due = penalty(error("words"), rule, POLICY)
    assert (due.scope, due.base_s, due.counts) == (scope, base_s, counts)
    assert due.longest_s <= LONGEST_FAULT_S or not counts


@pytest.mark.parametrize(
    "error",
    [BadRequest, Unsupported, ContextTooLong, ModelNotFound, Refused, LimitReached, GatewayError],
)
def test_nobody_rests_for_the_callers_the_models_or_our_own_fault(error):
    assert penalty(error("words", retry_after_s=60.0), "connection", POLICY) is None


def test_hints_are_used_unless_switched_off():
    error = RateLimited("words", retry_after_s=42.0)
    assert penalty(error, "connection", POLICY).hint_s == 42.0
    deaf = ResiliencePolicy().resting("apikey")
    deaf = type(deaf)(useUpstreamRetryHints=False)
    assert penalty(error, "connection", deaf).hint_s is None
