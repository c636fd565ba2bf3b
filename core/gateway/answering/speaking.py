"""Answers on their way: an attempt at a provider in two steps, so that others may still win in between.

`Speaker.start` gets as far as the first word of an answer, or a whole one, and says nothing to the caller: until then
the attempt can fail, lose a race or be thrown away. `Speaker.deliver` gives the answer to the caller. What was said
by the time an answer breaks is known to the part, so that another candidate may go on from there.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import httpx
from attrs import evolve, frozen
from omniroute_hooks import Answer, BrokenStream, Dialect, GatewayError, Reply, Target, Text, Thinking, ToolCall, Usage
from omniroute_hooks.answers import signals_of, whole_answer
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.conversation import Part
from omniroute_hooks.dialect import Decoder, Encoder
from omniroute_hooks.events import (
    BlockClosed,
    BlockDelta,
    BlockOpened,
    Event,
    Failed,
    Finished,
    Signal,
)
from omniroute_hooks.jsonio import dumps, loads_upstream

from core.access.egress import Answered

from ..asking.call import classify, read_all, transport_failure, unreadable

SSE = "text/event-stream"
log = logging.getLogger("omniroute.gateway")


class Caller(Protocol):
    """What a speaker needs of the caller: `core.gateway.intake.exchange.Exchange`."""

    dialect: Dialect

    def reply(self) -> Reply: ...
    async def begin_stream(self) -> None: ...
    async def write(self, data: bytes) -> None: ...
    async def send_json(self, body: bytes) -> None: ...


@frozen
class Spoken:
    """What the caller has heard of a broken answer: whole parts, and the one that was under way.

    ``encoder`` stands where the caller's stream stands. ``final``: it can only be told that the answer broke.
    """

    closed: tuple[Part, ...]
    open: Part | None
    encoder: Encoder
    final: bool = False


@frozen
class Outcome:
    """How a delivery ended. ``error`` is set where the answer broke; ``spoken`` then tells what was heard of it,
    None where nobody can go on from there. ``output_chars`` counts what was said, for an estimate."""

    usage: Usage | None = None
    error: GatewayError | None = None
    output_chars: int = 0
    spoken: Spoken | None = None
    answer: Answer | None = None  # where it was decoded


Heard = tuple[Usage | None, int]
"""What had come of an answer when it broke: the provider's counts so far, and the characters of what it said."""


class Speaker(Protocol):
    """One attempt. Errors of ``start``: any `GatewayError`; nothing has been sent to the caller then.

    The provider's response is its run's, who closes it; ``aclose`` is for what a speaker reads it with.
    """

    async def start(self) -> None: ...
    async def deliver(self, caller: Caller) -> Outcome: ...
    async def collected(self) -> Answer: ...
    def heard(self) -> Heard: ...
    async def aclose(self) -> None: ...


class WholeSpeaker:
    """An answer in one piece."""

    def __init__(
        self,
        response: Answered,
        dialect: Dialect,
        target: Target,
        same: bool,
        cut: Callable[[Answer], Answer] | None = None,
    ) -> None:
        self._response = response
        self._dialect = dialect
        self._target = target
        self._same = same
        self._cut = cut
        self._body = b""
        self._answer: Answer

    async def start(self) -> None:
        """Reads all of it, and makes sure that it is an answer."""
        self._body = body = await read_all(self._response)
        if self._response.headers.get("content-type", "").startswith(SSE) or body[:6] in (b"data: ", b"event:"):
            self._same = False
            try:
                self._answer = whole_answer(_all_signals(self._dialect.decoder(False), body))
            except GatewayError as exc:
                raise classify(exc, self._target).error from exc
        else:
            self._answer = parse(self._dialect, body, self._target)
        if self._cut is not None:
            self._answer = self._cut(self._answer)

    async def deliver(self, caller: Caller) -> Outcome:
        """The provider's bytes, or the same in the caller's dialect."""
        chars = chars_of(self._answer.parts)
        if self._same:
            await caller.send_json(self._body)
            return Outcome(self._answer.usage, output_chars=chars)
        answer = with_makers(self._answer, self._target)
        await caller.send_json(dumps(caller.dialect.render_answer(answer, caller.reply())))
        return Outcome(answer.usage, output_chars=chars, answer=answer)

    async def collected(self) -> Answer:
        """The answer."""
        return with_makers(self._answer, self._target)

    def heard(self) -> Heard:
        """All of it, or nothing."""
        answer: Answer | None = getattr(self, "_answer", None)
        return (None, 0) if answer is None else (answer.usage, chars_of(answer.parts))

    async def aclose(self) -> None:
        """Nothing of its own is open."""


