"""Killed without warning, and started again: who was resting still rests. Real processes over a real store."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import sys
import time
from pathlib import Path

import httpx
import pytest
from omniroute_hooks import QuotaExhausted, RateLimited

from core.resilience.guard import Resilience
from core.resilience.keeping import Keeper, as_kept, as_rest
from core.settings import Settings
from core.store.store import Store

REST_S = 600.0
KEY = ("acme", "apikey", "c1", "m1")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

FAILS = f"""
import asyncio, sys
from pathlib import Path
from omniroute_hooks import RateLimited, UpstreamError
from core.resilience.guard import Resilience
from core.settings import Settings
from core.store.store import Store

async def main():
    store = await Store.open(Settings(data_dir=Path(sys.argv[1])))
    guard = Resilience()
    await guard.restore(store)
    for key, error, scope in (
        ({KEY!r}, RateLimited("slow down", retry_after_s={REST_S}), "connection"),
        (("acme", "apikey", "c2", "big/m"), RateLimited("slow down", retry_after_s={REST_S}), "model"),
        (("acme", "apikey", "c3", "m"), UpstreamError("HTTP 500", retry_after_s=1), "connection"),
    ):
        async with guard.slot(*key) as passage:
            passage.failed(error, scope)
    await guard.kept()
    print("written", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@contextlib.asynccontextmanager
async def process(*command):
    """Runs Python; whatever is left of it in the end is killed."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def test_rests_hold_after_a_kill(tmp_path):
    async with process("-c", FAILS, str(tmp_path)) as failing:
        assert (await asyncio.wait_for(failing.stdout.readline(), 30)).strip() == b"written"
        failing.send_signal(signal.SIGKILL)
        assert await failing.wait() == -signal.SIGKILL
    async with await Store.open(Settings(data_dir=tmp_path)) as store:
        guard = Resilience()
        await guard.restore(store)
        now_s = guard.clock()
        verdict = guard.verdict(*KEY, now_s)
        assert not verdict.ok
        assert "slow down" in verdict.reason
        assert REST_S - 60 < verdict.retry_at_s - now_s <= REST_S
        assert not guard.verdict("acme", "apikey", "c2", "big/m", now_s).ok
        assert guard.verdict("acme", "apikey", "c2", "small", now_s).ok
        # A rest of one second is over before anybody could ask again, and was not worth a write.
        assert {cooldown.key for cooldown in guard.live().cooldowns} == {"c1", "c2/big/m"}
        await guard.aclose()


async def test_what_has_ended_does_not_come_back(tmp_path):
    async def started(store):
        guard = Resilience()
        await guard.restore(store)
        return guard

    async with await Store.open(Settings(data_dir=tmp_path)) as store:
        first = await started(store)
        for name in ("c1", "c2"):
            async with first.slot("acme", "apikey", name, "m") as passage:
                passage.failed(RateLimited("slow down", retry_after_s=REST_S))
        await first.aclose()
        second = await started(store)
        assert len(second.live().cooldowns) == 2
        assert second.reset("acme", ["c1"]) == (0, 1)
        async with second.slot("acme", "apikey", "c1", "m") as passage:
            passage.failed(RateLimited("slow down", retry_after_s=1))  # too short to be written, but it ends the other
        await second.aclose()
        third = await started(store)
        assert [cooldown.key for cooldown in third.live().cooldowns] == ["c2"]
        await third.aclose()
        _, records = await store.rests_since(0)
        assert [r.key for r in records if r.value is not None and r.key[0] != "/"] == ["c2"]


async def test_probes_of_a_long_rest_go_on_where_they_were(tmp_path, clock):
    wall = 1_700_000_000.0
    async with await Store.open(Settings(data_dir=tmp_path), clock=lambda: wall + clock()) as store:
        first = Resilience(clock=clock, wall=lambda: wall + clock())
        await first.restore(store)
        async with first.slot(*KEY) as passage:
            passage.failed(QuotaExhausted("used up", retry_after_s=36_000))
        clock.pass_(900)
        async with first.slot(*KEY) as probe:
            probe.failed(QuotaExhausted("used up", retry_after_s=35_100))
        await first.aclose()
        began_s = clock()
        # The next process has another monotonic clock, and 20 minutes have gone by.
        clock.pass_(1200)
        second = Resilience(clock=lambda: clock() - began_s, wall=lambda: wall + clock())
        await second.restore(store)
        assert not second.verdict(*KEY, 1200).ok
        assert second.verdict(*KEY, 1800).probe
        assert second.verdict(*KEY, 1200).retry_at_s == pytest.approx(35_100)
        await second.aclose()


class Flaky:
    """A store that cannot be written for a while, and is slow."""

    def __init__(self):
        self.values = {}
        self.failures = 2
        self.slow_s = 0.0

    async def rests_since(self, revision):
        return 1, list(self.values.values())

    async def put_rests(self, records):
        if self.failures:
            self.failures -= 1
            raise OSError("disk full")
        await asyncio.sleep(self.slow_s)
        self.values |= {record.key: record for record in records}

    @property
    def resting(self):
        return {record.key for record in self.values.values() if record.value is not None and record.key[0] != "/"}


def test_write_that_failed_is_tried_again_and_the_newest_state_counts(virtually):
    async def work():
        clock = asyncio.get_running_loop().time
        store = Flaky()
        guard = Resilience(clock=clock, wall=clock)
        await guard.restore(store)
        for rest_s in (100, 200):
            async with guard.slot("acme", "apikey", f"c{rest_s}", "m") as passage:
                passage.failed(RateLimited("x", retry_after_s=rest_s))
            await asyncio.sleep(0.5)
        guard.reset(None, ["c100"])
        await guard.kept()
        assert store.resting == {"c200"}
        await guard.aclose()

    virtually(work())


def test_rest_that_ends_while_it_is_being_written_is_taken_out_again(virtually):
    async def work():
        clock = asyncio.get_running_loop().time
        store = Flaky()
        store.failures = 0
        store.slow_s = 1.0
        guard = Resilience(clock=clock, wall=clock)
        await guard.restore(store)
        async with guard.slot(*KEY) as passage:
            passage.failed(RateLimited("x", retry_after_s=100))
        await asyncio.sleep(0.5)
        guard.reset()
        await guard.kept()
        assert store.resting == set()
        await guard.aclose()

    virtually(work())


def test_closing_does_not_wait_for_ever_for_a_store_that_is_gone(virtually):
    async def work():
        clock = asyncio.get_running_loop().time
        store = Flaky()
        store.failures = 10**9
        keeper = Keeper(store, clock, clock)
        keeper.note("c", as_rest("c", KEPT, clock(), 0.0))
        began_s = clock()
        await keeper.aclose()
        assert clock() - began_s == pytest.approx(5.0)

    virtually(work())


KEPT = {"until": 100.0, "step": 2, "reason": "r", "kind": "limit", "probeAt": None, "probes": 0}


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param({**KEPT, "until": 10.0}, id="over"),
        pytest.param({**KEPT, "until": "soon"}, id="no-number"),
        pytest.param({**KEPT, "until": None}, id="null"),
        pytest.param({**KEPT, "kind": "grudge"}, id="unknown-kind"),
        pytest.param({**KEPT, "until": float("nan")}, id="nan"),
        pytest.param({"until": 100.0}, id="fields-missing"),
        pytest.param([], id="no-object"),
        pytest.param(None, id="nothing"),
    ],
)
def test_what_makes_no_sense_is_left_out(kept):
    assert as_rest("c", kept, 0.0, 50.0) is None


def test_wall_clock_that_was_set_back_does_not_make_a_rest_endless():
    rest = as_rest("c", {**KEPT, "until": 1e12, "probeAt": 1e12}, 0.0, 50.0)
    assert rest.until_s <= 32 * 24 * 3600
    assert rest.probe_at_s <= 900.0
    assert as_kept(as_rest("c", KEPT, 7.0, 50.0), 43.0) == KEPT


# the whole program --------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def limited_provider():
    """A provider that answers everything with 429 and a hint; gives its address and what it was asked."""
    asked = []

    async def answer(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head.split(b"\r\n")[0])
            body = json.dumps({"error": {"message": "Rate limit reached.", "code": "rate_limit_exceeded"}}).encode()
            writer.write(
                b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 600\r\n"
                b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
            )
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


@contextlib.asynccontextmanager
async def gateway(data_dir: Path):
    """The program on a free port; a client of it, and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ("-m", "core.cli", "serve", "--no-open", "--port", str(port))
    settings = {"DATA_DIR": str(data_dir), "INITIAL_PASSWORD": "a password of the tests", "HOSTNAME": "127.0.0.1"}
    running = await asyncio.create_subprocess_exec(
        sys.executable, *command, env={**ENVIRONMENT, **settings}, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
            give_up = time.monotonic() + 40
            while True:
                try:
                    await client.get("/api/monitoring/health")
                    break
                except httpx.TransportError:
                    assert running.returncode is None, "the gateway did not start"
                    assert time.monotonic() < give_up, "the gateway does not answer"
                    await asyncio.sleep(0.05)
            yield client, running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def test_provider_is_not_asked_again_by_a_gateway_that_was_killed_and_restarted(tmp_path):
    question = {"model": "up/m", "messages": [{"role": "user", "content": "hello"}]}
    settings = Settings(data_dir=tmp_path)
    async with limited_provider() as (address, asked):
        async with await Store.open(settings) as store:
            node = await store.create_node(
                type="openai-compatible", name="up", prefix="up", api_type="chat", base_url=f"{address}/v1"
            )
            await store.create_connection(
                provider=node.id, auth_type="apikey", name="main", credential={"api_key": "sk-test"}
            )
        async with gateway(tmp_path) as (client, running):
            first = await client.post("/v1/chat/completions", json=question)
            assert first.status_code == 429, first.text
            assert len(asked) == 1
            await _until_written(tmp_path)
            running.send_signal(signal.SIGKILL)
            assert await running.wait() == -signal.SIGKILL
        async with gateway(tmp_path) as (client, running):
            again = await client.post("/v1/chat/completions", json=question)
            assert again.status_code in (429, 503), again.text
            assert 500 < int(again.headers["retry-after"]) <= 600
            assert len(asked) == 1


async def _until_written(data_dir: Path) -> None:
    """The write is behind the answer; it has to come within seconds."""
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        with contextlib.closing(sqlite3.connect(f"file:{data_dir / 'omniroute.db'}?mode=ro", uri=True)) as db:
            if db.execute("SELECT 1 FROM rests").fetchone():
                return
        await asyncio.sleep(0.02)
    pytest.fail("the rest was not written down")
