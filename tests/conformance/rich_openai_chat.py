"""`rich` in OpenAI Chat Completions."""

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
    messages: list[Json] = [{"role": "system", "content": text} for text in query.system]
    for turn in query.turns:
        if turn.role == "assistant":
            messages.append(_assistant(turn))
            continue
        for bit in turn.bits:
            if isinstance(bit, Given):
                assert not bit.error, "this dialect has no mark for failed tools"
                content = [{"type": "text", "text": w.text} for w in bit.parts if isinstance(w, Words)]
                assert len(content) == len(bit.parts), "tool messages hold text only"
                messages.append({"role": "tool", "tool_call_id": bit.id, "content": content or ""})
        parts = [_part(bit) for bit in turn.bits if not isinstance(bit, Given)]
        if parts:
            messages.append({"role": turn.role, "content": parts})
    body: dict[str, Json] = {"messages": messages}
    if query.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in query.tools
        ]
    if query.choice is not None:
        known = {"auto": "auto", "none": "none", "any": "required"}
        named = {"type": "function", "function": {"name": query.choice}}
        body["tool_choice"] = known.get(query.choice, named)
    if query.parallel is not None:
        body["parallel_tool_calls"] = query.parallel
    if query.stop:
        body["stop"] = list(query.stop)
    if query.schema is not None:
        wanted = {"name": "reply", "schema": query.schema, "strict": True}
        body["response_format"] = (
            {"type": "json_schema", "json_schema": wanted} if query.schema else {"type": "json_object"}
        )
    if query.limit is not None:
        body["max_completion_tokens"] = query.limit
    if query.temperature is not None:
        body["temperature"] = query.temperature
    if query.effort is not None:
        body["reasoning_effort"] = query.effort
    return body


def _part(bit: Bit) -> Json:
    match bit:
        case Words(text):
            return {"type": "text", "text": text}
        case Picture(mime, data, url):
            return {"type": "image_url", "image_url": {"url": url or data_url(mime, data)}}
        case Paper(mime, data, _, title):
            return {"type": "file", "file": {"filename": title, "file_data": data_url(mime, data)}}
        case Sound(mime, data):
            return {"type": "input_audio", "input_audio": {"data": data, "format": mime.removeprefix("audio/")}}
    raise AssertionError(f"no part of a message: {bit}")


def _assistant(turn: Said) -> Json:
    message: dict[str, Json] = {"role": "assistant", "content": None}
    for bit in turn.bits:
        if isinstance(bit, Words):
            message["content"] = bit.text
        elif isinstance(bit, Called):
            call = {"id": bit.id, "type": "function", "function": {"name": bit.name, "arguments": json.dumps(bit.args)}}
            message.setdefault("tool_calls", []).append(call)
        else:
            raise AssertionError(f"no part of an assistant's message: {bit}")
    return message


def read(body: Json) -> Query:
    turns: list[Said] = []
    system: list[str] = []
    for message in body["messages"]:
        role = message["role"]
        content = message.get("content")
        bits = _read_parts(content)
        if role in ("system", "developer"):
            if turns:
                turns.append(Said("system", bits))
            else:
                system += [bit.text for bit in bits if isinstance(bit, Words)]
        elif role == "tool":
            turns.append(Said("user", (Given(message["tool_call_id"], bits),)))
        elif role == "user":
            turns.append(Said("user", bits))
        else:
            thoughts: list[Bit] = []
            if message.get("reasoning_content") or message.get("reasoning_details"):
                details = message.get("reasoning_details") or [{}]
                seal = next((d.get("signature") or d.get("data") for d in details), None)
                thoughts.append(Thought(message.get("reasoning_content") or "", seal))
            calls = [
                Called(
                    call["id"],
                    call["function"]["name"],
                    json.loads(call["function"]["arguments"]),
                    call.get("extra_content", {}).get("google", {}).get("thought_signature"),
                )
                for call in message.get("tool_calls", ())
            ]
            turns.append(Said("assistant", (*thoughts, *bits, *calls)))
    return Query(
        system=tuple(system),
        turns=gathered(turns),
        tools=tuple((t["function"]["name"], t["function"]["parameters"]) for t in body.get("tools", ())),
        choice=_choice(body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls"),
        stop=tuple(body.get("stop", ())),
        schema=_schema(body.get("response_format")),
        limit=body.get("max_completion_tokens", body.get("max_tokens")),
        temperature=body.get("temperature"),
        effort=body.get("reasoning_effort"),
    )


def _choice(choice: Json) -> str | None:
    if isinstance(choice, dict):
        return str(choice["function"]["name"])
    return {"required": "any"}.get(choice, choice)


def _schema(wanted: Json) -> Json:
    if wanted is None or wanted["type"] == "text":
        return None
    return wanted["json_schema"]["schema"] if wanted["type"] == "json_schema" else {}


def _read_parts(content: Json) -> tuple[Bit, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (Words(content),) if content else ()
    return tuple(_read_part(part) for part in content)


def _read_part(part: Json) -> Bit:
    kind = part["type"]
    if kind == "text":
        return Words(part["text"])
    if kind == "image_url":
        return picture_at(part["image_url"]["url"])
    if kind == "input_audio":
        return Sound(f"audio/{part['input_audio']['format']}", part["input_audio"]["data"])
    assert kind == "file", f"a part of type {kind}"
    return paper_at(part["file"]["file_data"], part["file"]["filename"])


SCRIBE = Scribe(write, read)
