"""Who may call models: a program on this machine without a key, everybody else with one that allows it."""

import io
import logging
import wave

import pytest
from gateway_kit import DIALECTS, add_node, ask, each_dialect, last_records, mint, request_in, words_of_error
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, serving
from running import running

from core.access.api_keys import ApiKeyTable
from core.access.callers import admit

ECHO = "echo/echo"
PLACES = [
    pytest.param(lambda key: ({"authorization": f"Bearer {key}"}, ""), id="bearer"),
    pytest.param(lambda key: ({"authorization": f"bearer  {key} "}, ""), id="bearer-in-lower-case"),
    pytest.param(lambda key: ({"x-api-key": key}, ""), id="x-api-key"),
    pytest.param(lambda key: ({"x-goog-api-key": key}, ""), id="x-goog-api-key"),
    pytest.param(lambda key: ({"api-key": key}, ""), id="api-key"),
    pytest.param(lambda key: ({}, f"key={key}"), id="query"),
]


@pytest.fixture
async def strict(tmp_path):
    """A gateway that requires a key of everybody."""
    async with running(tmp_path / "data", initial_password=None, require_api_key=True) as gateway:
        yield gateway


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


async def call(gateway, dialect="anthropic", *, headers=None, query="", model=ECHO, host="localhost", stream=False):
    path, body = request_in(dialect, model=model, stream=stream)
    if query:
        path += ("&" if "?" in path else "?") + query
    return await ask(gateway, "POST", path, body, headers, host)


def bearer(key):
    return {"authorization": f"Bearer {key}"}


# With and without a key ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:20128", "[::1]:8080", "omniroute.localhost"])
async def test_a_program_on_this_machine_needs_no_key(gateway, host):
    for dialect in DIALECTS:
        assert (await call(gateway, dialect, host=host)).status == 200


async def test_a_place_holder_for_a_key_is_taken_while_there_are_none(gateway):
    assert (await call(gateway, headers=bearer("sk-dummy"))).status == 200


@each_dialect
async def test_once_there_are_keys_a_wrong_one_is_refused(gateway, dialect):
    key = await mint(gateway)

    wrong = await call(gateway, dialect, headers=bearer("sk-dummy"))

    assert wrong.status == 401
    assert "Invalid API key" in words_of_error(dialect, 401, wrong.body)
    assert (await call(gateway, dialect, headers=bearer(key))).status == 200
    assert (await call(gateway, dialect)).status == 200  # a program on this machine still needs none


@each_dialect
async def test_where_keys_are_required_nobody_goes_without(strict, dialect):
    without = await call(strict, dialect)

    assert without.status == 401
    assert "Authorization: Bearer" in words_of_error(dialect, 401, without.body)
    assert (await call(strict, dialect, headers=bearer("sk-dummy"))).status == 401
    assert (await call(strict, dialect, headers=bearer(await mint(strict)))).status == 200
    assert (await ask(strict, "GET", "/v1/models")).status == 401
    assert (await ask(strict, "POST", "/v1/audio/transcriptions")).status == 401


async def test_a_setting_can_require_keys_while_the_gateway_runs(tmp_path):
    async with running(tmp_path / "data") as gateway:
        assert (await call(gateway)).status == 200
        await gateway.login()

        assert (await gateway.http.patch("/api/settings", json={"requireApiKey": True})).status_code == 200

        assert (await call(gateway)).status == 401


@pytest.mark.parametrize("placed", PLACES)
async def test_a_key_counts_wherever_clients_put_it(strict, placed):
    key = await mint(strict)
    for dialect in DIALECTS:
        headers, query = placed(key)
        answer = await call(strict, dialect, headers=headers, query=query)

        assert answer.status == 200, (dialect, answer.body)
        headers, query = placed(key[:-1] + ("A" if key[-1] != "A" else "B"))
        assert (await call(strict, dialect, headers=headers, query=query)).status == 401
    headers, query = placed(key)
    assert (await ask(strict, "GET", "/v1/models?" + query, headers=headers)).status == 200


async def test_the_users_own_key_counts_before_a_place_holder(strict):
    key = await mint(strict)

    answer = await call(strict, headers={**bearer(key), "x-api-key": "sk-dummy"}, query="key=dummy")

    assert answer.status == 200


# Who only seems to be on this machine -------------------------------------------------------------------------

