"""Providers that speak Gemini: what they are sent."""

from __future__ import annotations

import base64

import orjson
import pytest
from gemini_cases import BUDGETS, LEVELS, body_of, call, chat, losses_of, model, parse, said, target, user
from google.genai import types
from omniroute_dialects.gemini import DIALECT
from omniroute_dialects.gemini.slots import DUMMY
from omniroute_hooks import (
    ANTHROPIC,
    GEMINI,
    Blob,
    Document,
    Image,
    Model,
    Opaque,
    OutputFormat,
    Reasoning,
    Refusal,
    Sampling,
    Seal,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Unsupported,
)
from omniroute_hooks.sealing import wrap

PNG = Image(Blob("image/png", data="iVBORw0KGgo="))
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
READ = Tool("read", "Reads.", OBJECT)


def contents(*turns, to=None, **fields):
    return body_of(chat(*turns, **fields), to)["contents"]


@pytest.mark.parametrize(
    ("name", "stream", "path"),
    [
        ("gemini-2.5-pro", False, "/models/gemini-2.5-pro:generateContent"),
        ("gemini-2.5-pro", True, "/models/gemini-2.5-pro:streamGenerateContent?alt=sse"),
        ("models/gemini-2.5-pro", False, "/models/gemini-2.5-pro:generateContent"),
        ("org/model x:free", False, "/models/org/model%20x%3Afree:generateContent"),
        ("tunedModels/mine", False, "/tunedModels/mine:generateContent"),
    ],
)
def test_b36_paths(name, stream, path):
    assert DIALECT.render_request(chat(), target(name), stream).path == path
    assert DIALECT.pass_request(b"{}", {}, target(name), stream).path == path


@pytest.mark.parametrize("name", ["..", "a/../../v1", "", "models/", "/x"])
def test_a_models_name_never_leaves_the_models_address(name):
    with pytest.raises(Unsupported):
        DIALECT.render_request(chat(), target(name), False)


def test_b97_b100_system_texts_stay_where_they_stand():
    body = body_of(
        chat(
            said("system", "one", "two"),
            said("system", "three"),
            said("user", "a"),
            said("assistant", "b"),
            said("system", "now"),
            said("user", "c"),
        )
    )
    assert body["systemInstruction"] == {"parts": [{"text": "one"}, {"text": "two"}, {"text": "three"}]}
    assert body["contents"] == [user("a"), model("b"), user("now", "c")]


def test_b101_only_a_system_text_becomes_the_question():
    body = body_of(chat(said("system", "Do it.")))
    assert body == {"contents": [user("Do it.")]}


def test_b56_the_user_speaks_first():
    assert contents(said("assistant", "Hello."), said("user", "hi")) == [user("Continue."), model("Hello."), user("hi")]


def test_b102_b104_neighbours_merge_and_empty_parts_vanish():
    assert contents(
        said("user", "a"), said("user", ""), said("user", "b"), said("assistant", ""), said("user", "c")
    ) == [user("a", "b", "c")]


def test_a_prefill_stays_the_models_turn():
    assert contents(said("user", "a"), said("assistant", "The answer is")) == [user("a"), model("The answer is")]


def test_b37_b40_parallel_results_are_gathered_in_call_order():
    got = contents(
        said("user", "go"),
        said("assistant", ToolCall("1", "a", "{}"), ToolCall("2", "b", "{}")),
        said("user", ToolResult("2", (Text("two"),))),
        said("user", "meanwhile", ToolResult("1", (Text("one"),))),
        said("user", "and?"),
    )
    assert got[1]["parts"] == [
        {"functionCall": {"id": "1", "name": "a", "args": {}}},
        {"functionCall": {"id": "2", "name": "b", "args": {}}},
    ]
    assert got[2]["parts"] == [
        {"functionResponse": {"id": "1", "name": "a", "response": {"output": "one"}}},
        {"functionResponse": {"id": "2", "name": "b", "response": {"output": "two"}}},
        {"text": "meanwhile"},
        {"text": "and?"},
    ]


def test_b38_b39_orphans_become_text_and_doubles_vanish():
    got = contents(
        said("user", ToolResult("gone", (Text("old"),))),
        said("assistant", ToolCall("1", "a", "{}")),
        said("user", ToolResult("1", (Text("one"),)), ToolResult("1", ())),
    )
    assert got[0] == user("old")
    assert got[2]["parts"] == [{"functionResponse": {"id": "1", "name": "a", "response": {"output": "one"}}}]


