"""Callers who speak Gemini: what their requests mean."""

from __future__ import annotations

from typing import Any

import pytest
from gemini_cases import COUNT, GENERATE, STREAM, asked, call, model, parse, user
from google.genai import types
from omniroute_dialects.gemini import DIALECT
from omniroute_hooks import (
    GEMINI,
    Audio,
    BadRequest,
    Document,
    Image,
    Opaque,
    OutputFormat,
    Reasoning,
    Seal,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Video,
)

PNG = "iVBORw0KGgoAAAANSUhEUg=="


@pytest.mark.parametrize("path_model", ["gemini-2.5-pro", "models/gemini-2.5-pro"])
def test_the_path_names_the_model_and_the_method_decides_on_streaming(path_model):
    assert DIALECT.peek({}, asked(STREAM, path_model)).model == "gemini-2.5-pro"
    assert DIALECT.peek({}, asked(STREAM, path_model)).stream is True
    assert DIALECT.peek({}, asked(GENERATE, path_model)).stream is False
    body = {"contents": [user("hi")]}
    assert DIALECT.parse_request(body, asked(STREAM, path_model)).model == "gemini-2.5-pro"


def test_a_model_name_may_hold_slashes_and_colons():
    assert DIALECT.peek({}, asked(GENERATE, "ds/deepseek:free")).model == "ds/deepseek:free"


def test_cached_content_ties_a_session_to_one_account():
    assert DIALECT.peek({"cached_content": "cachedContents/x"}, asked()).session == "cachedContents/x"


def test_a_request_without_a_model_in_its_path_is_refused():
    with pytest.raises(BadRequest, match="names no model"):
        DIALECT.peek({}, asked(GENERATE, ""))


CAMEL: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"someArg": 1, "other_arg": 2}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "x"}}}]},
    ],
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "maxOutputTokens": 9,
        "topP": 0.5,
        "topK": 40.0,
        "stopSequences": ["x"],
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 512},
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    },
}
SNAKE: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": PNG}}]},
        {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"someArg": 1, "other_arg": 2}}}]},
        {"role": "user", "parts": [{"function_response": {"name": "f", "response": {"output": "x"}}}]},
    ],
    "system_instruction": {"parts": [{"text": "Be brief."}]},
    "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}],
    "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
    "generation_config": {
        "max_output_tokens": 9,
        "top_p": 0.5,
        "top_k": 40.0,
        "stop_sequences": ["x"],
        "thinking_config": {"include_thoughts": True, "thinking_budget": 512},
        "response_mime_type": "application/json",
        "response_json_schema": {"type": "object"},
    },
}


