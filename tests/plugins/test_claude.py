"""Claude: parameters by generation, what a subscription's requests need, and model lists."""

import pytest
from omniroute_claude import omniroute_model_sources, omniroute_providers
from omniroute_claude.subscription import IDENTITY
from omniroute_hooks import (
    ANTHROPIC,
    Connection,
    ContextTooLong,
    Entitlement,
    LoginExpired,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Target,
    UpstreamError,
)

KEY, SUBSCRIPTION = omniroute_providers()
SOURCES = {source.provider: source for source in omniroute_model_sources()}


def target(provider=SUBSCRIPTION, model_id="claude-opus-4-7"):
    connection = Connection(id="c-1", provider=provider.id, name="test", credential={})
    return Target(provider, model_id, connection, provider.base_url, provider.model(model_id))


def test_two_ways_to_the_same_models():
    assert [(p.id, p.prefix, p.dialect) for p in (KEY, SUBSCRIPTION)] == [
        ("anthropic", "anthropic", ANTHROPIC),
        ("cc", "cc", ANTHROPIC),
    ]
    assert KEY.models == SUBSCRIPTION.models
    assert KEY.auth.headers({"api_key": "sk-ant"}) == {"x-api-key": "sk-ant"}
    assert SUBSCRIPTION.auth.headers({"access_token": "oat"}) == {"Authorization": "Bearer oat"}


@pytest.mark.parametrize(
    ("model_id", "style", "always", "sampling", "prefill"),
    [
        ("claude-haiku-4-5-20251001", "budget", False, True, True),
        ("claude-sonnet-4-5-20250929", "budget", False, True, True),
        ("claude-opus-4-6", "adaptive", False, True, False),
        ("claude-opus-4-7", "adaptive", False, False, False),
        ("claude-sonnet-5", "adaptive", False, False, False),
        ("claude-opus-5-5", "adaptive", True, False, False),
        ("claude-sonnet-5-5", "adaptive", True, False, False),
    ],
)
def test_each_generation_has_its_own_parameters(model_id, style, always, sampling, prefill):
    at = target(model_id=model_id)

    assert (at.spec.thinks.style, at.spec.thinks.always) == (style, always)
    assert at.option("sampling") is sampling
    assert at.option("prefill") is prefill
    assert at.option("forced_tool_with_thinking") is False


def test_a_budget_is_never_below_what_the_vendor_takes_nor_above_the_output():
    for model in KEY.models:
        if model.thinks.style == "budget":
            assert model.thinks.min_budget == 1024
            assert model.thinks.max_budget < model.max_output


@pytest.mark.parametrize("model", KEY.models, ids=lambda m: m.id)
def test_writing_to_the_cache_costs_what_the_vendor_says(model):
    for price in model.price:
        assert price.cache_write_5m_usd_per_1m == pytest.approx(price.input_usd_per_1m * 1.25)
        assert price.cache_write_1h_usd_per_1m == pytest.approx(price.input_usd_per_1m * 2)


@pytest.mark.parametrize(
    ("caller", "flags"),
    [
        pytest.param({}, "oauth-2025-04-20,claude-code-20250219", id="nothing-asked"),
        pytest.param(
            {"anthropic-beta": "claude-code-20250219, interleaved-thinking-2025-05-14"},
            "claude-code-20250219,interleaved-thinking-2025-05-14,oauth-2025-04-20",
            id="claude-code-by-key",
        ),
        pytest.param(
            {"anthropic-beta": "oauth-2025-04-20,claude-code-20250219,oauth-2025-04-20,"},
            "oauth-2025-04-20,claude-code-20250219",
            id="doubled",
        ),
        pytest.param(
            {"Anthropic-Beta": "context-management-2025-06-27"},
            "context-management-2025-06-27,oauth-2025-04-20,claude-code-20250219",
            id="other-case",
        ),
    ],
)
def test_every_beta_flag_is_sent_once(caller, flags):
    assert SUBSCRIPTION.headers_for(target(), caller) == {"anthropic-beta": flags}


def test_the_callers_other_headers_stay():
    headers = SUBSCRIPTION.headers_for(target(), {"x-app": "cli", "User-Agent": "claude-cli/2.1"})

    assert headers.pop("anthropic-beta")
    assert headers == {"x-app": "cli", "user-agent": "claude-cli/2.1"}


def block(text, **more):
    return {"type": "text", "text": text, **more}


