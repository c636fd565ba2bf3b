"""Whatever comes in, only the errors of the contract come out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from anthropic_cases import ASKED, COUNT, body_of, events_of, frames, parse, reply, signals, sse, target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omniroute_dialects.anthropic import DIALECT
from omniroute_dialects.anthropic.counting import render_count
from omniroute_hooks import Asked, BadRequest, GatewayError
from omniroute_hooks.answers import signals_of
from test_anthropic_answers import MESSAGE, STREAM, TOOLS
from test_anthropic_request_out import CLAUDE_CODE

_words = st.text(max_size=6) | st.sampled_from(
    ["type", "text", "content", "tool_use", "id", "name", "input", "index", "delta", "error", "omr1.x", "base64", "url"]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | _words,
    lambda value: st.lists(value, max_size=3) | st.dictionaries(_words, value, max_size=3),
    max_leaves=8,
)
CALLER = reply(parse(tools=TOOLS))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


@st.composite
def changed(draw: st.DrawFn, original: Any) -> Any:
    """A JSON value with one to three of its parts replaced or removed."""
    value = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([place for place in places(value) if place] or [()]))
        if not path:
            return draw(JSON)
        home = value
        for key in path[:-1]:
            home = home[key]
        if draw(st.booleans()):
            del home[path[-1]]
        else:
            home[path[-1]] = draw(JSON)
    return value


EVENTS = [orjson.loads(raw.split(b"data: ")[1]) for raw in STREAM.split(b"\n\n")[:-1]]
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(st.dictionaries(_words | st.sampled_from(sorted(CLAUDE_CODE)), JSON, max_size=6) | changed(CLAUDE_CODE))
def test_any_callers_json_is_read_or_refused_with_paths(body):
    if not isinstance(body, dict):
        return
    for asked in (ASKED, Asked(COUNT)):
        attempt(DIALECT.peek, body, asked)
        conversation = attempt(DIALECT.parse_request, body, asked)
        if conversation is not None:
            attempt(body_of, conversation)
            attempt(render_count, conversation, target("claude-opus-4-7"))


def attempt(call: Callable[..., Any], *values: Any) -> Any:
    """What the call gives; None where it refuses the request as it should, naming what is wrong."""
    error = None
    try:
        return call(*values)
    except BadRequest as exc:
        error = exc
    assert error.details
    assert all(problem.path and problem.problem for problem in error.details)
    return None


@quick
@given(changed(MESSAGE) | JSON)
def test_any_whole_answer_is_read_or_an_error(value):
    try:
        answer = DIALECT.parse_answer(value)
    except GatewayError:
        return
    whole = DIALECT.render_answer(answer, CALLER)
    assert orjson.dumps(whole, option=orjson.OPT_NON_STR_KEYS)
    assert frames(DIALECT.encoder(CALLER).encode(events_of(signals_of(answer))))


@quick
@given(st.lists(st.sampled_from(EVENTS).flatmap(changed) | st.sampled_from(EVENTS), max_size=12))
def test_any_stream_of_json_ends_in_one_legal_way(events):
    data = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    check(data)


@quick
@given(st.binary(max_size=60), st.integers(0, len(STREAM)), st.integers(0, 40))
def test_any_bytes_in_a_stream_end_in_one_legal_way(noise, at, gone):
    check(STREAM[:at] + noise + STREAM[at + gone :])


def check(data: bytes) -> None:
    """Decoded, put in order and encoded: legal frames, and an end that is either whole or an error."""
    found = frames(DIALECT.encoder(CALLER).encode(events_of(signals(data))))
    assert found[-1][0] in ("message_stop", "error")
    starts = [value["index"] for name, value in found if name == "content_block_start"]
    assert starts == list(range(len(starts)))
    decoder = DIALECT.decoder(True)
    decoder.feed(data)
    decoder.end()


@quick
@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["retry-after", "date", "anthropic-ratelimit-unified-status"]), st.text(max_size=12)
    ),
    st.binary(max_size=60) | JSON.map(lambda value: orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)),
)
def test_any_error_answer_is_an_error(status, headers, body):
    error = DIALECT.parse_error(status, headers, body)
    assert isinstance(error, GatewayError)
    assert error.message
    assert orjson.dumps(DIALECT.render_error(error, "r")[1])


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = (
            {"content": [value], "type": "object", "properties": {"a": value}} if levels < 20 else {"content": [value]}
        )
    return value


@pytest.mark.parametrize("levels", [10, 90])
def test_deep_values_are_read_and_sent(levels):
    value = deep(levels)
    blocks = [{"type": "mystery", "content": value}, {"type": "tool_use", "id": "t", "name": "f", "input": value}]
    body_of(parse(messages=[{"role": "assistant", "content": blocks}], tools=[{"name": "f", "input_schema": value}]))


@pytest.mark.parametrize("levels", [300, 900])
def test_a_provider_may_nest_as_deep_as_it_likes(levels):
    raw = b'{"a":' * levels + b"1" + b"}" * levels
    event = (
        b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":%b}}'
    )
    check(sse(EVENTS[0]) + b"data: " + event % raw + b"\n\n")
    body = b'{"content":[{"type":"tool_use","id":"t","name":"f","input":%b}],"stop_reason":"end_turn"}' % raw
    try:
        DIALECT.parse_answer(orjson.loads(body))
    except GatewayError:
        return