class StreamSpeaker:
    """A stream that is decoded, put in order and encoded for the caller, a network chunk at a time.

    Also carries what is no stream: whole answers for callers who want one, and providers without a network.
    """

    def __init__(
        self,
        signals: AsyncIterator[Sequence[Signal]],
        target: Target,
        answer_id: str,
        machine: BlockMachine | None = None,
    ) -> None:
        self._signals = signals
        self._target = target
        self._machine = machine or BlockMachine(answer_id)
        self._first: list[Event] = []

    async def start(self) -> None:
        """Reads until the first event."""
        while not self._first:
            self._first = await self._more()
        for event in self._first:  # a failure among the first events: nothing has been said yet
            if isinstance(event, Failed):
                raise classify(event.error, self._target).error

    async def _more(self) -> list[Event]:
        """The events of the next piece; none where it holds none."""
        machine = self._machine
        try:
            signals = await anext(self._signals)
        except StopAsyncIteration:
            return machine.end()
        except Exception as exc:
            return machine.fail(named(exc, begun=machine.started))
        events = machine.feed(signals)
        if machine.complete and not machine.over:
            events += machine.end()
        return events

    async def events(self) -> AsyncIterator[list[Event]]:
        """All events from the first on, in batches."""
        yield sealed_by(self._first, self._target)
        while not self._machine.over:
            events = await self._more()
            if events:
                yield sealed_by(events, self._target)

    async def deliver(self, caller: Caller) -> Outcome:
        """The stream, until it ends or breaks; what breaks it is left to be told."""
        await caller.begin_stream()
        return await self.go_on(caller, caller.dialect.encoder(caller.reply()), self.events())

    async def go_on(self, caller: Caller, encoder: Encoder, batches: AsyncIterator[list[Event]]) -> Outcome:
        """Sends these batches through ``encoder``."""
        error: GatewayError | None = None
        async for events in batches:
            last = events[-1] if events else None
            if isinstance(last, Failed):
                error = last.error
                events = events[:-1]
            data = encoder.encode(events)
            if data:
                await caller.write(data)
        machine = self._machine
        answer = with_makers(machine.answer(), self._target)
        closed, open_part = machine.spoken()
        spoken = Spoken(closed, open_part, encoder) if error is not None else None
        return Outcome(machine.usage, error, chars_of(answer.parts), spoken, answer)

    async def collected(self) -> Answer:
        """The whole answer. Errors: what broke it."""
        async for events in self.events():
            last = events[-1]
            if isinstance(last, Failed):
                raise classify(last.error, self._target).error
            if isinstance(last, Finished):
                return last.answer
        raise BrokenStream("The provider's answer stopped before its end.")

    def heard(self) -> Heard:
        """What has come."""
        return self._machine.usage, chars_of(self._machine.answer().parts)

    async def aclose(self) -> None:
        """Reads no further."""
        close = getattr(self._signals, "aclose", None)
        if close is not None:
            await close()


