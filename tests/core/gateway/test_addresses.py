"""Addresses: every spelling that real clients use, sizes and methods that are refused, and lists in three shapes."""

import asyncio
import itertools
import json

import pytest
from gateway_kit import DIALECTS, add_node, ask, calling, each_dialect, request_in, words_of_error
from omniroute_hooks.testing import SPEAKERS, Ask, Say, ScriptedUpstream, serving, user
from running import running

SAY = Say(text="Found.")
ECHO = "echo/echo"


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


@pytest.fixture
async def small(tmp_path):
    """A gateway that takes bodies of one megabyte."""
    async with running(tmp_path / "data", initial_password=None, max_body_bytes=1024 * 1024) as gateway:
        yield gateway


def body_in(dialect, words="Where?"):
    return request_in(dialect, model=ECHO, turns=(user(words),))[1]


# Spellings ----------------------------------------------------------------------------------------------------

PATHS = {
    "openai-chat": ["/v1/chat/completions"],
    "openai-responses": ["/v1/responses"],
    "anthropic": ["/v1/messages"],
    "gemini": ["/v1beta/models/echo/echo:generateContent", "/v1/models/echo/echo:generateContent"],
}


@each_dialect
async def test_an_address_answers_in_every_spelling_that_clients_use(gateway, dialect):
    for path in PATHS[dialect]:
        spelled = [path, path + "/", "/api" + path]
        if path.startswith("/v1/"):
            spelled += [path.removeprefix("/v1"), path.removeprefix("/v1") + "/", "/v1" + path]
        for spelling in spelled:
            answer = await ask(gateway, "POST", spelling, body_in(dialect))

            assert answer.status == 200, spelling
            assert SPEAKERS[dialect].read_answer(answer.json).text == "Where?"


NAMES = ["m-1", "vendor/m-1", "vendor/family/m-1", "m-1:free", "vendor/m:1:beta", "models/m", "m%20odd", "p/x/models/y"]


@pytest.mark.parametrize("operation", ["generateContent", "streamGenerateContent", "countTokens"])
async def test_a_model_in_the_path_may_hold_slashes_and_colons(gateway, upstream, operation):
    await add_node(gateway, "openai-chat", upstream.url)
    for name, version in itertools.product(NAMES, ("/v1beta", "/v1")):
        upstream.requests.clear()
        if operation != "countTokens":
            SPEAKERS["openai-chat"].play(upstream, SAY, operation == "streamGenerateContent")

        answer = await ask(gateway, "POST", f"{version}/models/up/{name}:{operation}", body_in("gemini"))

        assert answer.status == 200, (name, answer.body)
        if operation == "countTokens":
            assert answer.json["totalTokens"] > 0
        else:
            assert upstream.requests[0].json["model"] == name.replace("%20", " ")


async def test_a_slash_of_the_models_name_may_be_escaped(gateway):
    answer = await ask(gateway, "POST", "/v1beta/models/echo%2Fecho:generateContent", body_in("gemini"))

    assert SPEAKERS["gemini"].read_answer(answer.json).text == "Where?"


@pytest.mark.parametrize("query", ["", "?beta=true", "?key=&x=%ff", "?" + "a=1&" * 100])
async def test_what_else_stands_in_the_query_does_not_matter(gateway, query):
    answer = await ask(gateway, "POST", "/v1/messages" + query, body_in("anthropic"))

    assert answer.status == 200


# What is refused ----------------------------------------------------------------------------------------------


@each_dialect
async def test_a_body_over_the_limit_is_refused_before_it_is_read(small, dialect):
    path = request_in(dialect, model=ECHO)[0]
    async with calling(small) as caller:
        announced = {"content-length": str(2 * 1024 * 1024)}
        await caller.ask("POST", path, b"", announced)

        answer = await caller.answer()

    assert answer.status == 413
    assert "1 MB" in words_of_error(dialect, 413, answer.body)


@each_dialect
async def test_a_body_over_the_limit_is_refused_though_nobody_announced_it(small, dialect):
    path = request_in(dialect, model=ECHO)[0]
    async with calling(small) as caller:
        await caller.send(f"POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

        async def send():
            for _ in range(40):
                await caller.send(chunk)

        sending = asyncio.create_task(send())
        answer = await caller.answer()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    assert answer.status == 413
    assert "1 MB" in words_of_error(dialect, 413, answer.body)


async def test_a_body_at_the_limit_is_taken(small):
    body = body_in("anthropic")
    padded = body[:-1] + b" " * (1024 * 1024 - len(body)) + b"}"

    assert (await ask(small, "POST", "/v1/messages", padded)).status == 200
    assert (await ask(small, "POST", "/v1/messages", padded + b" ")).status == 413


@each_dialect
async def test_a_wrong_method_is_told_the_right_one(gateway, dialect):
    path = request_in(dialect, model=ECHO)[0]
    for method, spelling in itertools.product(("GET", "PUT", "DELETE"), (path, path.partition("?")[0] + "/")):
        answer = await ask(gateway, method, spelling)

        assert answer.status == 405
        assert answer.headers["allow"] == "POST"
        assert "POST" in words_of_error(dialect, 405, answer.body)


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        ("openai-chat", "/v1/completions/none"),
        ("openai-chat", "/v1/chat/complete"),
        ("openai-chat", "/v1/embeddings"),
        ("openai-responses", "/v1/responses/resp_1/cancel"),
        ("anthropic", "/v1/messages/batches"),
        ("gemini", "/v1beta/models/echo/echo:embedContent"),
        ("gemini", "/v1beta/cachedContents"),
    ],
)
async def test_an_unknown_address_answers_in_the_shape_of_its_neighbours(gateway, dialect, path):
    for method in ("GET", "POST"):
        answer = await ask(gateway, method, path, b"{}" if method == "POST" else b"")

        assert answer.status == 404, method
        assert answer.headers["content-type"].startswith("application/json")
        assert words_of_error(dialect, 404, answer.body)


