"""Logins by device code (RFC 8628): the user enters a code at the vendor's page, and we ask until it is done."""

from __future__ import annotations

import secrets
import time

from attrs import frozen
from omniroute_hooks import DeviceCode, DeviceLogin, LoginExpired

from .connecting import connect
from .login_desk import LIFETIME_S, STALE, Desk, Outcome, asked


@frozen
class DeviceBegun:
    """A device login under way: its handle, and what the user must do."""

    state: str
    code: DeviceCode


class DeviceLogins:
    """The logins by device code of this process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked_at: dict[str, float] = {}

    async def begin(self, provider: str) -> DeviceBegun:
        """Begins a device login. Errors: `NotFound`, `BadRequest`, `UpstreamError` and its kinds."""
        flow = self._desk.flow(provider, DeviceLogin, "device code")
        code = await asked(flow.begin(self._desk.kernel.http))
        state = secrets.token_urlsafe(32)
        data = {
            "user_code": code.user_code,
            "verification_url": code.verification_url,
            "interval_s": code.interval_s,
            "expires_in_s": code.expires_in_s,
            "secret": dict(code.secret),
        }
        await self._desk.kernel.store.add_login(
            state=state, provider=provider, data=data, expires_at=time.time() + code.expires_in_s
        )
        return DeviceBegun(state, code)

    async def poll(self, provider: str, state: str) -> Outcome:
        """Asks whether the user is done, not more often than the vendor allows."""
        flow = self._desk.flow(provider, DeviceLogin, "device code")
        outcome = await self._desk.outcome(provider, state)
        if outcome.status != "pending":
            return outcome
        login = await self._desk.kernel.store.login(state)
        if login is None:
            return Outcome("error", error=STALE)
        code = DeviceCode(**login.data)
        now = time.monotonic()
        if now - self._asked_at.get(state, -1e9) < code.interval_s:
            return outcome
        self._asked_at = {s: at for s, at in self._asked_at.items() if now - at < LIFETIME_S}
        self._asked_at[state] = now

        async def work() -> Outcome:
            try:
                tokens = await asked(flow.poll(code, self._desk.kernel.http))
            except LoginExpired as exc:
                ended = Outcome("error", error=exc.message)
            else:
                if tokens is None:
                    return outcome
                ended = Outcome("success", (await connect(self._desk.kernel, provider, tokens)).id)
            await self._desk.note(provider, state, ended)
            await self._desk.kernel.store.take_login(state)
            self._asked_at.pop(state, None)
            return ended

        return await self._desk.owned(work())