STRANGERS = [
    pytest.param({}, "evil.example", 403, id="foreign-host"),
    pytest.param({}, "127.0.0.1.evil.example", 403, id="host-that-looks-like-ours"),
    pytest.param({}, "[bad", 403, id="host-that-is-none"),
    pytest.param({"origin": "https://evil.example"}, "localhost", 403, id="page-of-another-site"),
    pytest.param({"origin": "null"}, "localhost", 403, id="page-without-a-site"),
    pytest.param({"x-forwarded-for": "203.0.113.9"}, "localhost", 401, id="through-a-proxy"),
    pytest.param({"x-forwarded-for": "127.0.0.1"}, "localhost", 401, id="through-a-proxy-that-says-it-is-us"),
    pytest.param({"forwarded": "for=203.0.113.9"}, "localhost", 401, id="forwarded"),
    pytest.param({"x-real-ip": "203.0.113.9"}, "localhost", 401, id="real-ip"),
]


@pytest.mark.parametrize(("headers", "host", "status"), STRANGERS)
async def test_whoever_only_seems_to_be_here_needs_a_key(gateway, headers, host, status):
    for dialect in DIALECTS:
        answer = await call(gateway, dialect, headers=headers, host=host)

        assert answer.status == status
        assert "API key" in words_of_error(dialect, status, answer.body)
    assert (await ask(gateway, "GET", "/v1/models", headers=headers, host=host)).status == status

    key = await mint(gateway)
    assert (await call(gateway, headers={**headers, **bearer(key)}, host=host)).status == 200


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "http://app.localhost"])
async def test_a_page_that_this_machine_serves_may_call(gateway, origin):
    assert (await call(gateway, headers={"origin": origin})).status == 200


@pytest.mark.parametrize(
    ("scope", "admitted"),
    [
        pytest.param({"server": ("127.0.0.1", 80), "client": ("127.0.0.1", 5)}, True, id="loopback"),
        pytest.param({"server": ("::1", 80), "client": ("::1", 5)}, True, id="loopback-6"),
        pytest.param({"server": ("::ffff:127.0.0.1", 80), "client": ("::ffff:127.0.0.1", 5)}, True, id="mapped"),
        pytest.param({"server": ("/run/omniroute.sock", None), "client": None}, True, id="socket-file"),
        pytest.param({"server": ("0.0.0.0", 80), "client": ("127.0.0.1", 5)}, False, id="on-all-addresses"),
        pytest.param({"server": ("127.0.0.1", 80), "client": ("192.168.1.7", 5)}, False, id="another-machine"),
        pytest.param({"server": ("192.168.1.2", 80), "client": ("192.168.1.2", 5)}, False, id="own-public-address"),
    ],
)
def test_only_loopback_sockets_are_this_machine(scope, admitted):
    def let_in():
        return admit({"query_string": b"", **scope}, [(b"host", b"localhost")], ApiKeyTable([], b"s"), False, "me", 0.0)

    if admitted:
        assert let_in() is None
    else:
        with pytest.raises(Exception, match="API key is required") as caught:
            let_in()
        assert caught.value.status == 401


# What a key allows --------------------------------------------------------------------------------------------


@each_dialect
async def test_a_key_for_some_models_opens_no_others(gateway, upstream, dialect):
    await add_node(gateway, "openai-chat", upstream.url)
    SPEAKERS["openai-chat"].play(upstream, Say(text="yes"), stream=False)
    key = await mint(gateway, allowed_models=("up/m-1",))

    allowed = await call(gateway, dialect, headers=bearer(key), model="up/m-1")
    refused = [await call(gateway, dialect, headers=bearer(key), model=model) for model in (ECHO, "echo", "up/m-2")]

    assert allowed.status == 200
    for answer in refused:
        assert answer.status == 403
        assert "may not use" in words_of_error(dialect, 403, answer.body)
    assert len(upstream.requests) == 1


async def test_a_key_for_some_models_is_shown_no_others(gateway):
    key = await mint(gateway, allowed_models=(ECHO,))
    none = await mint(gateway, name="other", allowed_models=("other/model",))

    listed = await ask(gateway, "GET", "/v1/models", headers=bearer(key))
    empty = await ask(gateway, "GET", "/v1/models", headers=bearer(none))
    hidden = await ask(gateway, "GET", f"/v1/models/{ECHO}", headers=bearer(none))

    assert [model["id"] for model in listed.json["data"]] == [ECHO]
    assert empty.json["data"] == []
    assert hidden.status == 404


async def test_an_alias_opens_no_model_that_the_key_does_not_allow(gateway):
    await gateway.kernel.store.set_value("model-aliases", "mine", ECHO)
    await gateway.kernel.reload()
    key = await mint(gateway, allowed_models=("up/m-1",))
    by_alias = await mint(gateway, name="other", allowed_models=("mine",))

    assert (await call(gateway, headers=bearer(key), model="mine")).status == 403
    assert (await call(gateway, headers=bearer(by_alias), model="mine")).status == 200


