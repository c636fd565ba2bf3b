"""What an answer costs. Prices are US dollars per one million tokens."""

from __future__ import annotations

from omniroute_hooks import Model, Price, Usage


def cost_usd(usage: Usage | None, spec: Model | None) -> float | None:
    """The cost in US dollars; None where usage or a price that it needs is unknown. Free models cost 0.

    A missing cache price counts as the input price: what a vendor without a discount charges.
    """
    if usage is None or spec is None or not spec.price:
        return None
    price = tier(spec.price, usage.input_total)
    if price.input_usd_per_1m is None or price.output_usd_per_1m is None:
        return None
    base = price.input_usd_per_1m

    def of(own: float | None) -> float:
        return base if own is None else own

    write_5m = of(price.cache_write_5m_usd_per_1m)
    total = (
        usage.input_fresh * base
        + usage.cache_read * of(price.cache_read_usd_per_1m)
        + (usage.cache_write_5m + usage.cache_write_other) * write_5m
        + usage.cache_write_1h * (price.cache_write_1h_usd_per_1m or write_5m)
        + usage.output_total * price.output_usd_per_1m
    )
    return total / 1_000_000


def tier(prices: tuple[Price, ...], input_tokens: int) -> Price:
    """The price that holds for a request of this size."""
    if len(prices) == 1:
        return prices[0]
    fitting = [p for p in prices if input_tokens > p.above_input_tokens or p.above_input_tokens == 0]
    return max(fitting or prices, key=lambda p: p.above_input_tokens)
