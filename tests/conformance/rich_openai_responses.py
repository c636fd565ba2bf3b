"""`rich` in OpenAI Responses."""

from __future__ import annotations

import json
from typing import Any

from conformance.rich import (
    Bit,
    Called,
    Given,
    Paper,
    Picture,
    Query,
    Said,
    Scribe,
    Sound,
    Thought,
    Words,
    data_url,
    gathered,
    paper_at,
    picture_at,
)

Json = Any


def write(query: Query) -> dict[str, Json]:
    items: list[Json] = []
    for turn in query.turns:
        parts = []
        for bit in turn.bits:
            if isinstance(bit, Given):
                assert not bit.error, "this dialect has no mark for failed tools"
                output = [_part(part, "input_text") for part in bit.parts]
                items.append({"type": "function_call_output", "call_id": bit.id, "output": output or ""})
            elif isinstance(bit, Called):
                call = {"call_id": bit.id, "name": bit.name, "arguments": json.dumps(bit.args)}
                items.append({"type": "function_call", **call})
            else:
                parts.append(_part(bit, "output_text" if turn.role == "assistant" else "input_text"))
        if parts:
            calls_after = sum(item["type"] == "function_call" for item in items) if turn.role == "assistant" else 0
            message = {"type": "message", "role": turn.role, "content": parts}
            items.insert(len(items) - calls_after, message)
    body: dict[str, Json] = {"input": items, "store": False}
    if query.system:
        first, *more = query.system
        body["instructions"] = first
        body["input"] = [{"role": "developer", "content": text} for text in more] + items
    if query.tools:
        body["tools"] = [
            {"type": "function", "name": name, "parameters": schema, "strict": False} for name, schema in query.tools
        ]
    if query.choice is not None:
        known = {"auto": "auto", "none": "none", "any": "required"}
        body["tool_choice"] = known.get(query.choice, {"type": "function", "name": query.choice})
    if query.parallel is not None:
        body["parallel_tool_calls"] = query.parallel
    assert not query.stop, "this dialect has no stop sequences"
    if query.schema is not None:
        wanted = {"type": "json_schema", "name": "reply", "schema": query.schema, "strict": True}
        body["text"] = {"format": wanted if query.schema else {"type": "json_object"}}
    if query.limit is not None:
        body["max_output_tokens"] = query.limit
    if query.temperature is not None:
        body["temperature"] = query.temperature
    if query.effort is not None:
        body["reasoning"] = {"effort": query.effort}
    return body


def _part(bit: Bit, words: str) -> Json:
    match bit:
        case Words(text):
            return {"type": words, "text": text}
        case Picture(mime, data, url):
            return {"type": "input_image", "image_url": url or data_url(mime, data)}
        case Paper(mime, data, _, title):
            return {"type": "input_file", "filename": title, "file_data": data_url(mime, data)}
    raise AssertionError(f"no part of a message: {bit}")


def read(body: Json) -> Query:
    system = [body["instructions"]] if body.get("instructions") else []
    turns: list[Said] = []
    for item in body["input"]:
        kind = item.get("type", "message")
        if kind == "function_call":
            call = Called(item["call_id"], item["name"], json.loads(item["arguments"]))
            turns.append(Said("assistant", (call,)))
        elif kind == "function_call_output":
            turns.append(Said("user", (Given(item["call_id"], _read_parts(item["output"])),)))
        elif kind == "reasoning":
            text = "".join(part["text"] for part in item["summary"])
            turns.append(Said("assistant", (Thought(text, item.get("encrypted_content")),)))
        else:
            assert kind == "message", f"an item of type {kind}"
            bits = _read_parts(item["content"])
            if item["role"] in ("system", "developer") and not turns:
                system += [bit.text for bit in bits if isinstance(bit, Words)]
            else:
                role = {"developer": "system"}.get(item["role"], item["role"])
                turns.append(Said(role, bits))
    reasoning = body.get("reasoning") or {}
    return Query(
        system=tuple(system),
        turns=gathered(turns),
        tools=tuple((t["name"], t["parameters"]) for t in body.get("tools", ())),
        choice=_choice(body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls"),
        stop=tuple(body.get("stop", ())),
        schema=_schema((body.get("text") or {}).get("format")),
        limit=body.get("max_output_tokens"),
        temperature=body.get("temperature"),
        effort=reasoning.get("effort"),
    )


def _choice(choice: Json) -> str | None:
    if isinstance(choice, dict):
        return str(choice["name"])
    return {"required": "any"}.get(choice, choice)


def _schema(wanted: Json) -> Json:
    if wanted is None or wanted["type"] == "text":
        return None
    return wanted["schema"] if wanted["type"] == "json_schema" else {}


def _read_parts(content: Json) -> tuple[Bit, ...]:
    if isinstance(content, str):
        return (Words(content),) if content else ()
    return tuple(_read_part(part) for part in content)


def _read_part(part: Json) -> Bit:
    kind = part["type"]
    if kind in ("input_text", "output_text"):
        return Words(part["text"])
    if kind == "input_image":
        return picture_at(part["image_url"])
    if kind == "input_audio":
        return Sound(f"audio/{part['input_audio']['format']}", part["input_audio"]["data"])
    assert kind == "input_file", f"a part of type {kind}"
    return paper_at(part["file_data"], part["filename"])


SCRIBE = Scribe(write, read)
