"""A Claude subscription: the login's addresses, who logged in, and what is left of the plan."""

from datetime import UTC, datetime

import pytest
from omniroute_claude import omniroute_auth_flows, omniroute_quota_sources
from omniroute_claude.login import identify_at, login
from omniroute_hooks import (
    Entitlement,
    LoginExpired,
    OAuthCode,
    QuotaWindow,
    RateLimited,
    Tokens,
    UpstreamError,
)

TOKENS = Tokens({"access_token": "sk-ant-oat01-x", "refresh_token": "sk-ant-ort01-x"}, expires_at_s=1.0)
LOGIN = {"access_token": "sk-ant-oat01-x", "refresh_token": "sk-ant-ort01-x"}
SOURCES = {source.provider: source for source in omniroute_quota_sources()}

TOKEN_ANSWER = {
    "access_token": "sk-ant-oat01-x",
    "account": {"uuid": "acc-1", "email_address": "me@example.com"},
    "organization": {"uuid": "org-1", "name": "Mine"},
}
PROFILE = {
    "account": {"uuid": "acc-1", "email": "me@example.com", "display_name": "Me", "full_name": "Me Myself"},
    "organization": {
        "uuid": "org-1",
        "name": "Mine",
        "organization_type": "claude_max",
        "rate_limit_tier": "default_claude_max_20x",
    },
}
EVERYTHING = {
    "accountId": "acc-1",
    "organizationId": "org-1",
    "organization": "Mine",
    "plan": "claude_max",
    "tier": "default_claude_max_20x",
}


# The flow -------------------------------------------------------------------------------------------------


def test_the_flow_is_the_vendors():
    [flow] = omniroute_auth_flows()

    assert isinstance(flow, OAuthCode)
    assert flow.provider == "cc"
    assert flow.authorize_url == "https://claude.ai/oauth/authorize"
    assert flow.loopback == "http://localhost:54545/callback"
    assert (flow.body, flow.send_state, flow.paste_splits) == ("json", True, True)
    assert flow.authorize_extra == {"code": "true"}
    assert flow.client_secret is None
    assert "user:profile" in flow.scopes  # without it the quota cannot be read
    assert flow.refresh is None  # the standard grant does


def test_the_flow_can_be_pointed_at_a_stand_in():
    flow = login(authorize_url="http://127.0.0.1:1/a", token_url="http://127.0.0.1:1/t")

    assert (flow.authorize_url, flow.token_url) == ("http://127.0.0.1:1/a", "http://127.0.0.1:1/t")
    assert flow.client_id == login().client_id


# Who logged in --------------------------------------------------------------------------------------------


async def test_the_profile_fills_what_the_token_answer_leaves_out(vendor, http):
    vendor.reply("/api/oauth/profile", PROFILE)

    tokens = await identify_at(vendor.url)(TOKENS, TOKEN_ANSWER, http)

    assert (tokens.email, tokens.name) == ("me@example.com", "Me")
    assert tokens.data == EVERYTHING
    assert tokens.credential == TOKENS.credential
    assert tokens.expires_at_s == 1.0
    [asked] = vendor.asked
    assert asked.headers["authorization"] == "Bearer sk-ant-oat01-x"
    assert asked.headers["anthropic-beta"] == "oauth-2025-04-20"


async def test_a_token_answer_that_tells_everything_needs_no_profile(vendor, http):
    answer = {"account": TOKEN_ANSWER["account"], "organization": PROFILE["organization"]}

    tokens = await identify_at(vendor.url)(TOKENS, answer, http)

    assert tokens.email == "me@example.com"
    assert tokens.data == EVERYTHING
    assert vendor.asked == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(403, b"{}", id="refused"),
        pytest.param(500, b"", id="broken"),
        pytest.param(200, b"<html>", id="html"),
        pytest.param(200, b'[{"account": 1}]', id="no-object"),
        pytest.param(200, b'{"account": "me", "organization": null}', id="odd-values"),
    ],
)
async def test_a_login_survives_a_profile_that_cannot_be_had(vendor, http, status, body):
    vendor.reply("/api/oauth/profile", status=status, body=body)

    tokens = await identify_at(vendor.url)(TOKENS, TOKEN_ANSWER, http)

    assert tokens.email == "me@example.com"
    assert tokens.data == {"accountId": "acc-1", "organizationId": "org-1", "organization": "Mine"}


async def test_a_login_survives_an_address_where_nobody_is(http):
    tokens = await identify_at("http://127.0.0.1:9")(TOKENS, {}, http)

    assert tokens == TOKENS


# Quota from the address -----------------------------------------------------------------------------------


async def read(vendor, http, usage=None, **reply):
    vendor.reply("/api/oauth/usage", usage, **reply)
    return await SOURCES["cc"].read(vendor.connection("cc", LOGIN), http)


EVENING = datetime(2026, 10, 1, 20, tzinfo=UTC)
SUNDAY = datetime(2026, 10, 4, 7, tzinfo=UTC)


async def test_the_named_windows_are_percent_used(vendor, http):
    windows = await read(
        vendor,
        http,
        {
            "five_hour": {"utilization": 24.0, "resets_at": "2026-10-01T20:00:00+00:00"},
            "seven_day": {"utilization": 36.5, "resets_at": "2026-10-04T09:00:00+02:00"},
            "seven_day_opus": {"utilization": 0, "resets_at": None},
            "seven_day_sonnet": None,
            "iguana_necktie": None,
            "extra_usage": {"is_enabled": False, "monthly_limit": None, "used_credits": None, "utilization": None},
        },
    )

    assert windows == (
        QuotaWindow("5h", 24.0, 100.0, "percent", EVENING),
        QuotaWindow("7d", 36.5, 100.0, "percent", SUNDAY),
        QuotaWindow("7d", 0.0, 100.0, "percent", None, "opus"),
    )
    [asked] = vendor.asked
    assert asked.headers["authorization"] == "Bearer sk-ant-oat01-x"
    assert asked.headers["anthropic-beta"] == "oauth-2025-04-20"


