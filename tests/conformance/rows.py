"""Rows of the matrix: what is tried on every pair of a caller's and a provider's dialect, whole and streamed.

A row is a function that sends real requests through the gateway and tells what became of the thing it is about:
"carry" (all of it arrived), "emulate" (the same effect by other means), "drop" (left out) or "refuse" (a 400 that
names it). Anything else that is not as it should be, it raises. What each pair is documented to do is in `limits`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import httpx
from attrs import field, frozen
from conformance.house import DIALECTS, House
from conformance.rich import Query, Scribe
from conformance.rich_anthropic import SCRIBE as ANTHROPIC_SCRIBE
from conformance.rich_gemini import SCRIBE as GEMINI_SCRIBE
from conformance.rich_openai_chat import SCRIBE as CHAT_SCRIBE
from conformance.rich_openai_responses import SCRIBE as RESPONSES_SCRIBE
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing import Ask, Heard, Say, ScriptedUpstream, Speaker
from omniroute_hooks.testing.scripted import streamed, whole
from omniroute_hooks.testing.wire import loads

Json = Any
SCRIBES: Mapping[str, Scribe] = {
    OPENAI_CHAT: CHAT_SCRIBE,
    OPENAI_RESPONSES: RESPONSES_SCRIBE,
    ANTHROPIC: ANTHROPIC_SCRIBE,
    GEMINI: GEMINI_SCRIBE,
}
PLAIN = Say(text="Yes.")


@frozen
class Meeting:
    """One cell: a caller's request on its way to a provider that says what it is told to."""

    house: House
    caller: Speaker
    provider: Speaker
    stream: bool
    sent: list[Json] = field(factory=list)  # the caller's bodies

    @property
    def upstream(self) -> ScriptedUpstream:
        return self.house.upstream(self.provider.id)

    @property
    def model(self) -> str:
        return self.house.model(self.provider.id)

    @property
    def same(self) -> bool:
        return self.caller.id == self.provider.id

    def says(self, say: Say) -> None:
        """The provider's answer to whatever it is asked."""
        if self.stream:
            self.plays(self.provider.chunks(say))
        else:
            status = say.error[0] if say.error else 200
            self.upstream.otherwise(lambda request: whole(status, self.provider.answer(say)))

    def plays(self, chunks: Iterable[Any], **how: Any) -> None:
        """The provider's stream, however it is cut."""
        reply = streamed(tuple(chunks), headers={"Content-Type": "text/event-stream"}, **how)
        self.upstream.otherwise(lambda request: reply)

    def replies(self, status: int, json: Json = None, **how: Any) -> None:
        """The provider's answer, whole."""
        self.upstream.otherwise(lambda request: whole(status, json, **how))

    def ask(self, **fields: Any) -> Ask:
        """A request of the kit's for this cell."""
        return Ask(model=self.model, stream=self.stream, **fields)

    async def send(self, body: Mapping[str, Json], model: str | None = None) -> httpx.Response:
        """A body of the caller's, without model and stream, which are put where the dialect has them."""
        ask = Ask(model=model or self.model, stream=self.stream)
        full = dict(body)
        if self.caller.id != GEMINI:
            full = {"model": ask.model, **full, **({"stream": True} if self.stream else {})}
        if self.caller.id == OPENAI_CHAT and self.stream:
            full["stream_options"] = {"include_usage": True}
        self.sent.append(full)
        return await self.house.gateway.http.post(
            self.caller.path(ask), json=full, headers=self.caller.headers(self.house.key)
        )

    async def talk(self, ask: Ask) -> Heard:
        """What the caller understands of the answer to ``ask``."""
        return self.hear(await self.send(self.body_of(ask)))

    def body_of(self, ask: Ask) -> dict[str, Json]:
        body = self.caller.request_of(ask)
        return {name: value for name, value in body.items() if name not in ("model", "stream", "stream_options")}

    def hear(self, response: httpx.Response) -> Heard:
        """What a strict client of the caller's dialect understands."""
        kind = response.headers["content-type"]
        if response.status_code != 200:
            assert kind == "application/json"
            message = self.caller.read_error(response.status_code, loads(response.content))
            return Heard(stop=None, usage=None, error=message)
        assert kind.startswith("text/event-stream" if self.stream else "application/json"), kind
        return self.caller.read_stream(response.content) if self.stream else self.caller.read_answer(response.json())

    async def pose(self, query: Query) -> Query | None:
        """What the provider understands of the caller's request; None where the caller was refused with a 400.

        The answer must arrive as always.
        """
        self.says(PLAIN)
        return self.understood(await self.send(SCRIBES[self.caller.id].write(query)))

    def understood(self, response: httpx.Response) -> Query | None:
        """What the provider was asked when this came of it."""
        if response.status_code == 400:
            assert not self.upstream.requests, "the provider has been asked, and the caller is refused"
            assert self.hear(response).error
            return None
        heard = self.hear(response)
        assert heard == Heard(text="Yes."), heard
        return SCRIBES[self.provider.id].read(self.asked())

    def asked(self) -> Json:
        """The one request that the provider got."""
        [request] = self.upstream.requests
        return loads(request.body)


Check = Callable[[Meeting], Awaitable[str]]


@frozen
class Row:
    """``callers`` are the dialects that have words for it, ``providers`` those that can answer so. Without ``same``
    it says nothing about pairs of one dialect, where bytes go through as they come."""

    group: str
    title: str
    check: Check
    callers: tuple[str, ...] = DIALECTS
    providers: tuple[str, ...] = DIALECTS
    ways: tuple[bool, ...] = (False, True)  # whole, streamed
    same: bool = True

    def covers(self, caller: str, provider: str) -> bool:
        """Whether this pair can come into it at all."""
        return caller in self.callers and provider in self.providers and (self.same or caller != provider)


class Table:
    """A module's rows, in the order they are written."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.rows: list[Row] = []

    def row(self, title: str, **more: Any) -> Callable[[Check], Check]:
        """Adds a row."""

        def add(check: Check) -> Check:
            self.rows.append(Row(self.group, title, check, **more))
            return check

        return add


def without(*dialects: str) -> tuple[str, ...]:
    """All dialects but these."""
    return tuple(dialect for dialect in DIALECTS if dialect not in dialects)
