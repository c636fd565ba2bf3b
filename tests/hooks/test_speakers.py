"""The scripted speakers understand themselves, and notice what a strict client or provider would refuse.

They are the judges of the translation tests, so they are tried first.
"""

from __future__ import annotations

import copy
import itertools
import json

import pytest
from attrs import evolve
from omniroute_hooks.testing import SPEAKERS, Ask, Say, ScriptedUpstream, converse, serving
from omniroute_hooks.testing.matrix import cells, expected, pairs
from omniroute_hooks.testing.samples import ASKS, BREAKS, SAYS
from omniroute_hooks.testing.wire import events, sse

EVERY = pytest.mark.parametrize("speaker", SPEAKERS.values(), ids=SPEAKERS)


@EVERY
@pytest.mark.parametrize("name", ASKS)
def test_a_request_is_understood_as_it_was_meant(speaker, name):
    assert speaker.read_request(json.loads(json.dumps(speaker.request_of(ASKS[name])))) == ASKS[name]


def test_gemini_takes_fields_in_either_spelling():
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi."}]},
            {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"a_b": {"c_d": 1}}}}]},
            {"role": "user", "parts": [{"function_response": {"name": "f", "response": {"output": "ok"}}}]},
        ],
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"min_items": 1}}]}],
        "generation_config": {"max_output_tokens": 9},
    }

    asked = SPEAKERS["gemini"].read_request(body)

    assert (asked.system, asked.max_tokens) == ("Be brief.", 9)
    assert asked.tools[0].parameters == {"min_items": 1}
    assert asked.turns[1].calls[0].args == {"a_b": {"c_d": 1}}
    assert asked.turns[2].results[0].text == "ok"


def test_gemini_takes_no_field_twice():
    body = {"contents": [{"parts": [{"text": "Hi."}]}], "toolConfig": {}, "tool_config": {}}
    with pytest.raises(AssertionError, match="both spellings"):
        SPEAKERS["gemini"].read_request(body)


def test_responses_counts_what_was_not_written_to_the_cache():
    """The vendor's own library takes no usage without that count."""
    usage = SPEAKERS["openai-responses"].answer(Say(text="x"))["usage"]

    assert usage["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}


@EVERY
@pytest.mark.parametrize("name", SAYS)
def test_an_answer_is_heard_as_it_was_said(speaker, name):
    heard = speaker.read_answer(json.loads(json.dumps(speaker.answer(SAYS[name]))))

    assert heard == expected(SAYS[name], speaker, speaker)


@EVERY
@pytest.mark.parametrize("name", [*SAYS, *BREAKS])
def test_a_stream_is_heard_as_it_was_said(speaker, name):
    say = {**SAYS, **BREAKS}[name]
    heard = speaker.read_stream(b"".join(speaker.chunks(say)))

    assert heard == expected(say, speaker, speaker)
    if SPEAKERS["anthropic"] is speaker and say.thinking and not say.error:
        assert heard.signature


@EVERY
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503, 504])
def test_an_error_is_heard_as_it_was_said(speaker, status):
    assert speaker.read_error(status, speaker.error_body(status, "Because.")) == "Because."


@pytest.mark.parametrize(("caller", "provider"), [pair for pair in pairs() if pair.values[0] is not pair.values[1]])
def test_nobody_takes_an_answer_of_another_dialect(caller, provider):
    with pytest.raises(AssertionError):
        caller.read_answer(provider.answer(Say(text="x")))
    with pytest.raises(AssertionError):
        caller.read_stream(b"".join(provider.chunks(Say(text="x"))))
    with pytest.raises(AssertionError):
        caller.read_request(provider.request_of(ASKS["tools"]))


# Strictness --------------------------------------------------------------------------------------


FULL = Say(
    thinking="Hm, so.",
    signature="c2ln",
    text="I look.",
    tool_calls=[("call_1", "f", {"a": "bcdefgh"}), ("call_2", "g", {"b": 1})],
)
NOTHING = (b"event: ping", b'"partial_json":""', b'"arguments":""}}]')  # events that a client may miss or see twice


