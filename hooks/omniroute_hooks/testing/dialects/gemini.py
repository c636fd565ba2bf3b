"""Google Gemini generateContent, by hand: the provider's side, and requests. `gemini_heard` reads answers.

Source: the vendor's API reference, "Generating content", "Function calling", "Thought signatures".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..expectations import array, equal, mapping, must, one_of, text
from ..neutral import Ask, Call, Result, Say, StopWord, Tokens, ToolSpec, Turn, gathered
from ..speaker import Speaker
from ..wire import pieces, sse
from .gemini_heard import STATUS, data_of, read_answer, read_error, read_stream

Json = Any
_FINISH: Mapping[StopWord, str] = {"end": "STOP", "tool": "STOP", "length": "MAX_TOKENS", "filtered": "SAFETY"}
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_LOWER = re.compile(r"_([a-z0-9])")
_FREE = ("args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema")

# The provider ------------------------------------------------------------------------------------


def answer(say: Say) -> dict[str, Json]:
    """A ``GenerateContentResponse``."""
    if say.error:
        return error_body(*say.error)
    return _response(say, _parts(say), finish=True)


def chunks(say: Say) -> list[bytes]:
    """The stream; this vendor ends its lines with CRLF, and its streams without a mark."""
    flow: list[dict[str, Json]] = [{"text": piece, "thought": True} for piece in pieces(say.thinking)]
    flow += [{"text": piece} for piece in pieces(say.text)]
    if not say.error:
        flow += _calls(say)
        if say.signature and not say.tool_calls:  # alone, behind the words it signs
            flow.append({"text": "", "thoughtSignature": say.signature})
    bodies = [_response(say, [part], finish=False) for part in flow]
    if say.error:
        bodies.append(error_body(*say.error))
    elif bodies:
        bodies[-1] = _response(say, [flow[-1]], finish=True)
    else:
        bodies = [_response(say, [], finish=True)]
    return [sse(body, end="\r\n") for body in bodies]


def _response(say: Say, parts: list[Json], *, finish: bool) -> dict[str, Json]:
    content: dict[str, Json] = {"role": "model"}
    if parts:
        content["parts"] = parts
    candidate: dict[str, Json] = {"content": content, "index": 0}
    if finish:
        candidate["finishReason"] = _FINISH[say.stop]
    usage = usage_of(say.usage)
    if not finish:
        usage = {"promptTokenCount": usage["promptTokenCount"], "totalTokenCount": usage["promptTokenCount"]}
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": say.model,
        "responseId": say.id,
    }


def _parts(say: Say) -> list[dict[str, Json]]:
    out: list[dict[str, Json]] = []
    if say.thinking:
        out.append({"text": say.thinking, "thought": True})
    if say.text:
        out.append({"text": say.text})
    if say.signature and not say.tool_calls:
        out[-1]["thoughtSignature"] = say.signature
    return out + _calls(say)


def _calls(say: Say) -> list[dict[str, Json]]:
    out: list[dict[str, Json]] = [
        {"functionCall": {"id": call.id, "name": call.name, "args": dict(call.args)}} for call in say.tool_calls
    ]
    if out and say.signature:
        out[0]["thoughtSignature"] = say.signature  # of parallel calls, only the first is signed
    return out


def usage_of(tokens: Tokens) -> dict[str, Json]:
    """The usage object: the prompt includes the cache, candidates exclude thoughts, absent means 0."""
    usage = {
        "promptTokenCount": tokens.input,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "totalTokenCount": tokens.input + tokens.output,
        "cachedContentTokenCount": tokens.cached,
        "thoughtsTokenCount": tokens.reasoning,
    }
    return {name: count for name, count in usage.items() if count}


def error_body(status: int, message: str) -> dict[str, Json]:
    """The error envelope."""
    word = STATUS.get(status, ("INTERNAL" if status >= 500 else "INVALID_ARGUMENT",))[0]
    return {"error": {"code": status, "message": message, "status": word}}


def read_request(body: Json) -> Ask:
    """What a request asks, in either spelling. Errors: `AssertionError` on what the vendor answers with a 400."""
    body = _in_camel_case(body)
    turns: list[Turn] = []
    waiting: list[Call] = []
    contents = array(body, "contents")
    must(contents, "contents is not specified")
    for content in contents:
        role = content.get("role", "user")
        must(role in ("user", "model", "function"), f"role {role!r}: please use a valid role: user, model")
        parts = array(content, "parts")
        must(parts, "contents.parts must not be empty")
        if role == "model":
            must(not waiting, "function calls must be followed by as many function responses")
            must(turns and turns[-1].role == "user", "a model turn must come right after a user turn")
            turn = _model_turn(parts)
            waiting = list(turn.calls)
        else:
            turn = _user_turn(parts, waiting)
            waiting = []
        turns.append(turn)
    must(not waiting, "function calls must be followed by as many function responses")
    config = body.get("generationConfig") or {}
    thinking = config.get("thinkingConfig") or {}
    must(not ("thinkingBudget" in thinking and "thinkingLevel" in thinking), "thinkingBudget and thinkingLevel exclude")
    system = mapping(body, "systemInstruction") if "systemInstruction" in body else {"parts": []}
    tools = _tools(body)
    return Ask(
        system="".join(text(part, "text") for part in array(system, "parts")),
        turns=gathered(turns),
        tools=tools,
        tool_choice=_tool_choice(body, tools),
        max_tokens=config.get("maxOutputTokens"),
        temperature=config.get("temperature"),
        thinks=bool(thinking.get("includeThoughts")),
    )


def _in_camel_case(value: Json) -> Json:
    """With ``snake_case`` fields as the vendor's reference spells them: its server takes both. Free data stays."""
    if isinstance(value, list):
        return [_in_camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, Json] = {}
    for name, item in value.items():
        spelled = _LOWER.sub(lambda match: match[1].upper(), name)
        must(spelled not in out, f"{spelled!r} is given in both spellings")
        out[spelled] = item if spelled in _FREE else _in_camel_case(item)
    return out


