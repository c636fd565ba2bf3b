"""The books: one record for each attempt that reached a provider, with what it used, and nothing counted twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from attrs import define, evolve, field
from gateway_kit import calling, last_records
from omniroute_hooks import ApiKey, Finish, Model, Observer, Price, Provider
from omniroute_hooks.testing import Reply, ScriptedUpstream, raw_server, serving
from omniroute_hooks.testing.rawserver import drops
from running import Running, running

from core.ledger.usage_record import UsageRecord
from core.plugins import registry as installed

STREAM = {"content-type": "text/event-stream"}
PRICE = (Price(1.0, 10.0),)
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Tell me a story, if you please."}]}


@define
class Books:
    """A gateway with priced models ``one`` and ``two`` of several providers; that of ``st`` only streams."""

    gateway: Running
    upstream: ScriptedUpstream
    told: list[Finish] = field(factory=list)

    async def ask(self, model: str, path: str = "/v1/chat/completions", **more: Any) -> Any:
        return await self.gateway.http.post(path, json={"model": model, **ASKED, **more})

    async def combo(self, name: str, *models: Any, **config: Any) -> None:
        await self.gateway.kernel.store.create_combo(name=name, models=list(models), config=config)
        await self.gateway.kernel.reload()

    async def records(self, count: int) -> list[UsageRecord]:
        """All records there are, the oldest first."""
        await last_records(self.gateway, count)
        found = await self.gateway.kernel.usage_log.recent(count + 5)
        assert len(found) == count, found
        assert len({record.request_id for record in found}) == sum(record.final for record in found)
        return found[::-1]


@pytest.fixture
async def books(tmp_path: Any) -> AsyncIterator[Books]:
    told: list[Finish] = []

    async def finished(finish: Finish) -> None:
        told.append(finish)

    async with serving(ScriptedUpstream()) as upstream:
        made = [
            Provider(
                id=id_,
                prefix=prefix,
                base_url=f"{upstream.url}/v1",
                dialect=dialect,
                auth=ApiKey(header="Authorization", scheme="Bearer"),
                models=(Model("one", price=PRICE), Model("two", price=PRICE)),
                **more,
            )
            for id_, prefix, dialect, more in (
                ("acme", "ac", "openai-chat", {}),
                ("bell", "be", "openai-chat", {}),
                ("streamy", "st", "openai-chat", {"stream_only": True}),
                ("messages", "an", "anthropic", {}),
            )
        ]
        registry = installed.build()
        registry = evolve(
            registry,
            providers={**registry.providers, **{each.id: each for each in made}},
            by_prefix={**registry.by_prefix, **{each.prefix: each for each in made}},
            observers=(Observer(id="notes", finished=finished),),
        )
        async with running(tmp_path / "data", registry, initial_password=None) as gateway:
            for each in made:
                await gateway.add_connection(each.id, {"api_key": "k-1"}, name="work")
            yield Books(gateway, upstream, told)


def whole(text: str, prompt: int = 100, completion: int = 10) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def frame(**more: Any) -> bytes:
    body = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", **more}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return frame(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def words(*texts: str) -> list[bytes]:
    return [chunk({"role": "assistant", "content": ""}), *(chunk({"content": text}) for text in texts)]


def ended(prompt: int | None = 100, completion: int = 10) -> list[bytes]:
    used = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": (prompt or 0) + completion}
    counted = [] if prompt is None else [frame(choices=[], usage=used)]
    return [chunk({}, "stop"), *counted, b"data: [DONE]\n\n"]


def tokens(record: UsageRecord) -> tuple[int, int, bool]:
    return record.input_fresh, record.output_visible, record.estimated


async def test_one_attempt_leaves_one_final_record(books: Books) -> None:
    books.upstream.reply(200, json=whole("hello"))

    answer = await books.ask("ac/one")

    [record] = await books.records(1)
    assert (record.id, record.request_id) == (answer.headers["x-request-id"],) * 2
    assert (record.provider, record.model, record.attempt, record.outcome) == ("acme", "one", 1, "answered")
    assert tokens(record) == (100, 10, False)
    assert record.cost_usd == pytest.approx(200e-6)
    assert (record.combo, record.path) == (None, None)


async def test_a_request_that_fell_over_leaves_a_record_of_each_attempt(books: Books) -> None:
    await books.combo("inner", "ac/one", "be/two")
    await books.combo("outer", {"comboName": "inner"})
    books.upstream.reply(429, json={"error": {"message": "slow down"}}, headers={"Retry-After": "30"})
    books.upstream.reply(200, json=whole("hello"))

    answer = await books.ask("outer")

    first, last = await books.records(2)
    assert {first.request_id, last.request_id} == {answer.headers["x-request-id"]}
    assert (first.model, first.attempt, first.outcome, first.final) == ("one", 1, "failed", False)
    assert (first.status, first.error_code, first.blames) == (429, "rate_limited", "connection")
    assert (tokens(first), first.cost_usd) == ((0, 0, False), 0.0)  # it was refused
    assert (last.model, last.attempt, last.outcome, last.final) == ("two", 2, "answered", True)
    assert (last.status, tokens(last), last.cost_usd) == (200, (100, 10, False), pytest.approx(200e-6))
    assert {(r.combo, r.requested_model) for r in (first, last)} == {("outer", "outer")}
    assert (first.path, last.path) == ("outer › 1 › inner › 1", "outer › 1 › inner › 2")
    assert last.latency_ms > first.latency_ms  # of the request, and of the attempt


async def test_the_same_candidate_asked_once_more_is_a_second_attempt_and_no_fallback(books: Books) -> None:
    await books.combo("again", "ac/one", maxRetries=1, retryDelayMs=0)
    books.upstream.reply(500, json={"error": {"message": "oops"}})
    books.upstream.reply(200, json=whole("hello"))

    assert (await books.ask("again")).status_code == 200

    first, last = await books.records(2)
    assert (first.connection_id, first.model, first.status) == (last.connection_id, last.model, 500)
    assert (first.attempt, last.attempt, last.outcome) == (1, 2, "answered")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_an_answer_that_broke_costs_what_was_received_of_it(books: Books, path: str) -> None:
    await books.combo("pair", "ac/one", "ac/two")
    said = "The quick brown fox jumps over "
    books.upstream.stream(words(said), headers=STREAM)
    books.upstream.stream([*words(said, "the lazy dog."), *ended(120, 20)], headers=STREAM)

    answer = await books.ask("pair", path, stream=True, max_tokens=99)

    assert "lazy dog" in answer.text
    first, last = await books.records(2)
    assert (first.outcome, first.error_code, first.status) == ("failed", "stream_broken", 200)
    size = len(answer.request.content)
    assert tokens(first) == (size // 4, len(said) // 4, True)
    assert first.cost_usd == pytest.approx((size // 4 + 10 * (len(said) // 4)) / 1e6)
    assert tokens(last) == (120, 20, False)
    async with _told(books) as finish:
        assert finish.usage is not None
        assert (finish.usage.input_total, finish.usage.output_total) == (120 + size // 4, 20 + len(said) // 4)
        assert finish.usage.estimated
        assert finish.cost_usd == pytest.approx((first.cost_usd or 0) + (last.cost_usd or 0))


async def test_what_the_provider_counted_before_the_break_is_kept(books: Books) -> None:
    usage = {"input_tokens": 1234, "cache_read_input_tokens": 1000, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    events = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word " * 40}},
    ]
    frames = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events]
    for path in ("/v1/messages", "/v1/chat/completions"):
        books.upstream.stream(frames, headers=STREAM)
        answer = await books.ask("an/one", path, stream=True, max_tokens=99)
        assert answer.status_code == 200
        await books.gateway.kernel.resilience.kept()
        books.gateway.kernel.resilience.reset()
    for record in await books.records(2):
        assert (record.final, record.outcome, record.error_code) == (True, "failed", "stream_broken")
        assert (record.input_fresh, record.cache_read) == (1234, 1000)
        assert (record.output_visible, record.estimated) == (50, True)  # four characters to a token


async def test_whole_answers_without_counts_are_estimated_and_say_so(books: Books) -> None:
    told = "x" * 400
    uncounted = {name: value for name, value in whole(told).items() if name != "usage"}
    books.upstream.reply(200, json=uncounted)
    books.upstream.stream([*words(told), *ended(None)], headers=STREAM)
    books.upstream.stream([*words(told), *ended(None)], headers=STREAM)

    await books.ask("ac/one")
    await books.ask("ac/one", stream=True)  # passed through
    await books.ask("ac/one", "/v1/messages", stream=True, max_tokens=9)  # translated

    for record in await books.records(3):
        assert record.input_fresh > 10
        assert (record.output_visible, record.estimated, record.outcome) == (100, True, "answered")


# Hedging ------------------------------------------------------------------------------------------------------


async def test_the_loser_of_a_race_is_billed_its_prompt(books: Books) -> None:
    await books.combo("hurry", "ac/one", "ac/two", hedgeAfterMs=30)
    books.upstream.hang()
    books.upstream.reply(200, json=whole("quick"))

    answer = await books.ask("hurry")

    assert answer.headers["x-omniroute-model"] == "two"
    loser, winner = await books.records(2)
    size = len(answer.request.content)
    assert (loser.model, loser.outcome, loser.error_code, loser.final) == ("one", "dropped", None, False)
    assert (tokens(loser), loser.cost_usd) == ((size // 4, 0, True), pytest.approx(size // 4 / 1e6))
    assert (winner.model, winner.outcome, tokens(winner)) == ("two", "answered", (100, 10, False))


async def test_the_loser_of_a_race_is_billed_what_it_had_said(books: Books) -> None:
    await books.combo("hurry", "st/one", "st/two", hedgeAfterMs=200)
    books.upstream.hang(words("word " * 40))
    books.upstream.stream([*words("quick"), *ended()], headers=STREAM)

    assert (await books.ask("hurry")).status_code == 200

    loser, winner = await books.records(2)
    assert (loser.outcome, loser.output_visible, loser.estimated) == ("dropped", 50, True)
    assert loser.input_fresh > 10
    assert tokens(winner) == (100, 10, False)


async def test_the_answer_names_the_winner_though_the_second_one_was_asked_last(books: Books) -> None:
    await books.combo("hurry", "ac/one", "ac/two", hedgeAfterMs=30)
    slow = Reply(status=200, headers={"content-type": "application/json"}, chunks=(), pause_s=0.0)
    body = json.dumps(whole("slow but first")).encode()
    books.upstream.otherwise(lambda request: evolve(slow, chunks=(b" ", body), pause_s=0.15))

    answer = await books.ask("hurry")

    assert answer.json()["choices"][0]["message"]["content"] == "slow but first"
    assert answer.headers["x-omniroute-model"] == "one"
    loser, winner = await books.records(2)
    assert (winner.model, winner.attempt, winner.final) == ("one", 1, True)
    assert (loser.model, loser.attempt, loser.outcome) == ("two", 2, "dropped")


async def test_a_second_that_fails_costs_nothing_and_the_first_answers(books: Books) -> None:
    await books.combo("hurry", "ac/one", "ac/two", hedgeAfterMs=30, maxRetries=0)
    body = json.dumps(whole("slow but whole")).encode()

    def by_model(request: Any) -> Reply:
        if request.json["model"] == "two":
            return Reply(status=503, headers={"content-type": "application/json"}, chunks=(b'{"error": "busy"}',))
        return Reply(status=200, headers={"content-type": "application/json"}, chunks=(b" ", body), pause_s=0.2)

    books.upstream.otherwise(by_model)

    assert (await books.ask("hurry")).status_code == 200

    second, first = await books.records(2)
    assert (second.model, second.outcome, second.status, second.cost_usd) == ("two", "failed", 503, 0.0)
    assert (first.model, first.outcome, tokens(first)) == ("one", "answered", (100, 10, False))


# Nobody answered ----------------------------------------------------------------------------------------------


async def test_a_caller_who_leaves_pays_for_what_came(books: Books) -> None:
    books.upstream.hang(words("word " * 40), headers=STREAM)
    body = json.dumps({"model": "ac/one", "stream": True, **ASKED}).encode()
    async with calling(books.gateway) as caller:
        await caller.ask("POST", "/v1/chat/completions", body)
        await caller.head()
        await caller.until(b"word ")
        caller.leave()

    [record] = await books.records(1)
    assert (record.status, record.outcome, record.final) == (499, "dropped", True)
    assert tokens(record) == (len(body) // 4, 50, True)


async def test_silence_costs_the_prompt_and_a_closed_door_nothing(books: Books) -> None:
    async with raw_server(drops()) as deaf:
        node = await books.gateway.add_node(deaf.url + "/v1", "openai-compatible", "deaf", "chat")
        await books.combo("quiet", "ac/one", "deaf/x", totalMs=60, maxRetries=0)
        books.upstream.hang()

        answer = await books.ask("quiet")

    assert answer.status_code == 503
    silent, closed = await books.records(2)
    assert (silent.error_code, silent.status, silent.final) == ("upstream_timeout", 0, False)
    assert (silent.input_fresh > 10, silent.output_visible, silent.estimated) == (True, 0, True)
    assert (closed.provider, closed.status, closed.final) == (node, 503, True)  # the request's end is in the last one
    assert (tokens(closed), closed.cost_usd) == ((0, 0, False), 0.0)


async def test_a_request_of_which_nobody_was_asked_leaves_one_record(books: Books) -> None:
    books.upstream.reply(429, json={"error": {"message": "slow down"}}, headers={"Retry-After": "60"})
    await books.ask("ac/one")

    assert (await books.ask("ac/one")).status_code == 429
    assert (await books.ask("no-such-model")).status_code == 404

    _, resting, unknown = await books.records(3)
    assert (resting.provider, resting.connection_id, resting.status, resting.attempt) == ("", None, 429, 1)
    assert (unknown.provider, unknown.status, unknown.attempt) == ("", 404, 0)
    assert {(r.final, r.outcome, r.cost_usd) for r in (resting, unknown)} == {(True, "failed", 0.0)}


class _told:
    """The next thing that observers hear."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def __aenter__(self) -> Finish:
        front = self._books.gateway.application.front
        assert front is not None
        await front.settlement._waiting.join()
        return self._books.told[-1]

    async def __aexit__(self, *exc: object) -> None:
        return None
