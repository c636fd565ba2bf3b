"""A caller of the provider's own dialect: bytes go out and come back as they are, and no credential crosses over."""

import json

import pytest
from gateway_kit import UPSTREAM_KEY, add_node, ask, calling, each_dialect, last_records, request_in
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, Tokens, raw_server, serving
from omniroute_hooks.testing.rawserver import read_request

SAY = Say(text='Grüezi 🙂 "quoted" \\ back', usage=Tokens(input=31, cached=20, output=9))

# Nobody who parses and prints JSON again gives these bytes back.
ODD_BODIES = {
    "openai-chat": (
        "/v1/chat/completions",
        b'{ "x_unknown" : {"deep": [1.0, 1e2, -0, null]},\t"messages" : [ {"role":"user",\r\n "content":"caf\\u00e9 '
        b'\xc3\xa9 \\ud83d\\ude42 \xf0\x9f\x99\x82 \\/ \\"model\\": \\"up/m-1\\""} ]'
        b'  , "model"  :\n"up/m-1", "seed":7 }\n',
    ),
    "openai-responses": (
        "/v1/responses",
        b' {"store" : false, "x_unknown":[ {} ],"input":"caf\\u00e9 \xf0\x9f\x99\x82 1e2"'
        b', "model":"up\\/m-1" ,"top_p":1.0}',
    ),
    "anthropic": (
        "/v1/messages",
        b'{"max_tokens" : 1e2,"x_unknown":{"model":"up/m-1","b":1,"a":2}, "messages":[{"content":[{"text":"caf\\u00e9 '
        b'\xf0\x9f\x99\x82","type":"text","cache_control":{"type":"ephemeral"}}],"role":"user"}],'
        b'  "model": "up/m-1"  }',
    ),
    "gemini": (
        "/v1beta/models/up/m-1:generateContent",
        b'{"xUnknown": {"b":1,"a":[ ]},\n "contents" : [{"parts":[{"text":"caf\\u00e9 \xf0\x9f\x99\x82"}],'
        b'"role":"user"}]}',
    ),
}


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


@each_dialect
async def test_a_request_goes_out_as_it_came_but_for_the_models_name(gateway, upstream, dialect):
    path, body = ODD_BODIES[dialect]
    await add_node(gateway, dialect, upstream.url)
    SPEAKERS[dialect].play(upstream, SAY, stream=False)

    answer = await ask(gateway, "POST", path, body)

    assert answer.status == 200, answer.body
    [request] = upstream.requests
    before, found, after = body.rpartition(b'"up\\/m-1"' if b"up\\/m-1" in body else b'"up/m-1"')
    assert request.body == (before + b'"m-1"' + after if found else body)
    assert request.path.endswith("/m-1:generateContent") or b"m-1" in request.body


