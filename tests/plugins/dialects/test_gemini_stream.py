"""Streams of providers who speak Gemini, however their bytes are cut."""

from __future__ import annotations

import itertools

import orjson
import pytest
from gemini_cases import array, call, chunk, decoded, events_of, sse
from omniroute_dialects.gemini import DIALECT
from omniroute_hooks import GEMINI, Answer, Opaque, Overloaded, RateLimited, Seal, Stop, Text, Thinking, ToolCall, Usage
from omniroute_hooks.conversation import Image
from omniroute_hooks.events import Begin, Broke, Failed, Finished, Started, Stopped, Terminal, TextDelta, UsageSeen

STREAM = [
    chunk({"text": "Hm, ", "thought": True}, usage={"promptTokenCount": 10, "totalTokenCount": 10}),
    chunk({"text": "ü.", "thought": True}),
    chunk(" Hé"),
    chunk("llo \n\n", usage={"promptTokenCount": 10, "candidatesTokenCount": 2, "totalTokenCount": 12}),
    chunk(call(args={"p": 'a\n\n"x" 日本'}, signature="c2ln"), call("write", {"n": 0})),
    chunk(
        "",
        finish="STOP",
        usage={
            "promptTokenCount": 10,
            "cachedContentTokenCount": 4,
            "candidatesTokenCount": 5,
            "thoughtsTokenCount": 3,
            "totalTokenCount": 18,
        },
    ),
]
WHOLE = Answer(
    parts=(
        Thinking("Hm, ü."),
        Text(" Héllo \n\n"),
        ToolCall("call_resp1_1", "read", '{"p":"a\\n\\n\\"x\\" 日本"}', seal=Seal("c2ln", GEMINI)),
        ToolCall("call_resp1_2", "write", '{"n":0}'),
    ),
    stop=Stop("tool", "STOP"),
    usage=Usage(input_fresh=6, cache_read=4, output_visible=5, reasoning=3),
    id="resp1",
    model="upstream-model",
)


def answer(data: bytes, step: int = 1 << 30) -> Answer:
    last = events_of(decoded(data, step))[-1]
    assert isinstance(last, Finished), last
    return last.answer


def failure(data: bytes):
    last = events_of(decoded(data))[-1]
    assert isinstance(last, Failed), last
    return last.error


@pytest.mark.parametrize(
    "data",
    [
        sse(*STREAM),
        sse(*STREAM, end=b"\n"),
        sse(*STREAM, end=b"\r"),
        array(*STREAM),
        array(*STREAM) + b"\r\n",
        sse(*STREAM).rstrip(),
    ],
)
def test_b33_b36_every_form_at_every_byte_boundary(data):
    wanted = answer(data)
    assert wanted == WHOLE
    for cut in range(1, len(data)):
        decoder = DIALECT.decoder(False)
        signals = [*decoder.feed(data[:cut]), *decoder.feed(data[cut:]), *decoder.end()]
        last = events_of(signals)[-1]
        assert isinstance(last, Finished)
        assert last.answer == wanted, cut
    assert answer(data, 1) == wanted


def test_the_stream_and_the_whole_answer_say_the_same():
    parts = [p for c in STREAM for p in c["candidates"][0]["content"]["parts"]]
    body = chunk(*parts, finish="STOP", usage=STREAM[-1]["usageMetadata"])
    assert DIALECT.parse_answer(body) == WHOLE
    assert DIALECT.parse_answer(STREAM) == WHOLE


def test_the_first_event_knows_the_inputs_size():
    (first, *_) = events_of(decoded(sse(*STREAM)))
    assert first == Started("resp1", "upstream-model", None, Usage(input_fresh=10))


def test_b17_a_finish_reason_on_every_piece_ends_nothing():
    data = sse(chunk("a", finish="STOP"), chunk("b", finish="STOP"), chunk("c", finish="STOP"))
    assert answer(data).parts == (Text("abc"),)


def test_b16_a_stream_without_a_reason_to_stop_is_broken():
    assert failure(sse(chunk("a"))).code == "stream_broken"
    assert failure(b"").code == "stream_broken"


def test_b18_b19_calls_and_length():
    assert answer(sse(chunk(call(), finish="STOP"))).stop == Stop("tool", "STOP")
    assert answer(sse(chunk(call(), finish="MAX_TOKENS"))).stop == Stop("length", "MAX_TOKENS")
    assert answer(sse(chunk(call(), finish="MAX_TOKENS"), chunk("", finish="STOP"))).stop.reason == "length"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "end"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "filtered"),
        ("RECITATION", "filtered"),
        ("PROHIBITED_CONTENT", "filtered"),
        ("IMAGE_SAFETY", "filtered"),
        ("MALFORMED_FUNCTION_CALL", "malformed_call"),
        ("MISSING_THOUGHT_SIGNATURE", "malformed_call"),
        ("CONTINUATION", "pause"),
        ("LANGUAGE", "other"),
        ("SOMETHING_NEW", "other"),
    ],
)
def test_stop_reasons(word, reason):
    assert answer(sse(chunk("a", finish=word))).stop == Stop(reason, word)