class CollectingSpeaker:
    """A stream for a caller who wants one whole answer."""

    def __init__(self, inner: StreamSpeaker) -> None:
        self._inner = inner
        self._answer: Answer

    async def start(self) -> None:
        """Reads all of it."""
        await self._inner.start()
        self._answer = await self._inner.collected()

    async def deliver(self, caller: Caller) -> Outcome:
        """The answer in one piece."""
        await caller.send_json(dumps(caller.dialect.render_answer(self._answer, caller.reply())))
        return Outcome(self._answer.usage, output_chars=chars_of(self._answer.parts), answer=self._answer)

    async def collected(self) -> Answer:
        """The answer."""
        return self._answer

    def heard(self) -> Heard:
        """What has come."""
        return self._inner.heard()

    async def aclose(self) -> None:
        """Reads no further."""
        await self._inner.aclose()


async def stream_pieces(response: Answered, dialect: Dialect) -> AsyncIterator[Sequence[Signal]]:
    decoder = dialect.decoder(False)
    async for chunk in response.stream:
        yield decoder.feed(chunk)
    yield decoder.end()


async def json_pieces(response: Answered, dialect: Dialect, target: Target) -> AsyncIterator[Sequence[Signal]]:
    """A JSON body where a stream was asked for: an answer in one piece, or a stream under a wrong name."""
    body = await read_all(response)
    if body.lstrip()[:1] in (b"[", b"d", b"e", b":"):
        yield _all_signals(dialect.decoder(False), body)
    else:
        yield signals_of(parse(dialect, body, target))


async def one_by_one(signals: AsyncIterator[Signal]) -> AsyncIterator[Sequence[Signal]]:
    """A local provider's signals as pieces."""
    try:
        async for signal in signals:
            yield (signal,)
    finally:
        close = getattr(signals, "aclose", None)
        if close is not None:
            await close()


def named(exc: Exception, begun: bool) -> GatewayError:
    """An exception in the middle of an answer as a failure that can be told. Errors: ``exc`` itself, where it is a
    plugin's bug and nothing has been said yet."""
    if isinstance(exc, GatewayError):
        return exc
    if isinstance(exc, httpx.TransportError):
        return transport_failure(exc)
    if not begun:
        raise exc
    log.error("A plugin failed in the middle of an answer.", exc_info=exc)
    return GatewayError("Something went wrong in the gateway in the middle of the answer. Its log says what.")


def sealed_by(events: list[Event], target: Target) -> list[Event]:
    """Events whose sealed values name their maker, so that they come back to it and to nobody else."""
    for position, event in enumerate(events):
        if type(event) is BlockDelta:
            continue
        if isinstance(event, BlockClosed | BlockOpened):
            part = _with_maker(event.part, target)
            if part is not event.part:
                events[position] = evolve(event, part=part)
        elif isinstance(event, Finished):
            events[position] = Finished(with_makers(event.answer, target))
    return events


def with_makers(answer: Answer, target: Target) -> Answer:
    """The answer with makers named on its sealed values."""
    parts = tuple(_with_maker(part, target) for part in answer.parts)
    return answer if all(a is b for a, b in zip(parts, answer.parts, strict=True)) else evolve(answer, parts=parts)


def _with_maker(part: Part, target: Target) -> Part:
    if isinstance(part, Text | Thinking | ToolCall) and part.seal is not None and part.seal.provider is None:
        return evolve(part, seal=evolve(part.seal, provider=target.provider.id, model=target.model))
    return part


def parse(dialect: Dialect, body: bytes, target: Target) -> Answer:
    """A whole answer out of its JSON. Errors: any `GatewayError`."""
    try:
        value = loads_upstream(body)
    except (ValueError, RecursionError):
        what = "it is empty" if not body.strip() else "it is a web page" if body.lstrip()[:1] == b"<" else "no JSON"
        raise unreadable(what) from None
    try:
        return dialect.parse_answer(value)
    except GatewayError as exc:
        raise classify(exc, target).error from exc


def _all_signals(decoder: Decoder, body: bytes) -> list[Signal]:
    return [*decoder.feed(body), *decoder.end()]


def chars_of(parts: Sequence[Part]) -> int:
    """How many characters these parts say."""
    count = 0
    for part in parts:
        if isinstance(part, Text | Thinking):
            count += len(part.text)
        elif isinstance(part, ToolCall):
            count += len(part.arguments) + len(part.name)
    return count
