"""Gemini: its declaration, and its model list page by page."""

import pytest
from omniroute_gemini import omniroute_model_sources, omniroute_providers
from omniroute_hooks import (
    ContextTooLong,
    Entitlement,
    LoginExpired,
    ModelNotFound,
    QuotaExhausted,
    RateLimited,
    UpstreamError,
)

KEY = {"api_key": "g-key"}
[GEMINI] = omniroute_providers()
SOURCES = {source.provider: source for source in omniroute_model_sources()}


def item(model_id, *methods, **more):
    return {"name": f"models/{model_id}", "supportedGenerationMethods": list(methods), **more}


def test_the_key_travels_in_googles_header():
    assert GEMINI.auth.headers(KEY) == {"x-goog-api-key": "g-key"}


@pytest.mark.parametrize("model", GEMINI.models, ids=lambda m: m.id)
def test_only_the_2_5_family_thinks_by_budget(model):
    assert model.thinks.style == ("budget" if model.id.startswith("gemini-2.5") else "level")


def test_long_prompts_of_the_pro_models_cost_more():
    low, high = GEMINI.model("gemini-2.5-pro").price

    assert (low.above_input_tokens, high.above_input_tokens) == (0, 200_000)
    assert high.input_usd_per_1m > low.input_usd_per_1m


@pytest.mark.parametrize(
    ("status", "message", "error", "scope"),
    [
        (400, "API key not valid. Please pass a valid API key.", LoginExpired, "connection"),
        (403, "Your API key was reported as leaked.", LoginExpired, "connection"),
        (403, "The caller does not have permission", Entitlement, "connection"),
        (400, "User location is not supported for the API use.", Entitlement, "connection"),
        (400, "The input token count (1200000) exceeds the maximum of 1048576.", ContextTooLong, "connection"),
        (404, "models/x is not found for API version v1beta", ModelNotFound, "connection"),
        (429, "Quota exceeded for metric: requests, limit: 0, model: gemini-2.5-pro", QuotaExhausted, "model"),
        (429, "Quota exceeded: GenerateRequestsPerDayPerProjectPerModel", QuotaExhausted, "model"),
        (429, "Quota exceeded for metric: requests, limit: 10. Please retry in 5s.", RateLimited, "model"),
    ],
)
def test_failures_are_told_apart_and_a_limit_rests_one_model_only(meaning, status, message, error, scope):
    assert meaning(GEMINI, status, "", message) == (error, scope)


async def test_pages_are_read_to_the_end(vendor, http):
    vendor.reply("/v1/models", {"models": [item("one", "generateContent")], "nextPageToken": "p2"})
    vendor.reply("/v1/models", {"models": [item("two", "generateContent"), item("one", "generateContent")]})

    models = await SOURCES["gemini"].list_models(vendor.connection("gemini", KEY), f"{vendor.url}/v1", http)

    assert [model.id for model in models] == ["one", "two"]
    assert [page.query.get("pageToken") for page in vendor.asked] == [None, "p2"]
    assert vendor.asked[1].headers["x-goog-api-key"] == "g-key"


async def test_a_server_that_pages_for_ever_is_left(vendor, http):
    vendor.reply("/v1/models", {"models": [item("one", "generateContent")], "nextPageToken": "again"})

    models = await SOURCES["gemini"].list_models(vendor.connection("gemini", KEY), f"{vendor.url}/v1", http)

    assert [model.id for model in models] == ["one"]
    assert len(vendor.asked) <= 50


async def test_kinds_and_sizes_come_from_the_list(vendor, http):
    vendor.reply(
        "/v1/models",
        {
            "models": [
                item("gemini-9-pro", "generateContent", inputTokenLimit=2000, outputTokenLimit=300, thinking=True),
                item("gemini-2.5-pro", "generateContent", inputTokenLimit=7),
                item("gemini-embedding-001", "embedContent"),
                item("gemini-2.5-flash-preview-tts", "generateContent"),
                item("gemini-2.5-flash-image", "generateContent"),
                item("gemini-live", "bidiGenerateContent"),
                item("", "generateContent"),
                "nonsense",
            ]
        },
    )

    models = await SOURCES["gemini"].list_models(vendor.connection("gemini", KEY), f"{vendor.url}/v1", http)

    assert {model.id: model.kind for model in models} == {
        "gemini-9-pro": "chat",
        "gemini-2.5-pro": "chat",
        "gemini-embedding-001": "embedding",
        "gemini-2.5-flash-preview-tts": "speech",
        "gemini-2.5-flash-image": "image",
    }
    new, known = models[0], models[1]
    assert (new.context, new.max_output, new.thinks.style) == (2000, 300, "level")
    assert (known.context, known.price) == (7, GEMINI.model("gemini-2.5-pro").price)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(400, b'{"error": {"details": [{"reason": "API_KEY_INVALID"}]}}', LoginExpired, id="bad-key-400"),
        pytest.param(403, b"{}", LoginExpired, id="bad-key-403"),
        pytest.param(400, b"{}", UpstreamError, id="other-400"),
        pytest.param(200, b"[]", UpstreamError, id="no-object"),
        pytest.param(200, b"<html>", UpstreamError, id="html"),
    ],
)
async def test_what_is_no_list_is_an_error(vendor, http, status, body, error):
    vendor.reply("/v1/models", status=status, body=body)

    with pytest.raises(UpstreamError) as caught:
        await SOURCES["gemini"].list_models(vendor.connection("gemini", KEY), f"{vendor.url}/v1", http)

    assert type(caught.value) is error
