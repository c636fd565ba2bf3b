"""Faults of answers with status 200 that are none, and of answers that break while they are read."""

from __future__ import annotations

from functools import partial

from faults.behaviours import (
    CALLING,
    COMPLAINT,
    JSON,
    OTHER,
    SSE,
    breaks,
    cuts_call,
    fails_first,
    fails_within,
    first_half,
    proper,
    sends,
    shows_page,
    without,
)
from faults.ends import ANSWER, GARBLED, broken, ends, error
from faults.fault import SOON_MS, Fault
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_RESPONSES

BROKE = ends(error("upstream"), broken("upstream"))
OVERLOADED = ends(error("overloaded"), broken("overloaded"))

content = partial(Fault, group="No answer", alone=error("upstream"), asked=2)
stream = partial(Fault, group="Broken within", alone=BROKE, asked=2, stream_only=True)


ANSWERS = (
    content(name="an empty body", does="200 and nothing", behaviour=sends(b"")),
    content(name="an empty stream", does="an event stream without an event", behaviour=sends(b"", SSE)),
    content(name="a web page", does="200 and HTML", behaviour=shows_page(200)),
    content(
        name="an error inside",
        does="200; the answer, or the first event, is an error",
        behaviour=sends(fails_first, JSON, SSE),
        told=COMPLAINT,
    ),
    content(name="an answer without content", does="200 and `{}`", behaviour=sends(b"{}")),
    content(
        name="no choices",
        does='200 and `{"choices": []}`',
        behaviour=sends(b'{"id": "c-1", "object": "chat.completion", "choices": []}'),
    ),
    content(
        name="half an answer",
        does="the first half of the answer, properly ended",
        behaviour=sends(first_half, JSON, SSE),
        alone=BROKE,
    ),
    content(
        name="a wrong content type",
        does="the right answer under the name `text/plain`",
        behaviour=sends(proper, "text/plain"),
        alone=ANSWER,
        asked=1,
        rests=False,
    ),
    content(
        name="no content type",
        does="the right answer without a content type",
        behaviour=sends(proper, None),
        alone=ANSWER,
        asked=1,
        rests=False,
    ),
    content(
        name="a length that is too long",
        does="it promises more bytes than it sends, and closes",
        behaviour=sends(first_half, JSON, SSE, cut=400),
        alone=BROKE,
    ),
    content(
        name="a false compression",
        does="the right answer, said to be compressed",
        behaviour=sends(proper, JSON, SSE, content_encoding="gzip"),
    ),
)


STREAMS = (
    stream(
        name="a reset in mid-body",
        does="the connection is reset in the middle of the answer, whole or streamed",
        behaviour=breaks("reset"),
        stream_only=False,
    ),
    stream(name="a cut", does="the connection closes in mid-stream", behaviour=breaks("close")),
    stream(
        name="a stall",
        does="silence in mid-stream",
        behaviour=breaks("silence"),
        limits={"idleMs": SOON_MS},
        alone=ends(error("timeout"), broken("timeout")),
        asked=1,
    ),
    stream(
        name="garbage",
        does="a piece of it is no JSON",
        behaviour=breaks("on", b'data: {"choices": [}\n\n'),
        alone=ends(error("upstream"), broken("upstream"), GARBLED),
        combo=ends(ANSWER, ANSWER, GARBLED),
    ),
    stream(name="no end", does="the stream ends, properly, in mid-sentence", behaviour=breaks("end")),
    stream(
        name="no end mark",
        does="the reason to stop is there, the end mark is not",
        behaviour=without(b"[DONE]"),
        alone=ANSWER,
        asked=1,
        rests=False,
    ),
    stream(
        name="an error in mid-stream",
        does="an error event in place of the rest",
        behaviour=fails_within(503),
        combo=ends(ANSWER, ANSWER, broken("upstream")),
        told=COMPLAINT,
    ),
    stream(
        name="a failed response",
        does="`response.failed` in place of the rest",
        behaviour=fails_within(500),
        dialect=OPENAI_RESPONSES,
        combo=ends(ANSWER, ANSWER, broken("upstream")),
        told=COMPLAINT,
    ),
    stream(
        name="overload in mid-stream",
        does="`event: error` with `overloaded_error` in place of the rest",
        behaviour=fails_within(503),
        dialect=ANTHROPIC,
        alone=OVERLOADED,
        combo=ends(ANSWER, ANSWER, broken("overloaded")),
        told=COMPLAINT,
    ),
    stream(
        name="no reason to stop",
        does="the stream ends, properly, without its `finishReason`",
        behaviour=breaks("end"),
        dialect=GEMINI,
    ),
    stream(
        name="a cut within a tool call",
        does="the connection closes within the arguments of a call",
        behaviour=cuts_call(),
        said=CALLING,
        sound=CALLING,
    ),
    stream(
        name="a cut, and another answer",
        does="the connection closes in mid-stream; the others say something else",
        behaviour=breaks("close"),
        sound=OTHER,
        combo=ends(ANSWER, broken("upstream")),
    ),
)