def test_a_call_without_a_result_gets_one_that_says_so():
    got = contents(said("user", "go"), said("assistant", ToolCall("1", "a", "{}")), said("user", "stop"))
    assert got[2]["parts"][0]["functionResponse"]["response"] == {"error": "No result was recorded for this call."}
    assert got[2]["parts"][1] == {"text": "stop"}


def test_b46_results_find_the_name_of_their_call():
    got = contents(said("user", "go"), said("assistant", ToolCall("1", "a", "{}")), said("user", ToolResult("1")))
    assert got[2]["parts"][0]["functionResponse"]["name"] == "a"


def test_b47_ids_stay_away_where_they_are_refused():
    turns = (
        said("user", "go"),
        said("assistant", ToolCall("1", "a", "{}")),
        said("user", ToolResult("1", (Text("x"),))),
    )
    got = contents(*turns, to=target(function_ids=False))
    assert got[1]["parts"] == [{"functionCall": {"name": "a", "args": {}}}]
    assert got[2]["parts"] == [{"functionResponse": {"name": "a", "response": {"output": "x"}}}]


def test_b48_names_are_cleaned_alike_everywhere():
    odd, long = "1 tool/ä", "x" * 80
    body = body_of(
        chat(
            said("user", "go"),
            said("assistant", ToolCall("1", odd, "{}")),
            said("user", ToolResult("1", (Text("x"),))),
            tools=(Tool(odd, None, OBJECT), Tool(long, None, OBJECT)),
            tool_choice=ToolChoice("named", (odd,)),
        )
    )
    names = [tool["name"] for tool in body["tools"][0]["functionDeclarations"]]
    assert all(len(name) <= 64 and (name[0].isalpha() or name[0] == "_") and name.isascii() for name in names)
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [names[0]]
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == names[0]
    assert body["contents"][2]["parts"][0]["functionResponse"]["name"] == names[0]


def test_namespaces_are_flattened():
    body = body_of(
        chat(
            said("user", "go"),
            said("assistant", ToolCall("1", "f", "{}", namespace="ns")),
            tools=(Tool("f", None, OBJECT, namespace="ns"),),
        )
    )
    assert body["tools"][0]["functionDeclarations"][0]["name"] == "ns__f"
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == "ns__f"


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ('{"a":"","b":0,"c":null,"d":false}', {"a": "", "b": 0, "c": None, "d": False}),
        ("", {}),
        ("{}", {}),
        ("[1]", {"_raw": "[1]"}),
        ('"x"', {"_raw": '"x"'}),
        ("null", {"_raw": "null"}),
        ('{"a":', {"_raw": '{"a":'}),
    ],
)
def test_b54_b55_arguments_are_parsed_once_and_kept(arguments, args):
    got = contents(said("user", "go"), said("assistant", ToolCall("1", "a", arguments)))
    assert got[1]["parts"][0]["functionCall"]["args"] == args


def test_b51_freeform_tools_become_functions_with_one_text():
    patch = ToolCall("1", "patch", "*** raw\ntext", kind="custom")
    body = body_of(chat(said("user", "go"), said("assistant", patch), tools=(Tool("patch", "d", kind="custom"),)))
    (declared,) = body["tools"][0]["functionDeclarations"]
    assert declared["parametersJsonSchema"]["required"] == ["input"]
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "*** raw\ntext"}


def test_b59_b60_empty_and_failed_results():
    got = contents(
        said("user", "go"),
        said("assistant", ToolCall("1", "a"), ToolCall("2", "b")),
        said("user", ToolResult("1"), ToolResult("2", (Text("boom"),), is_error=True)),
    )
    assert [p["functionResponse"]["response"] for p in got[2]["parts"]] == [{"output": ""}, {"error": "boom"}]


def test_b58_pictures_in_results():
    turns = (
        said("user", "go"),
        said("assistant", ToolCall("1", "shot")),
        said("user", ToolResult("1", (Text("here"), PNG))),
    )
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    inside = contents(*turns, to=target(spec=LEVELS))[2]["parts"]
    assert inside == [
        {"functionResponse": {"id": "1", "name": "shot", "response": {"output": "here"}, "parts": [picture]}}
    ]
    beside = contents(*turns, to=target(spec=BUDGETS))[2]["parts"]
    assert beside == [{"functionResponse": {"id": "1", "name": "shot", "response": {"output": "here"}}}, picture]