def is_heard_whole(speaker, chunks) -> bool:
    """Whether a stream is heard as if nothing were wrong."""
    try:
        heard = speaker.read_stream(b"".join(chunks))
    except AssertionError:
        return False
    return heard == expected(FULL, speaker, speaker) and bool(heard.signature)


@EVERY
@pytest.mark.parametrize("fault", ["missing", "twice"])
def test_every_event_of_a_stream_counts_once(speaker, fault):
    chunks = speaker.chunks(FULL)
    assert is_heard_whole(speaker, chunks)

    for place, chunk in enumerate(chunks):
        around = chunks[:place], chunks[place + 1 :]
        broken = [*around[0], *around[1]] if fault == "missing" else [*around[0], chunk, chunk, *around[1]]
        if any(mark in chunk for mark in NOTHING) and b'"type":"function"' not in chunk:
            assert is_heard_whole(speaker, broken)
        elif fault == "missing" or not (speaker.id == "openai-chat" and (place == 0 or b'"signature"' in chunk)):
            assert not is_heard_whole(speaker, broken), chunk


@pytest.mark.parametrize("dialect", ["openai-responses", "anthropic"])
def test_events_that_number_their_blocks_have_one_order(dialect):
    chunks = SPEAKERS[dialect].chunks(FULL)

    for place, (one, other) in enumerate(itertools.pairwise(chunks)):
        if not any(mark in one + other for mark in NOTHING):
            swapped = [*chunks[:place], other, one, *chunks[place + 2 :]]
            assert not is_heard_whole(SPEAKERS[dialect], swapped), one


@EVERY
@pytest.mark.parametrize("tail", ["the-last-event-again", "an-event-more"])
def test_nothing_comes_after_the_end(speaker, tail):
    chunks = speaker.chunks(Say(text="x"))
    more = chunks[-1] if tail == "the-last-event-again" else sse({"type": "x"}, event="x")

    with pytest.raises(AssertionError):
        speaker.read_stream(b"".join(chunks) + more)


@EVERY
def test_a_stream_may_not_stop_early(speaker):
    chunks = speaker.chunks(Say(text="x", thinking="y"))

    for kept in range(len(chunks)):
        with pytest.raises(AssertionError):
            speaker.read_stream(b"".join(chunks[:kept]))
    with pytest.raises(AssertionError):
        speaker.read_stream(b"".join(chunks).rstrip())


def changed(body, path, value):
    """A copy of ``body`` with one place changed; ``...`` takes it out."""
    body = copy.deepcopy(body)
    *way, last = path
    inner = body
    for step in way:
        inner = inner[step]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return body


