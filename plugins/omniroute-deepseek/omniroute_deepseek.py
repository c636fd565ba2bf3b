"""DeepSeek: pay-per-use models in the OpenAI chat dialect, no quota window.

Source: https://api-docs.deepseek.com/quick_start/pricing and /guides/thinking_mode, read in autumn 2026.
"""

from omniroute_hooks import (
    OPENAI_CHAT,
    ApiKey,
    ContextTooLong,
    FailureRule,
    LoginExpired,
    Model,
    ModelNotFound,
    Overloaded,
    Price,
    Provider,
    QuotaExhausted,
    Thinks,
    hookimpl,
)

# The current models think unless told not to, and refuse a history with tool calls whose reasoning is missing.
_THINKS = Thinks("toggle", efforts=("low", "high", "max"))
_REPLAYS = {"replay_reasoning": True}

# A broken answer is gone on with at the beta address, from a marked message and without thinking anew.
# Source: https://api-docs.deepseek.com/guides/chat_prefix_completion; the models that can are listed with the prices.
_CONTINUES = {
    "continues": "prefix",
    "continue_path": "/beta/chat/completions",
    "continue_fields": {"thinking": {"type": "disabled"}},
}

# Off-peak prices. On weekdays 01:00-04:00 and 06:00-10:00 UTC everything costs twice as much, which a
# `Price` cannot say; four hours in five are off-peak.
_FLASH = (Price(input_usd_per_1m=0.15, output_usd_per_1m=0.6, cache_read_usd_per_1m=0.003),)
_PRO = (Price(input_usd_per_1m=0.66, output_usd_per_1m=1.98, cache_read_usd_per_1m=0.022),)
_V3 = (Price(input_usd_per_1m=0.28, output_usd_per_1m=0.42, cache_read_usd_per_1m=0.028),)

DEEPSEEK = Provider(
    id="deepseek",
    prefix="ds",
    name="DeepSeek",
    base_url="https://api.deepseek.com",
    dialect=OPENAI_CHAT,
    auth=ApiKey(header="Authorization", scheme="Bearer"),
    options={"reasoning_field": "reasoning_content", **_CONTINUES},
    models=(
        Model(
            "deepseek-flash",
            "DeepSeek V4.1 Flash",
            context=1_000_000,
            max_output=384_000,
            thinks=_THINKS,
            price=_FLASH,
            options=_REPLAYS,
        ),
        Model(
            "deepseek-v4-pro",
            "DeepSeek V4 Pro",
            context=1_000_000,
            max_output=384_000,
            input=("text",),
            thinks=_THINKS,
            price=_PRO,
            options=_REPLAYS,
        ),
        # DeepSeek itself dropped these two names on 2026-07-24; servers that speak for it may still know them.
        Model(
            "deepseek-chat",
            "DeepSeek V3.2",
            context=131_072,
            max_output=8_192,
            input=("text",),
            price=_V3,
            options={"continue_fields": None},  # it never thinks, and need not know the switch
        ),
        Model(
            "deepseek-reasoner",
            "DeepSeek V3.2 (thinking)",
            context=131_072,
            max_output=65_536,
            input=("text",),
            thinks=Thinks("toggle", always=True),
            price=_V3,  # its history must come without reasoning, so nothing is replayed
            options={"continues": False},  # it would think again, and say something else
        ),
    ),
    failures=(
        FailureRule(QuotaExhausted, status=402),
        FailureRule(LoginExpired, status=401),
        FailureRule(ModelNotFound, text="model not exist"),
        FailureRule(ContextTooLong, status=400, text="maximum context length"),
        FailureRule(Overloaded, status=503),
    ),
    website="https://platform.deepseek.com",
    terms="https://cdn.deepseek.com/policies/en-US/deepseek-open-platform-terms-of-service.html",
)


@hookimpl
def omniroute_providers() -> list[Provider]:
    return [DEEPSEEK]
