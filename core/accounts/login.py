"""Logins: from the first click to a stored connection, whichever way the vendor offers.

Code with PKCE (`code_login`), device code (`device_login`), and taking over a program's own login.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from omniroute_hooks import BadRequest, FileImport, GatewayError, NotFound

from core.store.records import ConnectionRecord

from .code_login import CodeLogins
from .connecting import connect
from .device_login import DeviceLogins
from .login_desk import Desk, Outcome

if TYPE_CHECKING:
    from core.kernel import Kernel

log = logging.getLogger("omniroute.accounts")


class Logins:
    """The logins under way in this process."""

    def __init__(self, kernel_of: Callable[[], Kernel]) -> None:
        self._desk = Desk(kernel_of)
        self.by_code = CodeLogins(self._desk)
        self.by_device = DeviceLogins(self._desk)

    async def outcome(self, provider: str, state: str) -> Outcome:
        """How the login with this state stands."""
        return await self._desk.outcome(provider, state)

    async def take_over(self, provider: str, home: Path) -> ConnectionRecord:
        """Copies the login of the vendor's own program. Errors: `NotFound`, `BadRequest`."""
        self._desk.flow(provider, FileImport, "import")
        looked_for: list[str] = []
        for flow in self._desk.kernel.registry.auth_flows[provider]:
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
                return await self._desk.owned(connect(self._desk.kernel, provider, tokens))
        raise NotFound(f"No login was found on this machine. Looked for: {'; '.join(looked_for)}")

    async def aclose(self) -> None:
        """Closes the listeners, and waits a little for what is being finished."""
        self.by_code.close_listeners()
        await self._desk.aclose()
