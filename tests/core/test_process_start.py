"""Starting the gateway as users do: what it prints, where it listens, and when it refuses to."""

import re
import socket
import sys
from pathlib import Path

import httpx
import pytest
from process_kit import PASSWORD, administrator, free_port, starting

ECHO = {"model": "echo/echo", "messages": [{"role": "user", "content": "hello"}]}
PORT = ("--port", "{port}", "--no-open")


async def get(url, **more):
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        return await http.get(url, **more)


async def post(url, json, **more):
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        return await http.post(url, json=json, **more)


async def test_the_first_run_prints_the_address_and_a_set_up_link_that_works(tmp_path):
    async with starting(tmp_path, *PORT) as gateway:
        line = await gateway.line_with("listens on")
        assert f"http://localhost:{gateway.port}" in line
        link = (await gateway.line_with("set your password at")).split()[-1]
        assert re.fullmatch(rf"http://localhost:{gateway.port}/setup\?token=[\w-]{{43}}", link)

        answer = await post(f"{gateway.url}/v1/chat/completions", ECHO)

        assert answer.json()["choices"][0]["message"]["content"] == "hello"
        page = await get(link.replace("localhost", "127.0.0.1"))
        assert page.status_code == 200
        assert "assword" in page.text
        gateway.terminate()
        assert await gateway.exit_code() == 0
    assert (tmp_path / ".omniroute" / "omniroute.db").exists()
    assert "Traceback" not in gateway.text


async def test_a_preset_password_takes_the_place_of_the_link(tmp_path):
    async with starting(tmp_path, *PORT, INITIAL_PASSWORD=PASSWORD) as gateway:
        await gateway.line_with("listens on")
        async with administrator(gateway) as http:
            assert (await http.get("/api/settings")).status_code == 200
        gateway.terminate()
        assert await gateway.exit_code() == 0

    assert "/setup" not in gateway.text
    assert PASSWORD not in gateway.text


async def test_a_second_run_prints_no_link_and_knows_the_password(tmp_path):
    async with starting(tmp_path, *PORT, INITIAL_PASSWORD=PASSWORD) as first:
        await first.line_with("listens on")
        first.terminate()
        await first.exit_code()

    async with starting(tmp_path, *PORT) as second:
        await second.line_with("listens on")
        async with administrator(second):
            pass

    assert "/setup" not in second.text


async def test_settings_come_from_a_file_beside_it_or_at_home(tmp_path):
    port = free_port()
    (tmp_path / ".omniroute").mkdir()
    (tmp_path / ".omniroute" / ".env").write_text(f"PORT=1\nINITIAL_PASSWORD={PASSWORD}\n")
    (tmp_path / ".env").write_text(f"PORT={port}\n")

    async with starting(tmp_path, "--no-open", port=port) as gateway:
        await gateway.line_with("listens on")
        async with administrator(gateway):
            pass


async def test_the_console_script_is_the_same_program(tmp_path):
    script = Path(sys.executable).parent / "omniroute"
    async with starting(tmp_path, "--version", program=(str(script),)) as gateway:
        assert await gateway.exit_code() == 0

    assert gateway.text.startswith("omniroute, version ")


# Where it may listen ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        pytest.param(("--host", "0.0.0.0"), {}, id="option"),
        pytest.param((), {"HOSTNAME": "0.0.0.0"}, id="variable"),
        pytest.param(("--host", "::"), {}, id="six"),
    ],
)
async def test_a_public_address_needs_a_password_and_required_keys(tmp_path, arguments, environ):
    async with starting(tmp_path, *PORT, *arguments, **environ) as gateway:
        assert await gateway.exit_code() == 1

    assert "INITIAL_PASSWORD=" in gateway.text
    assert "REQUIRE_API_KEY=true" in gateway.text
    assert "Traceback" not in gateway.text


@pytest.mark.parametrize(
    ("environ", "missing", "set_already"),
    [
        ({"INITIAL_PASSWORD": PASSWORD}, "REQUIRE_API_KEY=true", "INITIAL_PASSWORD"),
        ({"REQUIRE_API_KEY": "true"}, "INITIAL_PASSWORD=", "REQUIRE_API_KEY"),
    ],
)
async def test_only_what_is_missing_is_asked_for(tmp_path, environ, missing, set_already):
    async with starting(tmp_path, *PORT, "--host", "0.0.0.0", **environ) as gateway:
        assert await gateway.exit_code() == 1

    assert missing in gateway.text
    assert set_already not in gateway.text
    assert PASSWORD not in gateway.text


async def test_a_public_address_with_both_asks_even_this_machine_for_a_key(tmp_path):
    environ = {"INITIAL_PASSWORD": PASSWORD, "REQUIRE_API_KEY": "true"}
    async with starting(tmp_path, *PORT, "--host", "0.0.0.0", **environ) as gateway:
        await gateway.line_with("listens on")

        assert (await post(f"{gateway.url}/v1/chat/completions", ECHO)).status_code == 401


async def test_the_name_that_a_container_sets_is_no_address(tmp_path):
    async with starting(tmp_path, *PORT, HOSTNAME="3f9c2a-some-container") as gateway:
        await gateway.line_with("listens on")
        assert (await get(f"{gateway.url}/v1/models")).status_code == 200

        with socket.socket() as probe:  # it holds this one address only
            probe.bind(("127.0.0.2", gateway.port))


async def test_a_name_given_on_purpose_is_refused_where_it_is_no_address(tmp_path):
    async with starting(tmp_path, *PORT, "--host", "some-container") as gateway:
        assert await gateway.exit_code() == 1

    assert "--host some-container" in gateway.text


async def test_a_port_in_use_is_told_in_words(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        async with starting(tmp_path, *PORT, port=port) as gateway:
            assert await gateway.exit_code() == 1

    assert f"Port {port}" in gateway.text
    assert "--port" in gateway.text
    assert "Traceback" not in gateway.text


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        pytest.param({"PORT": "eighty"}, "PORT", id="no-number"),
        pytest.param({"INITIAL_PASSWORD": "short"}, "INITIAL_PASSWORD", id="short-password"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_named(tmp_path, environ, words):
    async with starting(tmp_path, "--no-open", **environ) as gateway:
        assert await gateway.exit_code() == 1

    assert words in gateway.text
    assert "short" not in gateway.text.replace("short-password", "")
    assert "Traceback" not in gateway.text


async def test_a_damaged_store_is_told_in_words_and_left_as_it_is(tmp_path):
    file = tmp_path / ".omniroute" / "omniroute.db"
    file.parent.mkdir()
    file.write_bytes(b"this is no database" * 1000)

    async with starting(tmp_path, *PORT) as gateway:
        assert await gateway.exit_code() == 1

    assert str(file) in gateway.text
    assert "Traceback" not in gateway.text
    assert file.read_bytes() == b"this is no database" * 1000