CALLS = Say(text="t", thinking="hm", signature="c2ln", tool_calls=[("call_1", "f", {"a": 1})])
CHOICE = ("choices", 0)
BAD_ANSWERS = [
    ("openai-chat", ("object",), "chat.completion.chunk"),
    ("openai-chat", ("id",), ...),
    ("openai-chat", ("created",), 1.5),
    ("openai-chat", ("choices",), []),
    ("openai-chat", (*CHOICE, "index"), ...),
    ("openai-chat", (*CHOICE, "finish_reason"), "stop"),
    ("openai-chat", (*CHOICE, "finish_reason"), "end_turn"),
    ("openai-chat", (*CHOICE, "finish_reason"), None),
    ("openai-chat", (*CHOICE, "message", "role"), ...),
    ("openai-chat", (*CHOICE, "message", "content"), ...),
    ("openai-chat", (*CHOICE, "message", "content"), ["t"]),
    ("openai-chat", (*CHOICE, "message", "tool_calls"), []),
    ("openai-chat", (*CHOICE, "message", "tool_calls", 0, "id"), ""),
    ("openai-chat", (*CHOICE, "message", "tool_calls", 0, "type"), ...),
    ("openai-chat", (*CHOICE, "message", "tool_calls", 0, "function", "arguments"), {"a": 1}),
    ("openai-chat", (*CHOICE, "message", "tool_calls", 0, "function", "arguments"), ""),
    ("openai-chat", (*CHOICE, "message", "tool_calls", 0, "function", "arguments"), "{"),
    ("openai-chat", ("usage", "total_tokens"), 1),
    ("openai-chat", ("usage", "prompt_tokens_details"), ...),
    ("openai-chat", ("usage", "completion_tokens_details"), ...),
    ("openai-responses", ("object",), ...),
    ("openai-responses", ("id",), "chatcmpl-1"),
    ("openai-responses", ("created_at",), 1_760_000_000_000),
    ("openai-responses", ("status",), "in_progress"),
    ("openai-responses", ("incomplete_details",), {"reason": "max_output_tokens"}),
    ("openai-responses", ("error",), ...),
    ("openai-responses", ("tools",), ...),
    ("openai-responses", ("parallel_tool_calls",), None),
    ("openai-responses", ("output", 0, "summary"), ...),
    ("openai-responses", ("output", 0, "status"), None),
    ("openai-responses", ("output", 1, "id"), "rs_a1b2c3"),
    ("openai-responses", ("output", 1, "content", 0, "annotations"), ...),
    ("openai-responses", ("output", 1, "content", 0, "type"), "text"),
    ("openai-responses", ("output", 1, "status"), "in_progress"),
    ("openai-responses", ("output", 2, "call_id"), ""),
    ("openai-responses", ("output", 2, "id"), "call_1"),
    ("openai-responses", ("output", 2, "arguments"), {}),
    ("openai-responses", ("usage",), None),
    ("openai-responses", ("usage", "input_tokens_details"), ...),
    ("openai-responses", ("usage", "total_tokens"), 0),
    ("anthropic", ("type",), ...),
    ("anthropic", ("role",), ...),
    ("anthropic", ("id",), ""),
    ("anthropic", ("stop_sequence",), ...),
    ("anthropic", ("stop_reason",), "end_turn"),
    ("anthropic", ("stop_reason",), None),
    ("anthropic", ("content", 0, "signature"), ""),
    ("anthropic", ("content", 0, "signature"), ...),
    ("anthropic", ("content", 1, "text"), ""),
    ("anthropic", ("content", 2, "input"), "{}"),
    ("anthropic", ("content", 2, "id"), "call 1"),
    ("anthropic", ("content", 2, "name"), ""),
    ("anthropic", ("usage", "input_tokens"), None),
    ("anthropic", ("usage", "cache_read_input_tokens"), ...),
    ("anthropic", ("usage", "output_tokens"), "7"),
    ("gemini", ("candidates",), []),
    ("gemini", ("candidates", 0, "finishReason"), ...),
    ("gemini", ("candidates", 0, "finishReason"), "stop"),
    ("gemini", ("candidates", 0, "content", "role"), "assistant"),
    ("gemini", ("candidates", 0, "content", "parts", 1), {}),
    ("gemini", ("candidates", 0, "content", "parts", 1), {"text": "t", "functionCall": {"name": "f"}}),
    ("gemini", ("candidates", 0, "content", "parts", 2, "functionCall", "args"), "{}"),
    ("gemini", ("candidates", 0, "content", "parts", 2, "functionCall", "name"), ""),
    ("gemini", ("candidates", 0, "content", "parts", 2, "thoughtSignature"), "not base64!"),
    ("gemini", ("responseId",), ...),
    ("gemini", ("modelVersion",), ""),
    ("gemini", ("usageMetadata", "totalTokenCount"), 3),
]


@pytest.mark.parametrize(("dialect", "path", "value"), BAD_ANSWERS)
def test_a_field_that_a_client_needs_is_missed(dialect, path, value):
    speaker = SPEAKERS[dialect]
    assert speaker.read_answer(speaker.answer(CALLS))

    with pytest.raises(AssertionError):
        speaker.read_answer(changed(speaker.answer(CALLS), path, value))


