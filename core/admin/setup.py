"""The password, and the first run: who has the one-time link from the console may set it.

In the store, namespace "setup": ``password`` is the hash, and ``token:<sha256>`` one key for each link that still
works. It is a namespace of its own and not "settings", which strategies and pages get to see.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import TYPE_CHECKING

from omniroute_hooks import Forbidden

from core.access.passwords import hash_password, verify_password
from core.store.errors import Conflict
from core.store.store import Store

if TYPE_CHECKING:
    from core.kernel import Kernel

NAMESPACE = "setup"
PASSWORD = "password"  # noqa: S105 (the name of a key)
TOKEN = "token:"  # noqa: S105
KEPT_LINKS = 8  # every start prints a new one; several processes may have started at once


class WrongSetupToken(Forbidden):
    """The link was used already, or is not ours."""

    code = "setup_token_invalid"


async def ensure_setup(kernel: Kernel) -> str | None:
    """Sees to it that a password is set or can be. Call it at start-up.

    The first start with INITIAL_PASSWORD sets that. Without it, the path of a one-time link is returned, to be
    printed; None when there is a password.
    """
    store = kernel.store
    if await has_password(store):
        return None
    if kernel.settings.initial_password is not None:
        await _set(store, await hash_password(kernel.settings.initial_password))
        return None
    links = {key: value for key, value in (await store.get_values(NAMESPACE)).items() if key.startswith(TOKEN)}
    newest_first = sorted(links, key=lambda key: -float(links[key]))
    for key in newest_first[KEPT_LINKS - 1 :]:
        await store.delete_value(NAMESPACE, key)
    token = secrets.token_urlsafe(32)
    await store.set_value(NAMESPACE, _key_of(token), time.time())
    return f"/setup?token={token}"


async def has_password(store: Store) -> bool:
    """Whether a password has been set."""
    return await store.get_value(NAMESPACE, PASSWORD) is not None


async def is_password(store: Store, password: str) -> bool:
    """Whether this is the password. False where none is set."""
    stored = await store.get_value(NAMESPACE, PASSWORD)
    return stored is not None and await verify_password(password, stored)


async def token_is_good(store: Store, token: str) -> bool:
    """Whether the link with this token still works."""
    return await store.get_value(NAMESPACE, _key_of(token)) is not None


async def redeem(store: Store, token: str, password: str) -> None:
    """Sets the first password; the link, and every other one, is used up with it.

    Errors: `Conflict` when there is a password, `WrongSetupToken`, `WeakPassword`.
    """
    if await has_password(store):
        raise Conflict("A password has been set already. Log in with it.")
    if not await token_is_good(store, token):
        raise WrongSetupToken(
            "This set-up link does not work: it was used already, or belongs to another installation. "
            "Start the gateway again; it prints a new link."
        )
    hashed = await hash_password(password)
    if not await store.delete_value(NAMESPACE, _key_of(token)):  # of two at once, one gets it
        raise WrongSetupToken("This set-up link has just been used.")
    await _set(store, hashed)


async def change_password(store: Store, password: str) -> None:
    """Sets another password. Errors: `WeakPassword`."""
    await _set(store, await hash_password(password))


async def _set(store: Store, hashed: str) -> None:
    await store.set_value(NAMESPACE, PASSWORD, hashed)
    for key in await store.get_values(NAMESPACE):
        if key.startswith(TOKEN):
            await store.delete_value(NAMESPACE, key)


def _key_of(token: str) -> str:
    # Random and 256 bits long: a plain hash gives nothing away.
    return TOKEN + hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
