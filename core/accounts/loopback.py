"""The loopback listener: one port of this machine, open until a login has come back to it or time is up.

It binds 127.0.0.1 only, serves one path, and understands just enough HTTP for a browser that a login page sent
here. Source: RFC 8252, section 7.3.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from urllib.parse import parse_qs, urlsplit

from attrs import frozen

log = logging.getLogger("omniroute.accounts")

HOST = "127.0.0.1"
READ_TIMEOUT_S = 10.0
MAX_HEAD_BYTES = 16 * 1024
_NAMES = ("localhost", "127.0.0.1")


@frozen
class Page:
    """What the browser shows. ``over``: nobody else needs the listener."""

    title: str
    text: str
    over: bool = False


Returned = Callable[[Mapping[str, str]], Awaitable[Page]]


class Loopback:
    """A listener. ``returned(query)`` is awaited for every browser that comes back."""

    def __init__(self, path: str, returned: Returned) -> None:
        self._path = path or "/"
        self._returned = returned
        self._over = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._until = 0.0
        self.port = 0

    async def open(self, port: int) -> None:
        """Binds ``port``; 0 takes a free one. Errors: OSError."""
        self._server = await asyncio.start_server(self._answer, HOST, port, limit=MAX_HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    def extend(self, seconds: float) -> None:
        """Stays open for that long from now, at least."""
        self._until = max(self._until, asyncio.get_running_loop().time() + seconds)

    async def run(self) -> None:
        """Returns once a login has come back or time is up; the port is closed then."""
        loop = asyncio.get_running_loop()
        try:
            while (left := self._until - loop.time()) > 0:
                try:
                    await asyncio.wait_for(self._over.wait(), left)
                    break
                except TimeoutError:
                    continue  # it may have been extended
        finally:
            await self._close()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        waiting = {task for task in self._answering if task is not asyncio.current_task()}
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=1.0)
            for task in late:  # a browser that opened a second connection in advance
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
            status, page = await self._page_for(head)
            writer.write(_response(status, page))
            await writer.drain()
            if page.over:
                self._over.set()
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError):
            pass  # a port scanner, or a browser that gave up
        except asyncio.CancelledError:
            pass  # the listener closes; start_server would log a cancelled handler as an error
        finally:
            writer.close()

    async def _page_for(self, head: bytes) -> tuple[int, Page]:
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3:
            return 400, Page("Not understood", "This is not a request.")
        hosts = [line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("host:")]
        if len(hosts) != 1 or hosts[0].rpartition(":")[0] not in _NAMES:
            return 400, Page("Not here", "This address is only for a login on this machine.")
        target = urlsplit(words[1])
        if target.path != self._path:
            return 404, Page("Not here", "Only the end of a login is received at this address.")
        if words[0] != "GET":
            return 405, Page("Not here", "Only a browser's visit is expected at this address.")
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        return 200, await self._returned(query)


_STYLE = """:root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;
font:1rem/1.55 system-ui,sans-serif;background:#f6f5f2;color:#1d1c1a}main{max-width:32rem;padding:2rem;
background:#fff;border:1px solid #e3e0d9;border-radius:14px;margin:1rem}h1{font-size:1.3rem;margin:0 0 .5rem}
p{margin:0}@media(prefers-color-scheme:dark){body{background:#161513;color:#eceae5}
main{background:#201f1c;border-color:#35332e}}"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def _response(status: int, page: Page) -> bytes:
    words = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}[status]
    html = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(page.title)}</title>
<link rel="icon" href="data:,"><style>{_STYLE}</style></head>
<body><main><h1>{escape(page.title)}</h1><p>{escape(page.text)}</p></main></body></html>""".encode()
    head = (
        f"HTTP/1.1 {status} {words}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {len(html)}\r\n"
        f"content-security-policy: default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'\r\n"
        "cache-control: no-store\r\nreferrer-policy: no-referrer\r\nx-content-type-options: nosniff\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + html
