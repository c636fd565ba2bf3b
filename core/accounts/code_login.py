"""Logins by authorization code with PKCE: the code comes back to a port of this machine, or is pasted."""

from __future__ import annotations

import asyncio
import errno
import secrets
import time
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from omniroute_hooks import BadRequest, GatewayError, LoginExpired, OAuthCode

from core.store.errors import Conflict
from core.store.records import ConnectionRecord

from . import oauth
from .connecting import connect
from .login_desk import LIFETIME_S, STALE, Desk, Outcome, asked
from .loopback import Loopback, Page


class CodeLogins:
    """The logins by code of this process, and the ports that are open for them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._listeners: dict[int, Loopback] = {}
        self._open_listeners: set[asyncio.Task[None]] = set()

    async def authorize(self, provider: str, way: Literal["loopback", "paste"] | None = None) -> oauth.Begun:
        """Begins a login: the address for the browser. The code comes back by hand, through `exchange`.

        Without ``way`` the vendor's page that shows the code is preferred. Errors: `NotFound`, `BadRequest`.
        """
        flow = self._desk.flow(provider, OAuthCode, "authorization code")
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
        flow = self._desk.flow(provider, OAuthCode, "authorization code")
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
        self._desk.flow(provider, OAuthCode, "authorization code")
        code, told = oauth.pasted(pasted)
        if state is not None and told is not None and not secrets.compare_digest(state.encode(), told.encode()):
            raise BadRequest("state: what was pasted belongs to another login. Begin again.")
        state = state or told
        if state is None:
            raise BadRequest("state: is required with a bare code.")
        return await self._finish(provider, code, state)

    def close_listeners(self) -> None:
        """Closes the ports; codes that came in by them are still spent."""
        for task in self._open_listeners:
            task.cancel()

    async def _begin(self, flow: OAuthCode, redirect_uri: str) -> oauth.Begun:
        if not flow.client_id:
            raise BadRequest("This provider's login needs a client id of your own; its README says how to set it.")
        begun = oauth.begin(flow, redirect_uri)
        await self._desk.kernel.store.add_login(
            state=begun.state,
            provider=flow.provider,
            data={"verifier": begun.verifier, "redirect_uri": redirect_uri},
            expires_at=time.time() + LIFETIME_S,
        )
        return begun

    async def _finish(self, provider: str, code: str, state: str) -> ConnectionRecord:
        """Spends the state, then the code. Goes on when the browser that asked for it goes away."""

        async def work() -> ConnectionRecord:
            login = await self._desk.kernel.store.login(state)
            if login is None or login.provider != provider:
                raise BadRequest(f"state: {STALE}")
            login = await self._desk.kernel.store.take_login(state)
            if login is None:  # somebody was faster
                raise BadRequest(f"state: {STALE}")
            flow = self._desk.flow(provider, OAuthCode, "authorization code")
            begun = oauth.Begun("", state, login.data["redirect_uri"], login.data["verifier"])
            await self._desk.note(provider, state, Outcome("pending"))
            try:
                base_url = self._desk.kernel.snapshot.providers[provider].base_url
                tokens = await asked(oauth.exchange(flow, begun, code, self._desk.kernel.http, base_url))
                record = await connect(self._desk.kernel, provider, tokens)
            except LoginExpired as exc:
                problem = BadRequest(f"{exc.message} Begin the login again.")
                await self._desk.note(provider, state, Outcome("error", error=problem.message))
                raise problem from exc
            except Exception as exc:
                words = exc.message if isinstance(exc, GatewayError) else "The login could not be stored. Begin again."
                await self._desk.note(provider, state, Outcome("error", error=words))
                raise
            await self._desk.note(provider, state, Outcome("success", record.id))
            return record

        return await self._desk.owned(work())

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
            if await self._desk.kernel.store.acquire_lease(lease, self._desk.kernel.owner, 1.0):
                await self._desk.kernel.store.release_lease(lease, self._desk.kernel.owner)
                raise Conflict(
                    f"Port {port} of this machine cannot be opened for the login: another program uses it. "
                    "Close that program, or log in by pasting the code."
                ) from exc
            return port  # another process of ours is listening there
        await self._desk.kernel.store.acquire_lease(lease, self._desk.kernel.owner, LIFETIME_S)
        listener.extend(LIFETIME_S)
        self._listeners[listener.port] = listener
        task = self._desk.own(self._listen(listener, lease))
        self._open_listeners.add(task)
        task.add_done_callback(self._open_listeners.discard)
        return listener.port

    async def _listen(self, listener: Loopback, lease: str) -> None:
        try:
            await listener.run()
        finally:
            self._listeners.pop(listener.port, None)
            await self._desk.kernel.store.release_lease(lease, self._desk.kernel.owner)

    async def _came_back(self, provider: str, query: Mapping[str, str]) -> Page:
        """What the browser brings: a code, or the reason why there is none."""
        state = query.get("state", "")
        if "error" in query:
            login = await self._desk.kernel.store.take_login(state)
            if login is None:
                return Page("Nothing to finish", STALE)
            reason = f"The login was refused: {query.get('error_description') or query['error']}"[:300]
            await self._desk.note(provider, state, Outcome("error", error=reason))
            return Page("Not logged in", reason, over=True)
        if not state or not query.get("code"):
            return Page("Nothing to finish", "No login came back with this visit.")
        if await self._desk.kernel.store.login(state) is None:
            return Page("Nothing to finish", STALE)
        try:
            record = await self._finish(provider, query["code"], state)
        except GatewayError as exc:
            return Page("Not logged in", exc.message, over=True)
        return Page("Logged in", f"{record.name} is connected. You can close this window.", over=True)