def test_pictures_of_several_results_are_told_apart():
    got = contents(
        said("user", "go"),
        said("assistant", ToolCall("1", "a"), ToolCall("2", "b")),
        said("user", ToolResult("1", (PNG,)), ToolResult("2", (PNG,))),
        to=target(spec=BUDGETS),
    )[2]["parts"]
    assert [next(iter(part)) for part in got] == ["functionResponse"] * 2 + ["text", "inlineData"] * 2
    assert got[0]["functionResponse"]["response"] == {"output": "The result is attached."}


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (PNG, {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}),
        (
            Image(Blob(url="https://h/x.webp?a=1")),
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://h/x.webp?a=1"}},
        ),
        (Image(Blob(url="https://h/x")), {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://h/x"}}),
        (
            Document(Blob("application/pdf", data="JVBERi0="), title="a.pdf"),
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
        ),
        (Document(Blob("text/plain", text="words"), title="a.txt"), {"text": "a.txt\nwords"}),
        (Refusal("No."), {"text": "No."}),
        (Opaque(ANTHROPIC, "server_tool_use", {}, "searched"), {"text": "searched"}),
    ],
)
def test_b106_b107_parts(part, wanted):
    assert contents(said("user", part)) == [user(wanted)]


def test_a_file_of_another_provider_is_refused():
    with pytest.raises(Unsupported, match="file_id"):
        contents(said("user", Document(Blob(file_id="file-1"))))


# thinking and signatures -------------------------------------------------------

OWN = Seal("c2ln", GEMINI, "p1", "some-model")