async def test_a_key_for_some_connections_uses_no_others(gateway, upstream):
    node = await add_node(gateway, "openai-chat", upstream.url, keys=("k-1", "k-2"))
    key = await mint(gateway, allowed_connections=(node.connections[1],))
    nobodys = await mint(gateway, name="other", allowed_connections=("gone",))
    upstream.reply(500, json={"error": {"message": "ill"}})

    answer = await call(gateway, "openai-chat", headers=bearer(key), model="up/m-1")
    refused = await call(gateway, "openai-chat", headers=bearer(nobodys), model="up/m-1")

    assert answer.status == 502
    assert [request.headers["authorization"] for request in upstream.requests] == ["Bearer k-2"]
    assert refused.status in (403, 404)
    assert "connection" in words_of_error("openai-chat", refused.status, refused.body)


def a_recording():
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 800)
    return out.getvalue()


async def test_a_keys_limits_hold_for_recordings_too(gateway, upstream):
    data = {"baseUrl": upstream.url}
    connection = await gateway.add_connection("deepgram", {"api_key": "dg"}, provider_specific_data=data)
    upstream.always(200, json={"results": {"channels": [{"alternatives": [{"transcript": "hi"}]}]}})

    async def transcribe(key):
        form = {"files": {"file": ("a.wav", a_recording(), "audio/wav")}, "data": {"model": "deepgram/nova-3"}}
        return await gateway.http.post("/v1/audio/transcriptions", headers=bearer(key), **form)

    fits = await mint(gateway, allowed_models=("deepgram/nova-3",), allowed_connections=(connection,))
    assert (await transcribe(fits)).status_code == 200
    assert (await transcribe(await mint(gateway, name="b", allowed_models=(ECHO,)))).status_code == 403
    assert (await transcribe(await mint(gateway, name="c", allowed_connections=("gone",)))).status_code == 404
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param({"is_active": False}, 403, id="switched-off"),
        pytest.param({"expires_at": 1.0}, 401, id="expired"),
        pytest.param(None, 401, id="deleted"),
    ],
)
async def test_a_key_that_ends_is_refused_at_once(strict, change, status):
    key = await mint(strict)
    await mint(strict, name="another")
    assert (await call(strict, headers=bearer(key))).status == 200
    store = strict.kernel.store
    [record, _] = await store.api_keys()

    if change is None:
        await store.delete_api_key(record.id)
    else:
        await store.update_api_key(record.id, **change)
    await strict.kernel.reload()

    assert (await call(strict, headers=bearer(key))).status == status


async def test_a_key_deleted_over_the_management_interface_is_refused_by_the_next_request(tmp_path):
    async with running(tmp_path / "data", require_api_key=True) as gateway:
        await gateway.login()
        made = (await gateway.http.post("/api/keys", json={"name": "mine"})).json()
        assert (await call(gateway, headers=bearer(made["key"]))).status == 200

        await gateway.http.delete(f"/api/keys/{made['id']}")

        assert (await call(gateway, headers=bearer(made["key"]))).status == 401


async def test_the_last_key_deleted_leaves_required_keys_required(strict):
    key = await mint(strict)
    store = strict.kernel.store
    [record] = await store.api_keys()
    await store.delete_api_key(record.id)
    await strict.kernel.reload()

    assert (await call(strict, headers=bearer(key))).status == 401
    assert (await call(strict)).status == 401


# What is kept of it -------------------------------------------------------------------------------------------


async def test_the_books_name_the_key_and_never_show_it(strict):
    key = await mint(strict)
    [made] = await strict.kernel.store.api_keys()

    await call(strict, headers=bearer(key))

    [record] = await last_records(strict)
    assert record.api_key_id == made.id
    assert key not in repr(record)


async def test_no_key_shows_in_a_log(strict, upstream, caplog):
    caplog.set_level(logging.DEBUG)
    key = await mint(strict)
    caplog.clear()
    await add_node(strict, "openai-chat", upstream.url)
    upstream.reply(500, body=b"<html>broken")
    SPEAKERS["openai-chat"].play(upstream, Say(text="yes"), stream=False)
    unknown = "sk-omni-" + "z" * 43
    for dialect in DIALECTS:
        for placed in PLACES:
            for shown in (key, unknown):
                headers, query = placed.values[0](shown)
                await call(strict, dialect, headers=headers, query=query)
    for model in ("up/m-1", "up/m-1", "none/x"):
        await call(strict, "openai-chat", headers=bearer(key), model=model)

    said = "\n".join(f"{entry.getMessage()} {entry.args} {entry.exc_text}" for entry in caplog.records)
    assert key not in said
    assert unknown not in said
    assert "sk-upstream-secret" not in said
