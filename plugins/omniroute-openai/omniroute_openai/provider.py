"""OpenAI's declaration: models, prices, and what its failures mean.

Source: https://platform.openai.com/docs/models and /docs/guides/error-codes. Prices change; the user's own
price list wins over these.
"""

from __future__ import annotations

from omniroute_hooks import (
    OPENAI_CHAT,
    ApiKey,
    ContextTooLong,
    Entitlement,
    FailureRule,
    LoginExpired,
    Model,
    ModelNotFound,
    Price,
    Provider,
    QuotaExhausted,
    Refused,
    Thinks,
    Unsupported,
)
from omniroute_hooks.conversation import Effort

_DICE = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")


def _price(input_usd: float, output_usd: float, cached_usd: float | None = None) -> tuple[Price, ...]:
    return (Price(input_usd_per_1m=input_usd, output_usd_per_1m=output_usd, cache_read_usd_per_1m=cached_usd),)


def thinking_model(
    model_id: str,
    price: tuple[Price, ...] = (),
    context: int | None = None,
    efforts: tuple[Effort, ...] = (),
    max_output: int | None = 128_000,
    drop: tuple[str, ...] = _DICE,
) -> Model:
    """A model that thinks: it takes instructions as "developer" and refuses to have its dice steered."""
    return Model(
        model_id,
        context=context,
        max_output=max_output,
        input=("text", "image", "pdf"),
        thinks=Thinks("effort", efforts=efforts, always=bool(efforts) and "none" not in efforts),
        price=price,
        options={"system_role": "developer", "unsupported": drop},
    )


def _plain(
    model_id: str,
    price: tuple[Price, ...],
    context: int,
    max_output: int,
) -> Model:
    return Model(model_id, context=context, max_output=max_output, input=("text", "image", "pdf"), price=price)


_O: tuple[Effort, ...] = ("low", "medium", "high")
_GPT_5: tuple[Effort, ...] = ("minimal", "low", "medium", "high")
_GPT_5_1: tuple[Effort, ...] = ("none", "low", "medium", "high")
_GPT_5_2: tuple[Effort, ...] = (*_GPT_5_1, "xhigh")
_GPT_5_6: tuple[Effort, ...] = (*_GPT_5_2, "max")
_O_DICE = (*_DICE, "stop")  # the o-series has no stop strings either

# The -codex and -pro models are missing on purpose: they answer on the Responses API only.
MODELS: tuple[Model, ...] = (
    thinking_model("gpt-5.6-sol", _price(5, 30), 1_000_000, _GPT_5_6),
    thinking_model("gpt-5.6-terra", _price(2, 12), 1_000_000, _GPT_5_6),
    thinking_model("gpt-5.5", _price(5, 30, 0.5), 1_050_000, _GPT_5_2),
    thinking_model("gpt-5.4", _price(2.5, 15, 0.25), 1_050_000, _GPT_5_2),
    thinking_model("gpt-5.4-mini", _price(0.75, 4.5, 0.075), 400_000, _GPT_5_2),
    thinking_model("gpt-5.2", _price(1.75, 14, 0.175), 400_000, _GPT_5_2),
    thinking_model("gpt-5.1", _price(1.25, 10, 0.125), 400_000, _GPT_5_1),
    thinking_model("gpt-5", _price(1.25, 10, 0.125), 400_000, _GPT_5),
    thinking_model("gpt-5-mini", _price(0.25, 2, 0.025), 400_000, _GPT_5),
    thinking_model("gpt-5-nano", _price(0.05, 0.4, 0.005), 400_000, _GPT_5),
    thinking_model("o4-mini", _price(1.1, 4.4, 0.275), 200_000, _O, 100_000, _O_DICE),
    thinking_model("o3", _price(2, 8, 0.5), 200_000, _O, 100_000, _O_DICE),
    thinking_model("o3-mini", _price(1.1, 4.4, 0.55), 200_000, _O, 100_000, _O_DICE),
    thinking_model("o1", _price(15, 60, 7.5), 200_000, _O, 100_000, _O_DICE),
    _plain("gpt-4.1", _price(2, 8, 0.5), 1_047_576, 32_768),
    _plain("gpt-4.1-mini", _price(0.4, 1.6, 0.1), 1_047_576, 32_768),
    _plain("gpt-4.1-nano", _price(0.1, 0.4, 0.025), 1_047_576, 32_768),
    _plain("gpt-4o", _price(2.5, 10, 1.25), 128_000, 16_384),
    _plain("gpt-4o-mini", _price(0.15, 0.6, 0.075), 128_000, 16_384),
    _plain("gpt-4-turbo", _price(10, 30), 128_000, 4_096),
)

# Failures: where they mean more than their status, which the dialect reads ----------------------------------

FAILURES: tuple[FailureRule, ...] = (
    FailureRule(QuotaExhausted, code="insufficient_quota"),
    FailureRule(QuotaExhausted, code="billing_hard_limit_reached"),
    # Larger than the whole minute's allowance: waiting would never help, a model with more room might.
    FailureRule(ContextTooLong, status=429, text="request too large"),
    FailureRule(ContextTooLong, code="context_length_exceeded"),
    FailureRule(ModelNotFound, code="model_not_found"),
    FailureRule(ModelNotFound, status=404, text="only supported in v1/responses|not a chat model"),
    FailureRule(Refused, code="content_policy_violation"),
    FailureRule(Refused, status=400, text="usage polic"),
    FailureRule(LoginExpired, status=401),
    FailureRule(Entitlement, status=403),
    FailureRule(Unsupported, code="unsupported_parameter"),
    FailureRule(Unsupported, code="unsupported_value"),
)

OPENAI = Provider(
    id="openai",
    prefix="openai",
    name="OpenAI",
    base_url="https://api.openai.com/v1",
    dialect=OPENAI_CHAT,
    auth=ApiKey(header="Authorization", scheme="Bearer"),
    models=MODELS,
    options={"max_tokens_field": "max_completion_tokens"},
    failures=FAILURES,
    website="https://platform.openai.com",
    terms="https://openai.com/policies/services-agreement/",
)