def test_b67_b68_a_signature_goes_back_into_its_part_only():
    got = contents(
        said("user", "go"),
        said(
            "assistant",
            Thinking("hm"),
            Text("a", seal=OWN),
            ToolCall("1", "a", seal=Seal("YWJj", GEMINI, "p1", "some-model")),
            ToolCall("2", "b"),
        ),
    )
    assert got[1]["parts"] == [
        {"text": "a", "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "1", "name": "a", "args": {}}, "thoughtSignature": "YWJj"},
        {"functionCall": {"id": "2", "name": "b", "args": {}}},
    ]


@pytest.mark.parametrize(
    "seal",
    [
        Seal("ant-signature", ANTHROPIC, "claude", "c"),
        Seal("c2ln", GEMINI, "another", "some-model"),
        Seal("c2ln", GEMINI, "p1", "another-model"),
    ],
)
def test_b65_b66_foreign_seals_stay_away(seal):
    conversation = chat(
        said("user", "go"), said("assistant", Thinking("hm", seal), Text("a", seal=seal), ToolCall("1", "a", seal=seal))
    )
    assert body_of(conversation)["contents"][1]["parts"] == [
        {"text": "a"},
        {"functionCall": {"id": "1", "name": "a", "args": {}}},
    ]
    assert "thinking" in losses_of(conversation)


def test_a_signature_that_came_in_a_thought_goes_to_the_call_behind_it():
    got = contents(said("user", "go"), said("assistant", Thinking("", OWN), ToolCall("1", "a")))
    assert got[1]["parts"] == [{"functionCall": {"id": "1", "name": "a", "args": {}}, "thoughtSignature": "c2ln"}]


def test_b69_a_signature_alone_stays_a_part():
    got = contents(said("user", "go"), said("assistant", "a", Thinking("", OWN)), said("user", "b"))
    assert got[1]["parts"] == [{"text": "a"}, {"text": "", "thoughtSignature": "c2ln"}]


def test_a_callers_own_thoughts_and_signatures_come_through_exactly():
    history = [
        user("hi"),
        model(
            {"text": "hm", "thought": True},
            "a",
            {"text": "", "thoughtSignature": "YWJj"},
            call(id="1", signature="c2ln"),
        ),
        user({"functionResponse": {"id": "1", "name": "read", "response": {"anything": [1]}}}),
    ]
    assert body_of(parse(history))["contents"] == history


@pytest.mark.parametrize(
    ("to", "wanted"),
    [
        (target("gemini-3-pro"), DUMMY),
        (target(spec=LEVELS), DUMMY),
        (target("gemini-2.5-pro"), None),
        (target("gemini-3-pro", dummy_signature=False), None),
        (target("other", dummy_signature=True), DUMMY),
    ],
)
def test_b70_unsigned_history_is_signed_with_the_documented_dummy(to, wanted):
    parts = contents(said("user", "go"), said("assistant", "a", ToolCall("1", "a"), ToolCall("2", "b")), to=to)[1][
        "parts"
    ]
    assert parts[1].get("thoughtSignature") == wanted
    assert "thoughtSignature" not in parts[2]


@pytest.mark.parametrize(
    ("reasoning", "to", "wanted"),
    [
        (Reasoning(), LEVELS, None),
        (Reasoning(), BUDGETS, None),
        (Reasoning("on", effort="high"), LEVELS, {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        (Reasoning("on", effort="max"), LEVELS, {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        (Reasoning(effort="low"), LEVELS, {"thinkingLevel": "LOW"}),
        (Reasoning("off"), LEVELS, {"thinkingLevel": "MINIMAL"}),
        (Reasoning("on", budget=1000, show="none"), LEVELS, {"includeThoughts": False, "thinkingLevel": "LOW"}),
        (Reasoning("auto"), LEVELS, {"includeThoughts": True}),
        (Reasoning("on", effort="high"), BUDGETS, {"includeThoughts": True, "thinkingBudget": 24576}),
        (Reasoning("on", budget=99999), BUDGETS, {"includeThoughts": True, "thinkingBudget": 32768}),
        (Reasoning("off"), BUDGETS, {"thinkingBudget": 128}),
        (Reasoning("auto", show="summary"), BUDGETS, {"includeThoughts": True, "thinkingBudget": -1}),
        (Reasoning("on", effort="high"), Model("gemini-2.0-flash"), None),
        (Reasoning("on", effort="high"), None, {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        (Reasoning("on", budget=5), None, {"includeThoughts": True, "thinkingBudget": 5}),
    ],
)
def test_b76_b85_reasoning(reasoning, to, wanted):
    config = body_of(chat(reasoning=reasoning), target(spec=to)).get("generationConfig", {})
    assert config.get("thinkingConfig") == wanted


def test_b75_a_budget_leaves_room_for_the_answer():
    config = body_of(chat(reasoning=Reasoning("on", budget=8000), max_tokens=2000), target(spec=BUDGETS))
    assert config["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 1000


# tools, formats, sampling --------------------------------------------------------


def test_b86_schemas_go_as_json_schema_unless_the_target_knows_only_its_own():
    schema = {"$schema": "http://x", **OBJECT, "additionalProperties": False}
    full = body_of(chat(tools=(Tool("f", "d", schema),)))["tools"]
    assert full == [{"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": schema}]}]
    reduced = body_of(chat(tools=(Tool("f", "d", schema),)), target(json_schema=False))["tools"]
    assert reduced == [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": OBJECT}]}]


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}, {"type": "object", "properties": {}, "required": []}])
@pytest.mark.parametrize("json_schema", [True, False])
def test_b90_tools_without_parameters_have_none(schema, json_schema):
    declared = body_of(chat(tools=(Tool("f", None, schema),)), target(json_schema=json_schema))["tools"]
    assert declared == [{"functionDeclarations": [{"name": "f"}]}]


def test_b62_unknown_tool_fields_of_others_stay_away():
    tool = Tool("f", "d", OBJECT, ext={ANTHROPIC: {"defer_loading": True, "input_examples": []}})
    assert body_of(chat(tools=(tool,)))["tools"][0]["functionDeclarations"][0].keys() == {
        "name",
        "description",
        "parametersJsonSchema",
    }


def test_tools_of_one_name_are_declared_once():
    assert len(body_of(chat(tools=(READ, READ)))["tools"][0]["functionDeclarations"]) == 1


@pytest.mark.parametrize(
    ("choice", "to", "wanted"),
    [
        (None, LEVELS, None),
        (ToolChoice("auto"), LEVELS, {"mode": "AUTO"}),
        (ToolChoice("none"), LEVELS, {"mode": "NONE"}),
        (ToolChoice("any"), LEVELS, {"mode": "ANY"}),
        (ToolChoice("named", ("read",)), LEVELS, {"mode": "ANY", "allowedFunctionNames": ["read"]}),
        (ToolChoice("allowed", ("read",)), LEVELS, {"mode": "VALIDATED", "allowedFunctionNames": ["read"]}),
        (ToolChoice("allowed", ("read",)), BUDGETS, {"mode": "AUTO"}),
    ],
)
def test_b53_tool_choice(choice, to, wanted):
    body = body_of(chat(tools=(READ, Tool("write", None, OBJECT)), tool_choice=choice), target(spec=to))
    assert body.get("toolConfig", {}).get("functionCallingConfig") == wanted
    names = [tool["name"] for tool in body["tools"][0]["functionDeclarations"]]
    assert names == (["read"] if wanted == {"mode": "AUTO"} and choice.mode == "allowed" else ["read", "write"])


def test_b52_no_choice_without_tools():
    body = body_of(chat(tool_choice=ToolChoice("any"), parallel_tools=False))
    assert "tools" not in body
    assert "toolConfig" not in body


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("web_search", "googleSearch"), ("url_context", "urlContext"), ("code_execution", "codeExecution")],
)
def test_b50_server_tools_with_a_twin_are_translated(kind, wanted):
    assert body_of(chat(tools=(ServerTool(kind, ANTHROPIC, {}),)))["tools"] == [{wanted: {}}]


def test_server_tools_without_a_twin_are_refused():
    with pytest.raises(Unsupported, match="file_search"):
        body_of(chat(tools=(ServerTool("file_search", "openai-responses", {}),)))


def test_older_models_do_not_mix_their_own_tools_with_functions():
    """A search that is merely offered, as some clients always do, is left out; one that is wanted is not."""
    tools = (READ, ServerTool("web_search", ANTHROPIC, {}))
    [entry] = body_of(chat(tools=tools), target(spec=BUDGETS))["tools"]
    assert entry.keys() == {"functionDeclarations"}
    assert "tools[1]" in losses_of(chat(tools=tools), target(spec=BUDGETS))
    with pytest.raises(Unsupported):
        body_of(chat(tools=tools, tool_choice=ToolChoice("named", ("web_search",))), target(spec=BUDGETS))
    body = body_of(chat(tools=tools), target(spec=LEVELS))
    assert len(body["tools"]) == 2
    assert body["toolConfig"] == {"includeServerSideToolInvocations": True}


def test_structured_output():
    form = OutputFormat("json_schema", {"type": ["object", "null"], "properties": {}}, name="n", strict=True)
    config = body_of(chat(format=form))["generationConfig"]
    assert config == {"responseMimeType": "application/json", "responseJsonSchema": form.schema}
    config = body_of(chat(format=form), target(json_schema=False))["generationConfig"]
    assert config["responseSchema"] == {"type": "object", "nullable": True}
    assert body_of(chat(format=OutputFormat("json_object")))["generationConfig"] == {
        "responseMimeType": "application/json"
    }


def test_structured_output_beside_functions_is_asked_for_in_words_where_the_model_knows_no_better():
    conversation = chat(format=OutputFormat("json_schema", OBJECT), tools=(READ,))
    body = body_of(conversation, target(spec=BUDGETS))
    assert "generationConfig" not in body
    assert body["systemInstruction"]["parts"][0]["text"].endswith(orjson.dumps(OBJECT).decode())
    assert "response_format" in losses_of(conversation, target(spec=BUDGETS))


def test_b95_sampling_and_limits():
    conversation = chat(
        sampling=Sampling(0.0, 0.9, 40, 0.1, -0.1, 7, {"1": 2}),
        max_tokens=100,
        stop=tuple("abcdef"),
        user="me",
        verbosity="low",
        metadata={"a": "b"},
        service_tier="flex",
    )
    body = body_of(conversation)
    assert body["generationConfig"] == {
        "temperature": 0.0,
        "topP": 0.9,
        "topK": 40,
        "maxOutputTokens": 100,
        "stopSequences": list("abcde"),
        "presencePenalty": -0.1,
        "frequencyPenalty": 0.1,
        "seed": 7,
    }
    assert body["serviceTier"] == "flex"
    assert {"stop", "logit_bias", "user", "verbosity", "metadata"} <= set(losses_of(conversation))


@pytest.mark.parametrize(
    "fields",
    [
        {"sampling": Sampling(n=2)},
        {"sampling": Sampling(logprobs=True)},
    ],
)
def test_what_would_change_the_answer_in_silence_is_refused(fields):
    with pytest.raises(Unsupported):
        body_of(chat(**fields))


def test_rendering_twice_gives_the_same_bytes():
    conversation = chat(said("user", "go"), said("assistant", ToolCall("1 2", "ä b", '{"a":1}')), tools=(READ,))
    assert orjson.dumps(body_of(conversation)) == orjson.dumps(body_of(conversation))


BODY = {
    "contents": [
        user("hi", {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}),
        model(
            {"text": "hm", "thought": True},
            {"executableCode": {"language": "PYTHON", "code": "1"}},
            call(args={"a": [1, None, "x"]}, id="1", signature="c2ln"),
            call("write", id="2"),
        ),
        user(
            {"functionResponse": {"id": "1", "name": "read", "response": {"odd": 1}}},
            {"functionResponse": {"id": "2", "name": "write", "response": {"error": "no"}, "willContinue": False}},
            "and now?",
        ),
        model("It is."),
        user({"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v.mp4"}, "videoMetadata": {"fps": 1}}),
    ],
    "systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]},
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "read",
                    "description": "d",
                    "parameters": {
                        "type": "OBJECT",
                        "properties": {"a": {"type": "ARRAY", "items": {"type": "STRING"}}},
                    },
                    "behavior": "BLOCKING",
                },
                {"name": "write", "parametersJsonSchema": OBJECT},
            ]
        },
        {"googleSearch": {"excludeDomains": ["x"]}},
    ],
    "toolConfig": {
        "functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["read"]},
        "retrievalConfig": {"languageCode": "de"},
    },
    "generationConfig": {
        "temperature": 1.5,
        "topP": 0.5,
        "topK": 10,
        "candidateCount": 1,
        "maxOutputTokens": 5,
        "stopSequences": ["x"],
        "seed": 1,
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024},
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "speechConfig": {"voiceConfig": {}},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "cachedContent": "cachedContents/x",
    "labels": {"a": "b"},
    "serviceTier": "flex",
    "store": False,
}


