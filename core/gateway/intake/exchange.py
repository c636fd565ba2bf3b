"""One exchange: a caller's request on its way, and the caller's end of the answer."""

from __future__ import annotations

import time

from omniroute_hooks import Answer, Asked, Dialect, GatewayError, Loss, Reply, Stop
from omniroute_hooks.events import Failed
from omniroute_hooks.jsonio import dumps

from core.store.records import ApiKeyRecord

from ..answering.seals import Seals
from ..asking.outgoing import Incoming
from ..choosing.affinity import Session
from ..naming.snapshot import Snapshot
from ..telling.trace import Trace
from .pulse import Pulse
from .wire import Wire

HEARTBEAT_S = 15.0
_JSON = (b"content-type", b"application/json")
_NO_CACHE = (b"cache-control", b"no-cache")


class Exchange:
    """What the stations hand on to each other. The relay talks to the caller through it."""

    def __init__(
        self, snapshot: Snapshot, dialect: Dialect, asked: Asked, wire: Wire, trace: Trace, key: ApiKeyRecord | None
    ) -> None:
        self.snapshot = snapshot
        self.dialect = dialect
        self.asked = asked
        self.wire = wire
        self.trace = trace
        self.key = key
        self.incoming: Incoming
        self.extra_headers: list[tuple[bytes, bytes]] = []
        self.session: Session | None = None
        self.seals: Seals
        self.written = 0  # bytes of the stream
        self.guarded = asked.headers.get("x-omniroute-stream", "").strip().lower() == "guarded"
        self.answer: bytes | None = None  # a whole answer, as the caller got it
        self.said = False  # whether a word of an answer is out; from then on nobody else can answer
        self._reply: Reply | None = None
        self._pulse: Pulse | None = None
        self._tail = b"\n\n"  # the end of what was sent, to tell whether an event is whole

    def reply(self) -> Reply:
        """What rendering needs; made once, so that ids and times agree. Errors: `BadRequest`."""
        if self._reply is None:
            raw = self.incoming.raw
            self._reply = Reply(
                conversation=self.incoming.conversation(),
                model=self.incoming.model,
                reply_id=self.trace.id,
                created_s=int(time.time()),
                asked=self.asked,
                input_estimate=len(raw) // 4,
            )
        return self._reply

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What every answer says about itself."""
        trace = self.trace
        out = [(b"x-request-id", trace.id.encode())]
        if trace.provider is not None:
            out.append((b"x-omniroute-provider", _latin(trace.provider)))
        if trace.model is not None:
            out.append((b"x-omniroute-model", _latin(trace.model)))
        if self.session is not None:
            out.append((b"x-omniroute-session-id", _latin(self.session.id)))
        out.append((b"x-omniroute-latency-ms", str(int(trace.elapsed_ms())).encode()))
        if trace.losses:
            out.append(
                (b"x-omniroute-losses", _latin(", ".join(dict.fromkeys(_words(x) for x in trace.losses)))[:1000])
            )
        return out + self.extra_headers

    async def send_json(self, body: bytes) -> None:
        """A whole answer."""
        self.said = True
        self.answer = body
        self.trace.status = 200
        await self.wire.whole(200, [_JSON, *self.headers()], body)

    def keep_alive(self) -> None:
        """From here on a heartbeat goes out whenever the stream is silent for long, its first word included."""
        if self.dialect.heartbeat:
            self._pulse = Pulse(self._beat, HEARTBEAT_S)

    async def _beat(self) -> None:
        """A stream whose first word is late begins with a heartbeat, before the client gives up. None goes into the
        middle of an event whose other half the provider has yet to send."""
        if not self.wire.busy and self._tail.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")):
            await self._open()
            await self.wire.write(self.dialect.heartbeat)

    async def begin_stream(self) -> None:
        """Status and headers of a stream."""
        self.said = True
        await self._open()

    async def _open(self) -> None:
        if not self.wire.started:
            self.trace.status = 200
            media_type = self.dialect.media_type(self.asked).encode()
            await self.wire.start(200, [(b"content-type", media_type), _NO_CACHE, *self.headers()])

    async def write(self, data: bytes) -> None:
        """A piece of the stream."""
        if self.trace.first_byte is None:
            self.trace.first_byte = time.perf_counter()
        if self._pulse is not None:
            self._pulse.touch()
        self._tail = data[-4:] if len(data) > 3 else (self._tail + data)[-4:]
        self.written += len(data)
        await self.wire.write(data)

    async def send_error(self, error: GatewayError) -> None:
        """The failure, in the caller's own dialect: as the answer, or as the last event of a begun stream."""
        self.trace.error = error
        if not self.wire.started:
            status, body = self.dialect.render_error(error, self.trace.id)
            self.trace.status = status
            headers = [_JSON, *self.headers()]
            if error.retry_after is not None:
                headers.append((b"retry-after", error.retry_after.encode()))
            await self.wire.whole(status, headers, dumps(body))
        elif not self.said:
            failed = Failed(error, Answer((), Stop("other")))
            await self.wire.write(self.dialect.encoder(self.reply()).encode([failed]))

    async def close(self) -> None:
        """Ends a stream."""
        self.stop()
        if self.wire.started:
            await self.wire.close()

    def stop(self) -> None:
        """No heartbeat after this."""
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None


def _words(loss: Loss) -> str:
    """What could not be carried over to the provider's dialect, in a few words."""
    return f"{loss.field} ({loss.policy})"


def _latin(text: str) -> bytes:
    return text.encode("latin-1", "replace").replace(b"\n", b" ").replace(b"\r", b" ")
