"""The caller's own dialect: a provider's bytes go through as they come, and are only looked at in passing."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import httpx
from attrs import evolve
from omniroute_hooks import Answer, BrokenStream, Dialect, Drop, GatewayError, Target, Usage
from omniroute_hooks.answers import whole_answer
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.dialect import Decoder
from omniroute_hooks.events import Broke, Signal, Started, Stopped, Terminal, UsageSeen

from core.access.egress import Answered

from ..asking.call import classify, transport_failure, unreadable
from .sieve import Sieve
from .speaking import (
    Caller,
    CollectingSpeaker,
    Heard,
    Outcome,
    Speaker,
    Spoken,
    StreamSpeaker,
    WholeSpeaker,
    chars_of,
    json_pieces,
    named,
    sealed_by,
    stream_pieces,
    with_makers,
)
from .stops import Cut
from .whole_events import WholeEvents

_FIRST_WORDS = (b"data:", b"event:", b":", b"id:", b"retry:")
_FIRST_EVENT = re.compile(rb"data:.*?(?:\r\n\r\n|\n\n|\r\r)", re.DOTALL)
_CUT = "The provider's answer stopped before its end."
MAX_HELD_BYTES = 64 * 1024
MAX_UNSEEN_BYTES = 256 * 1024
MAX_REMEMBERED_BYTES = 4 * 1024 * 1024  # of a stream that goes through; a longer one cannot be gone on with
log = logging.getLogger("omniroute.gateway")


class PassingSpeaker:
    """The caller's own dialect: bytes go through as they come, and are only looked at in passing."""

    def __init__(self, response: Answered, dialect: Dialect, target: Target, drop: Drop | None) -> None:
        self._chunks = response.stream.__aiter__()
        self._dialect = dialect
        self._target = target
        self._drop = drop
        self._watcher = _Watcher(dialect.decoder(True))
        self._held = b""
        self._ended = False
        self._sent: list[bytes] = []
        self._sent_bytes = 0
        self._tail: list[bytes] = []  # the end of what is not remembered

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
            watcher.look()
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
        watcher = self._watcher
        await caller.begin_stream()
        sieve = WholeEvents() if self._drop is None else Sieve(self._drop)
        chunk = self._held
        try:
            while chunk:
                await self._write(sieve.feed(chunk), caller)
                chunk = b"" if self._ended else await self._next()
                if chunk:
                    watcher.see(chunk)
            watcher.finish()
            if not watcher.cut:
                await self._write(sieve.end(), caller)
        except Exception as exc:
            watcher.break_off(named(exc, begun=True))
        if watcher.cut:
            return Outcome(watcher.usage, watcher.error, spoken=await self._spoken(caller))
        if not watcher.terminal and watcher.error is None and self._dialect.end_mark:
            await caller.write(self._dialect.end_mark)
        return Outcome(watcher.usage, watcher.error)

    async def _write(self, data: bytes, caller: Caller) -> None:
        if not data:
            return
        if self._sent_bytes < MAX_REMEMBERED_BYTES:
            self._sent.append(data)
            self._sent_bytes += len(data)
        else:
            self._tail = [*self._tail[-1:], data]
        await caller.write(data)

    async def _spoken(self, caller: Caller) -> Spoken:
        """What the caller heard, read out of the bytes that went through; half an event is closed off first."""
        data = b"".join(self._tail or self._sent)
        whole = data.endswith((b"\n\n", b"\r\n\r\n"))
        if not whole:
            await caller.write(b"\n\n")
        if self._dialect.encoder_after is not None:
            return Spoken((), None, self._dialect.encoder_after(caller.reply(), data), final=True)
        if not whole:
            cut = max(data.rfind(b"\n\n"), data.rfind(b"\r\n\r\n"))
            data = data[: cut + 2] if cut >= 0 else b""
        machine = BlockMachine()
        if self._sent_bytes >= MAX_REMEMBERED_BYTES:
            return Spoken((), None, caller.dialect.encoder(caller.reply()), final=True)
        try:
            events = machine.feed(self._dialect.decoder(False).feed(data))
            began = next((event for event in events if isinstance(event, Started)), None)
            encoder = caller.dialect.encoder(evolve(caller.reply(), began=began))
            encoder.encode(sealed_by(events, self._target))
        except Exception:
            log.exception("A stream that went through could not be read again.")
            return Spoken((), None, caller.dialect.encoder(caller.reply()), final=True)
        closed, open_part = machine.spoken()
        return Spoken(closed, open_part, encoder)

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

    def heard(self) -> Heard:
        """What has come, read out of the bytes; of a very long stream only its beginning."""
        machine = BlockMachine()
        try:
            self._watcher.look()
            machine.feed(self._dialect.decoder(False).feed(b"".join(self._sent) or self._held))
        except Exception:
            log.exception("A stream that went through could not be read again.")
        return self._watcher.usage, chars_of(machine.answer().parts)

    async def aclose(self) -> None:
        """Nothing of its own is open."""


class _Watcher:
    """Looks at a stream that goes through: usage, the end, an error. Decoders skip what says none of these.

    Nobody waits for what it finds, so it looks at many pieces at once: that costs least.
    ``cut`` once the stream stopped before its end and has said nothing of it itself; ``error`` tells why.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.usage: Usage | None = None
        self.error: GatewayError | None = None
        self.stopped = False
        self.terminal = False
        self.cut = False
        self._unseen: list[bytes] = []
        self._unseen_bytes = 0

    @property
    def complete(self) -> bool:
        """Whether the provider has said its last word."""
        return self.stopped or self.terminal

    def see(self, chunk: bytes) -> None:
        """The next bytes, to be looked at by and by."""
        self._unseen.append(chunk)
        self._unseen_bytes += len(chunk)
        if self._unseen_bytes > MAX_UNSEEN_BYTES:
            self.look()

    def look(self) -> None:
        """Looks at what has come since."""
        if self._unseen:
            unseen, self._unseen, self._unseen_bytes = self._unseen, [], 0
            self._note(self._decoder.feed(unseen[0] if len(unseen) == 1 else b"".join(unseen)))

    def finish(self) -> None:
        """The provider has closed the stream."""
        self.look()
        self._note(self._decoder.end())
        if not self.complete:
            self.break_off(BrokenStream(_CUT))

    def break_off(self, error: GatewayError) -> None:
        """The stream goes no further."""
        self.look()
        if self.terminal:
            return
        if self.error is None or isinstance(self.error, BrokenStream):  # that one the provider has not told itself
            self.error = self.error or error
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
    response: Answered,
    dialect: Dialect,
    target: Target,
    same: bool,
    drop: Drop | None,
    wants_stream: bool,
    asked_stream: bool,
    answer_id: str,
    cut: Cut | None = None,
    runs: bool = False,
) -> Speaker:
    """The way to handle this answer: the caller ``wants_stream`` or not, the provider was ``asked_stream`` or not.

    ``runs``: see `BlockMachine`.
    """
    if not asked_stream:
        return WholeSpeaker(response, dialect, target, same, None if cut is None else cut.answer)
    kind = response.headers.get("content-type", "")
    plain = kind.startswith("application/json")
    if same and wants_stream and not plain:
        return PassingSpeaker(response, dialect, target, drop)
    pieces = json_pieces(response, dialect, target) if plain else stream_pieces(response, dialect)
    machine = BlockMachine(answer_id, runs) if cut is None else cut.machine(answer_id)
    speaker = StreamSpeaker(pieces, target, answer_id, machine)
    return speaker if wants_stream else CollectingSpeaker(speaker)