def test_a_blocked_prompt_is_an_answer_without_words():
    got = answer(sse({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}))
    assert got.stop == Stop("filtered", "SAFETY")
    assert got.parts == ()
    assert got.usage == Usage(input_fresh=3)


@pytest.mark.parametrize("content", [None, {}, {"role": "model"}, {"parts": None}, {"parts": []}])
def test_a_candidate_without_parts(content):
    got = answer(sse({"candidates": [{"content": content, "finishReason": "MAX_TOKENS"}]}))
    assert got.parts == ()
    assert got.stop.reason == "length"


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        pytest.param(
            [["a"], [{"text": "", "thoughtSignature": "cw=="}]],
            (Text("a", seal=Seal("cw==", GEMINI)),),
            id="behind-text",
        ),
        pytest.param(
            [[{"text": "hm", "thought": True}], [{"text": "", "thoughtSignature": "cw=="}]],
            (Thinking("hm", Seal("cw==", GEMINI)),),
            id="behind-thought",
        ),
        pytest.param(
            [[call()], [{"thoughtSignature": "cw=="}]],
            (ToolCall("call_resp1_1", "read", "{}"), Thinking("", Seal("cw==", GEMINI))),
            id="behind-call",
        ),
        pytest.param(
            [[{"text": "a", "thoughtSignature": "cw=="}], ["b"]],
            (Text("a", seal=Seal("cw==", GEMINI)), Text("b")),
            id="signed-text-stays-alone",
        ),
    ],
)
def test_b69_signatures_with_empty_text_are_kept(parts, wanted):
    assert answer(sse(*(chunk(*p) for p in parts), chunk("", finish="STOP"))).parts == wanted


def test_b68_only_the_signed_call_is_signed():
    calls = answer(sse(chunk(call(signature="cw=="), call(), finish="STOP"))).parts
    assert [part.seal for part in calls] == [Seal("cw==", GEMINI), None]


def test_b35_nothing_is_trimmed():
    assert answer(sse(chunk(" \n"), chunk("\n a "), chunk("", finish="STOP"))).parts == (Text(" \n\n a "),)


def test_b44_calls_keep_their_ids_or_get_one_from_the_answers():
    data = sse(chunk(call(id="x"), call(), finish="STOP"), chunk())
    assert [part.id for part in answer(data).parts] == ["x", "call_resp1_2"]


def test_other_parts():
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}, "thoughtSignature": "cw=="}
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    image, opaque, text = answer(sse(chunk(picture, code, "a", finish="STOP"))).parts
    assert isinstance(image, Image)
    assert image.ext == {GEMINI: {"thoughtSignature": "cw=="}}
    assert opaque == Opaque(GEMINI, "executableCode", code, "```python\n1\n```")
    assert text == Text("a")


def test_calls_in_pieces():
    def piece(**fields):
        return chunk({"functionCall": fields})

    data = sse(
        chunk({"functionCall": {"name": "f", "id": "1", "willContinue": True}, "thoughtSignature": "cw=="}),
        piece(
            partialArgs=[{"jsonPath": "$.place.city", "stringValue": "Ber", "willContinue": True}], willContinue=True
        ),
        piece(
            partialArgs=[
                {"jsonPath": "$.place.city", "stringValue": "lin"},
                {"jsonPath": "$.days", "numberValue": 3.0},
            ],
            willContinue=True,
        ),
        piece(
            partialArgs=[
                {"jsonPath": "$.tags[0]", "boolValue": True},
                {"jsonPath": "$.tags[1]", "nullValue": "NULL_VALUE"},
            ],
            willContinue=True,
        ),
        piece(),
        chunk({"functionCall": {"name": "g", "willContinue": True}}),
        chunk("", finish="STOP"),
    )
    first, second = answer(data).parts
    assert first == ToolCall(
        "1", "f", '{"place":{"city":"Berlin"},"days":3,"tags":[true,null]}', seal=Seal("cw==", GEMINI)
    )
    assert (second.name, second.arguments) == ("g", "{}")


def test_b114_b117_counts_are_cumulative_and_the_last_ones_hold():
    pieces = [
        chunk("a", usage={"promptTokenCount": 9, "cachedContentTokenCount": 5, "candidatesTokenCount": n})
        for n in range(1, 40)
    ]
    data = sse(
        *pieces,
        chunk(
            "",
            finish="STOP",
            usage={
                "promptTokenCount": 9,
                "cachedContentTokenCount": 0,
                "candidatesTokenCount": None,
                "toolUsePromptTokenCount": 2,
            },
        ),
    )
    usage = answer(data).usage
    assert usage == Usage(input_fresh=11, output_visible=39, ext={GEMINI: {"toolUsePromptTokenCount": 2}})


