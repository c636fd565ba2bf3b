"""An answer that came as one JSON object though a stream was asked for."""

from __future__ import annotations

from omniroute_hooks import BrokenStream, GatewayError, UpstreamError
from omniroute_hooks.answers import signals_of
from omniroute_hooks.events import Broke, Signal
from omniroute_hooks.jsonio import loads_upstream
from omniroute_hooks.sse import MAX_FRAME_BYTES

from .answer_in import parse_answer


class PlainBody:
    """Tells by its first byte whether an answer is a stream; ``body`` keeps it where it is none."""

    __slots__ = ("_known", "body")

    def __init__(self) -> None:
        self.body: bytearray | None = None
        self._known = False

    def sift(self, chunk: bytes) -> bytes:
        """``chunk`` where it belongs to a stream, without a byte order mark; b"" where it was kept.

        Errors: `BrokenStream` for a body without end.
        """
        if not self._known:
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
            start = chunk.lstrip()[:1]
            if start:
                self._known = True
                if start in (b"{", b"[", b"<"):
                    self.body = bytearray()
        if self.body is None:
            return chunk
        self.body += chunk
        if len(self.body) > MAX_FRAME_BYTES:
            raise BrokenStream("The provider's answer is too long.")
        return b""

    def signals(self) -> list[Signal]:
        """The signals that this body amounts to; none where it is empty."""
        body = bytes(self.body or b"")
        if not body.strip():
            return []
        try:
            value = loads_upstream(body)
        except (ValueError, RecursionError):
            return [Broke(UpstreamError("The provider's answer is neither a stream nor JSON."))]
        try:
            return signals_of(parse_answer(value))
        except GatewayError as exc:
            return [Broke(exc)]
