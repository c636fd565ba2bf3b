"""Token counting: by the provider where it can, else an estimate that is marked as one.

It never spends generation quota and never fails for want of a provider: clients take
an error for a broken gateway.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from omniroute_hooks import BadRequest, GatewayError, NotFound
from omniroute_hooks.jsonio import dumps

from ..choosing.picks import Pick
from ..intake.exchange import Exchange
from ..telling.estimate import input_tokens
from .pipeline import Pipeline

log = logging.getLogger("omniroute.gateway")


async def count_tokens(exchange: Exchange, picks: Iterable[Pick], pipeline: Pipeline) -> None:
    """Answers a count_tokens endpoint. Errors: `BadRequest`, `NotFound`."""
    counting = exchange.dialect.counting
    if counting is None:
        raise NotFound("This address counts no tokens.")
    exchange.incoming.conversation()  # a wrong request is told so, whoever would have counted it
    count: int | None = None
    for pick in picks:
        try:
            count = await pipeline.count(exchange, pick)
        except BadRequest as exc:
            if exc.blames == "caller":
                raise
        except GatewayError as exc:
            log.info("A provider could not count tokens: %s", exc.message)
        if count is not None:
            break
    if count is None:
        incoming = exchange.incoming
        count = max(1, input_tokens(incoming.raw, incoming.body))
        exchange.extra_headers.append((b"x-omniroute-estimated", b"true"))
    await exchange.send_json(dumps(counting.render_answer(count)))
