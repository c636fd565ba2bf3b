"""An answer that came as one JSON object though a stream was asked for."""

from __future__ import annotations

from omniroute_hooks import GatewayError, UpstreamError
from omniroute_hooks.blocks import signals_of
from omniroute_hooks.events import Broke, Signal
from omniroute_hooks.jsonio import loads_upstream

from .answer_in import parse_answer


def signals_of_body(body: bytes) -> list[Signal]:
    """The signals that this body amounts to; none where it is empty."""
    if not body.strip():
        return []
    try:
        value = loads_upstream(body)
    except (ValueError, RecursionError):
        return [Broke(UpstreamError("The provider's answer is neither a stream nor JSON."))]
    try:
        return signals_of(parse_answer(value))
    except GatewayError as exc:
        return [Broke(exc)]
