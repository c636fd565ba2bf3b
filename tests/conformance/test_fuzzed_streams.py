"""Whatever a provider sends: no exception, events in a legal order, and in the end a whole answer or an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve
from conformance.imagined import FOREIGN, says, tampered
from conformance.orders import ORDERS
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_dialects.anthropic import DIALECT as MESSAGES
from omniroute_dialects.gemini import DIALECT as CONTENTS
from omniroute_dialects.openai_chat import DIALECT as CHAT
from omniroute_dialects.openai_responses import DIALECT as RESPONSES
from omniroute_hooks import Dialect, GatewayError
from omniroute_hooks.conversation import Answer
from omniroute_hooks.events import (
    BlockCited,
    BlockClosed,
    BlockDelta,
    BlockOpened,
    Event,
    Failed,
    Finished,
    Started,
)
from omniroute_hooks.jsonio import dumps
from omniroute_hooks.testing import SPEAKERS, Say
from omniroute_hooks.testing.relaying import asked_at, encoded, events_of, reply_to
from omniroute_hooks.testing.samples import ASKS, BREAKS, SAYS

DIALECTS = (CHAT, RESPONSES, MESSAGES, CONTENTS)
ASKED = {d.id: asked_at(d, SPEAKERS[d.id], evolve(ASKS["thinks"], stream=True)) for d in DIALECTS}
REPLIES = {
    d.id: reply_to(d.parse_request(SPEAKERS[d.id].request_of(ASKS["thinks"]), ASKED[d.id]), ASKED[d.id])
    for d in DIALECTS
}
providers = pytest.mark.parametrize("provider", DIALECTS, ids=lambda dialect: dialect.id)
thoroughly = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def check(provider: Dialect, chunks: Sequence[bytes]) -> None:
    """The whole way of a stream, for callers of every dialect."""
    events = events_of(provider, chunks)
    in_order(events)
    for caller in DIALECTS:
        told = ORDERS[caller.id](encoded(caller, events, REPLIES[caller.id]))
        assert told == ("error" if isinstance(events[-1], Failed) else "whole"), caller.id


def in_order(events: Sequence[Event]) -> None:
    """Errors: `AssertionError` where events are not in the order that encoders rely on."""
    *before, last = events
    assert isinstance(last, Finished | Failed)
    assert not any(isinstance(event, Finished | Failed) for event in before)
    assert [isinstance(event, Started) for event in before] == [place == 0 for place in range(len(before))]
    assert before or isinstance(last, Failed)
    opened, count = False, 0
    for event in before[1:]:
        if isinstance(event, BlockOpened):
            assert not opened
            assert event.index == count
            opened = True
        elif isinstance(event, BlockDelta | BlockCited | BlockClosed):
            assert opened
            assert event.index == count
            assert not isinstance(event, BlockDelta) or event.text
            if isinstance(event, BlockClosed):
                opened, count = False, count + 1
    assert not opened or isinstance(last, Failed)


@providers
@thoroughly
@given(chunks=st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes(provider: Dialect, chunks: list[bytes]) -> None:
    check(provider, chunks)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "index",
                    "delta",
                    "text",
                    "choices",
                    "content",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "id",
                    "finish_reason",
                    "usage",
                    "error",
                    "message",
                    "item",
                    "part",
                    "response",
                    "output",
                    "output_index",
                    "status",
                    "content_block",
                    "partial_json",
                    "stop_reason",
                    "candidates",
                    "parts",
                    "functionCall",
                    "args",
                    "finishReason",
                    "usageMetadata",
                    "promptFeedback",
                    "prompt_tokens",
                    "input_tokens",
                    "summary",
                    "thought",
                    "thoughtSignature",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KINDS = [
    "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
    "message_stop", "ping", "error", "response.created", "response.output_item.added", "response.content_part.added",
    "response.output_text.delta", "response.output_text.done", "response.function_call_arguments.delta",
    "response.function_call_arguments.done", "response.output_item.done", "response.completed", "response.failed",
    "response.incomplete", "response.reasoning_summary_text.delta", "response.refusal.delta",
]  # fmt: skip


@providers
@thoroughly
@given(bodies=st.lists(st.tuples(st.sampled_from(KINDS), json_values), max_size=8))
def test_any_json(provider: Dialect, bodies: list[tuple[str, Any]]) -> None:
    chunks = []
    for kind, body in bodies:
        told = {"type": kind, **body} if isinstance(body, dict) else body
        try:
            data = dumps(told)
        except TypeError:
            data = b"[]"  # a number that JSON libraries refuse to write
        chunks.append(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")
    check(provider, chunks)


@providers
@thoroughly
@given(data=st.data())
def test_a_good_stream_after_an_accident(provider: Dialect, data: st.DataObject) -> None:
    say = data.draw(st.one_of(st.sampled_from([*SAYS.values(), *BREAKS.values()]), says()))
    check(provider, data.draw(tampered(SPEAKERS[provider.id].chunks(say))))


@providers
@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda chunk: repr(chunk[:40]))
def test_something_foreign_at_every_place(provider: Dialect, foreign: bytes) -> None:
    chunks = SPEAKERS[provider.id].chunks(SAYS["text-then-calls"])
    for place in range(len(chunks) + 1):
        check(provider, [*chunks[:place], foreign, *chunks[place:]])


@providers
@pytest.mark.parametrize("other", DIALECTS, ids=lambda dialect: dialect.id)
def test_a_stream_of_another_dialect_is_no_answer(provider: Dialect, other: Dialect) -> None:
    if other is provider:
        return
    chunks = SPEAKERS[other.id].chunks(SAYS["text-then-calls"])
    check(provider, chunks)
    assert isinstance(events_of(provider, chunks)[-1], Failed)


@providers
def test_a_line_of_megabytes(provider: Dialect) -> None:
    word = "x" * 3_000_000
    check(provider, SPEAKERS[provider.id].chunks(Say(text=word)))
    check(provider, [b"data: " + b"x" * 3_000_000])


@providers
@thoroughly
@given(body=json_values)
def test_any_json_instead_of_an_answer(provider: Dialect, body: Any) -> None:
    try:
        answer = provider.parse_answer(body)
    except GatewayError:
        return
    assert isinstance(answer, Answer)
    for caller in DIALECTS:
        dumps(caller.render_answer(answer, REPLIES[caller.id]))
