"""`rich` in Gemini generateContent."""

from __future__ import annotations

from collections.abc import Iterable
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
    gathered,
)

Json = Any


def write(query: Query) -> dict[str, Json]:
    contents = [
        {
            "role": "model" if turn.role == "assistant" else "user",
            "parts": [part for bit in turn.bits for part in _parts(bit)],
        }
        for turn in query.turns
    ]
    config: dict[str, Json] = {}
    body: dict[str, Json] = {"contents": contents, "generationConfig": config}
    if query.system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in query.system]}
    if query.tools:
        declared = [{"name": name, "parametersJsonSchema": schema} for name, schema in query.tools]
        body["tools"] = [{"functionDeclarations": declared}]
    if query.choice is not None:
        mode = {"auto": "AUTO", "none": "NONE"}.get(query.choice, "ANY")
        calling: dict[str, Json] = {"mode": mode}
        if query.choice not in ("auto", "none", "any"):
            calling["allowedFunctionNames"] = [query.choice]
        body["toolConfig"] = {"functionCallingConfig": calling}
    assert query.parallel is None, "this dialect has no switch for parallel calls"
    if query.stop:
        config["stopSequences"] = list(query.stop)
    if query.schema is not None:
        config["responseMimeType"] = "application/json"
        if query.schema:
            config["responseJsonSchema"] = query.schema
    if query.limit is not None:
        config["maxOutputTokens"] = query.limit
    if query.temperature is not None:
        config["temperature"] = query.temperature
    if query.effort is not None:
        config["thinkingConfig"] = {"thinkingLevel": query.effort, "includeThoughts": True}
    if query.budget is not None:
        config["thinkingConfig"] = {"thinkingBudget": query.budget, "includeThoughts": True}
    return body


def _parts(bit: Bit) -> list[Json]:
    match bit:
        case Words(text):
            return [{"text": text}]
        case Picture(_, _, url) if url:
            return [{"fileData": {"fileUri": url, "mimeType": "image/png"}}]
        case Picture(mime, data) | Paper(mime, data) | Sound(mime, data):
            return [{"inlineData": {"mimeType": mime, "data": data}}]
        case Called(id_, name, args):
            return [{"functionCall": {"id": id_, "name": name, "args": dict(args)}}]
        case Given(id_, parts, error, name):
            text = "".join(part.text for part in parts if isinstance(part, Words))
            given: dict[str, Json] = {"id": id_, "name": name, "response": {"error" if error else "output": text}}
            media = [p for part in parts if not isinstance(part, Words) for p in _parts(part)]
            if media:
                given["parts"] = media
            return [{"functionResponse": given}]
    raise AssertionError(f"no part: {bit}")


def read(body: Json) -> Query:
    turns: list[Said] = []
    for content in body["contents"]:
        role = "assistant" if content["role"] == "model" else "user"
        turns.append(Said(role, tuple(_read_parts(content["parts"]))))  # type: ignore[arg-type]
    config = body.get("generationConfig") or {}
    thinking = config.get("thinkingConfig") or {}
    schema = config.get("responseJsonSchema", config.get("responseSchema"))
    if schema is None and config.get("responseMimeType") == "application/json":
        schema = {}
    return Query(
        system=tuple(part["text"] for part in body.get("systemInstruction", {"parts": ()})["parts"]),
        turns=gathered(turns),
        tools=tuple(
            (f["name"], f.get("parametersJsonSchema", f.get("parameters", {})))
            for tool in body.get("tools", ())
            for f in tool["functionDeclarations"]
        ),
        choice=_choice(body.get("toolConfig")),
        stop=tuple(config.get("stopSequences", ())),
        schema=schema,
        limit=config.get("maxOutputTokens"),
        temperature=config.get("temperature"),
        effort=thinking["thinkingLevel"].lower() if "thinkingLevel" in thinking else None,
        budget=thinking.get("thinkingBudget"),
    )


def _choice(config: Json) -> str | None:
    if config is None:
        return None
    calling = config["functionCallingConfig"]
    names = calling.get("allowedFunctionNames")
    if names:
        return str(names[0]) if len(names) == 1 else "|".join(names)
    return {"AUTO": "auto", "NONE": "none", "ANY": "any", "VALIDATED": "auto"}[calling["mode"]]


def _read_parts(parts: Iterable[Json]) -> Iterable[Bit]:
    for part in parts:
        if "functionCall" in part:
            call = part["functionCall"]
            yield Called(call.get("id", ""), call["name"], call.get("args", {}), part.get("thoughtSignature"))
        elif "functionResponse" in part:
            given = part["functionResponse"]
            response = given["response"]
            word = next(iter(response)) if len(response) == 1 else ""
            text = str(response[word]) if word in ("output", "error", "result") else str(response)
            media = tuple(_read_parts(given.get("parts", ())))
            words = (Words(text),) if text else ()
            yield Given(given.get("id", ""), (*words, *media), word == "error", given["name"])
        elif "inlineData" in part:
            mime, data = part["inlineData"]["mimeType"], part["inlineData"]["data"]
            kind = mime.partition("/")[0]
            yield (
                Picture(mime, data) if kind == "image" else Sound(mime, data) if kind == "audio" else Paper(mime, data)
            )
        elif "fileData" in part:
            yield Picture(url=part["fileData"]["fileUri"])
        elif part.get("thought"):
            yield Thought(part["text"], part.get("thoughtSignature"))
        elif part["text"]:
            yield Words(part["text"])
        elif part.get("thoughtSignature"):
            yield Thought("", part["thoughtSignature"])


SCRIBE = Scribe(write, read)