FORCED = evolve(ASKS["tools"], tool_choice="run_shell")
BAD_REQUESTS = [
    ("openai-chat", ("messages", 2, "tool_calls", 1, "id"), "call_9"),
    ("openai-chat", ("messages", 3), {"role": "user", "content": "in between"}),
    ("openai-chat", ("messages", 3, "tool_call_id"), "call_2"),
    ("openai-chat", ("messages", 4), ...),
    ("openai-chat", ("messages",), []),
    ("openai-chat", ("messages", 1, "content"), None),
    ("openai-chat", ("messages", 1, "content"), [{"type": "input_text", "text": "x"}]),
    ("openai-chat", ("messages", 2, "tool_calls"), []),
    ("openai-chat", ("messages", 2, "tool_calls", 0, "function", "arguments"), {"city": "Bern"}),
    ("openai-chat", ("tools",), []),
    ("openai-chat", ("tools",), ...),
    ("openai-chat", ("tools", 1, "function", "name"), "get_weather"),
    ("openai-chat", ("tool_choice", "function", "name"), "nothing"),
    ("openai-chat", ("stream_options",), {"include_usage": True}),
    ("openai-chat", ("model",), ...),
    ("openai-responses", ("input",), []),
    ("openai-responses", ("input", 0, "content", 0, "type"), "output_text"),
    ("openai-responses", ("input", 1, "content", 0, "type"), "input_text"),
    ("openai-responses", ("input", 2, "call_id"), "call_9"),
    ("openai-responses", ("input", 4, "call_id"), "call_2"),
    ("openai-responses", ("input", 5), ...),
    ("openai-responses", ("max_output_tokens",), 5),
    ("openai-responses", ("max_tokens",), 5),
    ("openai-responses", ("stop",), ["x"]),
    ("openai-responses", ("tools", 0), {"type": "function", "function": {"name": "x"}}),
    ("openai-responses", ("tool_choice",), {"type": "function", "name": "nothing"}),
    ("anthropic", ("max_tokens",), ...),
    ("anthropic", ("messages", 0, "role"), "assistant"),
    ("anthropic", ("messages", 0, "content"), []),
    ("anthropic", ("messages", 0, "content", 0, "text"), " \n"),
    ("anthropic", ("messages", 1, "content", 1, "input"), "{}"),
    ("anthropic", ("messages", 1, "content", 1, "id"), "call 1"),
    ("anthropic", ("messages", 1, "content", 1, "name"), "a.b"),
    ("anthropic", ("messages", 1, "content", 0), {"type": "thinking", "thinking": "x", "signature": ""}),
    ("anthropic", ("messages", 2, "content", 0), {"type": "text", "text": "first"}),
    ("anthropic", ("messages", 2, "content", 1), ...),
    ("anthropic", ("messages", 2), ...),
    ("anthropic", ("messages", 2, "role"), "tool"),
    ("anthropic", ("thinking",), {"type": "enabled", "budget_tokens": 2000}),
    ("anthropic", ("thinking",), {"type": "adaptive"}),
    ("anthropic", ("tools", 0, "input_schema"), {}),
    ("anthropic", ("tools",), ...),
    ("anthropic", ("system", 0, "text"), ""),
    ("gemini", ("contents",), []),
    ("gemini", ("contents", 0, "role"), "assistant"),
    ("gemini", ("contents", 0, "parts"), []),
    ("gemini", ("contents", 0), ...),
    ("gemini", ("contents", 1, "parts", 1, "functionCall", "name"), "1st"),
    ("gemini", ("contents", 1, "parts", 1, "functionCall", "args"), "{}"),
    ("gemini", ("contents", 2, "parts", 0), ...),
    ("gemini", ("contents", 2, "parts", 0, "functionResponse", "name"), ""),
    ("gemini", ("contents", 2, "parts", 0, "functionResponse", "response"), "text"),
    ("gemini", ("contents", 2, "parts", 0, "thoughtSignature"), "c2ln"),
    ("gemini", ("contents", 2), ...),
    ("gemini", ("tools",), []),
    ("gemini", ("tools", 0, "functionDeclarations", 1, "name"), "get_weather"),
    ("gemini", ("toolConfig", "functionCallingConfig", "mode"), "AUTO"),
    ("gemini", ("toolConfig", "functionCallingConfig", "allowedFunctionNames"), ["nothing"]),
    ("gemini", ("generationConfig", "thinkingConfig"), {"thinkingBudget": 1, "thinkingLevel": "LOW"}),
]