def test_camel_case_and_snake_case_mean_the_same():
    one = DIALECT.parse_request(CAMEL, asked())
    other = DIALECT.parse_request(SNAKE, asked())
    assert one == other
    assert one.turns[0] == Turn("system", (Text("Be brief."),))
    assert one.turns[2].parts == (ToolCall("call_1_0", "f", '{"someArg":1,"other_arg":2}'),)
    assert one.tool_choice == ToolChoice("named", ("f",))
    assert one.sampling.top_k == 40
    assert one.max_tokens == 9
    assert one.stop == ("x",)
    assert one.reasoning == Reasoning("on", budget=512, show="summary")
    assert one.format == OutputFormat("json_schema", {"type": "object"})
    assert one.ext == {}


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        ({"parts": [{"text": "a"}, {"text": "b"}]}, ("a", "b")),
        ({"role": "user", "parts": {"text": "a"}}, ("a",)),
        ("a", ("a",)),
        ([{"text": "a"}], ("a",)),
    ],
)
def test_b97_system_instruction_in_every_form(system, wanted):
    assert parse(systemInstruction=system).turns[0] == Turn("system", tuple(Text(t) for t in wanted))
    assert parse(system_instruction=system).turns[0].role == "system"


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        pytest.param({"text": "a"}, Text("a"), id="text"),
        pytest.param({"inlineData": {"mimeType": "image/jpeg", "data": PNG}}, Image, id="image"),
        pytest.param({"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}, Audio, id="audio"),
        pytest.param({"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}, Video, id="video"),
        pytest.param({"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}}, Document, id="pdf"),
        pytest.param({"fileData": {"fileUri": "https://youtu.be/x"}}, Video, id="youtube"),
        pytest.param({"fileData": {"fileUri": "https://h/x.png"}}, Image, id="image-url"),
        pytest.param({"executableCode": {"language": "PYTHON", "code": "1"}}, Opaque, id="code"),
        pytest.param({"somethingNew": {"a": 1}}, Opaque, id="b111-unknown-kind"),
    ],
)
def test_parts_of_a_user(part, wanted):
    (got,) = parse([user(part)]).turns[0].parts
    if isinstance(wanted, type):
        assert isinstance(got, wanted)
    else:
        assert got == wanted


def test_a_wrong_image_type_is_put_right_by_the_bytes():
    (image,) = parse([user({"inlineData": {"mimeType": "image/jpeg", "data": PNG}})]).turns[0].parts
    assert image.source.mime == "image/png"


def test_url_safe_base64_of_sdks_becomes_the_common_alphabet():
    (image,) = parse([user({"inlineData": {"mimeType": "video/mp4", "data": "-_-_"}})]).turns[0].parts
    assert image.source.data == "+/+/"


@pytest.mark.parametrize(
    "uri", ["gs://b/f.pdf", "https://generativelanguage.googleapis.com/v1beta/files/abc", "files/abc"]
)
def test_files_at_the_vendor_are_ids_and_no_addresses_for_others(uri):
    (part,) = parse([user({"fileData": {"fileUri": uri, "mimeType": "application/pdf"}})]).turns[0].parts
    assert part.source.file_id == uri
    assert part.source.url is None


def test_thoughts_and_signatures_stay_in_their_parts():
    turn = parse(
        [
            user("hi"),
            model({"text": "hm", "thought": True}, {"text": "a", "thoughtSignature": "c2ln"}, call(signature="YWJj")),
        ]
    ).turns[1]
    assert turn.parts == (
        Thinking("hm"),
        Text("a", seal=Seal("c2ln", GEMINI)),
        ToolCall("call_1_2", "read", "{}", seal=Seal("YWJj", GEMINI)),
    )


def test_an_answer_that_comes_back_piece_by_piece_is_one_turn():
    turns = parse([user("hi"), model("Hel"), model("lo"), model(call()), user("go")]).turns
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    assert turns[1].parts == (Text("Hello"), ToolCall("call_3_0", "read", "{}"))


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"output": "fine"}, "fine", False),
        ({"result": "fine"}, "fine", False),
        ({"error": "no such file"}, "no such file", True),
        ({"output": {"a": 1}}, '{"a":1}', False),
        ({"a": 1, "b": 2}, '{"a":1,"b":2}', False),
        ({}, "", False),
        (None, "", False),
    ],
)
def test_results_in_words(response, text, is_error):
    part = {"functionResponse": {"name": "read", "response": response}}
    (result,) = parse([user("hi"), model(call()), user(part)]).turns[2].parts
    assert isinstance(result, ToolResult)
    assert result.parts == ((Text(text),) if text else ())
    assert result.is_error is is_error
    assert result.call_id == "call_1_0"


def test_media_in_a_result():
    response = {
        "name": "read",
        "response": {"output": "x"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}],
    }
    (result,) = parse([user("hi"), model(call()), user({"functionResponse": response})]).turns[2].parts
    assert [type(part) for part in result.parts] == [Text, Image]


def test_results_without_ids_are_paired_by_name_and_order():
    answered = [
        {"functionResponse": {"name": n, "response": {"output": o}}} for n, o in (("b", "1"), ("a", "2"), ("a", "3"))
    ]
    turns = parse([user("hi"), model(call("a"), call("a"), call("b")), user(*answered)]).turns
    assert [part.id for part in turns[1].parts] == ["call_1_0", "call_1_1", "call_1_2"]
    assert [part.call_id for part in turns[2].parts] == ["call_1_2", "call_1_0", "call_1_1"]


def test_results_with_ids_are_paired_by_id():
    answered = [{"functionResponse": {"id": i, "name": "a", "response": {}}} for i in ("y", "x")]
    turns = parse([user("hi"), model(call("a", id="x"), call("a", id="y")), user(*answered)]).turns
    assert [part.call_id for part in turns[2].parts] == ["y", "x"]


def test_b44_made_up_ids_differ_between_turns_and_stay_as_the_history_grows():
    short = [user("hi"), model(call()), user({"functionResponse": {"name": "read", "response": {}}}), model(call())]
    long = [*short, user({"functionResponse": {"name": "read", "response": {}}}), model(call())]
    ids = [p.id for t in parse(long).turns for p in t.parts if isinstance(p, ToolCall)]
    assert len(set(ids)) == 3
    assert ids[:2] == [p.id for t in parse(short).turns for p in t.parts if isinstance(p, ToolCall)]


def test_a_made_up_id_never_meets_one_that_was_given():
    turns = parse([user("hi"), model(call(), call(id="call_1_0"))]).turns
    assert [p.id for p in turns[1].parts] == ["call_1_0_", "call_1_0"]


