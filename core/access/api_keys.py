"""API keys: what callers present to use the gateway. Made here, found in a request here, checked here.

A key has 256 random bits, and the store has only its HMAC-SHA256. `ApiKeyTable` is part of the snapshot that the
hot path reads, so a changed or deleted key counts from the next snapshot on, and a check costs no I/O.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from urllib.parse import unquote_plus

from attrs import field, frozen
from omniroute_hooks.errors import Forbidden, Unauthenticated

from core.store.records import ApiKeyRecord

PREFIX = "sk-omni-"
KEY_BYTES = 32
SHOWN_CHARS = 4
MAX_PRESENTED_CHARS = 512  # no key is longer, so nobody makes us hash megabytes


class UnknownApiKey(Unauthenticated):
    """No such key."""


class ApiKeyExpired(Unauthenticated):
    """The key's time is over."""

    code = "api_key_expired"


class ApiKeyDisabled(Forbidden):
    """The key exists, and was switched off or revoked."""

    code = "api_key_disabled"


@frozen
class MintedKey:
    """A new key: ``key`` is shown once, ``key_hash`` and ``key_hint`` are stored."""

    key: str = field(repr=False)
    key_hash: str = field(repr=False)
    key_hint: str


def mint_api_key(api_key_secret: bytes) -> MintedKey:
    """A new random key ``sk-omni-`` plus 43 base64url characters."""
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    return MintedKey(key, hash_api_key(api_key_secret, key), mask_api_key(key))


def hash_api_key(api_key_secret: bytes, key: str) -> str:
    """HMAC-SHA256 of the key, in hex. A plain keyed hash will do: the key is random, there is nothing to guess."""
    return hmac.digest(api_key_secret, key.encode("utf-8", "replace"), "sha256").hex()


def mask_api_key(key: str) -> str:
    """``sk-omni-abcd…wxyz``: enough to recognise a key by, useless to anybody else. Short keys are hidden whole."""
    prefix = PREFIX if key.startswith(PREFIX) else ""
    secret = key[len(prefix) :]
    if len(secret) < 4 * SHOWN_CHARS:
        return prefix + "…"
    return f"{prefix}{secret[:SHOWN_CHARS]}…{secret[-SHOWN_CHARS:]}"


class ApiKeyTable:
    """All keys by their hash; immutable, but for the keys that were presented, which need not be hashed again."""

    __slots__ = ("_by_hash", "_presented", "_secret")

    def __init__(self, records: Iterable[ApiKeyRecord], api_key_secret: bytes) -> None:
        self._by_hash = {record.key_hash: record for record in records}
        self._presented: dict[str, ApiKeyRecord] = {}  # good ones only: no more than there are keys
        self._secret = api_key_secret

    def __len__(self) -> int:
        return len(self._by_hash)

    def check(self, presented: str, now_s: float) -> ApiKeyRecord:
        """The record of a key that may be used at ``now_s`` (unix seconds).

        Errors: `UnknownApiKey`, `ApiKeyDisabled`, `ApiKeyExpired`. Their messages never hold the key.
        """
        # The lookup compares hashes under a secret key, so its timing says nothing about stored keys.
        record = self._presented.get(presented)
        if record is None:
            if len(presented) <= MAX_PRESENTED_CHARS:
                record = self._by_hash.get(hash_api_key(self._secret, presented))
            if record is None:
                raise UnknownApiKey("Invalid API key.")
            self._presented[presented] = record
        if not record.is_active or record.revoked_at is not None:
            raise ApiKeyDisabled("This API key is disabled.")
        if record.expires_at is not None and record.expires_at <= now_s:
            raise ApiKeyExpired("This API key has expired.")
        return record


def presented_key(headers: Iterable[tuple[bytes, bytes]], query_string: bytes = b"") -> str | None:
    """The key that a request carries, or None. Takes the raw ASGI headers, whose names are lower case.

    ``Authorization: Bearer`` counts before ``x-api-key``, ``x-goog-api-key``, ``api-key`` and ``?key=``: some clients
    send a place-holder in one of the others beside the key that the user set.
    """
    bearer = x_api_key = x_goog_api_key = api_key = b""
    for name, value in headers:
        if name == b"authorization":
            if not bearer and value[:7].lower() == b"bearer ":
                bearer = value[7:].strip()
        elif name == b"x-api-key":
            x_api_key = x_api_key or value
        elif name == b"x-goog-api-key":
            x_goog_api_key = x_goog_api_key or value
        elif name == b"api-key":
            api_key = api_key or value
    found = bearer or x_api_key or x_goog_api_key or api_key
    if found:
        return found.strip().decode("latin-1") or None
    if b"key=" in query_string:
        for part in query_string.split(b"&"):
            if part.startswith(b"key="):
                return unquote_plus(part[4:].decode("latin-1")) or None
    return None


_KEY_IN_QUERY = re.compile(rb"(^|&)key=[^&]*")


def without_key(query_string: bytes) -> bytes:
    """The query string without ``key=...``: that is for us, and must reach no upstream and no log."""
    if b"key=" not in query_string:
        return query_string
    return _KEY_IN_QUERY.sub(b"", query_string).lstrip(b"&")
