"""Dialects: one wire format, both directions.

A dialect never sees a socket. It parses a caller's request and renders the
provider's, parses the provider's answer and renders the caller's, whole or
streamed, errors included. Everything between is `omniroute_hooks.conversation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from attrs import frozen

from .conversation import Answer, Conversation
from .errors import GatewayError
from .events import Event, Signal, Started
from .provider import Model, Target
from .sse import FrameSplitter, parse_frame

Json = Any
Operation = Literal["generate", "count_tokens", "list_models", "get_model"]


@frozen
class Endpoint:
    """An address where callers speak this dialect.

    ``path`` starts with a version segment (``/v1/...``); the kernel also serves it without one.
    ``{model}`` in it matches any characters, slashes included. ``stream`` is set where the address
    decides it; None leaves it to the body. ``when_header`` limits it to callers who send that header
    (lower case); such endpoints are tried before those without.
    """

    method: Literal["GET", "POST"]
    path: str
    operation: Operation
    stream: bool | None = None
    when_header: str | None = None


@frozen
class Asked:
    """What an endpoint knows beside the body. ``path_model`` from the path, ``query`` the parsed query string,
    ``headers`` the caller's, names in lower case."""

    endpoint: Endpoint
    path_model: str | None = None
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}


@frozen
class Peek:
    """The little that routing needs before anything is parsed in full.

    ``session`` is the conversation's own id where the dialect or its clients have one.
    """

    model: str
    stream: bool
    session: str | None = None


@frozen
class Loss:
    """Something the target cannot carry. ``field`` of the caller's request, ``policy`` drop, emulate or carry."""

    field: str
    policy: Literal["drop", "emulate", "carry"]
    note: str = ""


@frozen
class Rendered:
    """A request for a provider. ``path`` is appended to the target's base URL and may hold a query.

    ``cut_at`` are stop strings that the body has no place for: the kernel cuts the answer's text at them.
    """

    path: str
    body: dict[str, Json]
    headers: Mapping[str, str] = {}
    losses: tuple[Loss, ...] = ()
    cut_at: tuple[str, ...] = ()


@frozen
class Drop:
    """Which raw frames of a streamed answer the caller did not ask for: of those that hold one of ``marks``, the
    ``unwanted`` ones."""

    marks: tuple[bytes, ...]
    unwanted: Callable[[bytes], bool]


@frozen
class Passed:
    """A caller's own bytes on their way to a provider of the same dialect.

    ``cut_at`` as in `Rendered`: the answer's bytes then cannot go through as they are.
    """

    path: str
    body: bytes
    headers: Mapping[str, str] = {}
    drop: Drop | None = None
    cut_at: tuple[str, ...] = ()


@frozen
class Reply:
    """What rendering an answer needs beside the answer.

    ``model`` is the name the caller used; ``reply_id`` a unique word to build ids from; ``created_s``
    unix seconds. ``input_estimate`` tokens, for dialects that must name a number before it is known.
    ``began``: the caller's stream has begun as a provider's own bytes, with these names, which must stay.
    """

    conversation: Conversation
    model: str
    reply_id: str
    created_s: int
    asked: Asked
    input_estimate: int = 0
    began: Started | None = None


class Decoder(Protocol):
    """A provider's stream, bytes in and signals out. Bytes may be cut anywhere."""

    def feed(self, chunk: bytes) -> Sequence[Signal]: ...

    def end(self) -> Sequence[Signal]:
        """What is left when the provider closes the connection."""
        ...


class Encoder(Protocol):
    """A caller's stream: events in, bytes out. One per answer."""

    def encode(self, events: Iterable[Event]) -> bytes: ...


class SseDecoder:
    """Base of decoders over server-sent events: subclasses implement `frame`.

    With ``watch`` it only looks at frames that contain one of ``marks``: enough to see usage, the end
    and errors in a stream whose bytes go through untouched. ``frame`` must therefore do without the
    frames it is not shown.
    """

    marks: tuple[bytes, ...] = ()

    def __init__(self, watch: bool = False) -> None:
        self._splitter = FrameSplitter()
        self._watch = watch

    def feed(self, chunk: bytes) -> list[Signal]:
        """Signals of all frames that are whole by now."""
        frames = self._splitter.skim(chunk, self.marks) if self._watch else self._splitter.feed(chunk)
        return self._frames(frames)

    def end(self) -> list[Signal]:
        """Signals of a last frame without a blank line."""
        return self._frames(self._splitter.end())

    def _frames(self, raws: list[bytes]) -> list[Signal]:
        out: list[Signal] = []
        for raw in raws:
            if self._watch and not self._marked(raw):
                continue
            frame = parse_frame(raw)
            if frame is not None:
                self.frame(frame.event, frame.data, out)
        return out

    def _marked(self, raw: bytes) -> bool:
        for mark in self.marks:  # noqa: SIM110 - a generator costs more than all the searches
            if mark in raw:
                return True
        return False

    def frame(self, event: str, data: bytes, out: list[Signal]) -> None:
        """Appends what this frame says to ``out``. Bad data becomes `Broke`, never an exception."""
        raise NotImplementedError


