"""Anything at all may come from callers and providers: nothing but the contract's errors may come of it."""

from __future__ import annotations

import base64

import pytest
from gemini_cases import COUNT, GENERATE, asked, chunk, decoded, events_of, reply, sse, target
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_dialects.gemini import DIALECT
from omniroute_dialects.gemini.slots import read
from omniroute_hooks import BadRequest, GatewayError, Seal
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.events import Failed, Finished
from omniroute_hooks.jsonio import dumps
from omniroute_hooks.sealing import wrap

FIELDS = [
    "contents",
    "parts",
    "role",
    "text",
    "thought",
    "thoughtSignature",
    "thought_signature",
    "functionCall",
    "name",
    "args",
    "id",
    "functionResponse",
    "response",
    "inlineData",
    "mimeType",
    "data",
    "fileData",
    "fileUri",
    "tools",
    "functionDeclarations",
    "parameters",
    "properties",
    "type",
    "generationConfig",
    "maxOutputTokens",
    "topK",
    "stopSequences",
    "thinkingConfig",
    "thinkingBudget",
    "thinkingLevel",
    "responseSchema",
    "responseMimeType",
    "systemInstruction",
    "toolConfig",
    "functionCallingConfig",
    "mode",
    "candidates",
    "content",
    "finishReason",
    "index",
    "usageMetadata",
    "promptTokenCount",
    "error",
    "code",
    "message",
    "status",
    "details",
    "promptFeedback",
    "blockReason",
    "groundingMetadata",
    "groundingChunks",
    "groundingSupports",
    "segment",
    "partialArgs",
    "jsonPath",
    "stringValue",
    "willContinue",
    "web",
    "uri",
    "responseId",
    "generateContentRequest",
    "citationMetadata",
    "citationSources",
    "groundingChunkIndices",
    "totalTokens",
    "web",
    "cachedContent",
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=6)
    | st.sampled_from(
        ["user", "model", "STOP", "MAX_TOKENS", "omr1.x", "b21yMS4", "b21yMS5-", "application/json", "AUTO"]
    )
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=30,
)
objects = st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6)
part = st.dictionaries(st.sampled_from(FIELDS), anything, max_size=4)
contents = st.lists(
    st.fixed_dictionaries(
        {"parts": st.lists(part, max_size=4)}, optional={"role": st.sampled_from(["user", "model", "function"])}
    ),
    min_size=1,
    max_size=4,
)


@given(
    objects | st.fixed_dictionaries({"contents": contents}, optional={"tools": anything, "generationConfig": objects})
)
@settings(max_examples=400, deadline=None)
def test_callers_get_a_list_of_wrong_fields_or_a_conversation(body):
    for endpoint in (GENERATE, COUNT):
        try:
            conversation = DIALECT.parse_request(body, asked(endpoint))
        except BadRequest as error:
            problems = error.details
            conversation = None
        if conversation is None:
            assert problems
            assert all(problem.path for problem in problems)
            continue
        for to in (target(), target("gemini-3-pro", json_schema=False)):
            try:
                rendered = DIALECT.render_request(conversation, to, False)
            except BadRequest:
                continue
            dumps(rendered.body)
        DIALECT.pass_request(b'"omr1."', body, target(), False)


@given(anything)
@settings(max_examples=300, deadline=None)
def test_a_providers_whole_answer_is_one_or_a_failure(body):
    try:
        answer = DIALECT.parse_answer(body)
    except GatewayError:
        return
    dumps(DIALECT.render_answer(answer, reply()))


@given(st.lists(anything, max_size=4), st.booleans(), st.integers(1, 50))
@settings(max_examples=300, deadline=None)
def test_a_providers_stream_of_any_json_ends_once(chunks, watch, step):
    events = events_of(decoded(sse(*chunks), step, watch))
    assert isinstance(events[-1], Failed | Finished)
    assert sum(isinstance(event, Failed | Finished) for event in events) == 1
    DIALECT.encoder(reply()).encode(events)


@given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda b: sse(chunk("a")) + b), st.integers(1, 20))
@settings(max_examples=300, deadline=None)
def test_a_providers_stream_of_any_bytes_ends_once(data, step):
    machine = BlockMachine("r")
    events = machine.feed(decoded(data, step)) + machine.end()
    assert isinstance(events[-1], Failed | Finished)


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["retry-after", "date", "x-ratelimit-reset"]), st.text(max_size=9)),
    st.binary(max_size=60) | anything.map(dumps) | st.text().map(str.encode),
)
@settings(max_examples=300, deadline=None)
def test_any_error_answer_is_an_error(status, headers, body):
    error = DIALECT.parse_error(status, headers, body)
    assert isinstance(error, GatewayError)
    assert error.message
    DIALECT.render_error(error, "r")


@pytest.mark.parametrize("depth", [100, 900, 5000])
def test_deep_nesting_is_put_up_with(depth):
    deep = b"[" * depth + b"]" * depth
    for data in (
        b"data: " + deep + b"\n\n",
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":' + deep + b"}}}]}}]}",
    ):
        assert isinstance(events_of(decoded(data))[-1], Failed)


@given(st.binary(max_size=40) | anything.map(dumps), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_slot_that_somebody_made_up_opens_to_something(extra, marked):
    token = wrap(Seal("v", "anthropic", "p", "m")).encode() if marked else b"omr1."
    slot = read(base64.b64encode(token + b"~" + extra).decode())
    assert slot.id is None or isinstance(slot.id, str)
    assert slot.seal is not None or slot.thoughts or not marked
