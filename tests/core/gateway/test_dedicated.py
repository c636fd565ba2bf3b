"""Addresses of one provider: in every dialect and spelling, for its own models and nobody else's."""

import io
import itertools
import wave

import pytest
from gateway_kit import add_node, ask, each_dialect, last_records, mint, request_in, words_of_error
from omniroute_hooks.testing import SPEAKERS, Ask, Say, ScriptedUpstream, converse, serving

SAY = Say(text="Found.")


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


@pytest.fixture
async def node(gateway, upstream):
    """A provider ``up`` of the chat dialect, beside the built-in one that echoes."""
    return await add_node(gateway, "openai-chat", upstream.url)


def spelled(dialect, word, model, stream=False):
    """The addresses at which a client of ``dialect`` may ask, and a body."""
    path, body = request_in(dialect, model=model, stream=stream)
    version, rest = ("/v1beta", path[len("/v1beta") :]) if dialect == "gemini" else ("/v1", path[len("/v1") :])
    paths = [f"{version}/providers/{word}{rest}", f"/api{version}/providers/{word}{rest}"]
    # What programs make of the base URLs ".../v1/providers/up" and ".../providers/up".
    paths += [f"/v1/providers/{word}{path}", f"/providers/{word}{path}", f"/v1/v1/providers/{word}{rest}"]
    return paths, body


@each_dialect
async def test_every_dialect_is_spoken_at_the_address_of_a_provider(gateway, upstream, node, dialect):
    words = ("up", node.id, "UP")
    for word, model, stream in itertools.product(words, ("m-1", "up/m-1"), (False, True)):
        paths, body = spelled(dialect, word, model, stream)
        path = paths[0]
        SPEAKERS["openai-chat"].play(upstream, SAY, stream)

        answer = await ask(gateway, "POST", path, body)

        assert answer.status == 200, (path, answer.body)
        speaker = SPEAKERS[dialect]
        heard = speaker.read_stream(answer.body) if stream else speaker.read_answer(answer.json)
        assert heard.text == "Found."
        assert upstream.requests[-1].json["model"] == "m-1"
    assert len(upstream.requests) == 12


@each_dialect
async def test_it_is_found_behind_whatever_base_url_a_client_was_given(gateway, upstream, node, dialect):
    paths, body = spelled(dialect, "up", "m-1")
    for path in (*paths, paths[0].partition("?")[0] + "/"):
        SPEAKERS["openai-chat"].play(upstream, SAY, False)

        answer = await ask(gateway, "POST", path, body)

        assert answer.status == 200, (path, answer.body)
        assert SPEAKERS[dialect].read_answer(answer.json).text == "Found."


async def test_a_program_that_knows_only_its_base_url_gets_along(gateway, upstream, node):
    for dialect, speaker in SPEAKERS.items():
        SPEAKERS["openai-chat"].play(upstream, SAY, True)

        heard = await converse(f"{gateway.url}/v1/providers/up", speaker, Ask(model="m-1", stream=True))

        assert heard.text == "Found.", dialect


@each_dialect
async def test_a_model_of_another_provider_is_refused_with_both_names(gateway, upstream, node, dialect):
    paths, body = spelled(dialect, "up", "echo/echo")

    answer = await ask(gateway, "POST", paths[0], body)

    assert answer.status == 400
    words = words_of_error(dialect, 400, answer.body)
    assert "'echo/echo' does not belong to up. It is one of Echo" in words
    assert "Expected prefix: up/" in words
    assert not upstream.requests


@each_dialect
async def test_an_unknown_provider_is_not_found_in_the_callers_dialect(gateway, node, dialect):
    paths, body = spelled(dialect, "upp", "m-1")
    for path in paths:
        answer = await ask(gateway, "POST", path, body)

        assert answer.status == 404
        assert "no provider 'upp'. Did you mean up" in words_of_error(dialect, 404, answer.body)


async def test_the_users_alias_is_followed_and_may_lead_nowhere_else(gateway, upstream, node):
    store = gateway.kernel.store
    for alias, target in {"fast": "up/m-2", "far": "echo/echo", "up/gone": "echo/echo"}.items():
        await store.set_value("model-aliases", alias, target)
    await store.create_combo(name="up/best", models=["echo/echo"], strategy="", config={}, is_active=True)
    await gateway.kernel.reload()
    SPEAKERS["openai-chat"].play(upstream, SAY, False)

    async def status(model):
        path, body = request_in("openai-chat", model=model)
        return (await ask(gateway, "POST", path.replace("/v1/", "/v1/providers/up/"), body)).status

    assert await status("fast") == 200
    assert upstream.requests[-1].json["model"] == "m-2"
    for model in ("far", "gone", "up/gone", "best", "up/best"):
        assert await status(model) == 400, model
    assert len(upstream.requests) == 1


