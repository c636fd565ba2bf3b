"""A provider's answer that may not fall silent, nor go on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
from omniroute_hooks import UpstreamTimeout


class Limited(httpx.AsyncByteStream):
    """A body that is given up when it falls silent, or takes too long in all. Errors: `UpstreamTimeout`."""

    def __init__(self, inner: httpx.AsyncByteStream, idle_s: float | None, ends_at_s: float | None) -> None:
        self._inner = inner
        self._idle_s = idle_s
        self._ends_at_s = ends_at_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._inner.__aiter__()
        loop = asyncio.get_running_loop()
        while True:
            left_s = None if self._ends_at_s is None else self._ends_at_s - loop.time()
            limits = [limit for limit in (self._idle_s, left_s) if limit is not None]
            try:
                async with asyncio.timeout(max(0.0, min(limits)) if limits else None):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if left_s is not None and left_s <= min(limits):
                    raise UpstreamTimeout("The provider took longer for its answer than is allowed.") from None
                raise UpstreamTimeout(f"The provider was silent for {self._idle_s:g} s.") from None
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()
