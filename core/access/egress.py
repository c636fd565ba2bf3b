"""The way out: one httpx transport over aiohttp, and the guarded client that plugins get.

httpx's own transport costs more than the rest of a request together, so direct
connections go over aiohttp; proxied ones keep httpx's transport, which knows SOCKS.
What aiohttp does by itself and a gateway must not do is switched off here: cookies
shared between accounts, headers of its own, waiting for ever, and names for errors
that say too little.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace, TracebackType
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
import httpx
from attrs import frozen

MAX_HEADER_BYTES = 64 * 1024
KEEP_ALIVE_S = 15.0  # below the idle limit of the common servers, so a kept connection is rarely a dead one


@frozen
class Deadlines:
    """Seconds: to connect, until the first byte of an answer and between two pieces of it."""

    connect_s: float = 10.0
    idle_s: float = 300.0


class _Body(httpx.AsyncByteStream):
    """An answer's bytes as they come. Errors: `httpx.ReadTimeout`, `httpx.RemoteProtocolError`, `httpx.ReadError`."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = self._answer.content.readany
        try:
            while chunk := await read():
                yield chunk
        except TimeoutError as exc:
            raise httpx.ReadTimeout("The server fell silent.") from exc
        except aiohttp.ClientPayloadError as exc:
            raise httpx.RemoteProtocolError("The server cut its answer short.") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise httpx.ReadError("The connection broke while reading.") from exc

    async def aclose(self) -> None:
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()  # a half-read connection is of no use to anybody


class _Sent:
    """What happened to one request on its way."""

    __slots__ = ("over_kept",)

    def __init__(self) -> None:
        self.over_kept = False


async def _note_reuse(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
    context.trace_request_ctx.over_kept = True


class DirectTransport(httpx.AsyncBaseTransport):
    """httpx over aiohttp, without a proxy. One per event loop."""

    def __init__(self, deadlines: Deadlines | None = None, tls: ssl.SSLContext | None = None) -> None:
        limits = deadlines or Deadlines()
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s, sock_read=limits.idle_s)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=60, ssl=self._tls if self._tls is not None else True
        )
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(_note_reuse)
        return aiohttp.ClientSession(
            connector=connector,
            trace_configs=[tracing],
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends once; a kept connection that turns out dead before any answer is replaced by a new one, once.

        Errors: `httpx.ConnectError` (name, refusal, TLS), `httpx.ConnectTimeout`, `httpx.ReadTimeout`,
        `httpx.RemoteProtocolError` (closed or nonsense before headers).
        """
        if self._session is None:
            self._session = self._open()
        body = request.stream if not hasattr(request, "_content") else request.content
        data = body if isinstance(body, bytes) else b"".join([piece async for piece in body])  # type: ignore[union-attr]
        sent = _Sent()
        try:
            try:
                answer = await self._send(request, data, sent)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not sent.over_kept:
                    raise
                answer = await self._send(request, data, _Sent())
        except aiohttp.ConnectionTimeoutError as exc:
            raise httpx.ConnectTimeout("No connection in time.", request=request) from exc
        except TimeoutError as exc:
            raise httpx.ReadTimeout("No answer in time.", request=request) from exc
        except aiohttp.ClientConnectorError as exc:
            raise httpx.ConnectError(_reason(exc), request=request) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise httpx.RemoteProtocolError("The server hung up before it answered.", request=request) from exc
        headers = [pair for pair in answer.raw_headers if pair[0].lower() not in _HOP]
        return httpx.Response(answer.status, headers=headers, stream=_Body(answer), request=request)

    async def _send(self, request: httpx.Request, data: bytes, sent: _Sent) -> aiohttp.ClientResponse:
        assert self._session is not None
        limits = self._timeout
        own = request.extensions.get("timeout")
        if own is not None and own.get("connect") is not None:
            limits = aiohttp.ClientTimeout(total=None, sock_connect=own["connect"], sock_read=limits.sock_read)
        return await self._session.request(
            request.method,
            str(request.url),
            data=data or None,
            headers=request.headers.multi_items(),
            allow_redirects=False,
            timeout=limits,
            trace_request_ctx=sent,
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


# aiohttp has already taken the body apart: these would no longer be true.
_HOP = frozenset({b"content-encoding", b"transfer-encoding", b"content-length", b"connection", b"keep-alive"})


def _reason(exc: aiohttp.ClientConnectorError) -> str:
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return "The host name is not known."
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "The server's TLS certificate or handshake is not acceptable."
    return "The server refuses the connection."


class Egress:
    """Transports by proxy, made when first needed and kept. One per event loop."""

    def __init__(self, deadlines: Deadlines | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._deadlines = deadlines or Deadlines()
        self.direct = DirectTransport(self._deadlines)
        self._proxied: dict[str, httpx.AsyncBaseTransport] = {}
        self._proxies = getproxies_environment() if environ is None else dict(environ)

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