@frozen
class Listed:
    """A model as callers see it in a list. ``id`` is what they must send; ``created_s`` unix seconds."""

    id: str
    owner: str
    created_s: int
    spec: Model | None = None


@frozen(kw_only=True)
class Counting:
    """Token counting in this dialect. Counts are input tokens."""

    render_request: Callable[[Conversation, Target], Rendered] | None
    parse_answer: Callable[[Json], int] | None
    render_answer: Callable[[int], dict[str, Json]]


@frozen(kw_only=True)
class Dialect:
    """A wire format. Functions are pure and quick; they raise only what is written here.

    ``peek(body, asked)`` and ``parse_request(body, asked)``: body is the caller's JSON object.
        Errors: `BadRequest` listing every wrong field.
    ``render_request(conversation, target, stream)``: Errors: `Unsupported` naming the field.
    ``pass_request(raw, body, target, stream)``: the caller's bytes for a provider of the same dialect.
    ``parse_answer(json)``: Errors: any `GatewayError` where a 200 holds a failure.
    ``render_answer(answer, reply)``, ``encoder(reply)``, ``decoder(watch)``: see the protocols.
    ``render_error(error, request_id)``: HTTP status and body; nothing of the error is lost.
    ``parse_error(status, headers, body)``: a provider's failure, header names in lower case. Must cope
        with HTML and nonsense. Keeps the provider's words and every hint of when to come back.
    ``list_models(models, asked)`` and ``get_model(model)``: bodies of those operations.
    ``end_mark``: what closes a stream whose last word has been said, where the wire wants one.
    ``encoder_after(reply, passed)``: set where events must repeat numbers and ids of earlier ones, so that nobody
        can go on in a stream that began as a provider's own bytes. Gives the encoder that tells that it broke;
        ``passed`` is what the caller has got, of a very long stream only its end.
    ``takes_runs``: whether the encoder knows `omniroute_hooks.events.BlockRun`; others get one delta after another.
    ``heartbeat``: bytes that keep a silent stream alive and that every client of the dialect ignores.
    ``forwards``: names (lower case) of the caller's headers that go on to a provider of the same dialect.
    """

    id: str
    name: str
    endpoints: tuple[Endpoint, ...]
    peek: Callable[[Mapping[str, Json], Asked], Peek]
    parse_request: Callable[[Mapping[str, Json], Asked], Conversation]
    render_request: Callable[[Conversation, Target, bool], Rendered]
    pass_request: Callable[[bytes, Mapping[str, Json], Target, bool], Passed]
    parse_answer: Callable[[Json], Answer]
    render_answer: Callable[[Answer, Reply], dict[str, Json]]
    decoder: Callable[[bool], Decoder]
    encoder: Callable[[Reply], Encoder]
    render_error: Callable[[GatewayError, str], tuple[int, dict[str, Json]]]
    parse_error: Callable[[int, Mapping[str, str], bytes], GatewayError]
    list_models: Callable[[Sequence[Listed], Asked], dict[str, Json]] | None = None
    get_model: Callable[[Listed], dict[str, Json]] | None = None
    counting: Counting | None = None
    end_mark: bytes = b""
    encoder_after: Callable[[Reply, bytes], Encoder] | None = None
    takes_runs: bool = False
    heartbeat: bytes = b""
    media_type: Callable[[Asked], str] = lambda asked: "text/event-stream; charset=utf-8"
    forwards: frozenset[str] = frozenset()
    upstream_headers: Mapping[str, str] = {}


OPENAI_CHAT = "openai-chat"
OPENAI_RESPONSES = "openai-responses"
ANTHROPIC = "anthropic"
GEMINI = "gemini"