@pytest.mark.parametrize(
    "system",
    [
        pytest.param([block(IDENTITY, cache_control={"type": "ephemeral"}), block("more")], id="claude-code"),
        pytest.param([block("x-anthropic-billing-header: cc_version=2.1;"), block(IDENTITY)], id="attribution-first"),
        pytest.param(
            [block(IDENTITY.rstrip(".") + ", running within the Claude Agent SDK.")], id="claude-code-in-the-sdk"
        ),
        pytest.param([block("You are a Claude agent, built on Anthropic's Claude Agent SDK.")], id="agent-sdk"),
        pytest.param(IDENTITY + " And more.", id="string"),
    ],
)
def test_claude_codes_own_requests_stay_as_they_are(system):
    body = {"model": "claude-opus-4-7", "system": system, "messages": []}

    assert SUBSCRIPTION.adapt(body, target()) is body


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        pytest.param({}, [], id="no-system"),
        pytest.param({"system": ""}, [], id="empty-string"),
        pytest.param({"system": "Be brief."}, [block("Be brief.")], id="string"),
        pytest.param({"system": [block("Be brief.")]}, [block("Be brief.")], id="blocks"),
        pytest.param(
            {"system": [block("Be brief."), block(IDENTITY)]}, [block("Be brief."), block(IDENTITY)], id="late"
        ),
        pytest.param({"system": []}, [], id="no-blocks"),
    ],
)
def test_other_clients_requests_begin_with_the_identity_line(body, rest):
    before = dict(body)

    adapted = SUBSCRIPTION.adapt({"messages": [], **body}, target())

    assert adapted == {"messages": [], "system": [block(IDENTITY), *rest]}
    assert body == before


def test_only_a_subscription_is_asked_where_claude_code_asks():
    assert target(SUBSCRIPTION).option("beta_query") is True
    assert target(KEY).option("beta_query") is None


def test_requests_by_key_are_left_alone():
    assert KEY.adapt is None
    assert KEY.headers_for is None


@pytest.mark.parametrize("provider", [KEY, SUBSCRIPTION], ids=["key", "subscription"])
@pytest.mark.parametrize(
    ("status", "code", "message", "error"),
    [
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", ContextTooLong),
        (400, "invalid_request_error", "Your credit balance is too low to access the API.", QuotaExhausted),
        (402, "billing_error", "Payment required", QuotaExhausted),
        (404, "not_found_error", "model: claude-unheard-of", ModelNotFound),
        (529, "overloaded_error", "Overloaded", Overloaded),
        (200, "overloaded_error", "Overloaded", Overloaded),
        (401, "authentication_error", "invalid", LoginExpired),
        (403, "permission_error", "not allowed for this organization", Entitlement),
    ],
)
def test_failures_are_told_apart(meaning, provider, status, code, message, error):
    assert meaning(provider, status, code, message) == (error, "connection")


@pytest.mark.parametrize(
    ("status", "message", "meant"),
    [
        (403, "OAuth token has been revoked.", (LoginExpired, "connection")),
        (400, "The long context beta is not yet available for this subscription.", (Entitlement, "model")),
        (429, "Extra usage is required for long context requests.", (RateLimited, "model")),
        (429, "This request would exceed your account's rate limit.", None),
    ],
)
def test_a_plans_refusals_are_told_apart(meaning, status, message, meant):
    assert meaning(SUBSCRIPTION, status, "", message) == meant


async def test_models_are_listed_page_by_page_with_what_is_declared_of_them(vendor, http):
    vendor.reply(
        "/v1/models",
        {"data": [{"id": "claude-opus-4-7", "display_name": "x"}], "has_more": True, "last_id": "claude-opus-4-7"},
    )
    vendor.reply("/v1/models", {"data": [{"id": "claude-new", "display_name": "Claude New"}, {}], "has_more": False})

    models = await SOURCES["anthropic"].list_models(
        vendor.connection("anthropic", {"api_key": "sk-ant"}), f"{vendor.url}/v1", http
    )

    assert models == (KEY.model("claude-opus-4-7"), models[1])
    assert (models[1].id, models[1].name) == ("claude-new", "Claude New")
    first, second = vendor.asked
    assert (first.query.get("after_id"), second.query.get("after_id")) == (None, "claude-opus-4-7")
    assert first.headers["x-api-key"] == "sk-ant"
    assert first.headers["anthropic-version"] == "2023-06-01"


async def test_a_subscriptions_models_are_listed_under_its_login(vendor, http):
    vendor.reply("/v1/models", {"data": [], "has_more": False})

    await SOURCES["cc"].list_models(vendor.connection("cc", {"access_token": "oat"}), f"{vendor.url}/v1", http)

    [asked] = vendor.asked
    assert asked.headers["authorization"] == "Bearer oat"
    assert asked.headers["anthropic-beta"] == "oauth-2025-04-20"
    assert "x-api-key" not in asked.headers


async def test_a_server_that_pages_for_ever_is_left(vendor, http):
    vendor.reply("/v1/models", {"data": [{"id": "one"}], "has_more": True, "last_id": "one"})

    models = await SOURCES["anthropic"].list_models(
        vendor.connection("anthropic", {"api_key": "k"}), f"{vendor.url}/v1", http
    )

    assert [model.id for model in models] == ["one"]
    assert len(vendor.asked) <= 20


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(401, b"{}", LoginExpired, id="refused"),
        pytest.param(529, b"{}", UpstreamError, id="overloaded"),
        pytest.param(200, b"<html>", UpstreamError, id="html"),
        pytest.param(200, b'{"data": {}}', UpstreamError, id="no-list"),
    ],
)
async def test_what_is_no_list_is_an_error(vendor, http, status, body, error):
    vendor.reply("/v1/models", status=status, body=body)

    with pytest.raises(UpstreamError) as caught:
        await SOURCES["anthropic"].list_models(
            vendor.connection("anthropic", {"api_key": "k"}), f"{vendor.url}/v1", http
        )

    assert type(caught.value) is error