@pytest.mark.parametrize(("dialect", "path", "value"), BAD_REQUESTS)
def test_what_a_provider_answers_with_400_is_noticed(dialect, path, value):
    speaker = SPEAKERS[dialect]
    assert speaker.read_request(speaker.request_of(FORCED)) == FORCED

    with pytest.raises(AssertionError):
        speaker.read_request(changed(speaker.request_of(FORCED), path, value))


@pytest.mark.parametrize(
    ("dialect", "status", "body"),
    [
        ("openai-chat", 400, {"type": "error", "error": {"type": "x", "message": "m"}}),
        ("openai-chat", 400, {"error": {"message": "", "type": "x", "param": None, "code": None}}),
        ("openai-chat", 200, {"error": {"message": "m", "type": "x", "param": None, "code": None}}),
        ("openai-responses", 400, {"error": "m"}),
        ("anthropic", 429, {"type": "error", "error": {"type": "api_error", "message": "m"}}),
        ("anthropic", 400, {"error": {"type": "invalid_request_error", "message": "m"}}),
        ("gemini", 404, {"error": {"code": 400, "message": "m", "status": "NOT_FOUND"}}),
        ("gemini", 404, {"error": {"code": 404, "message": "m", "status": "INVALID_ARGUMENT"}}),
        ("gemini", 404, {"error": {"code": 404, "message": "m", "status": "not found"}}),
    ],
)
def test_an_error_in_the_wrong_shape_is_noticed(dialect, status, body):
    with pytest.raises(AssertionError):
        SPEAKERS[dialect].read_error(status, body)


@pytest.mark.parametrize(
    ("stream", "comments"),
    [
        (b"data: 1\n\ndata: 2", True),
        (b"data: 1\ndata: 2\n\n", True),
        (b"event: x\n\n", True),
        (b"retry: 5\n\n", True),
        (b"data:1\n\n", True),
        (b": beat\n\n", False),
    ],
)
def test_loose_events_are_refused(stream, comments):
    with pytest.raises(AssertionError):
        events(stream, comments=comments)


def test_a_stream_of_gemini_may_be_an_array_and_may_not_hold_heartbeats():
    gemini = SPEAKERS["gemini"]
    say = Say(text="abc")
    bodies = [event.data for event in events(b"".join(gemini.chunks(say)))]

    assert gemini.read_stream(("[" + ",\r\n".join(bodies) + "]").encode()) == expected(say, gemini, gemini)
    with pytest.raises(AssertionError):
        gemini.read_stream(b": beat\n\n" + b"".join(gemini.chunks(say)))


# The matrix over HTTP ----------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [cell for cell in cells() if cell.values[0].caller is cell.values[0].provider])
async def test_a_client_hears_a_scripted_provider_over_http(cell):
    async with serving(ScriptedUpstream()) as upstream:
        cell.play(upstream)
        heard = await converse(upstream.url, cell.caller, cell.ask, key="k-1", model="scripted-2")

    assert heard == cell.expected
    [asked] = upstream.requests
    assert cell.caller.read_request(asked.json) == cell.ask
    assert "k-1" in " ".join(asked.headers.values())
    assert "scripted-2" in asked.path + asked.body.decode()


@EVERY
async def test_a_failure_is_heard_by_its_message(speaker):
    async with serving(ScriptedUpstream()) as upstream:
        speaker.play(upstream, Say(error=(429, "Slow down.")), stream=False)
        heard = await converse(upstream.url, speaker, Ask())

    assert (heard.error, heard.stop, heard.usage) == ("Slow down.", None, None)


async def test_an_answer_of_the_wrong_type_is_noticed():
    async with serving(ScriptedUpstream()) as upstream:
        upstream.reply(502, text="Bad Gateway")
        upstream.reply(200, text="{}")
        for _ in range(2):
            with pytest.raises(AssertionError, match="type"):
                await converse(upstream.url, SPEAKERS["openai-chat"], Ask())
