"""The bare forwarder: what these libraries cost with no gateway logic, as an ASGI callable.

Hypercorn in front, a prepared `httpx.Request` over an aiohttp session behind. `/v1/chat/completions` hands bytes
through. `/v1/messages` does the least that a translation can be: parse the request and build the upstream's, then parse
each event, build an event of the caller's dialect and serialise it. No key, no route, no trace, no usage, no state.

`BENCH_UPSTREAM` is the base URL of the upstream, without a trailing slash.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import httpx
import orjson

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

UPSTREAM = os.environ.get("BENCH_UPSTREAM", "http://127.0.0.1:8080")
CHAT_URL = httpx.URL(f"{UPSTREAM}/v1/chat/completions")
# Without this extension the transport never times out; a hanging bench is worse than a failing one.
TIMEOUT = {"timeout": {"connect": 5.0, "read": 60.0, "pool": 5.0}}
KEPT_HEADERS = (b"content-type", b"content-length")
SSE_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


class Chunks(httpx.AsyncByteStream):
    """A response body, in the pieces in which it arrived."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self.response.content.iter_any():
            yield chunk

    async def aclose(self) -> None:
        self.response.release()


class Transport(httpx.AsyncBaseTransport):
    """httpx in front, an aiohttp session behind: the fast pair of libraries, and no more than these lines."""

    def __init__(self) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeout = request.extensions["timeout"]
        response = await self.session.request(
            request.method,
            str(request.url),
            headers=request.headers,
            data=request.content,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                sock_connect=timeout["connect"], sock_read=timeout["read"], connect=timeout["pool"]
            ),
        )
        return httpx.Response(response.status, headers=response.raw_headers, stream=Chunks(response), request=request)

    async def aclose(self) -> None:
        await self.session.close()


class Forwarder:
    """The ASGI application. Its one piece of state is the transport, which lives from start-up to shutdown."""

    transport: Transport

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.live(receive, send)
        body = await whole_body(receive)
        if scope["path"] == "/v1/messages":
            return await self.translate(body, send)
        return await self.forward(body, send)

    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.transport = Transport()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.transport.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def call(self, body: bytes) -> httpx.Response:
        headers = {"content-type": "application/json", "authorization": "Bearer sk-bench"}
        request = httpx.Request("POST", CHAT_URL, headers=headers, content=body, extensions=TIMEOUT)
        return await self.transport.handle_async_request(request)

    async def forward(self, body: bytes, send: Send) -> None:
        """Status, content type, length and bytes, as they come."""
        response = await self.call(body)
        kept = [(name.lower(), value) for name, value in response.headers.raw if name.lower() in KEPT_HEADERS]
        await send({"type": "http.response.start", "status": response.status_code, "headers": kept})
        if "content-length" in response.headers:
            return await send({"type": "http.response.body", "body": await response.aread()})
        async for chunk in response.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def translate(self, body: bytes, send: Send) -> None:
        """Chat chunks in, message events out; the events of one piece that arrived leave as one piece."""
        response = await self.call(chat_request(body))
        await send({"type": "http.response.start", "status": response.status_code, "headers": SSE_HEADERS})
        pending = b""
        async for chunk in response.aiter_raw():
            *events, pending = (pending + chunk).split(b"\n\n")
            out = b"".join([message_events(event) for event in events])
            await send({"type": "http.response.body", "body": out, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def whole_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return body


def chat_request(body: bytes) -> bytes:
    """A messages request as a chat request. Text content has the same shape in both."""
    asked = orjson.loads(body)
    return orjson.dumps(
        {
            "model": asked["model"],
            "max_tokens": asked["max_tokens"],
            "messages": asked["messages"],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    )


def message_events(event: bytes) -> bytes:
    """The message events that one chat chunk turns into, serialised."""
    data = event[6:]
    if data == b"[DONE]":
        return sse(b"message_stop", {"type": "message_stop"})
    chunk = orjson.loads(data)
    if not chunk["choices"]:
        usage = {"output_tokens": chunk["usage"]["completion_tokens"]}
        return sse(b"message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
    choice = chunk["choices"][0]
    if "role" in choice["delta"]:
        message = {"id": chunk["id"], "type": "message", "role": "assistant", "model": chunk["model"], "content": []}
        block = {"type": "text", "text": ""}
        return sse(b"message_start", {"type": "message_start", "message": message}) + sse(
            b"content_block_start", {"type": "content_block_start", "index": 0, "content_block": block}
        )
    if choice["finish_reason"]:
        return sse(b"content_block_stop", {"type": "content_block_stop", "index": 0})
    delta = {"type": "text_delta", "text": choice["delta"]["content"]}
    return sse(b"content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta})


def sse(name: bytes, data: dict[str, object]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name, orjson.dumps(data))


app = Forwarder()
