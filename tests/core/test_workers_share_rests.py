"""A connection that one worker has found exhausted is left alone by all of them, and a reset reaches all."""

from __future__ import annotations

import asyncio
import time

import httpx
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, serving
from process_kit import PASSWORD, add_chat_node, administrator, starting
from running import running

HYPERCORN = ("-m", "hypercorn", "-w", "2", "core.app:app")
BIND = ("--bind", "127.0.0.1:{port}")
BODY = {"model": "up/m-1", "messages": [{"role": "user", "content": "hi"}]}
LIMIT = {"error": {"message": "slow down"}}
YES = SPEAKERS["openai-chat"].answer(Say(text="yes"))
PROMISED_S = 1.0


async def until(true, limit_s=PROMISED_S):
    """Waits for what is promised within a second; the seconds that it took."""
    began_s = time.monotonic()
    while not true():
        assert time.monotonic() - began_s < limit_s, "not within the time that is promised"
        await asyncio.sleep(0.01)
    return time.monotonic() - began_s


async def test_two_gateways_on_one_store_know_of_each_others_rests_and_resets(tmp_path):
    async with (
        serving(ScriptedUpstream()) as upstream,
        running(tmp_path / "data") as one,
        running(tmp_path / "data") as two,
    ):
        await one.add_node(upstream.url + "/v1", "openai-compatible", "up", "chat")
        await two.kernel.reload()
        upstream.reply(429, json=LIMIT, headers={"Retry-After": "600"})

        assert (await one.http.post("/v1/chat/completions", json=BODY)).status_code == 429
        await until(lambda: two.kernel.resilience.live().cooldowns)
        refused = await two.http.post("/v1/chat/completions", json=BODY)

        assert refused.status_code == 429
        assert 590 < int(refused.headers["retry-after"]) <= 600
        assert len(upstream.requests) == 1

        await two.login()
        assert (await two.http.post("/api/resilience/reset", json={})).json()["cooldowns"] == 1
        upstream.always(200, json=YES)
        await until(lambda: not one.kernel.resilience.live().cooldowns)
        assert (await one.http.post("/v1/chat/completions", json=BODY)).status_code == 200


async def test_a_gateway_that_starts_later_takes_up_what_stands(tmp_path):
    async with serving(ScriptedUpstream()) as upstream, running(tmp_path / "data", initial_password=None) as one:
        await one.add_node(upstream.url + "/v1", "openai-compatible", "up", "chat")
        upstream.reply(429, json=LIMIT, headers={"Retry-After": "600"})
        assert (await one.http.post("/v1/chat/completions", json=BODY)).status_code == 429
        await one.kernel.resilience.kept()

        async with running(tmp_path / "data", initial_password=None) as two:
            assert (await two.http.post("/v1/chat/completions", json=BODY)).status_code == 429
        assert len(upstream.requests) == 1


async def test_a_rest_holds_in_all_workers_within_a_second_and_so_does_a_reset(tmp_path):
    async with (
        serving(ScriptedUpstream()) as upstream,
        starting(tmp_path, *BIND, program=HYPERCORN, INITIAL_PASSWORD=PASSWORD) as gateway,
    ):
        await gateway.answers()

        async def from_both(model="up/m-1"):
            """Asks until both workers have answered, over a connection of its own each time; all statuses."""
            workers, statuses = set(), set()
            async with asyncio.timeout(30):
                while len(workers) < 2:
                    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=20) as http:
                        answer = await http.post("/v1/chat/completions", json={**BODY, "model": model})
                    workers.add(answer.headers["x-request-id"][:12])
                    statuses.add(answer.status_code)
            return statuses

        assert await from_both("echo/echo") == {200}
        async with administrator(gateway) as http:
            await add_chat_node(http, upstream.url)
            await asyncio.sleep(PROMISED_S)
            upstream.reply(429, json=LIMIT, headers={"Retry-After": "600"})
            upstream.always(200, json=YES)
            assert (await http.post("/v1/chat/completions", json=BODY)).status_code == 429

            await asyncio.sleep(PROMISED_S)
            assert await from_both() == {429}
            assert len(upstream.requests) == 1

            await http.post("/api/resilience/reset", json={})
            await asyncio.sleep(PROMISED_S)
            assert await from_both() == {200}
        gateway.terminate()
        assert await gateway.exit_code() == 0
