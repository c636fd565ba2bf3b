"""OpenAI: its declaration, model lists in every shape, and quota from headers."""

from datetime import UTC, datetime, timedelta

import pytest
from omniroute_hooks import (
    ContextTooLong,
    LoginExpired,
    ModelNotFound,
    QuotaExhausted,
    QuotaWindow,
    Unsupported,
    UpstreamError,
)
from omniroute_openai import omniroute_model_sources, omniroute_providers, omniroute_quota_sources
from omniroute_openai.ratelimits import quota_windows

KEY = {"api_key": "sk-test"}
[OPENAI] = omniroute_providers()
SOURCES = {source.provider: source for source in omniroute_model_sources()}


def test_thinking_models_get_their_instructions_as_developer_and_no_dice():
    model = OPENAI.model("gpt-5")

    assert model.options["system_role"] == "developer"
    assert {"temperature", "top_p"} <= set(model.options["unsupported"])
    assert "max_tokens" not in model.options["unsupported"]
    assert OPENAI.options["max_tokens_field"] == "max_completion_tokens"


def test_older_models_keep_their_dice():
    assert OPENAI.model("gpt-4o").options == {}


@pytest.mark.parametrize("model", [m for m in OPENAI.models if m.thinks], ids=lambda m: m.id)
def test_a_model_that_knows_no_word_for_not_thinking_always_thinks(model):
    assert model.thinks.always == ("none" not in model.thinks.efforts)


def test_model_ids_are_unique():
    ids = [model.id for model in OPENAI.models]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("status", "code", "message", "error"),
    [
        pytest.param(429, "insufficient_quota", "You exceeded your current quota", QuotaExhausted, id="no-credit"),
        pytest.param(
            429,
            "rate_limit_exceeded",
            "Request too large for gpt-4o on TPM: Limit 30000",
            ContextTooLong,
            id="never-fits",
        ),
        pytest.param(404, "model_not_found", "The model x does not exist", ModelNotFound, id="no-such-model"),
        pytest.param(
            404,
            "invalid_request_error",
            "This model is only supported in v1/responses and not in v1/chat/completions.",
            ModelNotFound,
            id="other-endpoint",
        ),
        pytest.param(400, "unsupported_parameter", "Unsupported parameter: 'stop'", Unsupported, id="parameter"),
        pytest.param(401, "invalid_api_key", "Incorrect API key provided", LoginExpired, id="bad-key"),
    ],
)
def test_failures_are_told_apart(meaning, status, code, message, error):
    assert meaning(OPENAI, status, code, message) == (error, "connection")


def test_an_ordinary_limit_is_left_to_the_dialect_which_reads_when_to_come_back(meaning):
    assert meaning(OPENAI, 429, "rate_limit_exceeded", "Rate limit reached. Please try again in 1s.") is None


def listed(*items):
    return [pytest.param(shape, id=name) for name, shape in items]


@pytest.mark.parametrize(
    "answer",
    listed(
        ("data", {"object": "list", "data": [{"id": "a"}, {"id": "b"}]}),
        ("bare-array", [{"id": "a"}, {"id": "b"}]),
        ("models", {"models": [{"name": "a", "model": "a"}, {"name": "b"}]}),
        ("bare-names", {"data": ["a", "b"]}),
        ("repeats-and-nonsense", {"data": [{"id": "a"}, None, {"id": ""}, {"id": 7}, {"id": "b"}, {"id": "a"}]}),
    ),
)
async def test_model_lists_are_read_in_every_shape(vendor, http, answer):
    vendor.reply("/v1/models", answer)

    models = await SOURCES["openai-compatible"].list_models(vendor.connection("node-1", KEY), f"{vendor.url}/v1/", http)

    assert [model.id for model in models] == ["a", "b"]
    assert vendor.asked[0].headers["authorization"] == "Bearer sk-test"


async def test_a_server_without_a_key_is_asked_without_one(vendor, http):
    vendor.reply("/v1/models", {"data": []})

    await SOURCES["openai-compatible"].list_models(vendor.connection("node-1", {}), f"{vendor.url}/v1", http)

    assert "authorization" not in vendor.asked[0].headers


