"""Answers for callers who speak Gemini, checked with the vendor's SDK."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from attrs import evolve
from gemini_cases import call, chunk, decoded, encoded, events_of, parse, parts_of, pieces, reply, sse, user
from google import genai
from google.genai import errors, types
from omniroute_dialects.gemini import DIALECT
from omniroute_hooks import (
    ANTHROPIC,
    GEMINI,
    Answer,
    Citation,
    Opaque,
    Overloaded,
    Refusal,
    Reply,
    Seal,
    Stop,
    Text,
    Thinking,
    Tool,
    ToolCall,
    UpstreamError,
    Usage,
)
from omniroute_hooks.answers import signals_of
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.conversation import Blob, Image
from omniroute_hooks.events import Failed

ANSWER = Answer(
    parts=(
        Thinking("Hm."),
        Text(" Hello"),
        ToolCall("id1", "read", '{"p":"a","n":0,"e":""}', seal=Seal("c2ln", GEMINI, "p1", "m")),
        ToolCall("id2", "write", ""),
    ),
    stop=Stop("tool", "tool_use"),
    usage=Usage(input_fresh=6, cache_read=4, output_visible=5, reasoning=3),
    id="upstream-id",
    model="upstream-model",
)
USAGE = {
    "promptTokenCount": 10,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 18,
}
PARTS = [
    {"text": "Hm.", "thought": True},
    {"text": " Hello"},
    {"functionCall": {"id": "id1", "name": "read", "args": {"p": "a", "n": 0, "e": ""}}, "thoughtSignature": "c2ln"},
    {"functionCall": {"id": "id2", "name": "write", "args": {}}},
]


def streamed(answer: Answer, to: Reply | None = None) -> bytes:
    return encoded(events_of(signals_of(answer)), to)


def test_a_whole_answer():
    got = DIALECT.render_answer(ANSWER, reply())
    assert got == {
        "candidates": [{"content": {"parts": PARTS, "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": USAGE,
        "modelVersion": "caller-model",
        "responseId": "r1",
    }
    types.GenerateContentResponse.model_validate(got)


def test_b22_a_stream_is_nothing_but_data_lines():
    stream = streamed(ANSWER)
    got = pieces(stream)
    assert b"[DONE]" not in stream
    assert DIALECT.heartbeat == b""
    assert parts_of(got) == PARTS
    assert [c["candidates"][0].get("finishReason") for c in got] == [None, None, None, None, "STOP"]
    assert got[-1]["usageMetadata"] == USAGE
    assert {(c["modelVersion"], c["responseId"]) for c in got} == {("caller-model", "r1")}


def test_b36_without_alt_sse_a_stream_is_an_array():
    to = reply(alt=None)
    assert DIALECT.media_type(to.asked) == "application/json; charset=utf-8"
    assert DIALECT.media_type(reply().asked) == "text/event-stream; charset=utf-8"
    whole = streamed(ANSWER, to)
    assert parts_of(orjson.loads(whole)) == PARTS
    broken = encoded([Failed(Overloaded("busy"), Answer((), Stop("other")))], to)
    assert orjson.loads(broken)[0]["error"]["code"] == 503


def test_the_stream_written_here_is_read_here():
    again = events_of(decoded(streamed(ANSWER)))[-1].answer
    assert [p for p in again.parts if not isinstance(p, ToolCall)] == list(ANSWER.parts[:2])
    assert [(c.id, c.name) for c in again.parts[2:]] == [("id1", "read"), ("id2", "write")]
    assert again.usage == ANSWER.usage
    assert again.stop.reason == "tool"


@pytest.mark.parametrize(
    ("stop", "word"),
    [
        (Stop("end", "end_turn"), "STOP"),
        (Stop("tool"), "STOP"),
        (Stop("length", "length"), "MAX_TOKENS"),
        (Stop("context_full"), "MAX_TOKENS"),
        (Stop("stop_string", matched="x"), "STOP"),
        (Stop("filtered", "refusal"), "SAFETY"),
        (Stop("filtered", "RECITATION"), "RECITATION"),
        (Stop("pause"), "STOP"),
        (Stop("malformed_call"), "MALFORMED_FUNCTION_CALL"),
        (Stop("malformed_call", "UNEXPECTED_TOOL_CALL"), "UNEXPECTED_TOOL_CALL"),
        (Stop("other", "weird"), "OTHER"),
    ],
)
def test_stop_reasons(stop, word):
    got = DIALECT.render_answer(Answer((Text("a"),), stop), reply())
    assert got["candidates"][0]["finishReason"] == word


def test_a_blocked_prompt_has_no_candidates():
    answer = Answer((), Stop("filtered", "PROHIBITED_CONTENT"), Usage(input_fresh=3))
    got = DIALECT.render_answer(answer, reply())
    assert "candidates" not in got
    assert got["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert pieces(streamed(answer))[-1]["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}


def test_an_empty_answer_has_a_part_that_clients_can_read():
    got = DIALECT.render_answer(Answer((), Stop("length")), reply())
    assert got["candidates"][0]["content"]["parts"] == [{"text": ""}]
    assert "usageMetadata" not in got


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (Refusal("No."), [{"text": "No."}]),
        (Image(Blob("image/png", data="QUJD")), [{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]),
        (Opaque(GEMINI, "toolCall", {"toolCall": {"id": "1"}}), [{"toolCall": {"id": "1"}}]),
        (Opaque(ANTHROPIC, "server_tool_use", {}, "searched"), [{"text": "searched"}]),
        (Text("a", seal=Seal("c2ln", GEMINI)), [{"text": "a", "thoughtSignature": "c2ln"}]),
        (ToolCall("1", "f", '{"a":'), [{"functionCall": {"id": "1", "name": "f", "args": {"_raw": '{"a":'}}}]),
    ],
)
def test_parts(part, wanted):
    answer = Answer((part,), Stop("end"))
    assert DIALECT.render_answer(answer, reply())["candidates"][0]["content"]["parts"] == wanted
    streamed_parts = parts_of(pieces(streamed(answer)))
    if isinstance(part, Text):
        assert streamed_parts == [{"text": "a"}, {"text": "", "thoughtSignature": "c2ln"}]
    else:
        assert streamed_parts == wanted


def test_thoughts_are_shown_to_those_who_asked():
    thought = Answer((Thinking("hm"), Text("a")), Stop("end"))
    for config, shown in (
        ({}, False),
        ({"includeThoughts": False, "thinkingBudget": 9}, False),
        ({"thinkingBudget": 0}, False),
        ({"includeThoughts": True}, True),
        ({"thinkingLevel": "HIGH"}, True),
    ):
        to = reply(parse(generationConfig={"thinkingConfig": config}))
        assert ("hm" in str(DIALECT.render_answer(thought, to))) is shown
        assert (b"hm" in streamed(thought, to)) is shown


FOREIGN = Seal("An/+thropic.sig", ANTHROPIC, "claude", "c4")


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("keeps_thoughts", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_b67_b70_another_models_sealed_reasoning_comes_back_with_the_call(shown, keeps_thoughts, stream):
    """Whatever the client drops of the thoughts, its next request brings the reasoning back before the call."""
    to = reply(parse(generationConfig={"thinkingConfig": {"includeThoughts": shown}}))
    thinking = (
        Thinking("step 1", FOREIGN, id="rs_1"),
        Thinking("", FOREIGN.__class__("xyz", ANTHROPIC), redacted=True),
    )
    answer = Answer((*thinking, Text("a"), ToolCall("1", "read", "{}"), ToolCall("2", "read", "{}")), Stop("tool"))
    if stream:
        got = parts_of(pieces(streamed(answer, to)))
    else:
        got = DIALECT.render_answer(answer, to)["candidates"][0]["content"]["parts"]
    assert any(part.get("thought") for part in got) is shown
    history = [part for part in got if keeps_thoughts or not part.get("thought")]
    # SDKs decode signatures and write them anew, in the other alphabet.
    turn = types.Content.model_validate({"role": "model", "parts": history})
    content = turn.model_dump(mode="json", by_alias=True, exclude_none=True)
    parts = parse([user("hi"), content]).turns[1].parts
    assert parts[:2] == thinking
    assert [p.id for p in parts if isinstance(p, ToolCall)] == ["1", "2"]
    assert len(parts) == 5


def test_the_callers_own_tool_names_come_back():
    odd = "1tool"
    conversation = parse()
    named = reply(evolve(conversation, tools=(Tool(odd),)))
    got = DIALECT.render_answer(Answer((ToolCall("1", "_1tool"),), Stop("tool")), named)
    assert got["candidates"][0]["content"]["parts"][0]["functionCall"]["name"] == odd


def test_citations_are_grounding_in_bytes():
    text = "Größe: 10 m."
    answer = Answer((Text(text, (Citation("https://a", "A", start=0, end=5),)),), Stop("end"))
    for got in (DIALECT.render_answer(answer, reply()), pieces(streamed(answer))[-1]):
        grounding = got["candidates"][0]["groundingMetadata"]
        assert grounding == {
            "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}],
            "groundingSupports": [
                {"segment": {"startIndex": 0, "endIndex": 7, "text": "Größe"}, "groundingChunkIndices": [0]}
            ],
        }


def test_what_has_no_name_in_a_whole_answer_comes_through():
    body = chunk("a", finish="STOP")
    body["candidates"][0] |= {"avgLogprobs": -0.5, "safetyRatings": [{"category": "c"}]}
    got = DIALECT.render_answer(DIALECT.parse_answer(body), reply())
    assert got["candidates"][0]["avgLogprobs"] == -0.5
    assert got["candidates"][0]["safetyRatings"] == [{"category": "c"}]


def test_b44_calls_without_any_id_differ_between_answers():
    one = DIALECT.parse_answer(
        {
            "candidates": [{"content": {"parts": [call()]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 1},
        }
    )
    two = DIALECT.parse_answer(
        {
            "candidates": [{"content": {"parts": [call()]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 2},
        }
    )
    assert one.parts[0].id != two.parts[0].id
    assert one.id is None


@pytest.mark.parametrize(
    "body",
    [None, 1, "x", [], {}, {"candidates": []}, {"candidates": None}, {"candidates": [{}]}, {"candidates": 5}, "<html>"],
)
def test_b24_an_answer_that_is_none_is_a_failure(body):
    with pytest.raises(UpstreamError):
        DIALECT.parse_answer(body)


def test_an_error_inside_a_whole_answer_is_a_failure():
    with pytest.raises(Overloaded, match="busy"):
        DIALECT.parse_answer({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}})


def test_a_whole_answer_that_does_not_say_why_it_stopped():
    got = DIALECT.parse_answer({"candidates": [{"content": {"parts": [{"text": "a"}]}}]})
    assert got.stop == Stop("other")


# the vendor's SDK ----------------------------------------------------------------


def sdk(body: bytes, content_type: str, status: int = 200) -> genai.Client:
    """The SDK over a transport of canned bytes, which come a few at a time."""

    class Bytes(httpx.SyncByteStream):
        def __iter__(self):
            yield from (body[i : i + 7] for i in range(0, len(body), 7))

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"content-type": content_type}, stream=Bytes())

    options = types.HttpOptions(base_url="http://127.0.0.1:9", client_args={"transport": httpx.MockTransport(answer)})
    return genai.Client(api_key="k", http_options=options)


def test_the_sdk_reads_the_stream():
    client = sdk(streamed(ANSWER), "text/event-stream")
    got = list(client.models.generate_content_stream(model="m", contents="hi"))
    parts = [p for r in got for p in r.candidates[0].content.parts]
    assert "".join(p.text for p in parts if p.text and not p.thought) == " Hello"
    assert "".join(p.text for p in parts if p.thought) == "Hm."
    calls = [p for p in parts if p.function_call]
    assert [(p.function_call.id, p.function_call.name, p.function_call.args) for p in calls] == [
        ("id1", "read", {"p": "a", "n": 0, "e": ""}),
        ("id2", "write", {}),
    ]
    assert calls[0].thought_signature == b"sig"
    assert got[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert got[-1].usage_metadata.total_token_count == 18


def test_the_sdk_reads_the_whole_answer():
    body = orjson.dumps(DIALECT.render_answer(ANSWER, reply()))
    client = sdk(body, "application/json")
    got = client.models.generate_content(model="m", contents="hi")
    assert got.text == " Hello"
    assert [c.name for c in got.function_calls] == ["read", "write"]
    assert got.model_version == "caller-model"


def test_the_sdks_chat_keeps_a_streamed_answer_and_sends_it_back():
    sealed = Answer((Thinking("thought", FOREIGN), Text("Hello"), ToolCall("1", "read", "{}")), Stop("tool"))
    signals: list[Any] = []
    for signal in signals_of(sealed):
        text = getattr(signal, "text", "")
        halves = [text] if len(text) < 2 else [text[:2], text[2:]]
        signals += [signal if not text else type(signal)(signal.key, half) for half in halves]
    stream = encoded(events_of(signals))
    client = sdk(stream, "text/event-stream")
    session = client.chats.create(model="m")
    assert len(list(session.send_message_stream("hi"))) > 4
    history = [c.model_dump(mode="json", by_alias=True, exclude_none=True) for c in session.get_history(curated=True)]
    turns = parse(history).turns
    assert turns[1].parts == sealed.parts


def test_the_sdk_raises_the_error_in_a_stream():
    machine = BlockMachine("r1")
    events = machine.feed(decoded(sse(chunk("a")))) + machine.fail(Overloaded("The provider is busy."))
    client = sdk(encoded(events), "text/event-stream")
    with pytest.raises(errors.ServerError, match="The provider is busy") as caught:
        list(client.models.generate_content_stream(model="m", contents="hi"))
    assert caught.value.code == 503
    assert caught.value.status == "UNAVAILABLE"
