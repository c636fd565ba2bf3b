"""The caller's own dialect: a provider's bytes go through as they come, and are only looked at in passing."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence

import httpx
from omniroute_hooks import Answer, BrokenStream, Dialect, GatewayError, Target, Usage
from omniroute_hooks.blocks import BlockMachine, whole_answer
from omniroute_hooks.dialect import Decoder
from omniroute_hooks.events import Broke, Signal, Stopped, Terminal, UsageSeen
from omniroute_hooks.sse import FrameSplitter

from .call import classify, transport_failure, unreadable
from .speaking import (
    Caller,
    CollectingSpeaker,
    Outcome,
    Speaker,
    Spoken,
    StreamSpeaker,
    WholeSpeaker,
    json_pieces,
    named,
    sealed_by,
    stream_pieces,
    with_makers,
)

Drop = Callable[[bytes], bool]
_FIRST_WORDS = (b"data:", b"event:", b":", b"id:", b"retry:")
_FIRST_EVENT = re.compile(rb"data:.*?(?:\r\n\r\n|\n\n|\r\r)", re.DOTALL)
_CUT = "The provider's answer stopped before its end."
MAX_HELD_BYTES = 64 * 1024
MAX_REMEMBERED_BYTES = 4 * 1024 * 1024  # of a stream that goes through; a longer one cannot be gone on with
log = logging.getLogger("omniroute.gateway")


class PassingSpeaker:
    """The caller's own dialect: bytes go through as they come, and are only looked at in passing."""

    def __init__(self, response: httpx.Response, dialect: Dialect, target: Target, drop: Drop | None) -> None:
        self._response = response
        self._chunks = response.stream.__aiter__()  # type: ignore[union-attr]
        self._dialect = dialect
        self._target = target
        self._drop = drop
        self._watcher = _Watcher(dialect.decoder(True))
        self._held = b""
        self._ended = False
        self._sent: list[bytes] = []
        self._sent_bytes = 0

    async def start(self) -> None:
        """Reads until the first event is whole, so that a provider whose first word is an error costs nothing."""
        watcher = self._watcher
        while _FIRST_EVENT.search(self._held) is None and len(self._held) < MAX_HELD_BYTES:
            chunk = await self._next()
            if not chunk:
                self._ended = True
                watcher.finish()
                if not watcher.complete:
                    empty = BrokenStream("The provider's answer is empty." if not self._held.strip() else _CUT)
                    raise classify(watcher.error if self._held.strip() and watcher.error else empty, self._target).error
                break
            self._held += chunk
            if not _begins_stream(self._held):
                raise unreadable("it is no event stream")
            watcher.see(chunk)
        if watcher.error is not None:
            raise classify(watcher.error, self._target).error

    async def _next(self) -> bytes:
        """The next piece; b"" at the end. Errors: as `call`."""
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            return b""
        except httpx.TransportError as exc:
            raise transport_failure(exc) from exc

    async def deliver(self, caller: Caller) -> Outcome:
        """Everything, and the end mark where the provider left it out."""
        watcher, drop = self._watcher, self._drop
        await caller.begin_stream()
        splitter = FrameSplitter() if drop is not None else None
        chunk = self._held
        try:
            while chunk:
                if splitter is not None and drop is not None:
                    await self._write_kept(splitter.feed(chunk), drop, caller)
                else:
                    await self._write(chunk, caller)
                chunk = b"" if self._ended else await self._next()
                if chunk:
                    watcher.see(chunk)
            if splitter is not None and drop is not None:
                await self._write_kept(splitter.end(), drop, caller)
            watcher.finish()
        except Exception as exc:
            watcher.break_off(named(exc, begun=True))
        if watcher.cut:
            return Outcome(watcher.usage, watcher.error, spoken=await self._spoken(caller))
        if not watcher.terminal and watcher.error is None and self._dialect.end_mark:
            await caller.write(self._dialect.end_mark)
        return Outcome(watcher.usage, watcher.error)

    async def _write(self, data: bytes, caller: Caller) -> None:
        if self._sent_bytes < MAX_REMEMBERED_BYTES:
            self._sent.append(data)
            self._sent_bytes += len(data)
        await caller.write(data)

    async def _write_kept(self, frames: list[bytes], drop: Drop, caller: Caller) -> None:
        kept = [frame for frame in frames if not drop(frame)]
        if kept:
            await self._write(b"\n\n".join(kept) + b"\n\n", caller)

    async def _spoken(self, caller: Caller) -> Spoken:
        """What the caller heard, read out of the bytes that went through; half an event is closed off first."""
        data = b"".join(self._sent)
        if not data.endswith((b"\n\n", b"\r\n\r\n")):
            await caller.write(b"\n\n")
            cut = max(data.rfind(b"\n\n"), data.rfind(b"\r\n\r\n"))
            data = data[: cut + 2] if cut >= 0 else b""
        machine = BlockMachine()
        encoder = caller.dialect.encoder(caller.reply())
        if self._sent_bytes >= MAX_REMEMBERED_BYTES:
            return Spoken((), None, encoder, final=True)
        try:
            events = machine.feed(self._dialect.decoder(False).feed(data))
            encoder.encode(sealed_by(events, self._target))
        except Exception:
            log.exception("A stream that went through could not be read again.")
            return Spoken((), None, caller.dialect.encoder(caller.reply()), final=True)
        closed, open_part = machine.spoken()
        return Spoken(closed, open_part, encoder, final=not self._dialect.resumable)

    async def collected(self) -> Answer:
        """The whole answer. Errors: what broke it."""
        decoder = self._dialect.decoder(False)
        signals = list(decoder.feed(self._held))
        while not self._ended and (chunk := await self._next()):
            signals += decoder.feed(chunk)
        try:
            return with_makers(whole_answer([*signals, *decoder.end()]), self._target)
        except GatewayError as exc:
            raise classify(exc, self._target).error from exc

    async def aclose(self) -> None:
        """Lets go of the connection."""
        await self._response.stream.aclose()  # type: ignore[union-attr]


