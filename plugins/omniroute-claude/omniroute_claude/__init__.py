"""Claude: pay-per-use API keys as ``anthropic/…``, subscriptions as ``cc/…``."""

from omniroute_hooks import AuthFlow, ModelSource, Provider, QuotaSource, hookimpl

from .listing import list_models
from .login import login
from .providers import KEY, SUBSCRIPTION
from .quota import key_windows, read_usage, subscription_windows


@hookimpl
def omniroute_providers() -> list[Provider]:
    return [KEY, SUBSCRIPTION]


@hookimpl
def omniroute_auth_flows() -> list[AuthFlow]:
    return [login()]


@hookimpl
def omniroute_model_sources() -> list[ModelSource]:
    return [
        ModelSource(provider=KEY.id, list_models=list_models),
        ModelSource(provider=SUBSCRIPTION.id, list_models=list_models),
    ]


@hookimpl
def omniroute_quota_sources() -> list[QuotaSource]:
    return [
        QuotaSource(provider=KEY.id, from_headers=key_windows),
        # Asked more often, the address answers 429 for a long time, though the models still answer.
        QuotaSource(provider=SUBSCRIPTION.id, read=read_usage, from_headers=subscription_windows, min_interval_s=300.0),
    ]
