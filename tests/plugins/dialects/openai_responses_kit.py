"""What the tests of the responses dialect share: short ways to the values it takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson
from omniroute_dialects.openai_responses import DIALECT
from omniroute_hooks import Answer, Asked, Connection, Conversation, Model, Provider, Reply, Target
from omniroute_hooks.answers import signals_of
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.events import Event, Failed, Finished

ASKED = Asked(DIALECT.endpoints[0])
HELLO = {"model": "x/gpt", "input": "hi"}


def parse(**body: Any) -> Conversation:
    """The conversation of a request; model and input are given if not said otherwise."""
    return DIALECT.parse_request({**HELLO, **body}, ASKED)


def target(spec: Model | None = None, provider: str = "p", **options: Any) -> Target:
    """A target of this dialect."""
    made = Provider(id=provider, prefix=provider, dialect=DIALECT.id, options=options)
    return Target(made, "gpt-5", Connection("c", provider, "mine", {"api_key": "k"}), "http://provider", spec)


def render(conversation: Conversation, to: Target | None = None, stream: bool = False) -> dict[str, Any]:
    """The body for a provider."""
    return DIALECT.render_request(conversation, to or target(), stream).body


def reply(conversation: Conversation | None = None) -> Reply:
    """What an answer to this conversation is made with."""
    return Reply(conversation or parse(), "x/gpt", "r1", 1_700_000_000, ASKED)


def streamed(answer: Answer, to: Reply | None = None) -> bytes:
    """The answer as a stream, one signal at a time."""
    machine, encoder = BlockMachine("r1"), DIALECT.encoder(to or reply())
    return b"".join(encoder.encode(machine.feed([s])) for s in signals_of(answer)) + encoder.encode(machine.end())


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream; names and types agree and numbers rise by one."""
    out = []
    for frame in stream.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event = orjson.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        out.append(event)
    assert [e["sequence_number"] for e in out] == list(range(len(out)))
    return out


def wire(*events: dict[str, Any]) -> bytes:
    """Events as a provider sends them."""
    frames = [
        b"event: %b\ndata: %b\n\n" % (e["type"].encode(), orjson.dumps({**e, "sequence_number": n}))
        for n, e in enumerate(events)
    ]
    return b"".join(frames)


def heard(stream: bytes, cuts: Sequence[int] | None = None, watch: bool = False) -> list[Event]:
    """The events that a provider's stream amounts to; ``cuts`` are positions where its bytes are divided."""
    decoder, machine = DIALECT.decoder(watch), BlockMachine("r1")
    out: list[Event] = []
    edges = [0, *(cuts or ()), len(stream)]
    for start, end in pairwise(edges):
        out += machine.feed(decoder.feed(stream[start:end]))
    return out + machine.feed(decoder.end()) + machine.end()


def answer_of(stream: bytes, cuts: Sequence[int] | None = None) -> Answer:
    """The answer in a stream that is whole."""
    last = heard(stream, cuts)[-1]
    assert isinstance(last, Finished), last
    return last.answer


def failure_in(stream: bytes) -> Failed:
    """The failure at a stream's end."""
    last = heard(stream)[-1]
    assert isinstance(last, Failed), last
    return last


def whole(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A provider's whole answer with these items."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": "gpt-5",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "output": list(items),
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 17,
        },
        **fields,
    }


def message(*parts: dict[str, Any], item_id: str = "msg_1") -> dict[str, Any]:
    """A message item."""
    return {"type": "message", "id": item_id, "status": "completed", "role": "assistant", "content": list(parts)}


def said(text: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    """A text part."""
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}


def call(name: str, arguments: str, call_id: str = "call_1", **fields: Any) -> dict[str, Any]:
    """A function call item."""
    shared = {"call_id": call_id, "name": name, "status": "completed"}
    return {"type": "function_call", "id": f"fc_{call_id}", **shared, "arguments": arguments, **fields}


def played(*items: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """The events with which a provider streams an answer of these items, word by word."""
    begun = {**whole(**fields), "status": "in_progress", "usage": None}
    out: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(items):
        out += _played(index, item)
    done = whole(*items, **fields)
    return [*out, {"type": f"response.{done['status']}", "response": done}]


def _played(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    at = {"item_id": item["id"], "output_index": index}
    kind, out = item["type"], []
    empty = {**item, **{k: v for k, v in (("content", []), ("arguments", ""), ("input", "")) if k in item}}
    if kind == "reasoning":
        empty = {"type": kind, "id": item["id"], "summary": []}
        for number, part in enumerate(item["summary"]):
            here = {**at, "summary_index": number}
            out.append({"type": "response.reasoning_summary_part.added", **here, "part": {**part, "text": ""}})
            for piece in _pieces(part["text"]):
                out.append({"type": "response.reasoning_summary_text.delta", **here, "delta": piece})
            out.append({"type": "response.reasoning_summary_text.done", **here, "text": part["text"]})
    elif kind == "message":
        for number, part in enumerate(item["content"]):
            here = {**at, "content_index": number}
            out.append({"type": "response.content_part.added", **here, "part": {**part, "text": ""}})
            word = "refusal" if part["type"] == "refusal" else "output_text"
            text = part["refusal" if word == "refusal" else "text"]
            out += [{"type": f"response.{word}.delta", **here, "delta": p} for p in _pieces(text)]
            for position, note in enumerate(part.get("annotations", [])):
                note = {"annotation_index": position, "annotation": note}
                out.append({"type": "response.output_text.annotation.added", **here, **note})
            out.append({"type": f"response.{word}.done", **here, "refusal" if word == "refusal" else "text": text})
            out.append({"type": "response.content_part.done", **here, "part": part})
    elif kind in ("function_call", "custom_tool_call"):
        word, field = (
            ("function_call_arguments", "arguments")
            if kind == "function_call"
            else (
                "custom_tool_call_input",
                "input",
            )
        )
        out += [{"type": f"response.{word}.delta", **at, "delta": p} for p in _pieces(item[field])]
        out.append({"type": f"response.{word}.done", **at, field: item[field]})
    added = {"type": "response.output_item.added", "output_index": index, "item": empty}
    return [added, *out, {"type": "response.output_item.done", "output_index": index, "item": item}]


def _pieces(text: str) -> list[str]:
    return [text[i : i + 3] for i in range(0, len(text), 3)]
