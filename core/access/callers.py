"""Who may use the data plane: the caller's key, and what is allowed without one.

Without a key only programs on this machine are served: the socket must be a
loopback one, no proxy may stand between, and a web page of another site must not
be the one who asks. Everything else needs a key, whatever the configuration says.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from omniroute_hooks import Forbidden, Unauthenticated

from core.store.records import ApiKeyRecord

from .api_keys import ApiKeyTable, presented_key


def admit(
    scope: Mapping[str, Any],
    headers: Iterable[tuple[bytes, bytes]],
    keys: ApiKeyTable,
    require_key: bool,
    own_host: str,
    now_s: float,
) -> ApiKeyRecord | None:
    """The caller's key record, or None for a program on this machine that needs none.

    ``own_host`` is the host name that users reach the gateway by.

    Errors: `Unauthenticated`, `Forbidden`.
    """
    presented = presented_key(headers, scope["query_string"])
    if presented is not None and (require_key or len(keys)):
        return keys.check(presented, now_s)
    if require_key:
        raise Unauthenticated("An API key is required. Send it as 'Authorization: Bearer <key>'.")
    server = scope.get("server")
    if server is not None and not is_loopback(server[0]):
        raise Unauthenticated(
            "An API key is required on an address that others can reach. Make one under API keys, "
            "or let the gateway listen on 127.0.0.1 only."
        )
    client = scope.get("client")
    if client is not None and not is_loopback(client[0]):
        raise Unauthenticated("An API key is required from another machine.")
    for name, value in headers:
        if name == b"host" and not is_own_name(value, own_host):
            raise Forbidden("This host name is not the gateway's. Use an API key, or the address 127.0.0.1.")
        if name == b"origin" and not is_own_origin(value, own_host):
            raise Forbidden("A web page of another site may not use the gateway without an API key.")
        if name in (b"x-forwarded-for", b"forwarded", b"x-real-ip"):
            raise Unauthenticated("An API key is required through a proxy.")
    return None


def check_model(key: ApiKeyRecord | None, model: str) -> None:
    """Whether the caller's key opens the model of that name, as the caller wrote it. Errors: `Forbidden`."""
    if key is not None and key.allowed_models and model not in key.allowed_models:
        raise Forbidden(f"This API key may not use the model {model!r}.")


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own. A socket in the file system counts as one."""
    if not host or host.startswith(("/", "unix:")):
        return True
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


@lru_cache(maxsize=256)
def is_own_name(host: bytes, own_host: str) -> bool:
    """Whether a Host header means this machine, or the name it was given."""
    try:
        name = urlsplit("//" + host.decode("latin-1")).hostname or ""
    except ValueError:
        return False
    return name == own_host or name.endswith(".localhost") or is_loopback(name)


@lru_cache(maxsize=256)
def is_own_origin(origin: bytes, own_host: str) -> bool:
    """Whether a page that asks was served by this machine."""
    if origin == b"null":
        return False
    return is_own_name(origin.decode("latin-1").partition("://")[2].encode("latin-1"), own_host)