class _Watcher:
    """Looks at a stream that goes through: usage, the end, an error. Decoders skip what says none of these.

    ``cut`` once the stream stopped before its end and has said nothing of it itself; ``error`` tells why.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.usage: Usage | None = None
        self.error: GatewayError | None = None
        self.stopped = False
        self.terminal = False
        self.cut = False

    @property
    def complete(self) -> bool:
        """Whether the provider has said its last word."""
        return self.stopped or self.terminal

    def see(self, chunk: bytes) -> None:
        """Looks at the next bytes."""
        self._note(self._decoder.feed(chunk))

    def finish(self) -> None:
        """The provider has closed the stream."""
        self._note(self._decoder.end())
        if not self.complete:
            self.break_off(BrokenStream(_CUT))

    def break_off(self, error: GatewayError) -> None:
        """The stream goes no further."""
        if self.error is None and not self.terminal:
            self.error = error
            self.cut = True

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


def _begins_stream(held: bytes) -> bool:
    """Whether these may be the first bytes of an event stream."""
    head = held.removeprefix(b"\xef\xbb\xbf").lstrip()[:6]
    return not head or any(head.startswith(word) or word.startswith(head) for word in _FIRST_WORDS)


def speaker_of(
    response: httpx.Response,
    dialect: Dialect,
    target: Target,
    same: bool,
    drop: Drop | None,
    wants_stream: bool,
    asked_stream: bool,
    answer_id: str,
) -> Speaker:
    """The way to handle this answer: the caller ``wants_stream`` or not, the provider was ``asked_stream`` or not."""
    if not asked_stream:
        return WholeSpeaker(response, dialect, target, same)
    kind = response.headers.get("content-type", "")
    plain = kind.startswith("application/json")
    if same and wants_stream and not plain:
        return PassingSpeaker(response, dialect, target, drop)
    pieces = json_pieces(response, dialect, target) if plain else stream_pieces(response, dialect)
    speaker = StreamSpeaker(pieces, target, answer_id)
    return speaker if wants_stream else CollectingSpeaker(speaker)
