"""The two ways to Claude: an API key, and a subscription's login. Same models, same dialect.

Source: https://platform.claude.com/docs/en/api/errors.
"""

from __future__ import annotations

from omniroute_hooks import (
    ANTHROPIC,
    ApiKey,
    ContextTooLong,
    Entitlement,
    FailureRule,
    LoginExpired,
    ModelNotFound,
    OAuth,
    Overloaded,
    Provider,
    QuotaExhausted,
    RateLimited,
    TooLarge,
)

from .models import MODELS
from .subscription import adapt, headers_for

BASE_URL = "https://api.anthropic.com/v1"

_FAILURES = (
    FailureRule(ContextTooLong, status=400, text="prompt is too long|exceed context limit"),
    FailureRule(QuotaExhausted, status=402),
    FailureRule(QuotaExhausted, status=400, text="credit balance is too low"),
    FailureRule(QuotaExhausted, status=400, text="usage limits|out of extra usage"),
    FailureRule(QuotaExhausted, code="enforced_spend_limit_reached"),
    FailureRule(ModelNotFound, status=404, code="not_found_error", text="model"),
    FailureRule(TooLarge, status=413),
    FailureRule(Overloaded, status=529),
    FailureRule(Overloaded, code="overloaded_error"),
)

KEY = Provider(
    id="anthropic",
    prefix="anthropic",
    name="Anthropic",
    base_url=BASE_URL,
    dialect=ANTHROPIC,
    auth=ApiKey(header="x-api-key", scheme=None),
    models=MODELS,
    failures=(*_FAILURES, FailureRule(LoginExpired, status=401), FailureRule(Entitlement, status=403)),
    website="https://platform.claude.com",
    terms="https://www.anthropic.com/legal/commercial-terms",
)

SUBSCRIPTION = Provider(
    id="cc",
    prefix="cc",
    name="Claude Code",
    base_url=BASE_URL,
    dialect=ANTHROPIC,
    auth=OAuth(),
    models=MODELS,
    options={"beta_query": True},  # Claude Code asks at /messages?beta=true
    headers_for=headers_for,
    adapt=adapt,
    failures=(
        # A plan without the long context refuses it per model.
        FailureRule(Entitlement, text="long context beta is not yet available", scope="model"),
        FailureRule(RateLimited, status=429, text="long context", scope="model"),
        FailureRule(LoginExpired, status=403, text="token has been revoked"),
        *_FAILURES,
        FailureRule(LoginExpired, status=401),
        FailureRule(Entitlement, status=403),
    ),
    website="https://claude.ai",
    terms="https://www.anthropic.com/legal/consumer-terms",
)
