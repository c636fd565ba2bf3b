"""A scripted model on a real port: it takes a wire and a plan, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from attrs import define, field, frozen

from scripted.plan import NoToolFor, Plan, Seen, is_agent_turn, next_reply
from scripted.wire import Wire

LARGEST_BODY_BYTES = 32 * 1024 * 1024


@frozen
class Asked:
    """One request as it arrived."""

    method: str
    target: str  # path and query, undecoded
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@define
class ScriptedModel:
    """The server behind `serving`; `requests`, `turns` and `faults` grow as it is used."""

    wire: Wire
    plan: Plan
    key: str = field(repr=False)
    port: int = 0
    requests: list[Asked] = field(factory=list)
    turns: list[Seen] = field(factory=list)  # the agent's turns only
    faults: list[str] = field(factory=list)

    @property
    def root_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """The address as a vendor of this dialect states it, such as `http://127.0.0.1:1234/v1`."""
        return self.root_url + self.wire.base

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(request.method, request.raw_path, dict(request.headers), body)
        self.requests.append(asked)
        if request.method == "POST" and self.wire.endpoint.fullmatch(request.path):
            return await self._turn(request)
        if request.method == "HEAD":
            return web.Response()
        if "Upgrade" in request.headers:  # "no websockets here", to which a client falls back at once
            return web.json_response(self.wire.refusal(426, "plain HTTP only"), status=426)
        aside = self.wire.asides(request.path)
        if aside is not None:
            return web.json_response(aside)
        return self._refuse(404, f"nothing answers {request.method} {request.raw_path} here")

    async def _turn(self, request: web.Request) -> web.StreamResponse:
        if self.wire.key(request.headers) != self.key:
            return self._refuse(401, "wrong key")
        try:
            seen = self.wire.read(request.path, await request.json())
        except Exception as broken:  # a body we cannot even walk is a finding like any other
            return self._refuse(400, f"unreadable request: {broken!r}")
        if seen.faults:
            return self._refuse(400, "; ".join(seen.faults))
        if is_agent_turn(seen):
            self.turns.append(seen)
        try:
            reply = next_reply(self.plan, seen)
        except NoToolFor as lacking:
            return self._refuse(400, str(lacking))
        if not seen.stream:
            return web.json_response(self.wire.whole(reply, seen))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        for event in self.wire.stream(reply, seen):
            await response.write(event)
        await response.write_eof()
        return response

    def _refuse(self, status: int, reason: str) -> web.Response:
        self.faults.append(reason)
        return web.json_response(self.wire.refusal(status, reason), status=status)


@asynccontextmanager
async def serving(wire: Wire, plan: Plan, key: str) -> AsyncIterator[ScriptedModel]:
    """Serve `plan` in `wire` on a free local port, to callers who bring `key`."""
    model = ScriptedModel(wire, plan, key)
    application = web.Application(client_max_size=LARGEST_BODY_BYTES)
    application.router.add_route("*", "/{path:.*}", model.answer)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        model.port = runner.addresses[0][1]
        yield model
    finally:
        await runner.cleanup()
