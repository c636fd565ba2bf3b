"""Model lists, in the caller's own shape."""

from __future__ import annotations

from omniroute_hooks import Listed, NotFound
from omniroute_hooks.jsonio import dumps

from .exchange import Exchange


async def answer(exchange: Exchange) -> None:
    """Serves list_models and get_model. Errors: `NotFound`."""
    dialect = exchange.dialect
    if exchange.asked.path_model is None:
        if dialect.list_models is None:
            raise NotFound("This address lists no models.")
        body = dialect.list_models(_visible(exchange), exchange.asked)
    else:
        wanted = exchange.asked.path_model.removeprefix("models/")
        found = exchange.snapshot.by_listed_id.get(wanted)
        if found is None or dialect.get_model is None or not _may(exchange, found):
            raise NotFound(f"There is no model {wanted!r}.")
        body = dialect.get_model(found)
    await exchange.send_json(dumps(body))


def _visible(exchange: Exchange) -> tuple[Listed, ...]:
    return tuple(entry for entry in exchange.snapshot.listed if _may(exchange, entry))


def _may(exchange: Exchange, entry: Listed) -> bool:
    key = exchange.key
    return key is None or not key.allowed_models or entry.id in key.allowed_models
