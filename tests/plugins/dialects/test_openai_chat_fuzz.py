"""OpenAI chat against anything: whatever comes, only what the contract allows comes out."""

from __future__ import annotations

from typing import Any

import orjson
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omniroute_dialects.openai_chat import DIALECT
from omniroute_hooks import (
    OPENAI_CHAT,
    Answer,
    Asked,
    BadRequest,
    Connection,
    Conversation,
    GatewayError,
    Provider,
    Reply,
    Target,
    Text,
    Thinking,
    ToolCall,
)
from omniroute_hooks.answers import signals_of
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.conversation import Stop
from omniroute_hooks.events import Failed, Finished

ASKED = Asked(DIALECT.endpoints[0])
REPLY = Reply(Conversation(model="m", turns=(), dialect=OPENAI_CHAT), "m", "r", 1, ASKED)
PROVIDER = Provider(id="up", prefix="up", base_url="http://x", dialect=OPENAI_CHAT)
TARGET = Target(PROVIDER, "up-model", Connection("c", "up", "c", {}), "http://x")
REPLAYS = evolve(TARGET, provider=evolve(PROVIDER, options={"replay_reasoning": True, "string_content": True}))

WORDS = st.sampled_from(
    [
        "model",
        "messages",
        "role",
        "user",
        "assistant",
        "system",
        "tool",
        "content",
        "text",
        "type",
        "image_url",
        "url",
        "tool_calls",
        "id",
        "function",
        "name",
        "arguments",
        "index",
        "delta",
        "choices",
        "finish_reason",
        "stop",
        "usage",
        "prompt_tokens",
        "error",
        "message",
        "code",
        "reasoning_content",
        "reasoning_details",
        "signature",
        "thinking",
        "tools",
        "parameters",
        "tool_choice",
        "input",
        "stream",
        "custom",
        "extra_content",
        "google",
        "thought_signature",
        "n",
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 2**70), st.floats(), st.text(max_size=8), WORDS)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(WORDS, st.text(max_size=4)), inner, max_size=5)
    ),
    max_leaves=25,
)
QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def mapping(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Objects whose fields are there or not, and right or wrong."""
    return st.fixed_dictionaries({}, optional={name: st.one_of(value, JSON) for name, value in fields.items()})


PART = mapping(
    type=WORDS, text=st.text(max_size=5), image_url=mapping(url=st.text(max_size=5)), source=mapping(type=WORDS)
)
CALL = mapping(
    index=st.integers(0, 2),
    id=st.sampled_from("ab"),
    type=st.sampled_from(["function", "custom"]),
    function=mapping(name=st.sampled_from("fg"), arguments=st.text(max_size=5)),
    custom=mapping(name=st.sampled_from("fg"), input=st.text(max_size=5)),
)
MESSAGE = mapping(
    role=st.sampled_from(["user", "assistant", "system", "tool", "function"]),
    content=st.one_of(st.text(max_size=5), st.lists(PART, max_size=3)),
    tool_calls=st.lists(CALL, max_size=2),
    tool_call_id=st.sampled_from("ab"),
    reasoning_content=st.text(max_size=5),
    reasoning_details=st.lists(
        mapping(type=WORDS, text=st.text(max_size=3), signature=st.text(max_size=3)), max_size=2
    ),
)
BODY = mapping(
    model=st.just("m"),
    messages=st.lists(MESSAGE, max_size=4),
    tools=st.lists(
        mapping(type=st.sampled_from(["function", "custom", "x"]), function=mapping(name=st.just("f"))), max_size=2
    ),
    tool_choice=mapping(type=WORDS, function=mapping(name=st.just("f"))),
    response_format=mapping(type=st.just("json_schema"), json_schema=mapping(name=st.text(max_size=3))),
    stop=st.lists(st.text(max_size=2), max_size=2),
    stream_options=mapping(include_usage=st.booleans()),
    reasoning=mapping(effort=st.just("low")),
    metadata=JSON,
)
DELTA = mapping(
    content=st.text(max_size=5),
    reasoning_content=st.text(max_size=3),
    reasoning_details=st.lists(
        mapping(type=WORDS, index=st.integers(0, 1), text=st.text(max_size=3), signature=WORDS), max_size=2
    ),
    tool_calls=st.lists(CALL, max_size=2),
    annotations=JSON,
    images=JSON,
)
CHUNK = mapping(
    id=st.just("x"),
    choices=st.lists(
        mapping(index=st.just(0), delta=DELTA, finish_reason=st.sampled_from(["stop", "length"])), max_size=2
    ),
    usage=mapping(prompt_tokens=st.integers(), prompt_tokens_details=mapping(cached_tokens=st.integers())),
    error=JSON,
)


def bytes_of(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits
        return b"{}"


@QUICK
@given(st.one_of(BODY, st.dictionaries(WORDS, JSON, max_size=6)))
def test_any_body_is_read_or_refused_with_paths(body: dict[str, Any]) -> None:
    try:
        conversation = DIALECT.parse_request(body, ASKED)
    except BadRequest as exc:
        refused = exc
    else:
        refused = None
    if refused is not None:
        assert refused.details
        assert all(detail.path and detail.problem for detail in refused.details)
        return
    for target in (TARGET, REPLAYS):
        for caller in (OPENAI_CHAT, "another"):
            try:
                found = DIALECT.render_request(evolve(conversation, dialect=caller), target, True)
            except BadRequest:
                continue
            assert found.body["messages"] is not None


@QUICK
@given(st.one_of(BODY, st.dictionaries(WORDS, JSON, max_size=6)), st.booleans())
def test_any_body_is_peeked_at_and_passed_on_or_refused(body: dict[str, Any], stream: bool) -> None:
    raw = bytes_of(body)
    body = orjson.loads(raw)
    try:
        DIALECT.peek(body, ASKED)
        found = DIALECT.pass_request(raw, body, REPLAYS, stream)
    except BadRequest:
        return
    assert orjson.loads(found.body)["model"] == "up-model"


@QUICK
@given(st.lists(st.one_of(CHUNK, JSON), max_size=6), st.integers(1, 40), st.booleans())
def test_any_chunks_end_in_an_answer_or_a_failure(chunks: list[Any], size: int, watch: bool) -> None:
    data = b"".join(b"data: " + bytes_of(chunk) + b"\n\n" for chunk in chunks)
    decoder, machine, encoder = DIALECT.decoder(watch), BlockMachine("r"), DIALECT.encoder(REPLY)
    events = []
    for start in range(0, len(data), size):
        events += machine.feed(decoder.feed(data[start : start + size]))
    events += machine.feed(decoder.end()) + machine.end()

    assert sum(isinstance(event, Finished | Failed) for event in events) == 1
    for frame in encoder.encode(events).split(b"\n\n")[:-1]:
        assert frame == b"data: [DONE]" or isinstance(orjson.loads(frame[6:]), dict)


@QUICK
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_end_in_an_answer_or_a_failure(pieces: list[bytes]) -> None:
    decoder, machine = DIALECT.decoder(False), BlockMachine("r")
    events = [event for piece in pieces for event in machine.feed(decoder.feed(piece))]
    events += machine.feed(decoder.end()) + machine.end()

    assert isinstance(events[-1], Finished | Failed)


@QUICK
@given(
    st.one_of(
        JSON,
        mapping(
            choices=st.lists(mapping(message=MESSAGE, finish_reason=WORDS), max_size=2), usage=mapping(), error=JSON
        ),
    )
)
def test_any_answer_is_read_or_a_failure(value: Any) -> None:
    try:
        answer = DIALECT.parse_answer(value)
    except GatewayError:
        return
    DIALECT.render_answer(answer, REPLY)


@QUICK
@given(st.integers(100, 999), st.one_of(st.binary(max_size=80), JSON.map(bytes_of)), st.text(max_size=20))
def test_any_error_is_a_failure(status: int, body: bytes, after: str) -> None:
    error = DIALECT.parse_error(status, {"retry-after": after, "date": after}, body)

    assert error.message
    assert DIALECT.render_error(error, "r")[0] >= 400


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ARGUMENTS = st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(-9, 9)), max_size=3).map(
    lambda d: orjson.dumps(d).decode()
)
PARTS = st.lists(
    st.one_of(
        TEXTS.filter(bool).map(Text),
        TEXTS.filter(bool).map(Thinking),
        st.builds(ToolCall, st.uuids().map(str), st.sampled_from(["f", "g"]), ARGUMENTS),
    ),
    max_size=5,
)


@QUICK
@given(PARTS, st.integers(1, 50))
def test_what_is_written_as_a_stream_is_read_as_it_is_in_one_piece(parts: list[Any], size: int) -> None:
    answer = Answer(tuple(parts), Stop("end"))
    machine = BlockMachine("r")
    data = DIALECT.encoder(REPLY).encode(machine.feed(signals_of(answer)) + machine.end())
    decoder, again = DIALECT.decoder(False), BlockMachine("r")
    for start in range(0, len(data), size):
        again.feed(decoder.feed(data[start : start + size]))
    again.feed(decoder.end())
    again.end()
    whole = DIALECT.parse_answer(DIALECT.render_answer(answer, REPLY))

    def shown(found: Answer) -> tuple[str, str, list[ToolCall]]:
        return (
            "".join(part.text for part in found.parts if isinstance(part, Thinking)),
            "".join(part.text for part in found.parts if isinstance(part, Text)),
            [part for part in found.parts if isinstance(part, ToolCall)],
        )

    assert shown(again.answer()) == shown(whole)
    assert again.answer().stop.reason == whole.stop.reason
