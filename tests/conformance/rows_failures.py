"""Failures: each status, before the answer and within it, told in the caller's dialect and in the provider's words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from attrs import evolve
from conformance.rows import Check, Meeting, Row, Table
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing import Ask, Heard, Say
from omniroute_hooks.testing.matrix import ask_for
from omniroute_hooks.testing.samples import BREAKS, SAYS
from omniroute_hooks.testing.wire import dumps

Json = Any
statuses = Table("A provider's failures")
within = Table("Failures within an answer")

# What the provider answers: the statuses that callers of chat and responses, anthropic, and gemini get.
TOLD: Mapping[int, tuple[int, int, int]] = {
    400: (400, 400, 400),
    401: (502, 500, 500),  # the provider's key is wrong, and not the caller's
    402: (429, 402, 429),
    403: (403, 403, 403),
    404: (404, 404, 404),
    413: (413, 413, 413),
    429: (429, 429, 429),
    500: (502, 500, 500),
    503: (503, 529, 503),
    504: (504, 504, 504),
    529: (503, 529, 503),
}
_COLUMN = {OPENAI_CHAT: 0, OPENAI_RESPONSES: 0, ANTHROPIC: 1, GEMINI: 2}


def _status(status: int) -> Check:
    async def check(meeting: Meeting) -> str:
        model = await meeting.house.furnish(meeting.provider.id)
        words = f"Because of “{status}”."
        hint = {"Retry-After": "17"} if status == 429 else {}
        meeting.replies(status, meeting.provider.error_body(status, words), headers=hint)

        response = await meeting.send(meeting.body_of(meeting.ask()), model)

        assert response.status_code == TOLD[status][_COLUMN[meeting.caller.id]]
        assert words in str(meeting.hear(response).error)
        hinted = response.headers.get("retry-after")
        assert hinted == "17" if status == 429 else hinted is None or status not in (400, 404, 413)
        return "carry"

    return check


for _code in TOLD:
    statuses.rows.append(Row(statuses.group, f"HTTP {_code}", _status(_code)))


@statuses.row("the prompt does not fit")
async def too_long(meeting: Meeting) -> str:
    """The words that clients compact their history at."""
    words = {
        OPENAI_CHAT: "This model's maximum context length is 8192 tokens. However, you requested 9001 tokens.",
        OPENAI_RESPONSES: "Your input exceeds the context window of this model. Please adjust your input.",
        ANTHROPIC: "prompt is too long: 9001 tokens > 8192 maximum",
        GEMINI: "The input token count (9001) exceeds the maximum number of tokens allowed (8192).",
    }[meeting.provider.id]
    body = meeting.provider.error_body(400, words)
    if meeting.provider.id in (OPENAI_CHAT, OPENAI_RESPONSES):
        body["error"]["code"] = "context_length_exceeded"
    meeting.replies(400, body)

    response = await meeting.send(meeting.body_of(meeting.ask()))

    assert response.status_code == 400
    message = str(meeting.hear(response).error)
    assert words in message
    error = response.json()["error"]
    if meeting.caller.id in (OPENAI_CHAT, OPENAI_RESPONSES):
        assert error["code"] == "context_length_exceeded"
    if meeting.caller.id == ANTHROPIC:
        assert "prompt is too long" in message
    return "carry"


@statuses.row("a web page instead of an error")
async def page(meeting: Meeting) -> str:
    meeting.replies(
        502,
        body=b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>",
        headers={"Content-Type": "text/html"},
    )
    response = await meeting.send(meeting.body_of(meeting.ask()))
    assert response.status_code in (500, 502)
    message = str(meeting.hear(response).error)
    assert "Bad Gateway" in message
    assert "<" not in message
    return "carry"


@statuses.row("a web page instead of an answer")
async def page_as_answer(meeting: Meeting) -> str:
    meeting.replies(200, body=b"<html><body>Log in here</body></html>", headers={"Content-Type": "text/html"})
    response = await meeting.send(meeting.body_of(meeting.ask()))
    assert response.status_code in (500, 502)
    assert meeting.hear(response).error
    return "carry"


@statuses.row("an error with status 200")
async def error_in_200(meeting: Meeting) -> str:
    meeting.replies(200, meeting.provider.error_body(500, "It “failed”."))
    response = await meeting.send(meeting.body_of(meeting.ask()))
    assert response.status_code in (500, 502)
    assert "It “failed”." in str(meeting.hear(response).error)
    return "carry"


# Within an answer --------------------------------------------------------------------------------


async def _received(
    meeting: Meeting, chunks: list[bytes], then: str = "end", last: bytes = b"", ask: Ask | None = None
) -> bytes:
    """What the caller receives of a stream that goes on with ``last`` once the beginning has arrived."""
    gate = asyncio.Event()
    model = await meeting.house.furnish(meeting.provider.id)
    meeting.plays([*chunks, gate, last] if last else [*chunks, gate], then=then)
    ask = evolve(ask or meeting.ask(), model=model, stream=True)
    body, path = meeting.caller.request_of(ask), meeting.caller.path(ask)
    key = meeting.caller.headers(meeting.house.key)
    got = b""
    async with meeting.house.gateway.http.stream("POST", path, json=body, headers=key) as response:
        assert response.status_code == 200
        asyncio.get_running_loop().call_later(1, gate.set)  # for who says nothing before it has something to say
        async for piece in response.aiter_raw():
            got += piece
            gate.set()
    return got


def _broken(title: str, say: Say) -> None:
    async def check(meeting: Meeting) -> str:
        *chunks, error = meeting.provider.chunks(say)
        heard = meeting.caller.read_stream(await _received(meeting, chunks, last=error, ask=ask_for(say)))
        assert say.error is not None
        assert heard == Heard(text=say.text, thinking=say.thinking, stop=None, usage=None, error=heard.error)
        assert say.error[1] in str(heard.error)
        return "carry"

    within.rows.append(Row(within.group, title, check, ways=(True,)))


_broken("overloaded in mid stream", BREAKS["overloaded"])
_broken("rate limit in mid stream", BREAKS["rate-limited"])


@within.row("the connection breaks in mid stream", ways=(True,))
async def cut(meeting: Meeting) -> str:
    return await _unfinished(meeting, "cut")


@within.row("a stream that ends before its end", ways=(True,))
async def ended(meeting: Meeting) -> str:
    return await _unfinished(meeting, "end")


async def _unfinished(meeting: Meeting, then: str) -> str:
    chunks = meeting.provider.chunks(Say(text="This is the whole of it."))
    kept = next(n for n, chunk in enumerate(chunks, 1) if b"This" in chunk)
    heard = meeting.caller.read_stream(await _received(meeting, chunks[:kept], then))
    assert heard.error
    assert heard.stop is None
    assert "This is the whole of it.".startswith(heard.text)
    return "carry"


@within.row("the connection breaks in mid answer", ways=(False,))
async def cut_whole(meeting: Meeting) -> str:
    data = dumps(meeting.provider.answer(SAYS["text"])).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(data))}
    meeting.upstream.cut(data[: len(data) // 2], headers=headers)
    response = await meeting.send(meeting.body_of(meeting.ask()))
    assert response.status_code in (500, 502)
    assert meeting.hear(response).error
    return "carry"


@within.row("broken JSON in mid stream", ways=(True,))
async def garbled(meeting: Meeting) -> str:
    before, broken, after = _garbled(meeting.provider.chunks(Say(text="This is the whole of it.")))
    received = await _received(meeting, before, last=broken + after)
    if meeting.same:
        assert received == b"".join(before) + broken + after  # as it came: that client is used to its vendor
        return "emulate"
    heard = meeting.caller.read_stream(received)
    assert heard.error
    assert heard.stop is None
    return "carry"


def _garbled(chunks: list[bytes]) -> tuple[list[bytes], bytes, bytes]:
    """The stream before, at and after an event whose JSON breaks off."""
    at = next(n for n, chunk in enumerate(chunks) if b"the whol" in chunk)
    head, _, _ = chunks[at].partition(b"whol")
    return chunks[:at], head + b"\n\n", b"".join(chunks[at + 1 :])


@within.row("heartbeats and comments between events", ways=(True,))
async def comments(meeting: Meeting) -> str:
    say = SAYS["text-then-calls"]
    noise = b": OPENROUTER PROCESSING\n\n" if meeting.provider.id != GEMINI else b""
    meeting.plays([piece for chunk in meeting.provider.chunks(say) for piece in (noise, chunk) if piece])
    response = await meeting.send(meeting.body_of(meeting.ask()))
    assert meeting.hear(response).text == say.text
    return "carry"


# However the network cuts ------------------------------------------------------------------------

cuts = Table("Cut anywhere")


def _pieces(size: int) -> Check:
    async def check(meeting: Meeting) -> str:
        say = SAYS["text-then-calls"]
        odd = Say(text="Grüezi 🙂, 你好 — “ja”.", tool_calls=say.tool_calls)
        data = b"".join(meeting.provider.chunks(odd))
        meeting.plays(data[at : at + size] for at in range(0, len(data), size))
        heard = meeting.hear(await meeting.send(meeting.body_of(meeting.ask())))
        assert heard == Heard(text=odd.text, tool_calls=odd.tool_calls, stop="tool")
        return "carry"

    return check


for _size in (1, 2, 3, 7):
    unit = "byte" if _size == 1 else "bytes"
    cuts.rows.append(Row(cuts.group, f"a stream in pieces of {_size} {unit}", _pieces(_size), ways=(True,)))

ROWS = [*statuses.rows, *within.rows, *cuts.rows]