def test_b113_counts_behind_the_end_count_too():
    data = sse(
        chunk("a", usage={"promptTokenCount": 1}),
        chunk("", finish="STOP"),
        {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 8}},
    )
    assert answer(data).usage == Usage(input_fresh=1, output_visible=8)


def test_counts_are_told_even_where_the_stream_breaks():
    pieces = [chunk("a", usage={"promptTokenCount": 9, "candidatesTokenCount": n}) for n in range(1, 6)]
    *_, seen, broke = decoded(sse(*pieces, {"error": {"code": 503, "message": "busy"}}))
    assert isinstance(seen, UsageSeen)
    assert seen.usage.output_visible == 5
    assert isinstance(broke, Broke)


def test_audio_counts():
    details = {"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 7}, {"modality": "TEXT", "tokenCount": 3}]}
    usage = answer(sse(chunk("a", finish="STOP", usage={"promptTokenCount": 10, **details}))).usage
    assert usage is not None
    assert (usage.audio_input, usage.input_total) == (7, 10)


@pytest.mark.parametrize("wrap", [lambda e: sse(e), lambda e: sse([e]), lambda e: array(e), lambda e: orjson.dumps(e)])
def test_b32_an_error_inside_the_stream_keeps_its_class_and_words(wrap):
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]
    error = failure(
        wrap({"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED", "details": details}})
    )
    assert type(error) is RateLimited
    assert error.message == "Slow down."
    assert error.retry_after_s == 34
    assert type(failure(wrap({"error": {"message": "m", "status": "UNAVAILABLE"}}))) is Overloaded


@pytest.mark.parametrize(
    "data",
    [
        b"data: {",
        b"data: 1\n\n",
        b'data: "x"\n\n',
        b"<html>no</html>",
        b"data: {'a'}\n\n",
        b'{"candidates":1}',
        b"[1,2]",
        b"data: null\n\n",
    ],
)
def test_nonsense_breaks_the_stream(data):
    assert failure(data).code == "stream_broken"


def test_other_dialects_manners_are_put_up_with():
    data = b": hello\n\nevent: message\n" + sse(chunk("a", finish="STOP")) + b"data: [DONE]\n\ndata: {nonsense\n\n"
    signals = decoded(data)
    assert isinstance(signals[-1], Terminal)
    assert events_of(signals)[-1].answer.parts == (Text("a"),)


def test_the_front_ends_envelope_is_opened():
    data = sse({"response": chunk("a", finish="STOP"), "traceId": "x"})
    assert answer(data).parts == (Text("a"),)


def test_only_the_first_of_several_answers_is_told():
    body = {
        "candidates": [
            {"index": 1, "content": {"parts": [{"text": "no"}]}},
            {"index": 0, "content": {"parts": [{"text": "yes"}]}, "finishReason": "STOP"},
        ]
    }
    assert answer(sse(body)).parts == (Text("yes"),)


def test_citations_count_characters():
    text = "Größe: 10 m. Ende."
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}],
        "groundingSupports": [
            {
                "segment": {"startIndex": 0, "endIndex": len("Größe: 10 m.".encode()), "text": "Größe: 10 m."},
                "groundingChunkIndices": [0, 9],
            }
        ],
    }
    last = chunk("", finish="STOP")
    last["candidates"][0]["groundingMetadata"] = grounding
    (part,) = answer(sse(chunk(text[:5]), chunk(text[5:]), last)).parts
    (citation,) = part.citations
    assert text[citation.start : citation.end] == "Größe: 10 m."
    assert (citation.url, citation.title) == ("https://a", "A")


def test_watching_sees_counts_the_end_and_errors_only():
    signals = decoded(sse(*STREAM), watch=True)
    assert {type(s) for s in signals} == {Begin, UsageSeen, Stopped}
    assert [s for s in signals if isinstance(s, UsageSeen)][-1].usage == WHOLE.usage
    broken = decoded(sse(chunk("a"), {"error": {"code": 500, "message": "m"}}), watch=True)
    assert isinstance(broken[-1], Broke)
    assert not any(isinstance(s, TextDelta) for s in decoded(array(*STREAM), watch=True, step=5))


def test_several_events_in_one_read_and_one_event_in_many():
    data = sse(*STREAM)
    for step in itertools.chain(range(1, 40), (100, 1000)):
        assert answer(data, step) == WHOLE


def test_citations_behind_a_call_reach_the_text_before_it():
    last = chunk("", finish="STOP")
    last["candidates"][0]["citationMetadata"] = {
        "citationSources": [{"uri": "https://a", "startIndex": 0, "endIndex": 2}]
    }
    text, _ = answer(sse(chunk("abc", call()), last)).parts
    assert [(c.url, c.start, c.end) for c in text.citations] == [("https://a", 0, 2)]
