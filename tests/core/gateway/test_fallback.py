"""Fallback: the next connection answers what this one cannot, and what nobody can is told as the provider told it."""

import asyncio
import itertools
import json
import socket

import pytest
from gateway_kit import DIALECTS, add_node, ask, calling, each_dialect, last_records, request_in, words_of_error
from omniroute_hooks.testing import SPEAKERS, Say, ScriptedUpstream, raw_server, serving
from omniroute_hooks.testing.rawserver import drops, goes_stale, resets, response, stalls
from omniroute_hooks.testing.scripted import whole
from running import running

import core.access.egress
from core.access.egress import Deadlines

SAY = Say(text="Here I am, in one piece.")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
async def upstream():
    async with serving(ScriptedUpstream()) as server:
        yield server


@pytest.fixture
async def impatient(tmp_path, monkeypatch):
    """A gateway that waits for providers for half a second."""
    monkeypatch.setattr(core.access.egress, "Deadlines", lambda: Deadlines(connect_s=0.5, idle_s=0.5))
    async with running(tmp_path / "data", initial_password=None) as gateway:
        yield gateway


def keys_of(upstream):
    """Which connection each request came over."""
    shown = ("authorization", "x-api-key", "x-goog-api-key")
    return [
        next(r.headers[name] for name in shown if name in r.headers).removeprefix("Bearer ") for r in upstream.requests
    ]


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# From one connection to the next ------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_dialect
async def test_a_connection_at_its_limit_rests_and_the_next_one_answers(gateway, upstream, dialect, stream):
    node = await add_node(gateway, dialect, upstream.url, keys=("k-1", "k-2"))
    speaker = SPEAKERS[dialect]
    upstream.reply(429, json=speaker.error_body(429, "Slow down."), headers={"Retry-After": "30"})
    for _ in range(2):
        speaker.play(upstream, SAY, stream)
    read = speaker.read_stream if stream else lambda body: speaker.read_answer(json.loads(body))

    answers = [await ask(gateway, "POST", *request_in(dialect, stream=stream)) for _ in range(2)]

    assert [read(answer.body).text for answer in answers] == [SAY.text, SAY.text]
    assert keys_of(upstream) == ["k-1", "k-2", "k-2"]
    newest, first = await last_records(gateway, 2)
    assert (first.connection_id, first.attempt, first.status) == (node.connections[1], 2, 200)
    assert (newest.connection_id, newest.attempt) == (node.connections[1], 2)  # the first was passed over


@each_dialect
async def test_when_all_connections_rest_the_caller_hears_how_long(gateway, upstream, dialect):
    await add_node(gateway, dialect, upstream.url, keys=("k-1", "k-2"))
    for seconds in (40, 20):
        body = SPEAKERS[dialect].error_body(429, "Slow down.")
        upstream.reply(429, json=body, headers={"Retry-After": str(seconds)})

    tried = await ask(gateway, "POST", *request_in(dialect))
    waited = await ask(gateway, "POST", *request_in(dialect))

    assert len(upstream.requests) == 2  # the second caller's request bothered nobody
    for answer in (tried, waited):
        assert answer.status in (503, 529)
        assert 15 <= int(answer.headers["retry-after"]) <= 20
        assert "Slow down." in words_of_error(dialect, answer.status, answer.body)


async def test_a_single_resting_connection_is_a_rate_limit_to_the_caller(gateway, upstream):
    await add_node(gateway, "openai-chat", upstream.url)
    upstream.reply(429, json={"error": {"message": "Slow down."}}, headers={"Retry-After": "7"})

    for _ in range(2):
        answer = await ask(gateway, "POST", *request_in("openai-chat"))
        assert answer.status == 429
        assert 5 <= int(answer.headers["retry-after"]) <= 7
    assert len(upstream.requests) == 1


