"""Claude's models: sizes, prices, and which parameters each generation still takes.

A subscription is not billed by these prices; there they say what the same calls would have cost.

Source: https://platform.claude.com/docs/en/about-claude/pricing, /docs/en/build-with-claude/effort and the
migration guides of the models, read in autumn 2026. Prices change; the user's own price list wins over these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Model, Price, Thinks
from omniroute_hooks.conversation import Effort
from omniroute_hooks.provider import Modality

Json = Any

# "any" and "tool" are refused while the model thinks, in every generation.
# A broken answer is gone on with by those that take a prefill: all up to 4.5, and none since.
_BUDGET_RULES: Mapping[str, Json] = {
    "sampling": True,
    "forced_tool_with_thinking": False,
    "prefill": True,
    "continues": True,
}
_ADAPTIVE_RULES: Mapping[str, Json] = {"sampling": True, "forced_tool_with_thinking": False, "prefill": False}
_NO_DICE_RULES: Mapping[str, Json] = {"sampling": False, "forced_tool_with_thinking": False, "prefill": False}

_EFFORTS_4_6: tuple[Effort, ...] = ("low", "medium", "high", "max")
_EFFORTS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")

_READS: tuple[Modality, ...] = ("text", "image", "pdf")


def _price(input_usd: float, output_usd: float, cache_read_usd: float, above_tokens: int = 0) -> Price:
    """Writing to the cache costs 1.25 times the input for five minutes, twice the input for an hour."""
    return Price(
        input_usd_per_1m=input_usd,
        output_usd_per_1m=output_usd,
        cache_read_usd_per_1m=cache_read_usd,
        cache_write_5m_usd_per_1m=round(input_usd * 1.25, 4),
        cache_write_1h_usd_per_1m=round(input_usd * 2, 4),
        above_input_tokens=above_tokens,
    )


def _budget(model_id: str, name: str, price: Price) -> Model:
    """4.5 and older: thinking is switched on with a budget."""
    return Model(
        model_id,
        name,
        context=200_000,
        max_output=64_000,
        input=_READS,
        thinks=Thinks("budget", min_budget=1024, max_budget=63_999),
        price=(price,),
        options=_BUDGET_RULES,
    )


def _adaptive(
    model_id: str,
    name: str,
    *price: Price,
    efforts: tuple[Effort, ...] = _EFFORTS,
    rules: Mapping[str, Json] = _NO_DICE_RULES,
    always: bool = False,
) -> Model:
    """4.6 and newer: the model decides how much it thinks, an effort guides it."""
    return Model(
        model_id,
        name,
        context=1_000_000,
        max_output=128_000,
        input=_READS,
        thinks=Thinks("adaptive", efforts=efforts, always=always),
        price=tuple(price),
        options=rules,
    )


_OPUS_4 = _price(5, 25, 0.5)
_SONNET_4 = _price(3, 15, 0.3)
_HAIKU_4 = _price(1, 5, 0.1)

MODELS: tuple[Model, ...] = (
    _adaptive("claude-opus-5-5", "Claude Opus 5.5", _price(4, 20, 0.2), always=True),
    _adaptive("claude-sonnet-5-5", "Claude Sonnet 5.5", _price(2, 10, 0.1), always=True),
    _adaptive(
        "claude-haiku-5-5",
        "Claude Haiku 5.5",
        _price(0.1, 0.5, 0.01),
        _price(0.5, 2.5, 0.05, above_tokens=100_000),
    ),
    _adaptive("claude-fable-5-1", "Claude Fable 5.1", _price(10, 50, 0.25), always=True),
    _adaptive("claude-opus-5", "Claude Opus 5", _OPUS_4),
    _adaptive("claude-sonnet-5", "Claude Sonnet 5", _price(2, 10, 0.2)),
    _adaptive("claude-opus-4-8", "Claude Opus 4.8", _OPUS_4),
    _adaptive("claude-opus-4-7", "Claude Opus 4.7", _OPUS_4),
    _adaptive("claude-opus-4-6", "Claude Opus 4.6", _OPUS_4, efforts=_EFFORTS_4_6, rules=_ADAPTIVE_RULES),
    _adaptive("claude-sonnet-4-6", "Claude Sonnet 4.6", _SONNET_4, efforts=_EFFORTS_4_6, rules=_ADAPTIVE_RULES),
    _budget("claude-opus-4-5-20251101", "Claude Opus 4.5", _OPUS_4),
    _budget("claude-opus-4-5", "Claude Opus 4.5", _OPUS_4),
    _budget("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", _SONNET_4),
    _budget("claude-sonnet-4-5", "Claude Sonnet 4.5", _SONNET_4),
    _budget("claude-haiku-4-5-20251001", "Claude Haiku 4.5", _HAIKU_4),
    _budget("claude-haiku-4-5", "Claude Haiku 4.5", _HAIKU_4),
)
