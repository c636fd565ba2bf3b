"""Relay: the provider's answer to the caller, whole or as a stream, through one engine.

Until the first word has gone out, a failure is raised and the next candidate may
try. After it, a failure becomes the error event of the caller's dialect: a cut
answer is never closed as if it were complete.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import httpx
from attrs import evolve, field, frozen
from omniroute_hooks import (
    Answer,
    BrokenStream,
    Dialect,
    GatewayError,
    Reply,
    Stop,
    Target,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from omniroute_hooks.blocks import BlockMachine, signals_of, whole_answer
from omniroute_hooks.conversation import Part
from omniroute_hooks.dialect import Decoder, Encoder
from omniroute_hooks.events import (
    BlockClosed,
    BlockDelta,
    BlockOpened,
    Broke,
    Event,
    Failed,
    Finished,
    Signal,
    Stopped,
    Terminal,
    UsageSeen,
)
from omniroute_hooks.jsonio import dumps, loads_upstream
from omniroute_hooks.sse import FrameSplitter

from .call import classify, read_all, transport_failure, unreadable

SSE = b"text/event-stream"
Drop = Callable[[bytes], bool]
_FIRST_WORDS = (b"data:", b"event:", b":", b"id:", b"retry:")
log = logging.getLogger("omniroute.gateway")


class Caller(Protocol):
    """What the relay needs of the caller: `core.gateway.exchange.Exchange`."""

    dialect: Dialect

    def reply(self) -> Reply: ...
    async def begin_stream(self) -> None: ...
    async def write(self, data: bytes) -> None: ...
    async def send_json(self, body: bytes) -> None: ...


@frozen
class Outcome:
    """What a finished relay knows. ``error`` is set where the answer broke after it had begun."""

    usage: Usage | None = None
    error: GatewayError | None = None
    output_chars: int = field(default=0)


async def relay_json(response: httpx.Response, caller: Caller, dialect: Dialect, target: Target, same: bool) -> Outcome:
    """A whole answer for a caller without a stream.

    Errors: any `GatewayError`; nothing has been sent then.
    """
    body = await read_all(response)
    if _is_stream(response, body):
        answer = whole_answer(_all_signals(dialect.decoder(False), body))
        same = False
    else:
        answer = _parse(dialect, body, target)
    if same:
        await caller.send_json(body)
    else:
        answer = with_makers(answer, target)
        await caller.send_json(dumps(caller.dialect.render_answer(answer, caller.reply())))
    return Outcome(answer.usage, output_chars=_chars(answer.parts))


async def relay_stream(
    response: httpx.Response, caller: Caller, dialect: Dialect, target: Target, same: bool, drop: Drop | None
) -> Outcome:
    """A stream for a caller who asked for one, bytes as they come where the dialects are the same.

    Errors: any `GatewayError` while nothing has been sent; later ones are in the outcome.
    """
    kind = response.headers.get("content-type", "").encode("latin-1", "replace")
    if kind.startswith(SSE) or not kind.startswith(b"application/json"):
        if same:
            return await _pass_through(response, caller, dialect, target, drop)
        return await _translate(response, caller, dialect, target)
    body = await read_all(response)
    if body.lstrip()[:1] in (b"[", b"d", b"e", b":"):  # a stream after all, whatever its type says
        signals: Sequence[Signal] = _all_signals(dialect.decoder(False), body)
    else:
        signals = signals_of(_parse(dialect, body, target))
    return await relay_signals(signals, caller, target)


async def relay_signals(signals: Sequence[Signal], caller: Caller, target: Target) -> Outcome:
    """Signals that are all there already, as a stream. Errors: as `relay_stream`."""
    machine = BlockMachine(caller.reply().reply_id)
    events = machine.feed(signals) + machine.end()
    first = events[0]
    if isinstance(first, Failed):
        raise classify(first.error, target).error
    await caller.begin_stream()
    await caller.write(caller.dialect.encoder(caller.reply()).encode(sealed_by(events, target)))
    last = events[-1]
    error = last.error if isinstance(last, Failed) else None
    return Outcome(machine.usage, error, _chars(machine.answer().parts))


async def relay_local(signals: AsyncIterator[Signal], caller: Caller, target: Target, stream: bool) -> Outcome:
    """The answer of a provider that needs no network. Errors: as `relay_stream`."""
    machine = BlockMachine(caller.reply().reply_id)
    encoder: Encoder | None = None
    sent: list[Event] = []
    try:
        async for signal in signals:
            events = machine.feed((signal,))
            if events:
                sent = events
                if stream:
                    encoder = await _send(events, encoder, caller, target)
        events = machine.end()
    except Exception as exc:
        events = machine.fail(_named(exc, begun=encoder is not None))
    error = _error_in([*sent, *events])
    if stream:
        if events:
            await _send(events, encoder, caller, target)
        return Outcome(machine.usage, error, _chars(machine.answer().parts))
    if error is not None:
        raise error
    answer = with_makers(machine.answer(), target)
    await caller.send_json(dumps(caller.dialect.render_answer(answer, caller.reply())))
    return Outcome(answer.usage, output_chars=_chars(answer.parts))


async def _translate(response: httpx.Response, caller: Caller, dialect: Dialect, target: Target) -> Outcome:
    """Another dialect's stream: decoded, put in order, encoded, a network chunk at a time."""
    decoder = dialect.decoder(False)
    machine = BlockMachine(caller.reply().reply_id)
    encoder: Encoder | None = None
    events: list[Event] = []
    sent: list[Event] = []
    try:
        async for chunk in response.stream:  # type: ignore[union-attr]
            events = machine.feed(decoder.feed(chunk))
            if events:
                encoder = await _send(events, encoder, caller, target)
                sent = events
            if machine.complete or machine.over:
                break
        events = [] if machine.complete or machine.over else machine.feed(decoder.end())
        events += machine.end()
    except Exception as exc:
        events = machine.fail(_named(exc, begun=encoder is not None))
    if events:
        await _send(events, encoder, caller, target)
    return Outcome(machine.usage, _error_in([*sent, *events]), _chars(machine.answer().parts))


