"""What is left of a subscription, from its endpoint and from answers' headers, shown with source and age."""

from datetime import UTC, datetime

import pytest

BODY = {"model": "cc/claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


async def ask(gateway, method, path):
    answer = await gateway.http.request(method, path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def age_s(reading):
    return (datetime.now(UTC) - datetime.fromisoformat(reading["readAt"])).total_seconds()


async def test_nothing_is_shown_before_anything_was_read(gateway, log_in):
    connection = await log_in(gateway)

    assert connection["quota"] is None
    assert (await ask(gateway, "GET", "/api/usage/quota"))["providers"] == []


async def test_windows_come_from_the_endpoint(gateway, vendor, log_in):
    connection = await log_in(gateway)

    shown = await ask(gateway, "POST", f"/api/providers/{connection['id']}/quota")

    reading = shown["quota"]
    assert (reading["source"], reading["stale"], reading["error"]) == ("endpoint", False, None)
    assert 0 <= age_s(reading) < 60
    windows = {window["name"]: window for window in reading["windows"]}
    assert (windows["5h"]["used"], windows["5h"]["percentRemaining"]) == (24.0, 76.0)
    assert windows["5h"]["resetsAt"].startswith("2031-01-02T03:00:00")
    assert windows["7d"]["percentRemaining"] == 63.5
    assert len(vendor.bodies("/api/oauth/usage")) == 1


async def test_headers_of_an_answer_bring_one_window_up_to_date_and_leave_the_other(gateway, log_in):
    connection = await log_in(gateway)
    await ask(gateway, "POST", f"/api/providers/{connection['id']}/quota")

    await gateway.http.post("/v1/messages", json=BODY)

    reading = (await ask(gateway, "GET", f"/api/providers/{connection['id']}/quota"))["quota"]
    assert reading["source"] == "headers"
    windows = {window["name"]: window["used"] for window in reading["windows"]}
    assert windows == {"5h": 31.0, "7d": 36.5}
    [listed] = (await ask(gateway, "GET", "/api/usage/quota"))["providers"]
    assert listed["connectionId"] == connection["id"]


async def test_headers_alone_are_a_reading(gateway, log_in):
    connection = await log_in(gateway)

    await gateway.http.post("/v1/messages", json=BODY)

    [window] = (await ask(gateway, "GET", f"/api/providers/{connection['id']}"))["connection"]["quota"]["windows"]
    assert (window["name"], window["used"], window["unit"]) == ("5h", 31.0, "percent")


@pytest.mark.parametrize("status", [403, 429, 500])
async def test_a_failed_reading_leaves_the_last_one_marked_as_old(gateway, vendor, log_in, status):
    connection = await log_in(gateway)
    await gateway.http.post("/v1/messages", json=BODY)
    vendor.usage_status = status

    reading = (await ask(gateway, "POST", f"/api/providers/{connection['id']}/quota"))["quota"]

    assert reading["stale"] is True
    assert reading["error"]
    assert [window["used"] for window in reading["windows"]] == [31.0]


async def test_an_ending_login_is_renewed_to_read_the_quota(gateway, vendor, log_in):
    vendor.expires_in = 0
    connection = await log_in(gateway)
    vendor.expires_in = 3600

    reading = (await ask(gateway, "POST", f"/api/providers/{connection['id']}/quota"))["quota"]

    assert reading["error"] is None
    assert vendor.refreshes == 1


async def test_asking_again_and_again_asks_the_vendor_once(gateway, vendor, log_in):
    connection = await log_in(gateway)

    for _ in range(5):
        await ask(gateway, "POST", f"/api/providers/{connection['id']}/quota")

    assert len(vendor.bodies("/api/oauth/usage")) == 1
