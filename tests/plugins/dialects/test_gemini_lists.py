"""Lists of models, counting, and the addresses of this dialect."""

from __future__ import annotations

import pytest
from gemini_cases import LEVELS, asked, chat, said, target
from google.genai import types
from omniroute_dialects.gemini import DIALECT
from omniroute_hooks import BadRequest, Listed, Model, Thinks, Tool, UpstreamError

MODELS = [
    Listed("ds/chat", "deepseek", 1, Model("chat", name="Chat", context=1000, max_output=100, thinks=Thinks("toggle"))),
    Listed("combo", "omniroute", 1),
    Listed("e", "x", 1, Model("e", kind="embedding")),
]


def test_a_list_of_models():
    got = DIALECT.list_models(MODELS, asked(DIALECT.endpoints[0]))
    assert got == {
        "models": [
            {
                "name": "models/ds/chat",
                "version": "",
                "displayName": "Chat",
                "description": "ds/chat of deepseek",
                "inputTokenLimit": 1000,
                "outputTokenLimit": 100,
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
                "thinking": True,
            },
            DIALECT.get_model(MODELS[1]),
            DIALECT.get_model(MODELS[2]),
        ]
    }
    assert DIALECT.get_model(MODELS[2])["supportedGenerationMethods"] == ["embedContent"]
    types.Model.model_validate(types.Model(name=got["models"][0]["name"]))


def test_pages():
    first = DIALECT.list_models(MODELS, asked(pageSize="2"))
    assert [m["name"] for m in first["models"]] == ["models/ds/chat", "models/combo"]
    rest = DIALECT.list_models(MODELS, asked(pageSize="2", pageToken=first["nextPageToken"]))
    assert [m["name"] for m in rest["models"]] == ["models/e"]
    assert "nextPageToken" not in rest
    with pytest.raises(BadRequest, match="pageSize"):
        DIALECT.list_models(MODELS, asked(pageSize="many"))


def test_b121_counting():
    counting = DIALECT.counting
    conversation = chat(said("system", "s"), said("user", "hi"), tools=(Tool("f", None, {"type": "object"}),))
    rendered = counting.render_request(conversation, target("gemini-9", LEVELS))
    assert rendered.path == "/models/gemini-9:countTokens"
    assert rendered.body == {
        "generateContentRequest": {
            "model": "models/gemini-9",
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "systemInstruction": {"parts": [{"text": "s"}]},
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
        }
    }
    assert counting.parse_answer({"totalTokens": 31}) == 31
    assert counting.render_answer(31) == {"totalTokens": 31}
    types.CountTokensResponse.model_validate(counting.render_answer(31))


@pytest.mark.parametrize("body", [None, {}, [], {"totalTokens": None}, {"totalTokens": True}, {"totalTokens": []}])
def test_a_count_that_is_none_is_a_failure(body):
    with pytest.raises(UpstreamError):
        DIALECT.counting.parse_answer(body)


def test_the_addresses():
    found = {(e.method, e.path, e.operation, e.stream, e.when_header) for e in DIALECT.endpoints}
    for version in ("/v1beta", "/v1"):
        assert ("POST", version + "/models/{model}:generateContent", "generate", False, None) in found
        assert ("POST", version + "/models/{model}:streamGenerateContent", "generate", True, None) in found
        assert ("POST", version + "/models/{model}:countTokens", "count_tokens", None, None) in found
    assert ("GET", "/v1beta/models", "list_models", None, None) in found
    assert ("GET", "/v1/models", "list_models", None, "x-goog-api-key") in found
    assert ("GET", "/v1/models/{model}", "get_model", None, "x-goog-api-client") in found
