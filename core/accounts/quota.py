"""Quota readings: how much of each connection's allowance is gone, from where, and how old the number is."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from attrs import evolve, frozen
from omniroute_hooks import Connection, GatewayError, QuotaWindow

if TYPE_CHECKING:
    from core.gateway.naming.snapshot import Snapshot
    from core.kernel import Kernel

log = logging.getLogger("omniroute.accounts")


@frozen
class Reading:
    """Windows of one connection. ``read_at_s`` unix seconds; ``stale`` after a later attempt failed with ``error``."""

    windows: tuple[QuotaWindow, ...]
    source: Literal["endpoint", "headers"]
    read_at_s: float
    stale: bool = False
    error: str | None = None


class Quotas:
    """The last reading of every connection, in memory."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._readings: dict[str, Reading] = {}
        self._asked: dict[str, float] = {}

    def of(self, connection_id: str) -> Reading | None:
        """The last reading."""
        return self._readings.get(connection_id)

    def note_headers(self, connection: Connection, headers: Mapping[str, str]) -> None:
        """Reads an answer's headers, where the provider says something there. Costs nothing where it does not."""
        source = self._kernel.registry.quota_sources.get(connection.provider)
        if source is None or source.from_headers is None:
            return
        try:
            windows = source.from_headers(headers)
        except Exception:  # a plugin's mistake must not cost the caller the answer
            log.exception("The quota headers of %s could not be read.", connection.provider)
            return
        if windows is not None:
            old = self._readings.get(connection.id)
            kept = () if old is None else _unnamed_by(old.windows, windows)
            self._readings[connection.id] = Reading((*windows, *kept), "headers", time.time())

    async def refresh(self, connection: Connection, force: bool = False) -> Reading | None:
        """Asks the provider, not more often than it likes; ``force`` halves that patience, no more.

        Never raises: a failure marks the last reading as stale and says why.
        """
        source = self._kernel.registry.quota_sources.get(connection.provider)
        if source is None or source.read is None:
            return self.of(connection.id)
        now = time.monotonic()
        patience = min(source.min_interval_s, 10.0) if force else source.min_interval_s
        if now - self._asked.get(connection.id, -1e9) < patience:
            return self.of(connection.id)
        self._asked[connection.id] = now
        try:
            usable = await self._kernel.accounts.usable(connection)
            usable = at_its_address(usable, self._kernel.snapshot)
            windows = await source.read(usable, self._kernel.http)
            self._readings[connection.id] = Reading(tuple(windows), "endpoint", time.time())
        except GatewayError as exc:
            self._mark_stale(connection.id, exc.message)
        except Exception:
            log.exception("The quota of %s could not be read.", connection.provider)
            self._mark_stale(connection.id, "The provider's quota could not be read.")
        return self.of(connection.id)

    async def refresh_all(self) -> None:
        """Every connection that has a source; the timer's work."""
        for lines in list(self._kernel.snapshot.lines.values()):
            for line in lines:
                await self.refresh(line.connection)

    def _mark_stale(self, connection_id: str, error: str) -> None:
        old = self._readings.get(connection_id) or Reading((), "endpoint", time.time())
        self._readings[connection_id] = evolve(old, stale=True, error=error)

    async def aclose(self) -> None:
        """Nothing to close; readings are read again after a restart."""


def at_its_address(connection: Connection, snapshot: Snapshot) -> Connection:
    """The connection as plugins' own functions get it: ``data["baseUrl"]`` is where it is really called, which the
    user may have changed for the connection, or for the provider as a whole."""
    provider = snapshot.providers.get(connection.provider)
    if provider is None or connection.data.get("baseUrl"):
        return connection
    return evolve(connection, data={**connection.data, "baseUrl": provider.base_url})


def _unnamed_by(old: Sequence[QuotaWindow], new: Sequence[QuotaWindow]) -> tuple[QuotaWindow, ...]:
    """Windows that the headers do not mention stay as they were."""
    named = {(window.name, window.model) for window in new}
    return tuple(window for window in old if (window.name, window.model) not in named)
