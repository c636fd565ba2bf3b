"""A scripted model in the Gemini generateContent dialect.

Source of the rules in `read`: https://ai.google.dev/api/generate-content and
https://ai.google.dev/gemini-api/docs/function-calling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from scripted.plan import JsonObject, Reply, Say, Seen, Tool, parameters_of
from scripted.wire import Wire, sse

# A model id may hold slashes, and clients leave them unescaped.
ENDPOINT = re.compile(r"/v1beta/models/(?P<model>.+):(?P<method>generateContent|streamGenerateContent)")
TOOL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
DATA = {
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
}
USAGE = {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120}


def read(path: str, body: JsonObject) -> Seen:
    """Walk the contents: a turn of calls is answered by the next one, with as many responses in the same order."""
    faults: list[str] = []
    results: list[str] = []
    asked: list[str] = []
    contents = body["contents"]
    assert isinstance(contents, list)
    if not contents:
        faults.append("contents is empty")
    for number, content in enumerate(contents):
        parts = content.get("parts") or []
        if content.get("role", "user") not in ("user", "model", "function"):
            faults.append(f"contents.{number}: no such role: {content['role']}")
        if not parts or any(not DATA & part.keys() for part in parts):
            faults.append(f"contents.{number}: a part without data, or no part")
        responses = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if [response["name"] for response in responses] != asked:
            got = [response["name"] for response in responses]
            faults.append(f"contents.{number}: asked for responses of {asked}, got {got}")
        for response in responses:
            if not isinstance(response["response"], dict):
                faults.append(f"contents.{number}: the response is no object")
            results.append(_text(response["response"]))
        asked = [part["functionCall"]["name"] for part in parts if "functionCall" in part]
    if asked:
        faults.append(f"no responses for {asked}")
    tools = body.get("tools") or []
    assert isinstance(tools, list)
    offered = [function for tool in tools for function in tool.get("functionDeclarations") or []]
    for function in offered:
        if not TOOL_NAME.fullmatch(function["name"]):
            faults.append(f"tool name {function['name']}")
        if "$schema" in (function.get("parameters") or {}):
            faults.append(f"a JSON schema in `parameters` of {function['name']}, which takes OpenAPI only")
    place = ENDPOINT.fullmatch(path)
    assert place
    config = body.get("generationConfig") or {}
    assert isinstance(config, dict)
    return Seen(
        model=place["model"],
        stream=place["method"] == "streamGenerateContent",
        tools={function["name"]: Tool(parameters_of(_schema(function))) for function in offered},
        results=tuple(results),
        faults=tuple(faults),
        schema=config.get("responseJsonSchema") or config.get("responseSchema"),
    )


def _schema(function: JsonObject) -> object:
    # Google's own Python SDK sends the second spelling.
    spellings = ("parametersJsonSchema", "parameters_json_schema", "parameters")
    return next((function[spelling] for spelling in spellings if spelling in function), None)


def _text(response: object) -> str:
    """The text in a function's response, under whatever name the caller keeps it."""
    if isinstance(response, dict):
        texts = [value for value in response.values() if isinstance(value, str)]
        return "".join(texts) if texts else json.dumps(response)
    return str(response)


def _answer(seen: Seen, parts: list[JsonObject], last: bool) -> JsonObject:
    candidate: JsonObject = {"content": {"role": "model", "parts": parts}, "index": 0}
    if last:
        candidate["finishReason"] = "STOP"
    return {
        "candidates": [candidate],
        "usageMetadata": USAGE,
        "modelVersion": seen.model,
        "responseId": f"scripted-{len(seen.results)}",
    }


def _parts(reply: Reply) -> list[JsonObject]:
    if isinstance(reply, Say):
        return [{"text": reply.text}]
    call = {"id": f"scripted-{reply.number}", "name": reply.name, "args": reply.arguments}
    return [{"functionCall": call, "thoughtSignature": "c2NyaXB0ZWQ="}]


def whole(reply: Reply, seen: Seen) -> JsonObject:
    return _answer(seen, _parts(reply), last=True)


def stream(reply: Reply, seen: Seen) -> Iterator[bytes]:
    if isinstance(reply, Say):
        middle = len(reply.text) // 2
        yield sse(_answer(seen, [{"text": reply.text[:middle]}], last=False))
        yield sse(_answer(seen, [{"text": reply.text[middle:]}], last=True))
    else:
        yield sse(_answer(seen, _parts(reply), last=True))


def refusal(status: int, reason: str) -> JsonObject:
    kind = "UNAUTHENTICATED" if status == 401 else "INVALID_ARGUMENT"
    return {"error": {"code": status, "message": reason, "status": kind, "details": []}}


def asides(path: str) -> JsonObject | None:
    if path.endswith(":countTokens"):
        return {"totalTokens": 100}
    if path == "/v1beta/models":
        return {"models": []}
    return None


GEMINI_GENERATE = Wire(
    name="gemini",
    node={"type": "gemini-compatible"},
    base="/v1beta",
    endpoint=ENDPOINT,
    key=lambda headers: headers.get("x-goog-api-key"),
    read=read,
    whole=whole,
    stream=stream,
    refusal=refusal,
    asides=asides,
)