async def test_tokens_are_counted_there_too(gateway, node):
    for dialect, operation in (("anthropic", "/count_tokens"), ("gemini", ":countTokens")):
        paths, body = spelled(dialect, "up", "m-1")
        path = paths[0].replace(":generateContent", "") + operation

        answer = await ask(gateway, "POST", path, body)

        assert answer.status == 200
        assert (answer.json.get("input_tokens") or answer.json["totalTokens"]) > 0


LISTS = [
    pytest.param("/v1", {}, "data", id="plain"),
    pytest.param("/v1", {"anthropic-version": "2023-06-01"}, "has_more", id="by-header"),
    pytest.param("/v1beta", {}, "models", id="by-path"),
]


@pytest.mark.parametrize(("version", "headers", "field"), LISTS)
async def test_only_its_own_models_are_listed(gateway, node, version, headers, field):
    store = gateway.kernel.store
    await store.set_value("custom-models", node.id, [{"id": "m-1"}, {"id": "vendor/m-2"}, {"id": "turned"}])
    await store.set_value("model-aliases", "up/turned", "echo/echo")
    await store.set_value("model-aliases", "up/nick", "up/m-1")
    await store.create_combo(name="up/combo", models=["up/m-1"], strategy="", config={}, is_active=True)
    await gateway.kernel.reload()

    listed = (await ask(gateway, "GET", f"{version}/providers/up/models", headers=headers)).json
    one = await ask(gateway, "GET", f"{version}/providers/up/models/vendor/m-2", headers=headers)
    other = await ask(gateway, "GET", f"{version}/providers/up/models/echo/echo", headers=headers)
    none = await ask(gateway, "GET", f"{version}/providers/upp/models", headers=headers)

    assert field in listed
    names = [entry.get("id") or entry["name"].removeprefix("models/") for entry in listed.get("data") or listed[field]]
    assert names == ["up/m-1", "up/vendor/m-2"]
    assert (one.status, other.status, none.status) == (200, 400, 404)
    assert "up/vendor/m-2" in (one.json.get("id"), one.json.get("name", "").removeprefix("models/"))


async def test_a_key_opens_no_more_there_than_elsewhere(gateway, upstream, node):
    key = await mint(gateway, allowed_models=("up/m-1", "m-2"))
    headers = {"authorization": f"Bearer {key}"}
    SPEAKERS["openai-chat"].play(upstream, SAY, False)
    statuses = {}
    for model in ("m-1", "m-2", "up/m-3"):
        path, body = request_in("openai-chat", model=model)
        answer = await ask(gateway, "POST", path.replace("/v1/", "/v1/providers/up/"), body, headers)
        statuses[model] = answer.status
    path, body = request_in("openai-chat", model="m-1")
    wrong = await ask(gateway, "POST", "/v1/providers/up/chat/completions", body, {"authorization": "Bearer sk-no"})
    strange = await ask(gateway, "GET", "/v1/providers/up/models", host="evil.example")

    assert statuses == {"m-1": 200, "m-2": 403, "up/m-3": 403}  # there, m-2 means up/m-2
    assert wrong.status == 401
    assert strange.status == 403
    asked = [record.requested_model for record in await last_records(gateway, 4)]
    assert asked == ["", "up/m-3", "up/m-2", "up/m-1"]


async def test_a_wrong_method_and_an_unknown_address_are_told_in_the_callers_dialect(gateway, node):
    wrong = await ask(gateway, "GET", "/v1/providers/up/messages")
    unknown = await ask(gateway, "POST", "/v1/providers/up/messages/batches", b"{}")
    deep = await ask(gateway, "GET", "/v1/providers/a" * 300 + "/messages")

    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert words_of_error("anthropic", 405, wrong.body)
    assert unknown.status == 404
    assert words_of_error("anthropic", 404, unknown.body)
    assert deep.status == 404


async def test_the_management_interface_keeps_its_addresses(gateway, node):
    for path in ("/api/providers/up/models", f"/api/providers/{node.connections[0]}"):
        answer = await ask(gateway, "GET", path)

        assert answer.status == 401
        assert answer.json["error"]["code"] == "login_required"


async def test_recordings_go_to_the_provider_of_the_address(gateway, node):
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * 800)
    upload = {"file": ("a.wav", sound.getvalue(), "audio/wav")}

    async def said(word, model):
        path = f"/v1/providers/{word}/audio/transcriptions"
        answer = await gateway.http.post(path, data={"model": model}, files=upload)
        return answer.status_code, answer.json()["error"]["message"]

    assert await said("up", "m-1") == (404, "up/m-1 does not transcribe.")
    status, words = await said("up", "echo/echo")
    assert (status, "does not belong to up" in words) == (400, True)
    assert (await said("upp", "m-1"))[0] == 404
