"""Token upkeep with the real plugin: two hundred callers and two workers, and one refresh."""

import asyncio

import httpx
import pytest
from attrs import define

BODY = {"model": "cc/claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
PATIENCE_S = 15.0


@define
class Crowd:
    """Many callers of one gateway at once."""

    gateway: object
    size: int

    async def call(self):
        limits = httpx.Limits(max_connections=self.size)
        async with httpx.AsyncClient(base_url=self.gateway.url, limits=limits, timeout=30, trust_env=False) as http:
            calls = (http.post("/v1/messages", json=BODY) for _ in range(self.size))
            return await asyncio.gather(*calls)


async def until(true):
    """Waits for something that nobody announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def shown(gateway, connection_id):
    return (await gateway.http.get(f"/api/providers/{connection_id}")).json()["connection"]


def texts(answers):
    return {answer.json()["content"][0]["text"] if answer.status_code == 200 else answer.text for answer in answers}


SERVED = {"Served from the subscription."}


@pytest.mark.parametrize("lasts_s", [0, 60], ids=["over", "over-soon"])
async def test_two_hundred_callers_of_an_ending_login_cause_one_refresh(gateway, vendor, log_in, lasts_s):
    vendor.expires_in = lasts_s
    await log_in(gateway)
    vendor.expires_in = 3600
    vendor.token_gate = asyncio.Event()
    crowd = asyncio.create_task(Crowd(gateway, 200).call())

    await until(lambda: gateway.application.front.running == 200)  # all of them wait for the same token
    vendor.token_gate.set()
    answers = await crowd

    assert texts(answers) == SERVED
    assert vendor.refreshes == 1
    assert vendor.misused == 0
    assert len(vendor.bodies("/v1/messages")) == 200
    assert vendor.refused_calls == 0


async def test_two_workers_with_a_hundred_callers_each_cause_one_refresh(opened, vendor, log_in):
    async with opened() as one, opened() as two:
        vendor.expires_in = 0
        await log_in(one)
        await two.kernel.reload()
        vendor.expires_in = 3600
        vendor.token_gate = asyncio.Event()
        crowds = [asyncio.create_task(Crowd(gateway, 100).call()) for gateway in (one, two)]

        await until(lambda: one.application.front.running == two.application.front.running == 100)
        vendor.token_gate.set()
        answers = [answer for crowd in crowds for answer in await crowd]

    assert texts(answers) == SERVED
    assert len(answers) == 200
    assert vendor.refreshes == 1
    assert vendor.misused == 0


async def test_a_worker_that_was_away_takes_over_what_another_one_renewed(opened, vendor, log_in):
    """The token in its memory is the old one; the refresh token beside it was spent by the other worker."""
    async with opened() as one, opened() as two:
        vendor.expires_in = 0
        await log_in(one)
        await two.kernel.reload()
        vendor.expires_in = 3600
        assert texts(await Crowd(one, 1).call()) == SERVED
        assert texts(await Crowd(two, 1).call()) == SERVED

    assert vendor.refreshes == 1
    assert vendor.misused == 0


@pytest.mark.parametrize("callers", [1, 50])
async def test_a_login_that_is_refused_in_mid_life_is_renewed_once_and_asked_with_again(
    gateway, vendor, log_in, callers
):
    await log_in(gateway)
    assert texts(await Crowd(gateway, 1).call()) == SERVED
    vendor.revoke_access()

    assert texts(await Crowd(gateway, callers).call()) == SERVED

    assert vendor.refreshes == 1
    assert 1 <= vendor.refused_calls <= callers


async def test_a_fresh_token_that_is_refused_too_is_not_renewed_over_and_over(gateway, vendor, log_in):
    await log_in(gateway)
    vendor.revoke_access()
    assert texts(await Crowd(gateway, 1).call()) == SERVED
    vendor.revoke_access()

    answers = [await gateway.http.post("/v1/messages", json=BODY) for _ in range(5)]

    assert not [answer for answer in answers if answer.status_code < 400]
    assert "Log in again" in answers[0].json()["error"]["message"]
    assert vendor.refreshes == 1


async def test_tokens_that_never_last_long_are_not_renewed_for_every_call(gateway, vendor, log_in):
    vendor.expires_in = 60  # less than the time before the end at which we begin to renew
    await log_in(gateway)

    for _ in range(5):
        assert texts(await Crowd(gateway, 1).call()) == SERVED

    assert vendor.refreshes == 1


async def test_a_refused_refresh_says_to_log_in_again_and_marks_the_connection(gateway, vendor, log_in):
    vendor.expires_in = 0
    connection = await log_in(gateway)
    vendor.refusals = [(400, {"error": "invalid_grant", "error_description": "The login was revoked."})]

    refused = await Crowd(gateway, 20).call()

    assert {answer.status_code for answer in refused} == {500}
    assert "The login was revoked." in refused[0].json()["error"]["message"]
    assert vendor.refreshes == 1
    state = await shown(gateway, connection["id"])
    assert state["testStatus"] == "expired"
    assert "The login was revoked." in state["lastError"]
    await gateway.kernel.reload()
    later = await gateway.http.post("/v1/messages", json=BODY)
    assert "Log in again" in later.json()["error"]["message"]
    assert vendor.refreshes == 1

    vendor.expires_in = 3600
    again = await log_in(gateway)

    assert again["id"] == connection["id"]
    assert texts(await Crowd(gateway, 1).call()) == SERVED
    assert (await shown(gateway, connection["id"]))["testStatus"] == "active"


async def test_a_refusal_that_one_worker_got_is_not_asked_for_by_the_other(opened, vendor, log_in):
    async with opened() as one, opened() as two:
        vendor.expires_in = 0
        await log_in(one)
        await two.kernel.reload()
        vendor.token_gate = asyncio.Event()
        vendor.refusals = [(400, {"error": "invalid_grant"}), (400, {"error": "invalid_grant"})]
        crowds = [asyncio.create_task(Crowd(gateway, 10).call()) for gateway in (one, two)]
        await until(lambda: one.application.front.running == two.application.front.running == 10)
        vendor.token_gate.set()
        answers = [answer for crowd in crowds for answer in await crowd]

    assert {answer.status_code for answer in answers} == {500}
    assert vendor.refreshes == 1


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param((503, {"error": "down"}), id="down"),
        pytest.param((429, {"error": "slow down"}), id="limited"),
        pytest.param((200, {"nonsense": True}), id="no-tokens"),
    ],
)
async def test_a_login_server_in_trouble_costs_nothing_while_the_old_token_lasts(gateway, vendor, log_in, refusal):
    vendor.expires_in = 60
    connection = await log_in(gateway)
    vendor.refusals = [refusal]

    for _ in range(3):
        assert texts(await Crowd(gateway, 1).call()) == SERVED

    assert vendor.refreshes == 1  # it is left alone for a while
    assert (await shown(gateway, connection["id"]))["testStatus"] == "active"


async def test_a_login_server_in_trouble_is_told_of_once_the_token_is_over(gateway, vendor, log_in):
    vendor.expires_in = 0
    connection = await log_in(gateway)
    vendor.refusals = [(503, {"error": "down"})]

    answer = await gateway.http.post("/v1/messages", json=BODY)

    assert answer.status_code == 500
    assert "login server" in answer.json()["error"]["message"]
    assert (await shown(gateway, connection["id"]))["testStatus"] == "active"  # it may well be good again


async def test_a_caller_who_leaves_does_not_lose_the_new_token(gateway, vendor, log_in):
    vendor.expires_in = 0
    await log_in(gateway)
    vendor.expires_in = 3600
    vendor.token_gate = asyncio.Event()
    leaving = asyncio.create_task(Crowd(gateway, 3).call())
    await until(lambda: vendor.refreshes == 1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await until(lambda: gateway.application.front.running == 0)
    vendor.token_gate.set()

    assert texts(await Crowd(gateway, 1).call()) == SERVED
    assert vendor.refreshes == 1
    assert vendor.misused == 0


async def test_a_gateway_that_stops_keeps_the_token_that_is_on_its_way(opened, vendor, log_in):
    async with opened() as gateway:
        vendor.expires_in = 0
        await log_in(gateway)
        vendor.expires_in = 3600
        vendor.token_gate = asyncio.Event()
        leaving = asyncio.create_task(Crowd(gateway, 1).call())
        await until(lambda: vendor.refreshes == 1)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        asyncio.get_running_loop().call_later(0.3, vendor.token_gate.set)

    async with opened() as gateway:
        assert texts(await Crowd(gateway, 1).call()) == SERVED
    assert vendor.refreshes == 1
    assert vendor.misused == 0


async def test_the_next_account_answers_where_one_has_expired(gateway, vendor, log_in):
    vendor.expires_in = 0
    await log_in(gateway)
    vendor.refusals = [(400, {"error": "invalid_grant"})]
    vendor.expires_in = 3600
    store = gateway.kernel.store
    [first] = await store.connections()
    token = "sk-ant-oat01-of-another-account"
    vendor.accept(token)
    await store.create_connection(
        provider="cc", auth_type="oauth", name="other", credential={"access_token": token}, state="active"
    )
    await gateway.kernel.reload()

    assert texts(await Crowd(gateway, 1).call()) == SERVED
    assert (await store.connection(first.id)).state == "expired"
