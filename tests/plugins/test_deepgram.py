"""Deepgram: a recording goes out as it is, and comes back as text with times."""

import io
import wave
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from attrs import evolve
from omniroute_deepgram import omniroute_providers
from omniroute_hooks import (
    BadRequest,
    Entitlement,
    LoginExpired,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Segment,
    Target,
    Transcription,
    UpstreamError,
    UpstreamTimeout,
    Word,
)

[DEEPGRAM] = omniroute_providers()

ANSWER = {
    "metadata": {"request_id": "r-1", "duration": 1.5},
    "results": {
        "channels": [
            {
                "detected_language": "en",
                "alternatives": [
                    {
                        "transcript": "Hello there. Bye.",
                        "confidence": 0.99,
                        "words": [
                            {"word": "hello", "punctuated_word": "Hello", "start": 0.0, "end": 0.4},
                            {"word": "there", "punctuated_word": "there.", "start": 0.5, "end": 0.9},
                            {"word": "bye", "start": 1.0, "end": 1.4},
                        ],
                        "paragraphs": {
                            "paragraphs": [
                                {
                                    "sentences": [
                                        {"text": "Hello there.", "start": 0.0, "end": 0.9},
                                        {"text": "Bye.", "start": 1.0, "end": 1.4},
                                    ]
                                }
                            ]
                        },
                    }
                ],
            }
        ],
    },
}