def _model_turn(parts: list[Json]) -> Turn:
    said, calls = "", list[Call]()
    for part in parts:
        kind = data_of(part)
        must(kind in ("text", "functionCall"), f"a model turn with {kind}")
        if kind == "functionCall":
            call = mapping(part, "functionCall")
            must(_NAME.fullmatch(text(call, "name")), f"the function name {call['name']!r} is invalid")
            calls.append(Call(call.get("id", ""), call["name"], mapping(call, "args") if "args" in call else {}))
        elif not part.get("thought"):
            said += text(part, "text")
    return Turn(role="assistant", text=said, calls=calls)


def _user_turn(parts: list[Json], waiting: list[Call]) -> Turn:
    said, results = "", list[Result]()
    for part in parts:
        kind = data_of(part)
        must(kind in ("text", "functionResponse"), f"a user turn with {kind}")
        if kind == "text":
            said += text(part, "text")
            continue
        given = mapping(part, "functionResponse")
        must(len(results) < len(waiting), "more function responses than function calls")
        call = waiting[len(results)]
        if "id" in given:
            known = {c.id: c for c in waiting}
            must(given["id"] in known, f"a function response for {given['id']!r}, which is no call")
            call = known[given["id"]]
        equal(given, "name", call.name)
        results.append(Result(call.id, call.name, _response_text(mapping(given, "response"))))
    must(len(results) == len(waiting), "function calls must be followed by as many function responses")
    return Turn(role="user", text=said, results=results)


def _response_text(response: Mapping[str, Json]) -> str:
    for name in ("output", "result", "error"):
        if set(response) == {name} and isinstance(response[name], str):
            return str(response[name])
    return str(dict(response))


