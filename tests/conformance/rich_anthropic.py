"""`rich` in Anthropic Messages."""

from __future__ import annotations

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
    Thought,
    Words,
    gathered,
)

Json = Any


def write(query: Query) -> dict[str, Json]:
    messages = [{"role": turn.role, "content": [_block(bit) for bit in turn.bits]} for turn in query.turns]
    body: dict[str, Json] = {"messages": messages, "max_tokens": query.limit or 1024}
    if query.system:
        body["system"] = [{"type": "text", "text": text} for text in query.system]
    if query.tools:
        body["tools"] = [{"name": name, "input_schema": schema} for name, schema in query.tools]
    if query.choice is not None or query.parallel is not None:
        known = query.choice in ("auto", "any", "none", None)
        choice: dict[str, Json] = {"type": query.choice or "auto"} if known else {"type": "tool", "name": query.choice}
        if query.parallel is False:
            choice["disable_parallel_tool_use"] = True
        body["tool_choice"] = choice
    if query.stop:
        body["stop_sequences"] = list(query.stop)
    if query.schema is not None:
        assert query.schema, "this dialect has no form but a schema"
        body["output_config"] = {"format": {"type": "json_schema", "schema": query.schema}}
    if query.temperature is not None:
        body["temperature"] = query.temperature
    if query.effort is not None:
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {**body.get("output_config", {}), "effort": query.effort}
    if query.budget is not None:
        body["thinking"] = {"type": "enabled", "budget_tokens": query.budget}
    return body


def _block(bit: Bit) -> Json:
    match bit:
        case Words(text):
            return {"type": "text", "text": text}
        case Picture(mime, data, url):
            source = {"type": "url", "url": url} if url else {"type": "base64", "media_type": mime, "data": data}
            return {"type": "image", "source": source}
        case Paper(mime, data, text, title):
            kind = {"type": "text", "data": text} if text else {"type": "base64", "data": data}
            return {"type": "document", "source": {**kind, "media_type": mime}, "title": title}
        case Called(id_, name, args):
            return {"type": "tool_use", "id": id_, "name": name, "input": dict(args)}
        case Given(id_, parts, error):
            result: dict[str, Json] = {"type": "tool_result", "tool_use_id": id_, "content": [_block(b) for b in parts]}
            return {**result, "is_error": True} if error else result
    raise AssertionError(f"no block: {bit}")


def read(body: Json) -> Query:
    turns = [Said(m["role"], _read_blocks(m["content"])) for m in body["messages"]]
    choice = body.get("tool_choice")
    output = body.get("output_config") or {}
    thinking = body.get("thinking") or {}
    system = body.get("system", ())
    return Query(
        system=(system,) if isinstance(system, str) else tuple(block["text"] for block in system),
        turns=gathered(turns),
        tools=tuple((tool["name"], tool["input_schema"]) for tool in body.get("tools", ())),
        choice=None if choice is None else choice.get("name", choice["type"]),
        parallel=False if choice and choice.get("disable_parallel_tool_use") else None,
        stop=tuple(body.get("stop_sequences", ())),
        schema=output["format"]["schema"] if "format" in output else None,
        limit=body["max_tokens"],
        temperature=body.get("temperature"),
        effort=output.get("effort"),
        budget=thinking.get("budget_tokens"),
    )


def _read_blocks(content: Json) -> tuple[Bit, ...]:
    if isinstance(content, str):
        return (Words(content),)
    return tuple(_read_block(block) for block in content)


def _read_block(block: Json) -> Bit:
    kind = block["type"]
    if kind == "text":
        return Words(block["text"])
    if kind == "image":
        source = block["source"]
        return Picture(url=source["url"]) if source["type"] == "url" else Picture(source["media_type"], source["data"])
    if kind == "document":
        source = block["source"]
        words = source["type"] == "text"
        return Paper(
            source["media_type"],
            data="" if words else source["data"],
            text=source["data"] if words else "",
            title=block.get("title") or "",
        )
    if kind == "tool_use":
        return Called(block["id"], block["name"], block["input"])
    if kind == "tool_result":
        return Given(block["tool_use_id"], _read_blocks(block.get("content", ())), bool(block.get("is_error")))
    if kind == "redacted_thinking":
        return Thought("", block["data"])
    assert kind == "thinking", f"a block of type {kind}"
    return Thought(block["thinking"], block["signature"])


SCRIBE = Scribe(write, read)
