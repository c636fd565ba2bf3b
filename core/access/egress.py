"""The way out: for each host, straight or through the environment's proxy; and the guarded client that plugins get.

Proxied connections keep httpx's own transport, which knows SOCKS.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import httpx

from .direct import Answered, Deadlines, DirectTransport, Headers

__all__ = ["Answered", "Deadlines", "Egress"]


class Egress:
    """Transports by proxy, made when first needed and kept. One per event loop."""

    def __init__(self, deadlines: Deadlines | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._deadlines = deadlines or Deadlines()
        self.direct = DirectTransport(self._deadlines)
        self._proxied: dict[str, httpx.AsyncBaseTransport] = {}
        self._proxies = getproxies_environment() if environ is None else dict(environ)

    async def post(self, url: str, headers: Headers, body: bytes, connect_s: float | None = None) -> Answered:
        """Sends, and gives the answer once its headers are in. ``connect_s``: at most this long to connect.

        Errors: `httpx.TransportError` and what it covers, `httpx.InvalidURL`.
        """
        if not self._proxies:
            return await self.direct.post(url, headers, body, connect_s)
        parts = urlsplit(url)
        transport = self.transport(parts.hostname or "", parts.scheme)
        if isinstance(transport, DirectTransport):
            return await transport.post(url, headers, body, connect_s)
        timeout = httpx.Timeout(self._deadlines.idle_s, connect=connect_s or self._deadlines.connect_s)
        request = httpx.Request("POST", url, headers=headers, content=body, extensions={"timeout": timeout.as_dict()})
        response = await transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return Answered(response.status_code, response.headers, response.stream)

    def transport(self, host: str, scheme: str = "https") -> httpx.AsyncBaseTransport:
        """The transport towards ``host``, through the environment's proxy where there is one for it."""
        if not self._proxies:
            return self.direct
        proxy = self._proxies.get(scheme) or self._proxies.get("all")
        if not proxy or proxy_bypass_environment(host, self._proxies):
            return self.direct
        if proxy not in self._proxied:
            self._proxied[proxy] = httpx.AsyncHTTPTransport(proxy=proxy, http2=False)
        return self._proxied[proxy]

    def client(self) -> httpx.AsyncClient:
        """The client that plugins are handed: no cookies, no redirects, deadlines, the user's proxies."""
        return httpx.AsyncClient(
            transport=_ByHost(self),
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(30.0, connect=self._deadlines.connect_s),
            headers={"User-Agent": "omniroute", "Accept-Encoding": "identity"},
        )

    async def aclose(self) -> None:
        """Closes every connection."""
        await self.direct.aclose()
        for transport in self._proxied.values():
            await transport.aclose()
        self._proxied.clear()


class _ByHost(httpx.AsyncBaseTransport):
    """Picks the transport by the request's host, and bounds the whole exchange's first part."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        transport = self._egress.transport(request.url.host, request.url.scheme)
        return await transport.handle_async_request(request)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """The transports belong to the egress, which outlives this client."""
