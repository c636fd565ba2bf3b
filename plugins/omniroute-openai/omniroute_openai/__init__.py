"""OpenAI: pay-per-use models in the chat dialect, and the model lists of servers that speak it."""

from omniroute_hooks import ModelSource, Provider, QuotaSource, hookimpl

from .listing import list_models
from .provider import OPENAI
from .ratelimits import quota_from_headers


@hookimpl
def omniroute_providers() -> list[Provider]:
    return [OPENAI]


@hookimpl
def omniroute_model_sources() -> list[ModelSource]:
    return [
        ModelSource(provider=OPENAI.id, list_models=list_models),
        ModelSource(provider="openai-compatible", list_models=list_models),  # nodes with an address of the user's
    ]


@hookimpl
def omniroute_quota_sources() -> list[QuotaSource]:
    return [QuotaSource(provider=OPENAI.id, from_headers=quota_from_headers)]