def recording():
    """A second of silence as a wav file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 8000)
    return out.getvalue()


REQUEST = Transcription(model="nova-3", audio=recording(), filename="a.wav", mime="audio/wav")


def target(vendor):
    connection = vendor.connection("deepgram", {"api_key": "dg-key"})
    return Target(DEEPGRAM, "nova-3", connection, f"{vendor.url}/v1", DEEPGRAM.model("nova-3"))


async def test_the_recording_goes_out_untouched_under_the_key(vendor, http):
    vendor.reply("/v1/listen", ANSWER)

    await DEEPGRAM.transcribe(REQUEST, target(vendor), http)

    [asked] = vendor.asked
    assert asked.method == "POST"
    assert asked.body == recording()
    assert asked.headers["content-type"] == "audio/wav"
    assert asked.headers["authorization"] == "Token dg-key"
    assert asked.query["model"] == "nova-3"
    assert asked.query["smart_format"] == "true"


async def test_text_times_and_language_come_back(vendor, http):
    vendor.reply("/v1/listen", ANSWER)

    transcript = await DEEPGRAM.transcribe(REQUEST, target(vendor), http)

    assert transcript.text == "Hello there. Bye."
    assert transcript.language == "en"
    assert transcript.duration_s == 1.5
    assert transcript.words == (Word("Hello", 0.0, 0.4), Word("there.", 0.5, 0.9), Word("bye", 1.0, 1.4))
    assert transcript.segments == (Segment("Hello there.", 0.0, 0.9), Segment("Bye.", 1.0, 1.4))
    assert transcript.ext["deepgram"]["request_id"] == "r-1"


async def test_utterances_stand_in_for_missing_paragraphs(vendor, http):
    results = {
        "channels": [{"alternatives": [{"transcript": "hi"}]}],
        "utterances": [{"transcript": "hi", "start": 0.1, "end": 0.3}],
    }
    vendor.reply("/v1/listen", {"results": results})

    transcript = await DEEPGRAM.transcribe(REQUEST, target(vendor), http)

    assert transcript.segments == (Segment("hi", 0.1, 0.3),)
    assert (transcript.words, transcript.duration_s) == ((), None)


@pytest.mark.parametrize(
    ("language", "query"),
    [
        pytest.param("de", {"language": "de"}, id="given"),
        pytest.param(None, {"detect_language": "true"}, id="detected"),
    ],
)
async def test_the_language_is_given_or_detected(vendor, http, language, query):
    vendor.reply("/v1/listen", ANSWER)

    transcript = await DEEPGRAM.transcribe(evolve(REQUEST, language=language), target(vendor), http)

    asked = vendor.asked[0].query
    assert {name: asked[name] for name in ("language", "detect_language") if name in asked} == query
    assert transcript.language == (language or "en")


async def test_only_harmless_options_of_the_form_go_on(vendor, http):
    vendor.reply("/v1/listen", ANSWER)
    fields = {"keyterm": "OmniRoute", "callback": "http://attacker.example", "model": "other", "response_format": "srt"}

    await DEEPGRAM.transcribe(evolve(REQUEST, fields=fields), target(vendor), http)

    asked = vendor.asked[0].query
    assert asked["keyterm"] == "OmniRoute"
    assert asked["model"] == "nova-3"
    assert "callback" not in asked
    assert "response_format" not in asked


@pytest.mark.parametrize(
    ("mime", "sent"), [("video/mp4", "audio/mp4"), ("audio/ogg", "audio/ogg"), ("", "application/octet-stream")]
)
async def test_a_video_is_sent_for_its_sound(vendor, http, mime, sent):
    vendor.reply("/v1/listen", ANSWER)

    await DEEPGRAM.transcribe(evolve(REQUEST, mime=mime), target(vendor), http)

    assert vendor.asked[0].headers["content-type"] == sent


REFUSAL = {"err_code": "SOME_CODE", "err_msg": "In plain words.", "request_id": "r-2"}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(400, REFUSAL, BadRequest, id="bad-audio"),
        pytest.param(
            400,
            {"err_code": "Bad Request", "err_msg": "No such model/language/tier combination found."},
            ModelNotFound,
            id="no-such-model",
        ),
        pytest.param(401, REFUSAL, LoginExpired, id="bad-key"),
        pytest.param(402, REFUSAL, QuotaExhausted, id="no-credit"),
        pytest.param(403, REFUSAL, Entitlement, id="not-allowed"),
        pytest.param(429, REFUSAL, RateLimited, id="too-many"),
        pytest.param(503, REFUSAL, Overloaded, id="busy"),
        pytest.param(504, REFUSAL, UpstreamTimeout, id="slow"),
        pytest.param(500, REFUSAL, UpstreamError, id="broken"),
        pytest.param(418, REFUSAL, UpstreamError, id="unheard-of"),
    ],
)
async def test_refusals_say_who_is_to_blame_in_deepgrams_words(vendor, http, status, body, error):
    vendor.reply("/v1/listen", body, status=status)

    with pytest.raises((BadRequest, ModelNotFound, UpstreamError)) as caught:
        await DEEPGRAM.transcribe(REQUEST, target(vendor), http)

    assert type(caught.value) is error
    assert caught.value.message == body["err_msg"]
    assert caught.value.upstream_code == body["err_code"]
    assert caught.value.upstream_status == status


async def test_the_newer_error_shape_is_read_too(vendor, http):
    vendor.reply("/v1/listen", {"category": "INVALID_JSON", "message": "Invalid JSON submitted."}, status=400)

    with pytest.raises(BadRequest, match="Invalid JSON submitted") as caught:
        await DEEPGRAM.transcribe(REQUEST, target(vendor), http)

    assert caught.value.upstream_code == "INVALID_JSON"


def in_an_hour():
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


@pytest.mark.parametrize(
    ("hint", "least_s", "most_s"),
    [
        pytest.param(lambda: "30", 30, 30, id="seconds"),
        pytest.param(in_an_hour, 3590, 3600, id="date"),
        pytest.param(lambda: "Wed, 01 Jan 2020 00:00:00 GMT", 0, 0, id="date-gone-by"),
    ],
)
async def test_a_limit_says_when_to_come_back(vendor, http, hint, least_s, most_s):
    vendor.reply("/v1/listen", REFUSAL, status=429, headers={"Retry-After": hint()})

    with pytest.raises(RateLimited) as caught:
        await DEEPGRAM.transcribe(REQUEST, target(vendor), http)

    assert least_s <= caught.value.retry_after_s <= most_s


async def test_a_hint_that_cannot_be_read_is_none(vendor, http):
    vendor.reply("/v1/listen", REFUSAL, status=429, headers={"Retry-After": "soon"})

    with pytest.raises(RateLimited) as caught:
        await DEEPGRAM.transcribe(REQUEST, target(vendor), http)

    assert caught.value.retry_after_s is None


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"results": {"channels": []}}', b'{"results": null}'])
async def test_an_answer_that_is_none_is_the_providers_failure(vendor, http, body):
    vendor.reply("/v1/listen", body=body)

    with pytest.raises(UpstreamError, match="cannot be read"):
        await DEEPGRAM.transcribe(REQUEST, target(vendor), http)


async def test_nobody_there_is_the_providers_failure(vendor, http):
    nowhere = evolve(target(vendor), base_url="http://127.0.0.1:9")

    with pytest.raises(UpstreamError, match="cannot be reached") as caught:
        await DEEPGRAM.transcribe(REQUEST, nowhere, http)

    assert isinstance(caught.value.__cause__, httpx.HTTPError)
