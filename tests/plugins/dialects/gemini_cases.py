"""Values that the tests of the Gemini dialect share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from omniroute_dialects.gemini import DIALECT
from omniroute_hooks import Asked, Connection, Conversation, Model, Provider, Reply, Target, Text, Thinks, Turn
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.events import Event, Signal
from omniroute_hooks.jsonio import dumps, loads_upstream

GENERATE, STREAM, COUNT = DIALECT.endpoints[:3]
CONNECTION = Connection("c1", "p1", "mine", {"api_key": "k"})
LEVELS = Model("gemini-9", thinks=Thinks("level", efforts=("minimal", "low", "medium", "high")))
BUDGETS = Model("gemini-2.5-pro", thinks=Thinks("budget", min_budget=128, max_budget=32768, always=True))


def asked(endpoint: Any = GENERATE, model: str = "some-model", **query: str) -> Asked:
    return Asked(endpoint, model, query)


def target(model: str = "some-model", spec: Model | None = None, provider: str = "p1", **options: Any) -> Target:
    """A provider of this dialect, asked for ``model``."""
    return Target(
        Provider(id=provider, prefix="p", dialect=DIALECT.id, options=options),
        model,
        CONNECTION,
        "http://h/v1beta",
        spec,
    )


def parse(contents: Any = None, **fields: Any) -> Conversation:
    """A caller's request with these fields."""
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}] if contents is None else contents, **fields}
    return DIALECT.parse_request(body, asked())


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": p} if isinstance(p, str) else p for p in parts]}


def model(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": [{"text": p} if isinstance(p, str) else p for p in parts]}


def chat(*turns: Turn, **fields: Any) -> Conversation:
    """A conversation of a caller who speaks another dialect."""
    fields.setdefault("dialect", "openai-chat")
    return Conversation(model="m", turns=turns or (Turn("user", (Text("hi"),)),), **fields)


def said(role: Any, *parts: Any) -> Turn:
    return Turn(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def body_of(conversation: Conversation, to: Target | None = None, stream: bool = False) -> dict[str, Any]:
    """What a provider is sent; always JSON."""
    body = DIALECT.render_request(conversation, to or target(), stream).body
    return loads_upstream(dumps(body))


def losses_of(conversation: Conversation, to: Target | None = None) -> list[str]:
    return [loss.field for loss in DIALECT.render_request(conversation, to or target(), False).losses]


def reply(conversation: Conversation | None = None, *, alt: str | None = "sse", **fields: Any) -> Reply:
    query = {} if alt is None else {"alt": alt}
    thinking = parse(generationConfig={"thinkingConfig": {"includeThoughts": True}})
    known: dict[str, Any] = {"model": "caller-model", "reply_id": "r1", "created_s": 5}
    return Reply(conversation=conversation or thinking, asked=Asked(STREAM, "some-model", query), **{**known, **fields})


def chunk(*parts: Any, finish: str | None = None, usage: Any = None, **fields: Any) -> dict[str, Any]:
    """One piece of a provider's answer."""
    candidate: dict[str, Any] = {"content": model(*parts), "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    out: dict[str, Any] = {"candidates": [candidate]}
    if usage is not None:
        out["usageMetadata"] = usage
    return {**out, "modelVersion": "upstream-model", "responseId": "resp1", **fields}


def call(name: str = "read", args: Any = None, id: str | None = None, signature: str | None = None) -> dict[str, Any]:
    """A part that calls a tool."""
    inner: dict[str, Any] = {"name": name, "args": {} if args is None else args}
    if id is not None:
        inner["id"] = id
    return {"functionCall": inner} | ({"thoughtSignature": signature} if signature else {})


def sse(*chunks: Any, end: bytes = b"\r\n") -> bytes:
    """A provider's stream of these pieces."""
    return b"".join(b"data: " + dumps(c) + end * 2 for c in chunks)


def array(*chunks: Any) -> bytes:
    return b"[" + b",\r\n".join(dumps(c) for c in chunks) + b"]"


def decoded(data: bytes, step: int = 1 << 30, watch: bool = False) -> list[Signal]:
    decoder = DIALECT.decoder(watch)
    out: list[Signal] = []
    for start in range(0, len(data), step):
        out += decoder.feed(data[start : start + step])
    return [*out, *decoder.end()]


def events_of(signals: Iterable[Signal]) -> list[Event]:
    machine = BlockMachine("r1")
    return machine.feed(signals) + machine.end()


def encoded(events: Iterable[Event], to: Reply | None = None) -> bytes:
    return DIALECT.encoder(to or reply()).encode(list(events))


def pieces(stream: bytes) -> list[dict[str, Any]]:
    """What a strict client reads: every line is ``data: `` and JSON, or blank."""
    out = []
    for line in stream.decode().split("\n"):
        if line:
            assert line.startswith("data: {"), line
            out.append(loads_upstream(line[6:]))
    return out


def parts_of(chunks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All parts of an answer but the empty one that only carries the end."""
    parts = [p for c in chunks for candidate in c.get("candidates", ()) for p in candidate["content"]["parts"]]
    return [part for part in parts if part != {"text": ""}]
