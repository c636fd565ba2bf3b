"""The login desk: what every way of logging in at a provider shares.

What must stay secret on the way (verifier, device code) lies sealed in the store under the login's ``state``, so
any process can finish what another began; how it ended is kept there too, for whoever asks.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import httpx
from attrs import frozen
from omniroute_hooks import AuthFlow, BadRequest, GatewayError, NotFound, UpstreamError

if TYPE_CHECKING:
    from core.kernel import Kernel

log = logging.getLogger("omniroute.accounts")
T = TypeVar("T")
Flow = TypeVar("Flow", bound=AuthFlow)

LIFETIME_S = 600.0
CLOSING_S = 10.0
STALE = "This login has expired, or was finished already. Begin again."


@frozen
class Outcome:
    """How a login stands. ``connection_id`` once it succeeded; ``error`` in words once it failed."""

    status: Literal["pending", "success", "error"]
    connection_id: str | None = None
    error: str | None = None


class Desk:
    """The kernel, the flows of its plugins, how logins stand, and the work that must not be left half done."""

    def __init__(self, kernel_of: Callable[[], Kernel]) -> None:
        self._kernel_of = kernel_of
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def kernel(self) -> Kernel:
        """The kernel of this process."""
        return self._kernel_of()

    def flow(self, provider: str, kind: type[Flow], words: str) -> Flow:
        """The provider's way of logging in of this kind. Errors: `NotFound`, `BadRequest`."""
        registry = self.kernel.registry
        if provider not in registry.providers:
            raise NotFound("Unknown provider.")
        flows = registry.auth_flows.get(provider, ())
        found = next((flow for flow in flows if isinstance(flow, kind)), None)
        if found is None:
            raise BadRequest(f"Provider does not support {words} flow.")
        return found

    async def note(self, provider: str, state: str, outcome: Outcome) -> None:
        """Keeps how a login stands, for whoever asks."""
        value = {
            "provider": provider,
            "status": outcome.status,
            "connectionId": outcome.connection_id,
            "error": outcome.error,
        }
        await self.kernel.store.put_live_value(_outcome_key(state), value, time.time() + LIFETIME_S)

    async def outcome(self, provider: str, state: str) -> Outcome:
        """How the login with this state stands."""
        for _ in range(2):  # it may pass from "begun" to "being finished" between the two looks
            noted = (await self.kernel.store.live_values()).get(_outcome_key(state))
            if noted is not None and noted["provider"] == provider:
                return Outcome(noted["status"], noted["connectionId"], noted["error"])
            login = await self.kernel.store.login(state)
            if login is not None and login.provider == provider:
                return Outcome("pending")
        return Outcome("error", error=STALE)

    def own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that `aclose` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def owned(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs to its end even if the caller goes away: half of it would lose a code or a token."""
        return await asyncio.shield(self.own(work))

    async def aclose(self) -> None:
        """A code that is being spent is given a moment, or it would be lost."""
        tasks = list(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSING_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def asked(work: Awaitable[T]) -> T:
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