def test_a_request_of_this_dialect_comes_out_as_it_went_in():
    conversation = parse(BODY["contents"], **{k: v for k, v in BODY.items() if k != "contents"})
    assert body_of(conversation, target(spec=BUDGETS)) == BODY


def test_the_vendors_sdk_understands_what_is_sent():
    conversation = chat(
        said("system", "s"),
        said("user", "go", PNG),
        said("assistant", "a", ToolCall("1", "read", '{"a":"b"}', seal=Seal("c2ln", GEMINI))),
        said("user", ToolResult("1", (Text("x"), PNG))),
        tools=(READ, ServerTool("web_search", ANTHROPIC, {})),
        tool_choice=ToolChoice("named", ("read",)),
        format=OutputFormat("json_schema", OBJECT),
        reasoning=Reasoning("on", effort="medium"),
    )
    body = body_of(conversation, target(spec=LEVELS))
    for content in body["contents"]:
        types.Content.model_validate(content)
    for tool in body["tools"]:
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(body["toolConfig"])
    types.GenerateContentConfig.model_validate(body["generationConfig"])
    types.Content.model_validate(body["systemInstruction"])


# bytes through -----------------------------------------------------------------


def test_a_callers_bytes_go_through_untouched():
    raw = b'{ "contents" :[{"parts":[{"text":"\\u00e9", "thoughtSignature":"c2ln"}]}],  "unknown":1}'
    passed = DIALECT.pass_request(raw, orjson.loads(raw), target(), True)
    assert passed.body is raw


def test_envelopes_are_opened_for_their_maker_and_taken_out_for_others():
    def slot(seal: Seal) -> str:
        return base64.b64encode(wrap(seal).encode()).decode()

    body = {
        "contents": [
            user("hi"),
            model({"text": "hm", "thought": True, "thoughtSignature": slot(Seal("s", ANTHROPIC, "claude", "c"))}),
            model("a", {"functionCall": {"name": "f"}, "thoughtSignature": slot(Seal("s", ANTHROPIC, "claude", "c"))}),
            model({"functionCall": {"name": "f"}, "thoughtSignature": slot(OWN)}),
        ],
        "unknown": 1,
    }
    raw = orjson.dumps(body)
    passed = orjson.loads(DIALECT.pass_request(raw, body, target(), False).body)
    assert passed == {
        "contents": [
            user("hi"),
            model("a", {"functionCall": {"name": "f"}}),
            model({"functionCall": {"name": "f"}, "thoughtSignature": "c2ln"}),
        ],
        "unknown": 1,
    }
