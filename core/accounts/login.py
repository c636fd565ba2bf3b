"""Logins: from the first click to a stored connection, whichever way the vendor offers.

Code with PKCE (by a listener on this machine, or by pasting), device code, and taking over a program's own login.
What must stay secret on the way (verifier, device code) lies sealed in the store under the login's ``state``, so
any process can finish what another began; how it ended is kept there too, for whoever asks.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

import httpx
from attrs import frozen
from omniroute_hooks import (
    AuthFlow,
    BadRequest,
    DeviceCode,
    DeviceLogin,
    FileImport,
    GatewayError,
    LoginExpired,
    NotFound,
    OAuthCode,
    UpstreamError,
)

from core.store.errors import Conflict
from core.store.records import ConnectionRecord

from . import oauth
from .connecting import connect
from .loopback import Loopback, Page

if TYPE_CHECKING:
    from core.kernel import Kernel

log = logging.getLogger("omniroute.accounts")
T = TypeVar("T")
Flow = TypeVar("Flow", bound=AuthFlow)

LIFETIME_S = 600.0
CLOSING_S = 10.0
_STALE = "This login has expired, or was finished already. Begin again."


@frozen
class Outcome:
    """How a login stands. ``connection_id`` once it succeeded; ``error`` in words once it failed."""

    status: Literal["pending", "success", "error"]
    connection_id: str | None = None
    error: str | None = None


@frozen
class DeviceBegun:
    """A device login under way: its handle, and what the user must do."""

    state: str
    code: DeviceCode


class Logins:
    """The logins under way in this process. ``aclose`` ends its listeners."""

    def __init__(self, kernel_of: Callable[[], Kernel]) -> None:
        self._kernel_of = kernel_of
        self._listeners: dict[int, Loopback] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._open_listeners: set[asyncio.Task[None]] = set()
        self._asked_at: dict[str, float] = {}

    @property
    def _kernel(self) -> Kernel:
        return self._kernel_of()

    # authorization code ---------------------------------------------------------------------------------------

    async def authorize(self, provider: str, way: Literal["loopback", "paste"] | None = None) -> oauth.Begun:
        """Begins a login: the address for the browser. The code comes back by hand, through `exchange`.

        Without ``way`` the vendor's page that shows the code is preferred. Errors: `NotFound`, `BadRequest`.
        """
        flow = self._flow(provider, OAuthCode, "authorization code")
        if way is None:
            way = "paste" if flow.paste is not None else "loopback"
        redirect_uri = flow.paste if way == "paste" else flow.loopback
        if redirect_uri is None:
            raise BadRequest(f"redirect: this provider offers no login by {way}.")
        return await self._begin(flow, redirect_uri)

    async def listen(self, provider: str) -> tuple[oauth.Begun, int]:
        """Begins a login whose code comes back to a port of this machine, and opens that port.

        Errors: `NotFound`, `BadRequest`; `Conflict` when another program has the port.
        """
        flow = self._flow(provider, OAuthCode, "authorization code")
        if flow.loopback is None:
            raise BadRequest("This provider offers no login by a port of this machine. Paste the code instead.")
        wanted = urlsplit(flow.loopback)
        port = await self._open(provider, wanted.port or 0, wanted.path)
        redirect_uri = flow.loopback if wanted.port else f"http://{wanted.hostname}:{port}{wanted.path}"
        return await self._begin(flow, redirect_uri), port

    async def exchange(self, provider: str, pasted: str, state: str | None = None) -> ConnectionRecord:
        """Finishes a login with what the user pasted: the code, ``code#state`` or the last page's address.

        Errors: `BadRequest` (wrong state, refused code), `UpstreamError` and its kinds.
        """
        self._flow(provider, OAuthCode, "authorization code")
        code, told = oauth.pasted(pasted)
        if state is not None and told is not None and not secrets.compare_digest(state.encode(), told.encode()):
            raise BadRequest("state: what was pasted belongs to another login. Begin again.")
        state = state or told
        if state is None:
            raise BadRequest("state: is required with a bare code.")
        return await self._finish(provider, code, state)

    async def outcome(self, provider: str, state: str) -> Outcome:
        """How the login with this state stands."""
        for _ in range(2):  # it may pass from "begun" to "being finished" between the two looks
            noted = (await self._kernel.store.live_values()).get(_outcome_key(state))
            if noted is not None and noted["provider"] == provider:
                return Outcome(noted["status"], noted["connectionId"], noted["error"])
            login = await self._kernel.store.login(state)
            if login is not None and login.provider == provider:
                return Outcome("pending")
        return Outcome("error", error=_STALE)

    async def _begin(self, flow: OAuthCode, redirect_uri: str) -> oauth.Begun:
        if not flow.client_id:
            raise BadRequest("This provider's login needs a client id of your own; its README says how to set it.")
        begun = oauth.begin(flow, redirect_uri)
        await self._kernel.store.add_login(
            state=begun.state,
            provider=flow.provider,
            data={"verifier": begun.verifier, "redirect_uri": redirect_uri},
            expires_at=time.time() + LIFETIME_S,
        )
        return begun

    async def _finish(self, provider: str, code: str, state: str) -> ConnectionRecord:
        """Spends the state, then the code. Goes on when the browser that asked for it goes away."""

        async def work() -> ConnectionRecord:
            login = await self._kernel.store.login(state)
            if login is None or login.provider != provider:
                raise BadRequest(f"state: {_STALE}")
            login = await self._kernel.store.take_login(state)
            if login is None:  # somebody was faster
                raise BadRequest(f"state: {_STALE}")
            flow = self._flow(provider, OAuthCode, "authorization code")
            begun = oauth.Begun("", state, login.data["redirect_uri"], login.data["verifier"])
            await self._note(provider, state, Outcome("pending"))
            try:
                base_url = self._kernel.snapshot.providers[provider].base_url
                tokens = await _asked(oauth.exchange(flow, begun, code, self._kernel.http, base_url))
                record = await connect(self._kernel, provider, tokens)
            except LoginExpired as exc:
                problem = BadRequest(f"{exc.message} Begin the login again.")
                await self._note(provider, state, Outcome("error", error=problem.message))
                raise problem from exc
            except Exception as exc:
                words = exc.message if isinstance(exc, GatewayError) else "The login could not be stored. Begin again."
                await self._note(provider, state, Outcome("error", error=words))
                raise
            await self._note(provider, state, Outcome("success", record.id))
            return record

        return await self._owned(work())

    # the listener ---------------------------------------------------------------------------------------------

    async def _open(self, provider: str, port: int, path: str) -> int:
        """A listener on ``port``: a new one, or the one that an earlier try has left open here or in another
        process of this gateway. It finishes whatever login comes back to it."""
        known = self._listeners.get(port)
        if known is not None:
            known.extend(LIFETIME_S)
            return known.port
        listener = Loopback(path, lambda query: self._came_back(provider, query))
        lease = f"login-port-{port}"
        try:
            await listener.open(port)
        except OSError as exc:
            if exc.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                raise
            if await self._kernel.store.acquire_lease(lease, self._kernel.owner, 1.0):
                await self._kernel.store.release_lease(lease, self._kernel.owner)
                raise Conflict(
                    f"Port {port} of this machine cannot be opened for the login: another program uses it. "
                    "Close that program, or log in by pasting the code."
                ) from exc
            return port  # another process of ours is listening there
        await self._kernel.store.acquire_lease(lease, self._kernel.owner, LIFETIME_S)
        listener.extend(LIFETIME_S)
        self._listeners[listener.port] = listener
        task = self._own(self._listen(listener, lease))
        self._open_listeners.add(task)
        task.add_done_callback(self._open_listeners.discard)
        return listener.port

    async def _listen(self, listener: Loopback, lease: str) -> None:
        try:
            await listener.run()
        finally:
            self._listeners.pop(listener.port, None)
            await self._kernel.store.release_lease(lease, self._kernel.owner)

    async def _came_back(self, provider: str, query: Mapping[str, str]) -> Page:
        """What the browser brings: a code, or the reason why there is none."""
        state = query.get("state", "")
        if "error" in query:
            login = await self._kernel.store.take_login(state)
            if login is None:
                return Page("Nothing to finish", _STALE)
            reason = f"The login was refused: {query.get('error_description') or query['error']}"[:300]
            await self._note(provider, state, Outcome("error", error=reason))
            return Page("Not logged in", reason, over=True)
        if not state or not query.get("code"):
            return Page("Nothing to finish", "No login came back with this visit.")
        if await self._kernel.store.login(state) is None:
            return Page("Nothing to finish", _STALE)
        try:
            record = await self._finish(provider, query["code"], state)
        except GatewayError as exc:
            return Page("Not logged in", exc.message, over=True)
        return Page("Logged in", f"{record.name} is connected. You can close this window.", over=True)

    # device code ----------------------------------------------------------------------------------------------

    async def begin_device(self, provider: str) -> DeviceBegun:
        """Begins a device login. Errors: `NotFound`, `BadRequest`, `UpstreamError` and its kinds."""
        flow = self._flow(provider, DeviceLogin, "device code")
        code = await _asked(flow.begin(self._kernel.http))
        state = secrets.token_urlsafe(32)
        data = {
            "user_code": code.user_code,
            "verification_url": code.verification_url,
            "interval_s": code.interval_s,
            "expires_in_s": code.expires_in_s,
            "secret": dict(code.secret),
        }
        await self._kernel.store.add_login(
            state=state, provider=provider, data=data, expires_at=time.time() + code.expires_in_s
        )
        return DeviceBegun(state, code)

    async def poll_device(self, provider: str, state: str) -> Outcome:
        """Asks whether the user is done, not more often than the vendor allows."""
        flow = self._flow(provider, DeviceLogin, "device code")
        outcome = await self.outcome(provider, state)
        if outcome.status != "pending":
            return outcome
        login = await self._kernel.store.login(state)
        if login is None:
            return Outcome("error", error=_STALE)
        code = DeviceCode(**login.data)
        now = time.monotonic()
        if now - self._asked_at.get(state, -1e9) < code.interval_s:
            return outcome
        self._asked_at = {s: at for s, at in self._asked_at.items() if now - at < LIFETIME_S}
        self._asked_at[state] = now

        async def work() -> Outcome:
            try:
                tokens = await _asked(flow.poll(code, self._kernel.http))
            except LoginExpired as exc:
                ended = Outcome("error", error=exc.message)
            else:
                if tokens is None:
                    return outcome
                ended = Outcome("success", (await connect(self._kernel, provider, tokens)).id)
            await self._note(provider, state, ended)
            await self._kernel.store.take_login(state)
            self._asked_at.pop(state, None)
            return ended

        return await self._owned(work())

    # a program's own login ------------------------------------------------------------------------------------

    async def take_over(self, provider: str, home: Path) -> ConnectionRecord:
        """Copies the login of the vendor's own program. Errors: `NotFound`, `BadRequest`."""
        self._flow(provider, FileImport, "import")
        looked_for: list[str] = []
        for flow in self._kernel.registry.auth_flows[provider]:
            if not isinstance(flow, FileImport):
                continue
            looked_for.append(flow.describes)
            try:
                tokens = await asyncio.to_thread(flow.read, home)
            except GatewayError:
                raise
            except Exception as exc:
                log.exception("A login of %s could not be read from its file.", provider)
                raise BadRequest(f"The login could not be read: {flow.describes}") from exc
            if tokens is not None:
                return await self._owned(connect(self._kernel, provider, tokens))
        raise NotFound(f"No login was found on this machine. Looked for: {'; '.join(looked_for)}")

    # what they share -----------------------------------------------------------------------------------------

    async def _note(self, provider: str, state: str, outcome: Outcome) -> None:
        value = {
            "provider": provider,
            "status": outcome.status,
            "connectionId": outcome.connection_id,
            "error": outcome.error,
        }
        await self._kernel.store.put_live_value(_outcome_key(state), value, time.time() + LIFETIME_S)

    def _flow(self, provider: str, kind: type[Flow], words: str) -> Flow:
        registry = self._kernel.registry
        if provider not in registry.providers:
            raise NotFound("Unknown provider.")
        flows = registry.auth_flows.get(provider, ())
        found = next((flow for flow in flows if isinstance(flow, kind)), None)
        if found is None:
            raise BadRequest(f"Provider does not support {words} flow.")
        return found

    # tasks ----------------------------------------------------------------------------------------------------

    def _own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _owned(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs to its end even if the caller goes away: half of it would lose a code or a token."""
        return await asyncio.shield(self._own(work))

    async def aclose(self) -> None:
        """Closes the listeners; a code that is being spent is given a moment, or it would be lost."""
        for task in self._open_listeners:
            task.cancel()
        tasks = list(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSING_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _asked(work: Awaitable[T]) -> T:
    """Awaits a plugin's or the protocol's own function. Errors: `GatewayError` and its kinds, nothing else."""
    try:
        return await work
    except GatewayError:
        raise
    except httpx.HTTPError as exc:
        raise UpstreamError("The login server cannot be reached.") from exc
    except Exception as exc:
        log.exception("A login failed in its plugin.")
        raise UpstreamError("The login server's answer could not be read.") from exc


def _outcome_key(state: str) -> str:
    return f"login:{hashlib.sha256(state.encode('utf-8', 'replace')).hexdigest()}"