def test_tools_of_both_kinds():
    tools = parse(
        tools=[
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "description": "d",
                        "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}},
                    }
                ]
            },
            {"googleSearch": {}},
            {"code_execution": {}},
        ]
    ).tools
    assert tools[0] == Tool(
        "f",
        "d",
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}},
        ext={GEMINI: {"parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}}}},
    )
    assert tools[1:] == (
        ServerTool("web_search", GEMINI, {"googleSearch": {}}),
        ServerTool("code_execution", GEMINI, {"codeExecution": {}}),
    )


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "ANY"}, ToolChoice("any")),
        ({"mode": "any", "allowedFunctionNames": ["a", "b"]}, ToolChoice("named", ("a", "b"))),
        ({"mode": "VALIDATED"}, ToolChoice("auto")),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["a"]}, ToolChoice("allowed", ("a",))),
        ({}, None),
    ],
)
def test_tool_choice(config, wanted):
    assert parse(toolConfig={"functionCallingConfig": config}).tool_choice == wanted


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({}, Reasoning()),
        ({"thinkingBudget": 0}, Reasoning("off", budget=0)),
        ({"thinkingBudget": -1}, Reasoning("auto")),
        ({"thinkingBudget": 100}, Reasoning("on", budget=100)),
        ({"thinkingLevel": "HIGH", "includeThoughts": False}, Reasoning("on", effort="high", show="none")),
        ({"includeThoughts": True}, Reasoning(show="summary")),
    ],
)
def test_reasoning(config, wanted):
    assert parse(generationConfig={"thinkingConfig": config}).reasoning == wanted


def test_what_has_no_name_rides_along():
    body = {
        "cachedContent": "cachedContents/x",
        "safety_settings": [{"category": "c", "threshold": "t"}],
        "generationConfig": {"speechConfig": {"a": 1}, "response_mime_type": "text/x.enum"},
    }
    assert parse(**body).ext == {
        GEMINI: {
            "cachedContent": "cachedContents/x",
            "safetySettings": [{"category": "c", "threshold": "t"}],
            "generationConfig": {"speechConfig": {"a": 1}, "responseMimeType": "text/x.enum"},
        }
    }


def test_counting_takes_both_forms():
    inner = {"model": "models/x", "contents": [user("hi")], "systemInstruction": {"parts": [{"text": "s"}]}}
    wrapped = DIALECT.parse_request({"generateContentRequest": inner}, asked(COUNT))
    bare = DIALECT.parse_request({"contents": [user("hi")]}, asked(COUNT))
    assert wrapped.turns[1:] == bare.turns
    assert wrapped.turns[0].role == "system"


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, ["contents"]),
        ({"contents": []}, ["contents"]),
        ({"contents": "hi"}, ["contents"]),
        ({"contents": [1]}, ["contents[0]"]),
        ({"contents": [{"role": "assistant", "parts": []}]}, ["contents[0].role"]),
        ({"contents": [{"parts": [{}]}]}, ["contents[0].parts[0]"]),
        ({"contents": [{"parts": [{"text": 1}]}]}, ["contents[0].parts[0].text"]),
        (
            {"contents": [{"parts": [{"functionCall": {"args": []}}]}]},
            ["contents[0].parts[0].functionCall.name", "contents[0].parts[0].functionCall.args"],
        ),
        ({"contents": [{"parts": [{"inline_data": {}}]}]}, ["contents[0].parts[0].inline_data.data"]),
        (
            {"contents": [user("a")], "generation_config": {"max_output_tokens": "x"}},
            ["generation_config.max_output_tokens"],
        ),
        (
            {"contents": [user("a")], "generationConfig": {"temperature": "hot", "topP": 7}},
            ["generationConfig.temperature", "generationConfig.topP"],
        ),
        (
            {"contents": [user("a")], "tools": [{"functionDeclarations": [{}]}]},
            ["tools[0].functionDeclarations[0].name"],
        ),
        (
            {
                "contents": [user("a")],
                "generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}},
            },
            ["generationConfig.thinkingConfig"],
        ),
    ],
)
def test_every_wrong_field_is_named(body, paths):
    with pytest.raises(BadRequest) as caught:
        DIALECT.parse_request(body, asked())
    assert [problem.path for problem in caught.value.details] == paths


def test_what_the_vendors_sdk_writes_is_understood():
    history = [
        types.Content(
            role="user",
            parts=[types.Part(text="hi"), types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n", mime_type="image/png")],
        ),
        types.Content(
            role="model",
            parts=[
                types.Part(function_call=types.FunctionCall(name="f", args={"a": 1}), thought_signature=b"\xfb\xff")
            ],
        ),
        types.Content(role="user", parts=[types.Part.from_function_response(name="f", response={"output": "x"})]),
    ]
    body = {"contents": [content.model_dump(mode="json", by_alias=True, exclude_none=True) for content in history]}
    turns = DIALECT.parse_request(body, asked()).turns
    assert [type(p) for t in turns for p in t.parts] == [Text, Image, ToolCall, ToolResult]
    assert turns[1].parts[0].seal is not None
