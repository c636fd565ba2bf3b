"""What providers do when they are ill, and when they are well: behaviours for a `Stand`, byte by byte."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from faults.stand import Behaviour, Line, Turn
from omniroute_hooks.testing import Say
from omniroute_hooks.testing.wire import dumps

Json = Any
JSON = "application/json"
SSE = "text/event-stream"
WORDS = "The quick brown fox jumps over the lazy dog."
OTHER_WORDS = "A slow grey cat sleeps under the warm stove."
SAY = Say(text=WORDS)
OTHER = Say(text=OTHER_WORDS)
CALLING = Say(tool_calls=[("call_1", "get_weather", {"city": "Bern"})])
COMPLAINT = "I am not well today."
DRIP_S = 0.01


# Pieces of HTTP ----------------------------------------------------------------------------------


def head(status: int, kind: str | None = JSON, length: int | None = None, **headers: str) -> bytes:
    """The head of an answer; chunked unless its ``length`` is given. In names of headers, ``_`` stands for ``-``."""
    lines = [f"HTTP/1.1 {status} Scripted"]
    lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
    if kind is not None:
        lines.append(f"content-type: {kind}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


END = b"0\r\n\r\n"


async def send_whole(line: Line, body: bytes, status: int = 200, kind: str | None = JSON, **headers: str) -> bool:
    """A whole answer, after which the connection may be asked on."""
    await line.send(head(status, kind, len(body), **headers) + body)
    return True


async def send_stream(line: Line, pieces: list[bytes]) -> bool:
    """A whole stream, properly ended."""
    await line.send(head(200, SSE) + b"".join(map(chunk, pieces)) + END)
    return True


# In good health ----------------------------------------------------------------------------------


def answers(say: Say = SAY) -> Behaviour:
    """Answers as it should, and closes: no kept connection is left over for a fault that comes after."""

    async def behave(turn: Turn, line: Line) -> bool:
        data = proper(turn, say)
        await line.send(head(200, SSE if turn.stream else JSON, len(data), connection="close") + data)
        return False

    return behave


def by_turns(*behaviours: Behaviour, over: Behaviour | None = None) -> Behaviour:
    """One after another; then ``over``, or from the beginning."""

    async def behave(turn: Turn, line: Line) -> bool:
        if over is not None and turn.number > len(behaviours):
            return await over(turn, line)
        return await behaviours[(turn.number - 1) % len(behaviours)](turn, line)

    return behave


# Error answers -----------------------------------------------------------------------------------

BodyOf = Callable[[Turn], Json]


def refuses(
    status: int, message: str = COMPLAINT, code: str | None = None, body: BodyOf | None = None, **headers: str
) -> Behaviour:
    """An error answer in its own dialect. ``code`` goes into the error beside the message."""

    async def behave(turn: Turn, line: Line) -> bool:
        value = turn.speaker.error_body(status, message) if body is None else body(turn)
        if code is not None:
            value["error"]["code"] = code
        return await send_whole(line, dumps(value).encode(), status, **headers)

    return behave


def refuses_until(status: int, seconds: float) -> Behaviour:
    """An error answer that names the moment to come back as an HTTP date; its clock is an hour fast."""

    async def behave(turn: Turn, line: Line) -> bool:
        now_s = time.time() + 3600
        dates = [formatdate(at_s, usegmt=True) for at_s in (now_s, now_s + seconds)]
        return await refuses(status, date=dates[0], retry_after=dates[1])(turn, line)

    return behave


def uses_up_window(seconds: float) -> Behaviour:
    """A 429 with the window of a subscription that is used up, and when it resets."""

    async def behave(turn: Turn, line: Line) -> bool:
        window = "anthropic-ratelimit-unified-5h-"
        reset = str(int(time.time() + seconds))
        return await refuses(429, **{f"{window}status": "rejected", f"{window}reset": reset})(turn, line)

    return behave


def shows_page(status: int) -> Behaviour:
    """A web page, whatever it is asked."""
    page = f"<html><head><title>{COMPLAINT}</title></head><body><h1>{COMPLAINT}</h1></body></html>".encode()

    async def behave(turn: Turn, line: Line) -> bool:
        return await send_whole(line, page, status, "text/html; charset=utf-8")

    return behave


async def redirects(turn: Turn, line: Line) -> bool:
    """Sends the caller elsewhere, to where nobody should follow with a credential."""
    return await send_whole(line, b"", 302, None, location="http://127.0.0.1:9/v1/elsewhere")


# Below HTTP --------------------------------------------------------------------------------------


def says(data: bytes, then: str = "close") -> Behaviour:
    """These raw bytes instead of an answer; then it closes, resets or falls silent."""

    async def behave(turn: Turn, line: Line) -> bool:
        await line.send(data)
        if then == "reset":
            line.reset()
        elif then == "silence":
            await line.silence()
        return False

    return behave


async def drips_head(turn: Turn, line: Line) -> bool:
    """Headers, a byte at a time."""
    await line.send(b"HTTP/1.1 200 OK\r\n")
    await line.drip(b"x-patience: is a virtue\r\n" * 1000, DRIP_S)
    return False


async def drips_body(turn: Turn, line: Line) -> bool:
    """The right answer, a byte at a time."""
    data = proper(turn)
    await line.send(head(200, SSE if turn.stream else JSON, len(data)))
    await line.drip(data, DRIP_S)
    return True


# Answers that are none ---------------------------------------------------------------------------


def sends(
    body: bytes | BodyOf, kind: str | None = JSON, stream_kind: str | None = None, cut: int = 0, **headers: str
) -> Behaviour:
    """This body with status 200, streamed or not. ``cut``: how many bytes more than that its length promises."""

    async def behave(turn: Turn, line: Line) -> bool:
        made = body if isinstance(body, bytes) else body(turn)
        data = made if isinstance(made, bytes) else dumps(made).encode()
        named = stream_kind if turn.stream and stream_kind is not None else kind
        await line.send(head(200, named, len(data) + cut, **headers) + data)
        return not cut

    return behave


def proper(turn: Turn, say: Say = SAY) -> bytes:
    """The body of the right answer."""
    return b"".join(turn.speaker.chunks(say)) if turn.stream else turn.answer(say)


def first_half(turn: Turn) -> bytes:
    """The first half of it."""
    data = proper(turn)
    return data[: len(data) // 2]


# Broken while it is read -------------------------------------------------------------------------


def parted(turn: Turn, say: Say = SAY) -> tuple[bytes, bytes]:
    """The right answer in two parts: up to and with its first words, and the rest."""
    if not turn.stream:
        data = turn.answer(say)
        at = data.index(say.text[:9].encode()) + 5
        return data[:at], data[at:]
    pieces = turn.speaker.chunks(say)
    at = 1 + next(place for place, piece in enumerate(pieces) if say.text[:9].encode() in piece)
    return b"".join(pieces[:at]), b"".join(pieces[at:])


def breaks(then: str, between: bytes = b"", say: Say = SAY) -> Behaviour:
    """The first words of an answer, and what is put behind them; then it ends properly ("end"), falls silent, closes,
    resets, or goes on as if nothing had been ("on")."""

    async def behave(turn: Turn, line: Line) -> bool:
        begun, rest = parted(turn, say)
        await line.send(head(200, SSE if turn.stream else JSON) + chunk(begun))
        await turn.first_words_heard()
        if between:
            await line.send(chunk(between))
        if then == "silence":
            await line.silence()
        elif then == "reset":
            line.reset()
        elif then == "end":
            await line.send(END)
            return True
        elif then == "on":
            await line.send(chunk(rest) + END)
            return True
        return False

    return behave


def fails_within(status: int) -> Behaviour:
    """The first words of a stream, and then an error in place of the rest; without a stream, the error alone."""
    failing = Say(text=WORDS[:15], error=(status, COMPLAINT))

    async def behave(turn: Turn, line: Line) -> bool:
        if not turn.stream:
            return await send_whole(line, turn.answer(failing))
        *begun, error = turn.speaker.chunks(failing)
        await line.send(head(200, SSE) + b"".join(map(chunk, begun)))
        await turn.first_words_heard()
        await line.send(chunk(error) + END)
        return True

    return behave


def fails_first(turn: Turn) -> bytes:
    """An error as the first event of a stream, or as the whole answer."""
    failing = Say(error=(503, COMPLAINT))
    return turn.speaker.chunks(failing)[-1] if turn.stream else turn.answer(failing)


def without(*marks: bytes) -> Behaviour:
    """The right stream without those of its events that hold one of these."""

    async def behave(turn: Turn, line: Line) -> bool:
        pieces = turn.speaker.chunks(SAY)
        return await send_stream(line, [p for p in pieces if not any(mark in p for mark in marks)])

    return behave


def cuts_call() -> Behaviour:
    """A stream that breaks off within the arguments of a tool call."""

    async def behave(turn: Turn, line: Line) -> bool:
        pieces = turn.speaker.chunks(CALLING)
        at = next(place for place, piece in enumerate(pieces) if b"ern" in piece)
        await line.send(head(200, SSE) + b"".join(map(chunk, pieces[:at])))
        await turn.first_words_heard()
        return False

    return behave


async def beats_on(turn: Turn, line: Line) -> bool:
    """The first words of a stream, and then heartbeats."""
    begun, _ = parted(turn)
    await line.send(head(200, SSE) + chunk(begun))
    for _ in range(1000):
        await line.send(chunk(b": still thinking\n\n"))
        await asyncio.sleep(DRIP_S)
    return False


def pauses_before(marks: bytes, say: Say = SAY) -> Behaviour:
    """A stream that falls silent before the first event that holds ``marks``."""

    async def behave(turn: Turn, line: Line) -> bool:
        pieces = turn.speaker.chunks(say)
        at = next(place for place, piece in enumerate(pieces) if marks in piece)
        await line.send(head(200, SSE) + b"".join(map(chunk, pieces[:at])))
        await line.silence()
        return False

    return behave


async def only_beats(turn: Turn, line: Line) -> bool:
    """Heartbeats, and never a word."""
    await line.send(head(200, SSE))
    for _ in range(1000):
        await line.send(chunk(b": still thinking\n\n"))
        await asyncio.sleep(DRIP_S)
    return False