@each_dialect
async def test_a_whole_answer_comes_back_byte_for_byte(gateway, upstream, dialect):
    await add_node(gateway, dialect, upstream.url)
    body = json.dumps(SPEAKERS[dialect].answer(SAY), indent=3, ensure_ascii=True).encode() + b"\r\n \n"
    body = body.replace(b"{", b'{ "x_new":1e400,', 1) if dialect != "openai-responses" else body
    upstream.reply(200, body=body, headers={"content-type": "application/json; charset=utf-8", "x-vendor": "1"})

    answer = await ask(gateway, "POST", *request_in(dialect))

    assert answer.status == 200
    assert answer.body == body
    [record] = await last_records(gateway)
    assert (record.input_fresh, record.cache_read, record.output_visible) == (11, 20, 9)
    assert not record.estimated


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
@each_dialect
async def test_a_stream_comes_back_byte_for_byte_however_it_is_cut(gateway, upstream, dialect, size):
    await add_node(gateway, dialect, upstream.url)
    wire = b": a comment\n\n" if dialect != "gemini" else b""
    wire += b"".join(SPEAKERS[dialect].chunks(SAY))
    upstream.stream([wire[at : at + size] for at in range(0, len(wire), size)])

    answer = await ask(gateway, "POST", *request_in(dialect, stream=True))

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body == wire
    [record] = await last_records(gateway)
    assert record.stream
    assert (record.input_fresh, record.cache_read, record.output_visible) == (11, 20, 9)
    assert record.first_token_ms is not None


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}], ids=["none", "empty", "declined"])
@pytest.mark.parametrize("size", [5, 10**6])
async def test_a_chat_stream_tells_its_usage_to_the_books_only_where_the_caller_did_not_ask(
    gateway, upstream, options, size
):
    await add_node(gateway, "openai-chat", upstream.url)
    chunks = SPEAKERS["openai-chat"].chunks(SAY)
    wire = b"".join(chunks)
    upstream.stream([wire[at : at + size] for at in range(0, len(wire), size)])
    body = {"model": "up/m-1", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    if options is not None:
        body["stream_options"] = options

    answer = await ask(gateway, "POST", "/v1/chat/completions", json.dumps(body).encode())

    assert upstream.requests[0].json["stream_options"]["include_usage"] is True
    assert answer.body == b"".join(chunk for chunk in chunks if b'"choices":[]' not in chunk)
    [record] = await last_records(gateway)
    assert (record.input_fresh, record.cache_read, record.output_visible) == (11, 20, 9)


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param({"authorization": "Bearer {key}"}, id="bearer"),
        pytest.param({"x-api-key": "{key}"}, id="x-api-key"),
        pytest.param({"x-goog-api-key": "{key}"}, id="x-goog-api-key"),
        pytest.param({"api-key": "{key}"}, id="api-key"),
        pytest.param({}, id="query"),
    ],
)
@each_dialect
async def test_neither_credential_crosses_the_gateway(gateway, upstream, dialect, shown, minted):
    await add_node(gateway, dialect, upstream.url)
    SPEAKERS[dialect].play(upstream, SAY, stream=False)
    path, body = request_in(dialect)
    headers = {name: value.format(key=minted) for name, value in shown.items()}

    answer = await ask(gateway, "POST", path + ("" if shown else f"?key={minted}"), body, headers)

    assert answer.status == 200, answer.body
    [request] = upstream.requests
    sent = "\n".join([request.path, *request.query.values(), *request.headers, *request.headers.values()])
    assert minted not in sent
    assert minted.encode() not in request.body
    [carried] = [name for name, value in request.headers.items() if UPSTREAM_KEY in value]
    assert carried == {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(dialect, "authorization")
    assert UPSTREAM_KEY.encode() not in answer.body
    assert UPSTREAM_KEY not in "".join(answer.headers.values())


@each_dialect
async def test_the_providers_echo_of_its_key_does_not_reach_the_caller_in_a_header(gateway, upstream, dialect):
    await add_node(gateway, dialect, upstream.url)
    said = SPEAKERS[dialect].answer(SAY)
    headers = {"authorization": f"Bearer {UPSTREAM_KEY}", "set-cookie": "session=theirs", "x-request-id": "theirs"}
    upstream.reply(200, json=said, headers=headers)

    answer = await ask(gateway, "POST", *request_in(dialect))

    assert UPSTREAM_KEY not in "".join(answer.headers.values())
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-request-id"] != "theirs"


async def test_headers_of_the_connection_end_at_the_gateway(gateway):
    """What the wire to the provider really carries: one of each, and nothing of the caller's own connection."""
    seen = []

    async def record(reader, writer):
        seen.append(await read_request(reader))
        body = json.dumps(SPEAKERS["anthropic"].answer(SAY)).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\nkeep-alive: timeout=1\r\n"
        )
        writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    async with raw_server(record) as server:
        await add_node(gateway, "anthropic", server.url)
        path, body = request_in("anthropic")
        headers = {
            "connection": "keep-alive, x-private",
            "keep-alive": "timeout=5",
            "te": "trailers",
            "x-private": "1",
            "cookie": "auth_token=mine",
            "accept-encoding": "gzip, br",
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "some-beta",
            "proxy-authorization": "Basic mine",
        }
        async with calling(gateway) as caller:
            await caller.ask("POST", path, body, headers)
            answer = await caller.answer()
            assert answer.status == 200
            assert "keep-alive" not in answer.headers
            await caller.ask("GET", "/v1/models")  # the caller's own connection is still good
            assert (await caller.answer()).status == 200

    head = seen[0].partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")[1:]
    names = [line.partition(":")[0] for line in head]
    assert len(names) == len(set(names))
    assert not {"connection", "keep-alive", "te", "x-private", "cookie", "proxy-authorization"} & set(names)
    sent = dict(line.split(": ", 1) for line in head)
    assert sent["accept-encoding"] == "identity"
    assert sent["anthropic-beta"] == "some-beta"
    assert sent["host"] == server.url.removeprefix("http://")
