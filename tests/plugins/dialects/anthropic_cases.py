"""Values that the tests of the Anthropic dialect share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import orjson
from omniroute_dialects.anthropic import DIALECT
from omniroute_hooks import Asked, Connection, Conversation, Model, Provider, Reply, Target, Text, Turn
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.events import Event, Signal

GENERATE, COUNT, LIST, GET = DIALECT.endpoints
ASKED = Asked(GENERATE)
CONNECTION = Connection("c1", "p1", "mine", {"api_key": "k"})


def target(model: str = "some-model", spec: Model | None = None, provider: str = "p1", **options: Any) -> Target:
    """A provider of this dialect, asked for ``model``."""
    return Target(
        Provider(id=provider, prefix="p", dialect=DIALECT.id, options=options), model, CONNECTION, "http://h/v1", spec
    )


def parse(**fields: Any) -> Conversation:
    """A caller's request with these fields."""
    body = {"model": "m", "max_tokens": 4096, "messages": [{"role": "user", "content": "hi"}], **fields}
    return DIALECT.parse_request(body, ASKED)


def body_of(conversation: Conversation, to: Target | None = None, stream: bool = False) -> dict[str, Any]:
    """What a provider is sent; always JSON."""
    body = DIALECT.render_request(conversation, to or target(), stream).body
    return orjson.loads(orjson.dumps(body))


def losses_of(conversation: Conversation, to: Target | None = None) -> list[str]:
    return [loss.field for loss in DIALECT.render_request(conversation, to or target(), False).losses]


def chat(*turns: Turn, **fields: Any) -> Conversation:
    """A conversation of a caller who speaks another dialect."""
    fields.setdefault("dialect", "openai-chat")
    return Conversation(model="m", turns=turns or (Turn("user", (Text("hi"),)),), **fields)


def reply(conversation: Conversation | None = None, **fields: Any) -> Reply:
    fields = {"model": "caller-model", "reply_id": "r1", "created_s": 5, "asked": ASKED, **fields}
    return Reply(conversation=conversation or parse(thinking={"type": "adaptive"}), **fields)


def sse(*events: dict[str, Any]) -> bytes:
    """A provider's stream of these events."""
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), orjson.dumps(e)) for e in events)


def start(**usage: Any) -> dict[str, Any]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "up", "content": [], "usage": usage}
    return {"type": "message_start", "message": message}


def opened(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def closed(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def stopped(reason: str | None, sequence: str | None = None, **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": sequence}, "usage": usage}


END = {"type": "message_stop"}


def text_block(index: int, *pieces: str) -> list[dict[str, Any]]:
    return [opened(index, type="text", text=""), *(delta(index, "text_delta", text=p) for p in pieces), closed(index)]


def signals(data: bytes, sizes: Sequence[int] = ()) -> list[Signal]:
    """The decoder's signals, fed in pieces that end at these positions."""
    decoder = DIALECT.decoder(False)
    out: list[Signal] = []
    edges = [0, *sizes, len(data)]
    for first, last in pairwise(edges):
        out.extend(decoder.feed(data[first:last]))
    out.extend(decoder.end())
    return out


def events_of(found: Iterable[Signal]) -> list[Event]:
    machine = BlockMachine("answer")
    return machine.feed(found) + machine.end()


def frames(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """What an encoder wrote: event names and data, checked for their form."""
    assert data == b"" or data.endswith(b"\n\n")
    out = []
    for raw in data.split(b"\n\n")[:-1]:
        first, second = raw.split(b"\n")
        assert first.startswith(b"event: ")
        assert second.startswith(b"data: ")
        value = orjson.loads(second[6:])
        assert value["type"] == first[7:].decode()
        out.append((value["type"], value))
    return out


def encoded(found: Iterable[Signal], to: Reply | None = None) -> list[tuple[str, dict[str, Any]]]:
    return frames(DIALECT.encoder(to or reply()).encode(events_of(found)))