@each_dialect
async def test_another_connection_answers_where_the_first_one_fails(gateway, upstream, dialect):
    for status in (401, 402, 403, 404, 408, 500, 502, 503, 504, 529):
        await add_node(gateway, dialect, upstream.url, prefix=f"up{status}", keys=(f"{status}-1", f"{status}-2"))
        upstream.reply(status, json=SPEAKERS[dialect].error_body(status, "Not with me."))
        SPEAKERS[dialect].play(upstream, SAY, stream=False)

        answer = await ask(gateway, "POST", *request_in(dialect, model=f"up{status}/m-1"))

        assert answer.status == 200, (status, answer.body)
        assert keys_of(upstream)[-2:] == [f"{status}-1", f"{status}-2"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_dialect
async def test_the_callers_own_mistake_is_tried_on_nobody_else(gateway, upstream, dialect, stream):
    await add_node(gateway, dialect, upstream.url, keys=("k-1", "k-2"))
    upstream.reply(400, json=SPEAKERS[dialect].error_body(400, "temperature: must be at most 1"))

    answer = await ask(gateway, "POST", *request_in(dialect, stream=stream))

    assert answer.status == 400
    assert "temperature: must be at most 1" in words_of_error(dialect, 400, answer.body)
    assert len(upstream.requests) == 1


# A provider that is not there, or not in its senses ------------------------------------------------------------


async def chat_nodes(gateway, first_url, second_url):
    """Two connections of one provider, the first of them at another address."""
    node = await add_node(gateway, "openai-chat", second_url, keys=())
    for key, url in (("k-1", first_url), ("k-2", second_url)):
        data = {"baseUrl": f"{url}/v1"}
        await gateway.add_connection(node.id, {"api_key": key}, name=key, provider_specific_data=data)


FAULTS = [
    pytest.param(drops(), id="hangs-up"),
    pytest.param(drops(b"nonsense\r\n\r\n"), id="no-http"),
    pytest.param(drops(b"HTTP/1.1 200 OK\r\nconte"), id="half-a-head"),
    pytest.param(resets(), id="resets"),
    pytest.param(
        drops(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"), id="half-a-body"
    ),
    pytest.param(
        drops(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"), id="a-web-page"
    ),
    pytest.param(drops(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n"), id="empty"),
    pytest.param(
        drops(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"), id="redirect"
    ),
    pytest.param(drops(HEAD + b"0\r\n\r\n"), id="empty-stream"),
    pytest.param(drops(HEAD), id="cut-before-the-first-byte"),
    pytest.param(drops(HEAD + b'2a\r\ndata: {"error":{"message":"overloaded now"}}'), id="cut-in-the-first-chunk"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_before_the_first_byte_costs_the_caller_nothing(gateway, upstream, fault, stream):
    SPEAKERS["openai-chat"].play(upstream, SAY, stream)
    async with raw_server(fault) as broken:
        await chat_nodes(gateway, broken.url, upstream.url)

        answer = await ask(gateway, "POST", *request_in("openai-chat", stream=stream))

    assert answer.status == 200, answer.body
    assert SAY.text in answer.body.decode() or SPEAKERS["openai-chat"].read_stream(answer.body).text == SAY.text
    assert keys_of(upstream) == ["k-2"]


async def test_a_refused_connection_costs_the_caller_nothing(gateway, upstream):
    SPEAKERS["openai-chat"].play(upstream, SAY, stream=False)
    await chat_nodes(gateway, f"http://127.0.0.1:{unused_port()}", upstream.url)

    answer = await ask(gateway, "POST", *request_in("openai-chat"))

    assert answer.status == 200
    assert keys_of(upstream) == ["k-2"]


@pytest.mark.parametrize("after", [b"", HEAD], ids=["no-head", "no-first-byte"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_silent_provider_is_given_up_for_the_next(impatient, upstream, after, stream):
    SPEAKERS["openai-chat"].play(upstream, SAY, stream)
    async with raw_server(stalls(after)) as silent:
        await chat_nodes(impatient, silent.url, upstream.url)

        answer = await ask(impatient, "POST", *request_in("openai-chat", stream=stream))

    assert answer.status == 200, answer.body
    assert keys_of(upstream) == ["k-2"]


@pytest.mark.parametrize("size", [3, 10**6], ids=["in-pieces", "at-once"])
@pytest.mark.parametrize("provider", DIALECTS)
async def test_an_error_as_the_first_event_is_tried_elsewhere(gateway, upstream, provider, size):
    refusal = SPEAKERS[provider].chunks(Say(error=(503, "Overloaded.")))[-1]
    if provider != "gemini":
        refusal = b": your request is queued\n\n" + refusal
    for caller in DIALECTS:
        await add_node(gateway, provider, upstream.url, prefix=caller, keys=("k-1", "k-2"))
        upstream.requests.clear()
        upstream.stream([refusal[at : at + size] for at in range(0, len(refusal), size)])
        SPEAKERS[provider].play(upstream, SAY, stream=True)

        answer = await ask(gateway, "POST", *request_in(caller, model=f"{caller}/m-1", stream=True))

        assert SPEAKERS[caller].read_stream(answer.body).text == SAY.text
        assert keys_of(upstream) == ["k-1", "k-2"]


async def test_a_kept_connection_that_died_is_replaced_once(gateway):
    """Both requests are answered, though the provider closes its kept connection as the second one comes."""
    body = json.dumps(SPEAKERS["openai-chat"].answer(SAY)).encode()
    async with raw_server(goes_stale(response(200, body, {"content-type": "application/json"}))) as server:
        await add_node(gateway, "openai-chat", server.url)
        answers = [await ask(gateway, "POST", *request_in("openai-chat")) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert server.connections == 2


# Nobody left --------------------------------------------------------------------------------------------------

# The provider's status -> the caller's. A refused credential of ours is no fault of the caller's key.
STATUSES = {
    400: {400},
    401: {500, 502},
    403: {403},
    404: {404},
    413: {413},
    429: {429},
    500: {500, 502},
    503: {503, 529},
}


@pytest.mark.parametrize("provider", DIALECTS)
async def test_the_only_candidates_failure_is_told_in_the_callers_dialect(gateway, upstream, provider):
    for caller, status in itertools.product(DIALECTS, STATUSES):
        prefix = f"{caller}-{status}"
        await add_node(gateway, provider, upstream.url, prefix=prefix)
        upstream.reply(status, json=SPEAKERS[provider].error_body(status, "In the vendor's own words."))

        answer = await ask(gateway, "POST", *request_in(caller, model=f"{prefix}/m-1"))

        assert answer.status in STATUSES[status], (caller, status, answer.body)
        assert "In the vendor's own words." in words_of_error(caller, answer.status, answer.body)
        assert answer.headers["content-type"] == "application/json"
        [record] = await last_records(gateway)
        assert record.request_id == answer.headers["x-request-id"]
        assert record.status == answer.status
        assert record.error_code


@each_dialect
async def test_a_web_page_as_an_error_is_told_in_words(gateway, upstream, dialect):
    await add_node(gateway, dialect, upstream.url)
    page = b"<html><head><style>a{}</style></head><body><h1>502 Bad Gateway</h1></body></html>"
    upstream.reply(502, body=page, headers={"content-type": "text/html"})

    answer = await ask(gateway, "POST", *request_in(dialect))

    assert answer.status in (500, 502)
    words = words_of_error(dialect, answer.status, answer.body)
    assert "502 Bad Gateway" in words
    assert "<" not in words


@each_dialect
async def test_failures_of_several_are_all_told(gateway, upstream, dialect):
    await add_node(gateway, dialect, upstream.url, keys=("k-1", "k-2"))
    upstream.reply(500, json=SPEAKERS[dialect].error_body(500, "The first is ill."))
    upstream.reply(503, json=SPEAKERS[dialect].error_body(503, "The second is busy."))

    answer = await ask(gateway, "POST", *request_in(dialect))

    assert answer.status in (503, 529)
    words = words_of_error(dialect, answer.status, answer.body)
    assert "The first is ill." in words
    assert "The second is busy." in words
    assert 1 <= int(answer.headers["retry-after"]) <= 3  # both rest now, though neither has said how long


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        pytest.param(drops(), 502, "broke", id="hangs-up"),
        pytest.param(stalls(), 504, "in time", id="silent"),
    ],
)
async def test_what_happened_on_the_way_is_told_without_addresses(impatient, fault, status, words):
    async with raw_server(fault) as server:
        await add_node(impatient, "openai-chat", server.url)
        answer = await ask(impatient, "POST", *request_in("openai-chat"))

    assert answer.status == status
    told = words_of_error("openai-chat", status, answer.body)
    assert words in told
    assert "127.0.0.1" not in told


# Broken after it had begun ------------------------------------------------------------------------------------


def heard_error(dialect, body):
    """The error that ends a stream, as a strict client reads it, and the text before it."""
    heard = SPEAKERS[dialect].read_stream(body)
    assert heard.stop is None
    return heard.error, heard.text


@pytest.mark.parametrize("fault", ["cut", "closed", "silent"])
@pytest.mark.parametrize("provider", DIALECTS)
async def test_a_stream_that_breaks_ends_in_an_error_event(impatient, upstream, provider, fault):
    begun = SPEAKERS[provider].chunks(SAY)
    begun = begun[: next(at for at, chunk in enumerate(begun) if SAY.text[:5].encode() in chunk) + 1]
    for number, caller in enumerate(DIALECTS, 1):
        await add_node(impatient, provider, upstream.url, prefix=caller)
        if fault == "cut":
            upstream.cut(b"".join(begun))
        elif fault == "closed":
            upstream.stream(begun)
        else:
            upstream.hang(begun, headers={"content-type": "text/event-stream"})

        answer = await ask(impatient, "POST", *request_in(caller, model=f"{caller}/m-1", stream=True))

        if caller == provider == "openai-responses":  # its events are numbered, and the gateway does not count them
            assert answer.body.startswith(b"".join(begun))
            answer.body = answer.body.removeprefix(b"".join(begun))
            assert b"event: error" in answer.body or b"event: response.failed" in answer.body
            assert b"response.completed" not in answer.body
        else:
            error, text = heard_error(caller, answer.body)
            assert error
            assert text  # what had come is there
        assert len(upstream.requests) == number
        [record] = await last_records(impatient)
        assert record.request_id == answer.headers["x-request-id"]
        assert record.status == 200
        assert record.error_code in ("stream_broken", "upstream_timeout")
        assert record.blames == "provider"


@pytest.mark.parametrize("size", [3, 10**6], ids=["in-pieces", "at-once"])
@pytest.mark.parametrize("provider", DIALECTS)
async def test_an_error_in_mid_stream_reaches_the_caller(gateway, upstream, provider, size):
    wire = b"".join(SPEAKERS[provider].chunks(Say(text=SAY.text, error=(503, "Overloaded just now."))))
    for caller in DIALECTS:
        await add_node(gateway, provider, upstream.url, prefix=caller)
        upstream.stream([wire[at : at + size] for at in range(0, len(wire), size)])

        answer = await ask(gateway, "POST", *request_in(caller, model=f"{caller}/m-1", stream=True))

        if answer.status == 200:
            assert "Overloaded just now." in heard_error(caller, answer.body)[0]
        else:  # it was all there before a word had gone out
            assert "Overloaded just now." in words_of_error(caller, answer.status, answer.body)
        [record] = await last_records(gateway)
        assert record.request_id == answer.headers["x-request-id"]
        assert record.error_code


async def test_an_event_that_never_ends_breaks_the_stream_and_not_the_gateway(gateway, upstream, monkeypatch):
    monkeypatch.setattr("omniroute_hooks.sse.FrameSplitter.__init__.__defaults__", (10_000,))
    for prefix in ("one", "two"):
        await add_node(gateway, "openai-chat", upstream.url, prefix=prefix)
    first = SPEAKERS["openai-chat"].chunks(SAY)[1]
    path, body = request_in("openai-chat", model="one/m-1", stream=True)
    uncounted = json.dumps({**json.loads(body), "stream_options": None}).encode()
    for asked in ((path, uncounted), request_in("anthropic", model="two/m-1", stream=True)):
        upstream.stream([first, b"data: " + b"x" * 9_000, b"x" * 9_000, b"x" * 9_000])

        answer = await ask(gateway, "POST", *asked)

        assert b"too long" in answer.body.rpartition(b"\ndata: ")[2]
        [record] = await last_records(gateway)
        assert record.request_id == answer.headers["x-request-id"]
        assert record.error_code == "stream_broken"


async def test_the_error_event_of_a_cut_stream_stands_alone(gateway, upstream):
    """The cut may come in the middle of an event; its half is held back, since no client could read it."""
    await add_node(gateway, "anthropic", upstream.url)
    wire = b"".join(SPEAKERS["anthropic"].chunks(SAY))
    half = wire[: wire.index(SAY.text[:5].encode()) + 2]
    whole_events = half[: half.rindex(b"\n\n") + 2]
    upstream.cut(half)

    async with calling(gateway) as caller:
        await caller.ask("POST", *request_in("anthropic", stream=True))
        assert (await caller.head()).status == 200
        body = await caller.rest()

    assert body.startswith(whole_events)
    frames = body[len(whole_events) :].split(b"\n\n")
    assert frames[0].startswith(b"event: error\n")
    assert frames[1:] == [b""]


async def test_many_callers_at_once_fall_back_without_mixing_answers(gateway, upstream):
    await add_node(gateway, "openai-chat", upstream.url, keys=("k-1", "k-2"))

    def answer(request):
        if request.headers["authorization"] == "Bearer k-1":
            return whole(429, {"error": {"message": "slow down"}})
        asked = request.json["messages"][-1]["content"]
        return whole(200, SPEAKERS["openai-chat"].answer(Say(text=f"you said {asked}")))

    upstream.otherwise(answer)

    async def one(number):
        body = {"model": "up/m-1", "messages": [{"role": "user", "content": f"number {number}"}]}
        got = await ask(gateway, "POST", "/v1/chat/completions", json.dumps(body).encode())
        assert got.status == 200, got.body
        return got.json["choices"][0]["message"]["content"]

    answers = await asyncio.gather(*(one(number) for number in range(50)))

    assert answers == [f"you said number {number}" for number in range(50)]