def _tools(body: Json) -> tuple[ToolSpec, ...]:
    declared = [f for tool in body.get("tools", ()) for f in array(tool, "functionDeclarations")]
    must("tools" not in body or declared, "tools must be left out where there are none")
    out = []
    for function in declared:
        must(_NAME.fullmatch(text(function, "name")), f"the function name {function['name']!r} is invalid")
        must(not ("parameters" in function and "parametersJsonSchema" in function), "two schemas for one function")
        schema = function.get("parametersJsonSchema") or function.get("parameters") or {}
        out.append(ToolSpec(function["name"], function.get("description") or "", _lowered(schema)))
    must(len({tool.name for tool in out}) == len(out), "Duplicate function declaration found")
    return tuple(out)


def _lowered(schema: Json) -> Json:
    """OpenAPI's STRING as JSON Schema's string."""
    if isinstance(schema, dict):
        return {
            name: value.lower() if name == "type" and isinstance(value, str) else _lowered(value)
            for name, value in schema.items()
        }
    return [_lowered(item) for item in schema] if isinstance(schema, list) else schema


def _tool_choice(body: Json, tools: tuple[ToolSpec, ...]) -> str | None:
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {"mode": "AUTO"}
    mode = one_of(config, "mode", ("AUTO", "ANY", "NONE", "VALIDATED"))
    names = config.get("allowedFunctionNames")
    must(not names or mode in ("ANY", "VALIDATED"), "allowedFunctionNames goes with ANY or VALIDATED only")
    must(set(names or ()) <= {tool.name for tool in tools}, f"allowedFunctionNames {names} names no function")
    if mode == "ANY":
        return names[0] if names and len(names) == 1 else "any"
    return "none" if mode == "NONE" else None


# The client --------------------------------------------------------------------------------------


def request_of(ask: Ask) -> dict[str, Json]:
    """The request body; model and streaming are in the path."""
    contents = []
    for turn in ask.turns:
        parts: list[dict[str, Json]] = [
            {"functionResponse": {"id": r.id, "name": r.name, "response": {"output": r.text}}} for r in turn.results
        ]
        if turn.text:
            parts.append({"text": turn.text})
        parts += [{"functionCall": {"id": c.id, "name": c.name, "args": dict(c.args)}} for c in turn.calls]
        contents.append({"role": "model" if turn.role == "assistant" else "user", "parts": parts})
    body: dict[str, Json] = {"contents": contents}
    if ask.system:
        body["systemInstruction"] = {"parts": [{"text": ask.system}]}
    if ask.tools:
        declared = [
            {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
            for tool in ask.tools
        ]
        body["tools"] = [{"functionDeclarations": declared}]
    if ask.tool_choice is not None:
        chosen: dict[str, Json] = {"mode": {"none": "NONE"}.get(ask.tool_choice, "ANY")}
        if ask.tool_choice not in ("any", "none"):
            chosen["allowedFunctionNames"] = [ask.tool_choice]
        body["toolConfig"] = {"functionCallingConfig": chosen}
    config: dict[str, Json] = {}
    if ask.max_tokens is not None:
        config["maxOutputTokens"] = ask.max_tokens
    if ask.temperature is not None:
        config["temperature"] = ask.temperature
    if ask.thinks:
        config["thinkingConfig"] = {"includeThoughts": True, "thinkingBudget": 1024}
    if config:
        body["generationConfig"] = config
    return body


def path(ask: Ask) -> str:
    """Where the request goes."""
    method = "streamGenerateContent?alt=sse" if ask.stream else "generateContent"
    return f"/v1beta/models/{ask.model}:{method}"


def headers(key: str) -> dict[str, str]:
    """How the client shows its key."""
    return {"x-goog-api-key": key}


GEMINI = Speaker(
    id="gemini",
    answer=answer,
    chunks=chunks,
    error_body=error_body,
    read_request=read_request,
    request_of=request_of,
    path=path,
    headers=headers,
    read_answer=read_answer,
    read_stream=read_stream,
    read_error=read_error,
)
