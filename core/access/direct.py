"""Direct connections: aiohttp underneath, httpx's names for what goes wrong.

httpx's own transport costs more than the rest of a request together, so connections without a proxy go over aiohttp.
What aiohttp does by itself and a gateway must not do is switched off here: cookies shared between accounts, headers
of its own, waiting for ever, and names for errors that say too little.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakSet

import aiohttp
import httpx
from attrs import define, frozen

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

MAX_HEADER_BYTES = 64 * 1024
KEEP_ALIVE_S = 15.0  # below the idle limit of the common servers, so a kept connection is rarely a dead one
Headers = Sequence[tuple[str, str]]


@frozen
class Deadlines:
    """Seconds: to connect, until the first byte of an answer and between two pieces of it."""

    connect_s: float = 10.0
    idle_s: float = 300.0


@define
class Answered:
    """An answer whose headers are in, found by name in any case. Whoever got it closes its ``stream``."""

    status_code: int
    headers: Mapping[str, str]
    stream: httpx.AsyncByteStream


class _Body(httpx.AsyncByteStream):
    """An answer's bytes as they come. Errors: `httpx.ReadTimeout`, `httpx.RemoteProtocolError`, `httpx.ReadError`.

    No generator: one that nobody reads to its end costs the event loop a task.
    """

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self._read = answer.content.readany

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._read()
        except TimeoutError as exc:
            raise httpx.ReadTimeout("The server fell silent.") from exc
        except aiohttp.ClientPayloadError as exc:
            raise httpx.RemoteProtocolError("The server cut its answer short.") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise httpx.ReadError("The connection broke while reading.") from exc
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()  # a half-read connection is of no use to anybody


_over_kept: ContextVar[bool] = ContextVar("_over_kept", default=False)


class _Connector(aiohttp.TCPConnector):
    """Tells, within the task that asks, whether its connection had been used before.

    aiohttp's tracing would tell too, but builds and awaits a dozen notices for each request.
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        super().__init__(
            limit=0, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=60, ssl=tls if tls is not None else True
        )
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - the name is the base class's
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        if protocol in self._used:
            _over_kept.set(True)
        elif protocol is not None:
            self._used.add(protocol)
        return connection


class DirectTransport(httpx.AsyncBaseTransport):
    """HTTP without a proxy. One per event loop. `post` is for the data plane; plugins' httpx clients use the rest."""

    def __init__(self, deadlines: Deadlines | None = None, tls: ssl.SSLContext | None = None) -> None:
        limits = deadlines or Deadlines()
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s, sock_read=limits.idle_s)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_Connector(self._tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    async def post(self, url: str, headers: Headers, body: bytes, connect_s: float | None = None) -> Answered:
        """Sends, and gives the answer once its headers are in. ``connect_s``: at most this long to connect.

        Errors: as `handle_async_request`.
        """
        answer = await self._ask("POST", url, headers, body, connect_s)
        return Answered(answer.status, answer.headers, _Body(answer))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """For httpx. Errors: `httpx.ConnectError` (name, refusal, TLS), `httpx.ConnectTimeout`, `httpx.ReadTimeout`,
        `httpx.RemoteProtocolError` (closed or nonsense before headers)."""
        body = request.stream if not hasattr(request, "_content") else request.content
        data = body if isinstance(body, bytes) else b"".join([piece async for piece in body])  # type: ignore[union-attr]
        connect_s = (request.extensions.get("timeout") or {}).get("connect")
        answer = await self._ask(request.method, str(request.url), request.headers.multi_items(), data, connect_s)
        headers = [pair for pair in answer.raw_headers if pair[0].lower() not in _HOP]
        return httpx.Response(answer.status, headers=headers, stream=_Body(answer), request=request)

    async def _ask(
        self, method: str, url: str, headers: Headers, data: bytes, connect_s: float | None
    ) -> aiohttp.ClientResponse:
        """Sends once; a kept connection that turns out dead before any answer is replaced by a new one, once."""
        try:
            try:
                return await self._send(method, url, headers, data, connect_s)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not _over_kept.get():
                    raise
                return await self._send(method, url, headers, data, connect_s)
        except aiohttp.ConnectionTimeoutError as exc:
            raise httpx.ConnectTimeout("No connection in time.") from exc
        except TimeoutError as exc:
            raise httpx.ReadTimeout("No answer in time.") from exc
        except aiohttp.ClientConnectorError as exc:
            raise httpx.ConnectError(_reason(exc)) from exc
        except aiohttp.InvalidURL as exc:
            raise httpx.ConnectError("The address is not a valid one.") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise httpx.RemoteProtocolError("The server hung up before it answered.") from exc

    async def _send(
        self, method: str, url: str, headers: Headers, data: bytes, connect_s: float | None
    ) -> aiohttp.ClientResponse:
        session = self._session
        if session is None:
            session = self._session = self._open()
        limits = self._timeout
        if connect_s is not None:
            limits = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=limits.sock_read)
        _over_kept.set(False)
        return await session.request(
            method, url, data=data or None, headers=headers, allow_redirects=False, timeout=limits
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
