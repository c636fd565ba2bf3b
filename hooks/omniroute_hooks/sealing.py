"""Carrying sealed values through callers whose dialect has only one slot for them.

A signature made in one dialect travels through a caller of another inside a
tagged envelope, placed in whatever slot the caller's dialect has. When it comes
back, the envelope tells who made it, so it reaches its maker and nobody else.
"""

from __future__ import annotations

import base64

import orjson

from .conversation import Seal

ENVELOPE = "omr1."  # a real signature is base64 and holds no dot this early


def wrap(seal: Seal) -> str:
    """The seal as one token of ``[A-Za-z0-9._-]``."""
    body = orjson.dumps([seal.dialect, seal.provider, seal.model, seal.value])
    return ENVELOPE + base64.urlsafe_b64encode(body).decode().rstrip("=")


def unwrap(token: str, dialect: str) -> Seal:
    """What the caller of ``dialect`` sent back in its slot: an envelope of ours, or a native value."""
    if token.startswith(ENVELOPE):
        body = token[len(ENVELOPE) :]
        try:
            fields = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except ValueError:
            fields = None
        match fields:
            case [str(made_in), str() | None as provider, str() | None as model, str(value)]:
                return Seal(value, made_in, provider, model)
        # damaged on the way, or made up: as good as a foreign value
    return Seal(token, dialect)


def token_for(seal: Seal, dialect: str) -> str:
    """What goes into the slot of a caller of ``dialect``. Values of its own dialect go bare, as they would
    without a gateway."""
    return seal.value if seal.dialect == dialect else wrap(seal)


def opens_for(seal: Seal | None, dialect: str, provider: str, model: str) -> bool:
    """Whether a target may be sent this seal: it speaks the dialect and it is, or may be, the maker."""
    return (
        seal is not None
        and seal.dialect == dialect
        and seal.provider in (None, provider)
        and seal.model in (None, model)
    )