async def test_the_limits_list_counts_for_more_than_the_named_windows(vendor, http):
    windows = await read(
        vendor,
        http,
        {
            "five_hour": {"utilization": 24, "resets_at": None},
            "limits": [
                {"kind": "session", "percent": 25, "resets_at": "2026-10-01T20:00:00Z", "is_active": True},
                {"kind": "weekly_all", "percent": 40, "resets_at": "2026-10-04T07:00:00Z"},
                {
                    "kind": "weekly_scoped",
                    "percent": 90,
                    "resets_at": "2026-10-04T07:00:00Z",
                    "scope": {"model": {"display_name": "Opus"}},
                },
                {"kind": "weekly_scoped", "percent": 1, "scope": None},
                {"kind": "something_new", "percent": 1},
                None,
            ],
        },
    )

    assert windows == (
        QuotaWindow("5h", 25.0, 100.0, "percent", EVENING),
        QuotaWindow("7d", 40.0, 100.0, "percent", SUNDAY),
        QuotaWindow("7d", 90.0, 100.0, "percent", SUNDAY, "opus"),
    )


@pytest.mark.parametrize(
    ("extra", "window"),
    [
        pytest.param({"used_credits": 500, "monthly_limit": 10000}, (5.0, 100.0), id="limited"),
        pytest.param({"used_credits": 500, "monthly_limit": None}, (5.0, None), id="unlimited"),
        pytest.param({"used_credits": 500, "monthly_limit": 0}, (5.0, None), id="zero-means-unlimited"),
    ],
)
async def test_extra_usage_is_dollars_though_told_in_cents(vendor, http, extra, window):
    windows = await read(vendor, http, {"extra_usage": {"is_enabled": True, **extra}})

    assert windows == (QuotaWindow("extra usage", window[0], window[1], "usd"),)


async def test_an_answer_without_windows_is_no_window(vendor, http):
    assert await read(vendor, http, {"five_hour": None, "seven_day": {"utilization": None}}) == ()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(401, b"{}", LoginExpired, id="login-refused"),
        pytest.param(403, b"{}", Entitlement, id="scope-missing"),
        pytest.param(429, b"{}", RateLimited, id="asked-too-often"),
        pytest.param(500, b"{}", UpstreamError, id="broken"),
        pytest.param(200, b"<html>", UpstreamError, id="html"),
        pytest.param(200, b"[]", UpstreamError, id="no-object"),
    ],
)
async def test_what_is_no_reading_is_an_error(vendor, http, status, body, error):
    with pytest.raises(UpstreamError) as caught:
        await read(vendor, http, status=status, body=body, headers={"Retry-After": "120"})

    assert type(caught.value) is error
    assert caught.value.retry_after_s == (120 if status == 429 else None)


# Quota from headers ---------------------------------------------------------------------------------------


def test_headers_of_a_subscription_are_fractions():
    headers = {
        "anthropic-ratelimit-unified-status": "allowed",
        "anthropic-ratelimit-unified-5h-utilization": "0.07",
        "anthropic-ratelimit-unified-5h-reset": "1790884800",
        "anthropic-ratelimit-unified-7d-utilization": "1.02",
        "anthropic-ratelimit-unified-7d-reset": "1791097200",
        "anthropic-ratelimit-unified-7d_oi-utilization": "0.5",
        "anthropic-ratelimit-unified-overage-utilization": "0.9",
    }

    assert SOURCES["cc"].from_headers(headers) == (
        QuotaWindow("5h", 7.0, 100.0, "percent", datetime.fromtimestamp(1790884800, UTC)),
        QuotaWindow("7d", 102.0, 100.0, "percent", datetime.fromtimestamp(1791097200, UTC)),
        QuotaWindow("7d", 50.0, 100.0, "percent", None, "oi"),
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"anthropic-ratelimit-unified-status": "allowed"},
        {"anthropic-ratelimit-unified-5h-utilization": "much"},
        {"anthropic-ratelimit-unified-5h-utilization": "nan"},
    ],
)
def test_headers_that_say_nothing_give_no_reading(headers):
    assert SOURCES["cc"].from_headers(headers) is None


@pytest.mark.parametrize("reset", ["", "never", "1e300", "-1e300"])
def test_a_reset_that_is_no_time_leaves_the_window(reset):
    headers = {
        "anthropic-ratelimit-unified-5h-utilization": "0.5",
        "anthropic-ratelimit-unified-5h-reset": reset,
    }

    assert SOURCES["cc"].from_headers(headers) == (QuotaWindow("5h", 50.0, 100.0, "percent"),)


def test_headers_of_a_key_are_counts():
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-10-01T20:00:00Z",
        "anthropic-ratelimit-input-tokens-limit": "30000",
        "anthropic-ratelimit-input-tokens-remaining": "20000",
        "anthropic-ratelimit-output-tokens-limit": "8000",
    }

    assert SOURCES["anthropic"].from_headers(headers) == (
        QuotaWindow("requests", 1.0, 50.0, "requests", EVENING),
        QuotaWindow("input tokens", 10000.0, 30000.0, "tokens", None),
    )
    assert SOURCES["anthropic"].from_headers({}) is None
