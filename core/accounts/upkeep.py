"""Token upkeep: a login that ends soon is renewed once, however many requests and processes need it.

In one process, callers of one connection wait for the same task. Among processes a
lease in the store decides who spends the refresh token; the others wait for what it
gets. A refresh is never cancelled by a caller who goes away: half of it would lose
the rotated token.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from attrs import field, frozen
from omniroute_hooks import (
    AuthFlow,
    Connection,
    GatewayError,
    LoginExpired,
    NotFound,
    OAuthCode,
    Tokens,
    UpstreamError,
)

from core.gateway.naming.snapshot import Snapshot, connection_of
from core.store.errors import LeaseLost
from core.store.records import ConnectionRecord

from . import oauth
from .quota import Quotas, at_its_address

if TYPE_CHECKING:
    from core.kernel import Kernel

log = logging.getLogger("omniroute.accounts")
LEASE_S = 60.0
WAIT_S = 45.0
POLL_S = 0.1
RETRY_AFTER_FAILURE_S = 30.0
FRESH_S = 30.0  # a token this young is not renewed again: it would be refused, or run out, just the same


@frozen
class _Failed:
    """A refresh of this token that went wrong; ``until`` (monotonic) nobody tries again."""

    until: float
    error: GatewayError
    token: str | None = field(repr=False)


class Accounts:
    """Gives a connection's credential as it should be used now."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._newest: dict[str, Connection] = {}
        self._running: dict[str, asyncio.Task[Connection]] = {}
        self._failed: dict[str, _Failed] = {}
        self._renewed_at: dict[str, float] = {}
        self.quotas = Quotas(kernel)

    def settle(self, snapshot: Snapshot) -> None:
        """A new snapshot has been built from the store: it is at least as new as what is remembered here."""
        known = {line.connection.id: line.connection for lines in snapshot.lines.values() for line in lines}
        for id_, connection in list(self._newest.items()):
            if id_ not in known or known[id_].credential != connection.credential:
                del self._newest[id_]
                self._renewed_at.pop(id_, None)
                self._failed.pop(id_, None)

    async def usable(self, connection: Connection, now_s: float | None = None) -> Connection:
        """The connection with a token that still lasts a while.

        Errors: `LoginExpired`; `UpstreamError` and its kinds while the login server cannot be asked and the
        old token is over.
        """
        newest = self._newest.get(connection.id, connection)
        now_s = time.time() if now_s is None else now_s
        flow = self._flow(connection.provider)
        if flow is None or newest.expires_at_s is None or newest.expires_at_s - flow.refresh_before_s > now_s:
            return newest
        lasts = newest.expires_at_s > now_s
        if lasts and self._is_fresh(newest.id):  # a vendor whose tokens never last as long as we would like
            return newest
        try:
            return await self._renewal(newest)
        except LoginExpired:
            raise
        except GatewayError:
            if lasts:  # better an old token than no answer
                return newest
            raise

    async def renewed(self, stale: Connection) -> Connection:
        """A connection whose token is not the one of ``stale``, which was refused: from the one refresh that is under
        way, or a new one.

        Errors: `LoginExpired`, also where the refused token is seconds old; `UpstreamError` and its kinds.
        """
        newest = self._newest.get(stale.id)
        if newest is not None and newest.credential != stale.credential:
            return newest
        if newest is not None and self._is_fresh(stale.id):
            raise LoginExpired("The provider refuses this login, though it was renewed just now. Log in again.")
        return await self._renewal(stale)

    def _is_fresh(self, connection_id: str) -> bool:
        return time.monotonic() - self._renewed_at.get(connection_id, -1e9) < FRESH_S

    async def _renewal(self, stale: Connection) -> Connection:
        failed = self._failed.get(stale.id)
        if failed is not None and failed.token == stale.credential.get("access_token"):
            left_s = failed.until - time.monotonic()
            if left_s > 0:
                raise failed.error
        task = self._running.get(stale.id)
        if task is None:
            task = asyncio.create_task(self._renew(stale))
            self._running[stale.id] = task
            task.add_done_callback(lambda done: self._finished(stale.id, done))
        return await asyncio.shield(task)

    def _finished(self, connection_id: str, task: asyncio.Task[Connection]) -> None:
        self._running.pop(connection_id, None)
        if not task.cancelled() and task.exception() is not None:
            log.info("A login could not be renewed: %s", task.exception())

    async def _renew(self, stale: Connection) -> Connection:
        store = self._kernel.store
        give_up = time.monotonic() + WAIT_S
        while True:
            try:
                record = await store.begin_refresh(stale.id, self._kernel.owner, time.time(), LEASE_S)
            except NotFound:
                raise LoginExpired("The connection was deleted.") from None
            if record is not None:
                break
            if time.monotonic() > give_up:
                raise UpstreamError("Another process is renewing this login and has not finished.")
            await asyncio.sleep(POLL_S)
            current = await store.connection(stale.id)
            if current is not None and _access(current) != stale.credential.get("access_token"):
                return self._keep(connection_of(current))
        current_connection = connection_of(record)
        if current_connection.credential.get("access_token") != stale.credential.get("access_token"):
            await store.abandon_refresh(stale.id, self._kernel.owner)
            return self._keep(current_connection)  # somebody was faster: nothing to spend
        if _was_refused_lately(record):  # by way of another process: we would fare no better
            await store.abandon_refresh(stale.id, self._kernel.owner)
            raise LoginExpired(record.last_error or "This login has expired. Log in again.")
        return await self._spend(current_connection)

    async def _spend(self, connection: Connection) -> Connection:
        """The one use of a refresh token."""
        store, owner = self._kernel.store, self._kernel.owner
        flow = self._flow(connection.provider)
        try:
            if flow is None:
                raise LoginExpired("The plugin that renews this login is not installed.")
            tokens = await self._ask(flow, connection)
        except LoginExpired as exc:
            await self._note_expired(connection, exc)
            await store.abandon_refresh(connection.id, owner)  # last: who waits for it must find out why
            self._note_failure(connection, exc, RETRY_AFTER_FAILURE_S)
            raise
        except GatewayError as exc:
            await store.abandon_refresh(connection.id, owner)
            self._note_failure(connection, exc, exc.retry_after_s or RETRY_AFTER_FAILURE_S)
            raise
        except BaseException:
            await store.abandon_refresh(connection.id, owner)
            raise
        try:
            record = await store.finish_refresh(connection.id, owner, dict(tokens.credential), tokens.expires_at_s)
        except LeaseLost:  # the user entered new tokens in the meantime: those count
            current = await store.connection(connection.id)
            if current is None:
                raise LoginExpired("The connection was deleted.") from None
            record = current
        self._failed.pop(connection.id, None)
        self._renewed_at[connection.id] = time.monotonic()
        return self._keep(connection_of(record))

    async def _note_expired(self, connection: Connection, error: LoginExpired) -> None:
        """Marks the connection, unless the user has logged in again in the meantime."""
        current = await self._kernel.store.connection(connection.id)
        if current is not None and _access(current) == connection.credential.get("access_token"):
            await self._kernel.store.update_connection(
                connection.id, state="expired", last_error=error.message, last_error_at=time.time()
            )

    def _note_failure(self, connection: Connection, error: GatewayError, pause_s: float) -> None:
        token = connection.credential.get("access_token")
        self._failed[connection.id] = _Failed(time.monotonic() + pause_s, error, token)

    async def _ask(self, flow: AuthFlow, connection: Connection) -> Tokens:
        connection = at_its_address(connection, self._kernel.snapshot)
        if isinstance(flow, OAuthCode):
            return await oauth.refresh(flow, connection, self._kernel.http)
        if flow.refresh is None:
            raise LoginExpired("This login cannot be renewed. Log in again.")
        return await flow.refresh(connection, self._kernel.http)

    def _keep(self, connection: Connection) -> Connection:
        self._newest[connection.id] = connection
        return connection

    def _flow(self, provider: str) -> AuthFlow | None:
        flows = self._kernel.registry.auth_flows.get(provider, ())
        able = (flow for flow in flows if flow.refresh is not None or isinstance(flow, OAuthCode))
        return next(able, None)

    async def aclose(self) -> None:
        """Lets refreshes that are under way finish: their tokens would be lost."""
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=LEASE_S)
        await self.quotas.aclose()


def _was_refused_lately(record: ConnectionRecord) -> bool:
    since_s = time.time() - (record.last_error_at or 0.0)
    return record.state == "expired" and since_s < RETRY_AFTER_FAILURE_S


def _access(record: ConnectionRecord) -> object:
    return record.credential.get("access_token")