def _named(exc: Exception, begun: bool) -> GatewayError:
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


async def _send(events: list[Event], encoder: Encoder | None, caller: Caller, target: Target) -> Encoder:
    """Encodes and sends. Errors: the failure itself while nothing has been said."""
    if encoder is None:
        first = events[0]
        if isinstance(first, Failed):
            raise classify(first.error, target).error
        await caller.begin_stream()
        encoder = caller.dialect.encoder(caller.reply())
    data = encoder.encode(sealed_by(events, target))
    if data:
        await caller.write(data)
    return encoder


async def _pass_through(
    response: httpx.Response, caller: Caller, dialect: Dialect, target: Target, drop: Drop | None
) -> Outcome:
    """The caller's own dialect: bytes go through as they come, and are only looked at in passing."""
    watcher = _Watcher(dialect.decoder(True))
    splitter = FrameSplitter() if drop is not None else None
    begun = False
    tail = b"\n\n"
    try:
        async for chunk in response.stream:  # type: ignore[union-attr]
            watcher.see(chunk)
            if not begun:
                if not _begins_stream(chunk):
                    raise unreadable("it is no event stream")
                if watcher.error is not None:
                    raise classify(watcher.error, target).error
                await caller.begin_stream()
                begun = True
            if splitter is not None and drop is not None:
                kept = [frame for frame in splitter.feed(chunk) if not drop(frame)]
                if kept:
                    await caller.write(b"\n\n".join(kept) + b"\n\n")
            else:
                await caller.write(chunk)
                tail = (tail + chunk[-4:])[-4:]
        if splitter is not None and drop is not None and (rest := [f for f in splitter.end() if not drop(f)]):
            await caller.write(b"\n\n".join(rest) + b"\n\n")
    except httpx.TransportError as exc:
        watcher.error = watcher.error or transport_failure(exc)
        watcher.cut = True
        if not begun:
            raise watcher.error from exc
    watcher.finish()
    if not begun:
        raise watcher.error or BrokenStream("The provider's answer is empty.")
    if watcher.cut and not watcher.terminal:
        error = watcher.error or BrokenStream("The provider's answer stopped before its end.")
        watcher.error = error
        lead = b"" if tail.endswith((b"\n\n", b"\r\n\r\n")) else b"\n\n"
        broken = Failed(error, Answer((), _NO_STOP))
        await caller.write(lead + caller.dialect.encoder(caller.reply()).encode([broken]))
    elif not watcher.terminal and watcher.error is None and dialect.end_mark:
        await caller.write(dialect.end_mark)
    return Outcome(watcher.usage, watcher.error)


def _begins_stream(chunk: bytes) -> bool:
    """Whether these may be the first bytes of an event stream."""
    head = chunk.removeprefix(b"\xef\xbb\xbf").lstrip()[:6]
    return not head or any(head.startswith(word) or word.startswith(head) for word in _FIRST_WORDS)


class _Watcher:
    """Looks at a stream that goes through: usage, the end, an error. Decoders skip what says none of these."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.usage: Usage | None = None
        self.error: GatewayError | None = None
        self.stopped = False
        self.terminal = False
        self.cut = False

    def see(self, chunk: bytes) -> None:
        self._note(self._decoder.feed(chunk))

    def finish(self) -> None:
        """The provider has closed the stream."""
        if not self.cut:
            self._note(self._decoder.end())
        self.cut = (not self.stopped and not self.terminal and self.error is None) or self.cut

    def _note(self, signals: Sequence[Signal]) -> None:
        for signal in signals:
            if isinstance(signal, UsageSeen):
                self.usage = signal.usage
            elif isinstance(signal, Stopped):
                self.stopped = True
            elif isinstance(signal, Terminal):
                self.terminal = True
            elif isinstance(signal, Broke) and self.error is None:
                self.error = signal.error


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


def _parse(dialect: Dialect, body: bytes, target: Target) -> Answer:
    try:
        value = loads_upstream(body)
    except (ValueError, RecursionError):
        what = "it is empty" if not body.strip() else "it is a web page" if body.lstrip()[:1] == b"<" else "no JSON"
        raise unreadable(what) from None
    try:
        return dialect.parse_answer(value)
    except GatewayError as exc:
        raise classify(exc, target).error from exc


def _is_stream(response: httpx.Response, body: bytes) -> bool:
    return response.headers.get("content-type", "").startswith("text/event-stream") or body[:6] in (
        b"data: ",
        b"event:",
    )


def _all_signals(decoder: Decoder, body: bytes) -> list[Signal]:
    return [*decoder.feed(body), *decoder.end()]


def _error_in(events: Sequence[Event]) -> GatewayError | None:
    return next((event.error for event in events if isinstance(event, Failed)), None)


def _chars(parts: Sequence[Part]) -> int:
    count = 0
    for part in parts:
        if isinstance(part, Text | Thinking):
            count += len(part.text)
        elif isinstance(part, ToolCall):
            count += len(part.arguments) + len(part.name)
    return count


_NO_STOP = Stop("other")
