"""Sessions: who is logged in to the dashboard, kept on the server so that a logout or a new password ends them.

A session's token is random and is known to the browser only; the store has its keyed SHA-256. The key comes from
JWT_SECRET when that is set, so changing it signs everybody out.
"""

from __future__ import annotations

import hmac
import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from attrs import evolve, frozen
from omniroute_hooks.errors import LimitReached

from core.store.records import SessionRecord
from core.store.store import Store

LIFETIME_S = 30 * 24 * 3600.0  # since it was last used
TOUCH_EVERY_S = 3600.0  # so that using the dashboard is not a write to the store with every click
TOKEN_BYTES = 32

MAX_FAILURES = 5
BLOCK_S = 900.0
MAX_ADDRESSES = 10_000


class Sessions:
    """Makes, finds and ends sessions."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time, lifetime_s: float = LIFETIME_S) -> None:
        self._store = store
        self._clock = clock
        self._lifetime_s = lifetime_s

    async def create(self, client: str | None = None) -> str:
        """Begin a session and return its token, for the cookie. ``client`` is a label such as the user agent."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        await self._store.add_session(
            id_hash=self._hash(token), expires_at=self._clock() + self._lifetime_s, client=client
        )
        return token

    async def lookup(self, token: str) -> SessionRecord | None:
        """The live session with this token, which prolongs it; None for anything else."""
        record = await self._store.session(self._hash(token))
        if record is None:
            return None
        now_s = self._clock()
        if now_s - record.last_seen_at >= TOUCH_EVERY_S:
            record = evolve(record, last_seen_at=now_s, expires_at=now_s + self._lifetime_s)
            await self._store.touch_session(record.id_hash, expires_at=record.expires_at)
        return record

    async def revoke(self, token: str) -> None:
        """End one session (logout)."""
        await self._store.delete_session(self._hash(token))

    async def revoke_all(self) -> int:
        """End every session, as a change of the password must. How many there were."""
        return await self._store.delete_sessions()

    def _hash(self, token: str) -> str:
        return hmac.digest(self._store.vault.session_secret, token.encode("utf-8", "replace"), "sha256").hex()


class TooManyLogins(LimitReached):
    """This address has guessed too often."""

    code = "too_many_logins"


@frozen
class _Attempts:
    count: int
    since_s: float
    blocked_until_s: float | None = None


class LoginThrottle:
    """Counts login attempts by client address; the fifth failure blocks the address for 15 minutes.

    An attempt counts when it begins and is forgotten when it succeeds, so guesses sent all at once do not slip
    past while the first hash is being computed. Times are seconds on any clock that the caller keeps to.
    Addresses must come from the socket or a trusted proxy, never from a header that the client made up.
    """

    def __init__(self, *, max_failures: int = MAX_FAILURES, block_s: float = BLOCK_S) -> None:
        self._max_failures = max_failures
        self._block_s = block_s
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()

    def begin(self, address: str, now_s: float) -> None:
        """Count an attempt, before the password is looked at. Errors: `TooManyLogins` with ``retry_after_s``."""
        self.check(address, now_s)
        key = _network_of(address)
        known = self._attempts.pop(key, None)
        if known is None or now_s - known.since_s >= self._block_s:
            known = _Attempts(0, now_s)
        known = evolve(known, count=known.count + 1)
        if known.count >= self._max_failures:
            known = evolve(known, blocked_until_s=now_s + self._block_s)
        self._attempts[key] = known
        while len(self._attempts) > MAX_ADDRESSES:
            self._attempts.popitem(last=False)

    def check(self, address: str, now_s: float) -> None:
        """After a failure: whether it was the last one allowed. Errors: `TooManyLogins` with ``retry_after_s``."""
        known = self._attempts.get(_network_of(address))
        if known is None or known.blocked_until_s is None or known.blocked_until_s <= now_s:
            return
        raise TooManyLogins(
            "Too many failed attempts. Try again later.", retry_after_s=math.ceil(known.blocked_until_s - now_s)
        )

    def succeeded(self, address: str) -> None:
        """Forget the attempts of an address that knew the password."""
        self._attempts.pop(_network_of(address), None)


def _network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 that an IPv6 customer has whole."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip), 64), strict=False))
    return str(ip)