@pytest.mark.parametrize(
    ("item", "context", "max_output", "kind"),
    [
        pytest.param(
            {"id": "x/y", "context_length": 4096, "top_provider": {"max_completion_tokens": 1024}},
            4096,
            1024,
            "chat",
            id="openrouter",
        ),
        pytest.param({"id": "x", "max_model_len": 8192}, 8192, None, "chat", id="vllm"),
        pytest.param(
            {"id": "x", "context_window": 131072, "max_completion_tokens": 65536}, 131072, 65536, "chat", id="groq"
        ),
        pytest.param({"id": "BAAI/bge-large-en", "type": "embedding"}, None, None, "embedding", id="told-kind"),
        pytest.param({"id": "nomic-embed-text", "context_length": "many"}, None, None, "embedding", id="guessed-kind"),
        pytest.param({"id": "whisper-large-v3"}, None, None, "transcription", id="transcription"),
        pytest.param({"id": "tts-1-hd"}, None, None, "speech", id="speech"),
    ],
)
async def test_sizes_and_kinds_are_taken_from_where_servers_put_them(vendor, http, item, context, max_output, kind):
    vendor.reply("/v1/models", {"data": [item]})

    [model] = await SOURCES["openai-compatible"].list_models(vendor.connection("node-1", KEY), f"{vendor.url}/v1", http)

    assert (model.context, model.max_output, model.kind) == (context, max_output, kind)


async def test_openais_own_list_keeps_what_is_declared_and_leaves_out_what_cannot_be_called(vendor, http):
    ids = ["gpt-4o", "gpt-4o-2024-08-06", "gpt-9-nova", "gpt-5-chat-latest", "gpt-5-codex", "gpt-realtime", "o3-pro"]
    vendor.reply("/v1/models", {"data": [{"id": model_id} for model_id in ids]})

    models = await SOURCES["openai"].list_models(vendor.connection("openai", KEY), f"{vendor.url}/v1", http)

    by_id = {model.id: model for model in models}
    assert list(by_id) == ["gpt-4o", "gpt-4o-2024-08-06", "gpt-9-nova", "gpt-5-chat-latest"]
    assert by_id["gpt-4o-2024-08-06"].price == OPENAI.model("gpt-4o").price
    assert by_id["gpt-9-nova"].options["system_role"] == "developer"
    assert by_id["gpt-5-chat-latest"].options == {}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(401, b"{}", LoginExpired, id="key-refused"),
        pytest.param(500, b"{}", UpstreamError, id="server-error"),
        pytest.param(200, b"<html>", UpstreamError, id="html"),
        pytest.param(200, b'{"data": null}', UpstreamError, id="no-list"),
        pytest.param(302, b"", UpstreamError, id="redirect"),
    ],
)
async def test_what_is_no_list_is_an_error(vendor, http, status, body, error):
    vendor.reply("/v1/models", status=status, body=body)

    with pytest.raises(UpstreamError) as caught:
        await SOURCES["openai"].list_models(vendor.connection("openai", KEY), f"{vendor.url}/v1", http)

    assert type(caught.value) is error


NOW = datetime(2026, 10, 1, tzinfo=UTC)


def test_the_minutes_windows_come_from_the_headers():
    headers = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "10000",
        "x-ratelimit-reset-tokens": "40s",
    }

    assert quota_windows(headers, NOW) == (
        QuotaWindow("requests", 1, 500, "requests", NOW + timedelta(milliseconds=120)),
        QuotaWindow("tokens", 20000, 30000, "tokens", NOW + timedelta(seconds=40)),
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-limit-requests": "500"},
        {"x-ratelimit-limit-tokens": "many", "x-ratelimit-remaining-tokens": "few"},
        {"x-ratelimit-limit-tokens": "0", "x-ratelimit-remaining-tokens": "0"},
        {"x-ratelimit-limit-tokens": "nan", "x-ratelimit-remaining-tokens": "1"},
    ],
)
def test_headers_that_say_nothing_give_no_reading(headers):
    [source] = omniroute_quota_sources()

    assert source.from_headers(headers) is None


def test_a_reset_beyond_the_calendar_is_no_crash():
    [source] = omniroute_quota_sources()
    headers = {
        "x-ratelimit-limit-tokens": "10",
        "x-ratelimit-remaining-tokens": "99",
        "x-ratelimit-reset-tokens": "999999999999999h",
    }

    [window] = source.from_headers(headers)

    assert window.used == 0
    assert window.resets_at is not None
