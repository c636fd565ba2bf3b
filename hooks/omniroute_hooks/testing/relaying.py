"""A request's way through two dialects and back, without a server: what contract checks compare.

It uses nothing but the contract: dialects of whatever plugin, and the block machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl

from .. import (
    ANTHROPIC,
    GEMINI,
    Answer,
    Asked,
    Connection,
    Conversation,
    Dialect,
    Endpoint,
    Model,
    Provider,
    Reply,
    Target,
    Thinks,
)
from ..blocks import BlockMachine
from ..events import Event
from .expectations import must
from .matrix import Cell
from .neutral import Ask, Heard
from .speaker import Speaker
from .wire import dumps, loads

Json = Any
MODEL = "scripted-1"
CREATED_S = 1_760_000_000


def asked_at(dialect: Dialect, speaker: Speaker, ask: Ask) -> Asked:
    """The endpoint that the client's path leads to. Errors: `AssertionError` where there is none."""
    path, _, query = speaker.path(ask).partition("?")
    for endpoint in sorted(dialect.endpoints, key=lambda e: e.when_header is None):
        if endpoint.when_header is not None and endpoint.when_header not in speaker.headers("k"):
            continue
        pattern = "(.+)".join(re.escape(piece) for piece in endpoint.path.split("{model}"))
        found = re.fullmatch(pattern, path)
        if found and endpoint.method == "POST" and endpoint.operation == "generate":
            model = found[1] if found.re.groups else None
            return Asked(endpoint, model, dict(parse_qsl(query)), speaker.headers("k"))
    raise AssertionError(f"no endpoint of {dialect.id} answers POST {path}")


def parse(dialect: Dialect, speaker: Speaker, ask: Ask) -> Conversation:
    """The conversation that the client's request makes."""
    return dialect.parse_request(speaker.request_of(ask), asked_at(dialect, speaker, ask))


def target(dialect: Dialect) -> Target:
    """A provider of this dialect, and a model of its that thinks."""
    steered = Thinks("budget", max_budget=8192) if dialect.id in (ANTHROPIC, GEMINI) else Thinks("effort")
    model = Model(MODEL, context=200_000, max_output=64_000, thinks=steered)
    provider = Provider(
        id="scripted", prefix="scripted", base_url="http://127.0.0.1:9", dialect=dialect.id, models=(model,)
    )
    connection = Connection("c-1", "scripted", "test", {"api_key": "k"})
    return Target(provider, MODEL, connection, provider.base_url, model)


def reply_to(conversation: Conversation, asked: Asked | None = None) -> Reply:
    """What rendering needs to answer this conversation."""
    where = asked or Asked(Endpoint("POST", "/v1/nowhere", "generate"))
    return Reply(conversation, conversation.model, "r1", CREATED_S, where, input_estimate=11)


def events_of(dialect: Dialect, chunks: Iterable[bytes], *, answer_id: str = "r1") -> list[Event]:
    """A provider's stream as events, to the end of its bytes."""
    decoder, machine = dialect.decoder(False), BlockMachine(answer_id)
    events: list[Event] = []
    for chunk in chunks:
        events += machine.feed(decoder.feed(chunk))
    events += machine.feed(decoder.end())
    return events + machine.end()


def encoded(dialect: Dialect, events: Sequence[Event], reply: Reply) -> bytes:
    """A caller's stream. Errors: `AssertionError` where it depends on how events are bundled."""
    encoder = dialect.encoder(reply)
    singly = b"".join(encoder.encode([event]) for event in events)
    at_once = dialect.encoder(reply).encode(events)
    must(singly == at_once, "events encoded one by one are not what they are encoded together")
    return singly


def shown(answer: Answer) -> dict[str, Json]:
    """What a caller gets to see of an answer: how its text is cut into parts does not count."""
    out: dict[str, Json] = {"text": "", "thinking": "", "calls": []}
    for part in answer.parts:
        kind = type(part).__name__
        if kind == "ToolCall":
            out["calls"].append((getattr(part, "id", ""), getattr(part, "name", ""), getattr(part, "arguments", "")))
        elif kind in ("Text", "Thinking"):
            out[kind.lower()] += getattr(part, "text", "")
    return {**out, "stop": answer.stop.reason, "usage": answer.usage, "id": answer.id, "model": answer.model}


def carry(caller: Dialect, provider: Dialect, cell: Cell) -> tuple[Ask, Heard]:
    """Takes a cell of the matrix through two dialects, as a gateway would: what the provider was asked, and what
    the caller heard. Errors: `AssertionError` where either would refuse what it got."""
    asked = asked_at(caller, cell.caller, cell.ask)
    conversation = caller.parse_request(cell.caller.request_of(cell.ask), asked)
    rendered = provider.render_request(conversation, target(provider), cell.ask.stream)
    understood = cell.provider.read_request(_over_the_wire(rendered.body))
    reply = reply_to(conversation, asked)
    if cell.ask.stream:
        events = events_of(provider, cell.provider.chunks(cell.say))
        return understood, cell.caller.read_stream(encoded(caller, events, reply))
    answer = provider.parse_answer(_over_the_wire(cell.provider.answer(cell.say)))
    return understood, cell.caller.read_answer(_over_the_wire(caller.render_answer(answer, reply)))


def _over_the_wire(body: Json) -> Json:
    return loads(dumps(body))