async def test_an_unknown_address_answers_in_the_shape_that_its_headers_ask_for(gateway):
    answer = await ask(gateway, "POST", "/v1/files", b"{}", {"anthropic-version": "2023-06-01"})

    assert answer.status == 404
    assert words_of_error("anthropic", 404, answer.body)


async def test_addresses_of_the_control_plane_keep_their_own_shape(gateway):
    answer = await ask(gateway, "GET", "/api/none")

    assert answer.status == 404
    assert answer.json["error"]["code"] == "not_found"
    assert "type" not in answer.json["error"]


@each_dialect
async def test_a_compressed_body_is_refused_in_words(gateway, dialect):
    path, body = request_in(dialect, model=ECHO)

    answer = await ask(gateway, "POST", path, body, {"content-encoding": "gzip"})

    assert answer.status == 400
    assert "uncompressed" in words_of_error(dialect, 400, answer.body)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/realtime", "/anything"])
async def test_a_websocket_is_told_to_use_http_at_once(gateway, path):
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with calling(gateway) as caller:
        head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        await caller.send(head.encode() + b"\r\n")

        answer = await caller.head()

    assert answer.status == 426


# Lists --------------------------------------------------------------------------------------------------------

SHAPES = [
    pytest.param("/v1/models", {}, "data", id="plain"),
    pytest.param("/models", {}, "data", id="plain-without-version"),
    pytest.param("/api/v1/models", {}, "data", id="plain-under-api"),
    pytest.param("/v1/models/", {}, "data", id="plain-with-slash"),
    pytest.param("/v1/models", {"anthropic-version": "2023-06-01"}, "has_more", id="by-version-header"),
    pytest.param("/v1/models", {"x-goog-api-key": "any"}, "models", id="by-key-header"),
    pytest.param("/v1/models", {"x-goog-api-client": "genai"}, "models", id="by-client-header"),
    pytest.param("/v1beta/models", {}, "models", id="by-path"),
]


@pytest.mark.parametrize(("path", "headers", "field"), SHAPES)
async def test_models_are_listed_in_the_callers_shape(gateway, path, headers, field):
    listed = (await ask(gateway, "GET", path, headers=headers)).json

    assert field in listed
    entries = listed.get("data", listed.get("models"))
    names = [entry.get("id", entry.get("name")) for entry in entries]
    assert [name for name in names if name.removeprefix("models/") == ECHO]
    assert ("object" in listed) == (field == "data")


@pytest.mark.parametrize(
    ("path", "headers", "field"),
    [
        pytest.param("/v1/models/echo/echo", {}, "object", id="plain"),
        pytest.param("/v1/models/echo%2Fecho", {}, "object", id="escaped"),
        pytest.param("/v1/models/echo/echo", {"anthropic-version": "2023-06-01"}, "display_name", id="by-header"),
        pytest.param("/v1beta/models/echo/echo", {}, "inputTokenLimit", id="by-path"),
    ],
)
async def test_one_model_is_shown_in_the_callers_shape(gateway, path, headers, field):
    answer = await ask(gateway, "GET", path, headers=headers)

    assert answer.status == 200
    assert field in answer.json
    assert ECHO in (answer.json.get("id"), answer.json.get("name", "").removeprefix("models/"))


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic", "gemini"])
async def test_a_model_that_is_not_listed_is_not_found_in_the_callers_shape(gateway, dialect):
    path = "/v1beta/models/echo/none" if dialect == "gemini" else "/v1/models/echo/none"
    headers = {"anthropic-version": "2023-06-01"} if dialect == "anthropic" else {}

    answer = await ask(gateway, "GET", path, headers=headers)

    assert answer.status == 404
    assert "echo/none" in words_of_error(dialect, 404, answer.body)


async def test_head_is_answered_as_get_without_a_body(gateway):
    async with calling(gateway) as caller:
        await caller.ask("HEAD", "/v1/models")
        answer = await caller.head()

    assert answer.status == 200


@each_dialect
async def test_a_model_nobody_serves_is_told_in_the_callers_dialect(gateway, dialect):
    path, body = request_in(dialect, model="echo/ecko")

    answer = await ask(gateway, "POST", path, body)

    assert answer.status == 404
    words = words_of_error(dialect, 404, answer.body)
    assert "ecko" in words
    assert "echo" in words  # what it may have meant


@pytest.mark.parametrize("stream", [None, False, "no word"])
async def test_no_word_of_a_stream_means_none(gateway, stream):
    for dialect in DIALECTS[:3]:
        body = json.loads(body_in(dialect))
        if stream != "no word":
            body["stream"] = stream
        answer = await ask(gateway, "POST", SPEAKERS[dialect].path(Ask()), json.dumps(body).encode())

        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/json"
