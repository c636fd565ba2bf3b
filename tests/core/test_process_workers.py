"""Several workers on one address: a change reaches all of them, and what is to happen once happens once."""

import asyncio
import time

import httpx
import pytest
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, serving
from process_kit import PASSWORD, add_chat_node, administrator, install, starting

HYPERCORN = ("-m", "hypercorn", "-w", "2", "core.app:app")
BIND = ("--bind", "127.0.0.1:{port}")
BODY = {"model": "up/m-1", "messages": [{"role": "user", "content": "hi"}]}

JOB = """
import os
from pathlib import Path
from omniroute_hooks import Job, hookimpl

async def note(http):
    with Path(os.environ["JOB_NOTES"]).open("a") as file:
        file.write(f"{os.getpid()}\\n")

@hookimpl
def omniroute_jobs():
    return [Job(id="note", every_s=0.2, run=note)]
"""


@pytest.fixture
def plugin_path(tmp_path):
    """A folder with an installed plugin that brings a job."""
    return install(tmp_path / "site", "omniroute_noting", JOB)


async def ask(gateway, **more):
    """One request over a connection of its own: status, and a word that stands for the worker that answered."""
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=20) as http:
        answer = await http.post("/v1/chat/completions", json={**BODY, **more})
    return answer.status_code, answer.headers["x-request-id"][:12]


async def both_workers(gateway, **more):
    """Asks until two workers have answered; who they are, and all statuses."""
    workers, statuses = set(), set()
    async with asyncio.timeout(30):
        while len(workers) < 2:
            for status, worker in await asyncio.gather(*(ask(gateway, **more) for _ in range(10))):
                workers.add(worker)
                statuses.add(status)
    return workers, statuses


async def test_a_connection_added_through_one_worker_is_usable_through_all_within_a_second(tmp_path):
    async with (
        serving(ScriptedUpstream()) as upstream,
        starting(tmp_path, *BIND, program=HYPERCORN, INITIAL_PASSWORD=PASSWORD) as gateway,
    ):
        await gateway.answers()
        workers, _ = await both_workers(gateway, model="echo/echo")
        upstream.always(200, json=SPEAKERS["openai-chat"].answer(Say(text="yes")))
        async with administrator(gateway) as http:
            await add_chat_node(http, upstream.url)
            added = time.monotonic()

        await asyncio.sleep(max(0.0, added + 1.0 - time.monotonic()))

        assert await both_workers(gateway) == (workers, {200})
        gateway.terminate()
        await gateway.exit_code()


async def test_a_deleted_key_is_refused_by_all_workers_within_a_second(tmp_path):
    environ = {"INITIAL_PASSWORD": PASSWORD, "REQUIRE_API_KEY": "true"}
    async with starting(tmp_path, *BIND, program=HYPERCORN, **environ) as gateway:
        await gateway.answers()

        async def statuses(key):
            headers = {"authorization": f"Bearer {key}"}

            async def one():
                async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=20) as http:
                    return (await http.get("/v1/models", headers=headers)).status_code

            return set(await asyncio.gather(*(one() for _ in range(30))))

        async with administrator(gateway) as http:
            made = (await http.post("/api/keys", json={"name": "mine"})).json()
            await asyncio.sleep(1.0)  # what is promised
            assert await statuses(made["key"]) == {200}
            await http.delete(f"/api/keys/{made['id']}")
        await asyncio.sleep(1.0)

        assert await statuses(made["key"]) == {401}


async def test_jobs_run_in_one_worker_and_the_link_is_printed_once(tmp_path, plugin_path):
    notes = tmp_path / "notes"
    environ = {"PYTHONPATH": plugin_path, "JOB_NOTES": str(notes)}
    async with starting(tmp_path / "home", *BIND, program=HYPERCORN, **environ) as gateway:
        await gateway.answers()
        await both_workers(gateway, model="echo/echo")
        async with asyncio.timeout(20):
            while not notes.exists() or len(notes.read_text().split()) < 10:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        gateway.terminate()
        await gateway.exit_code()

    assert len(set(notes.read_text().split())) == 1
    assert gateway.text.count("set your password at") == 1


@pytest.mark.parametrize(
    ("environ", "begins"),
    [
        pytest.param({}, "/setup?token=", id="nobody-said-where"),
        pytest.param({"BASE_URL": "https://ai.example.com"}, "https://ai.example.com/setup?token=", id="base-url"),
    ],
)
async def test_a_plain_server_prints_no_address_that_is_not_its_own(tmp_path, environ, begins):
    async with starting(tmp_path, *BIND, program=("-m", "hypercorn", "core.app:app"), **environ) as gateway:
        link = (await gateway.line_with("set your password at")).split()[-1]
        await gateway.answers()
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            page = await http.get(link[link.index("/setup") :])

    assert link.startswith(begins)
    assert "localhost:" not in gateway.text
    assert page.status_code == 200


async def test_two_workers_on_an_empty_store_start_without_a_quarrel(tmp_path):
    async with starting(tmp_path, *BIND, program=HYPERCORN, INITIAL_PASSWORD=PASSWORD) as gateway:
        await gateway.answers()
        await both_workers(gateway, model="echo/echo")
        async with administrator(gateway):
            pass
        gateway.terminate()
        code = await gateway.exit_code()

    assert code == 0
    assert "Traceback" not in gateway.text
    assert "/setup" not in gateway.text
