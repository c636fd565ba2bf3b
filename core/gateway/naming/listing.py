"""Model lists, in the caller's own shape."""

from __future__ import annotations

from omniroute_hooks import Listed, NotFound
from omniroute_hooks.jsonio import dumps

from ..intake.exchange import Exchange
from .resolve import dedicated, owner_of, serves


async def answer(exchange: Exchange, word: str | None = None) -> None:
    """Serves list_models and get_model, at the address of the provider ``word`` only its own.

    Errors: `NotFound`; at such an address also those of `core.gateway.naming.resolve.dedicated`.
    """
    dialect = exchange.dialect
    if exchange.asked.path_model is None:
        if dialect.list_models is None:
            raise NotFound("This address lists no models.")
        body = dialect.list_models(_visible(exchange, word), exchange.asked)
    else:
        wanted = exchange.asked.path_model.removeprefix("models/")
        if word is not None:
            wanted = dedicated(exchange.snapshot, word, wanted)
        found = exchange.snapshot.by_listed_id.get(wanted)
        if found is None or dialect.get_model is None or not _may(exchange, found):
            raise NotFound(f"There is no model {wanted!r}.")
        body = dialect.get_model(found)
    await exchange.send_json(dumps(body))


def _visible(exchange: Exchange, word: str | None) -> tuple[Listed, ...]:
    snapshot = exchange.snapshot
    listed = snapshot.listed
    if word is not None:
        provider = owner_of(snapshot, word)
        listed = tuple(entry for entry in listed if serves(snapshot, provider, entry.id))
    return tuple(entry for entry in listed if _may(exchange, entry))


def _may(exchange: Exchange, entry: Listed) -> bool:
    key = exchange.key
    return key is None or not key.allowed_models or entry.id in key.allowed_models
