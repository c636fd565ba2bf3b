"""A recording made here, through the gateway's transcription endpoint, to a Deepgram that we script."""

import array
import io
import json
import math
import re
import wave

import openai
import pytest
from omniroute_hooks.testing import ScriptedUpstream, raw_server, serving
from omniroute_hooks.testing.rawserver import drops
from running import running

from core.settings import load_settings

ENDPOINT = "/v1/audio/transcriptions"
WORDS = [
    {"word": "hello", "punctuated_word": "Hello", "start": 0.0, "end": 0.41, "confidence": 0.99},
    {"word": "there", "punctuated_word": "there.", "start": 0.5, "end": 0.9, "confidence": 0.98},
    {"word": "bye", "punctuated_word": "Bye.", "start": 1.0, "end": 3661.25, "confidence": 0.97},
]
SENTENCES = [{"text": "Hello there.", "start": 0.0, "end": 0.9}, {"text": "Bye.", "start": 1.0, "end": 3661.25}]
HEARD = {
    "metadata": {"request_id": "r-1", "duration": 1.0},
    "results": {
        "channels": [
            {
                "detected_language": "en",
                "alternatives": [
                    {
                        "transcript": "Hello there. Bye.",
                        "confidence": 0.98,
                        "words": WORDS,
                        "paragraphs": {"paragraphs": [{"sentences": SENTENCES}]},
                    }
                ],
            }
        ]
    },
}


def a_tone(seconds=1.0, rate=16_000):
    """A recording of a tone of 440 Hz, as a wav file."""
    samples = array.array("h", (int(9000 * math.sin(math.tau * 440 * n / rate)) for n in range(int(rate * seconds))))
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples.tobytes())
    return out.getvalue()


TONE = a_tone()


@pytest.fixture
async def deepgram():
    async with serving(ScriptedUpstream()) as server:
        yield server


@pytest.fixture
async def gateway(tmp_path, deepgram):
    """A gateway whose Deepgram is the scripted one."""
    environ = {"OMNIROUTE_DEEPGRAM_BASE_URL": f"{deepgram.url}/v1", "DATA_DIR": str(tmp_path / "data")}
    settings = load_settings(environ, env_files=())
    async with running(tmp_path / "data", initial_password=None, environ=settings._environ) as instance:
        yield instance


async def send(gateway, recording=TONE, name="tone.wav", mime="audio/wav", **fields):
    form = {"model": "deepgram/nova-3", **fields}
    files = {"file": (name, recording, mime)} if recording is not None else {"other": ("x", b"x")}
    return await gateway.http.post(ENDPOINT, files=files, data={k: v for k, v in form.items() if v is not None})


async def last_record(gateway):
    [record] = await gateway.kernel.usage_log.recent(1)
    return record


async def test_a_tone_goes_out_untouched_and_comes_back_as_words(gateway, deepgram):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    deepgram.reply(200, json=HEARD)

    answer = await send(gateway)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {"text": "Hello there. Bye."}
    [asked] = deepgram.requests
    assert (asked.method, asked.path) == ("POST", "/v1/listen")
    assert asked.body == TONE
    assert asked.headers["content-type"] == "audio/wav"
    assert asked.headers["authorization"] == "Token dg-key"
    assert asked.query["model"] == "nova-3"
    assert asked.query["detect_language"] == "true"
    record = await last_record(gateway)
    assert record.request_id == answer.headers["x-request-id"]
    assert (record.status, record.provider, record.model) == (200, "deepgram", "nova-3")


@pytest.mark.parametrize("path", ["/audio/transcriptions", "/api/v1/audio/transcriptions", ENDPOINT + "/"])
async def test_other_spellings_of_the_address_are_served_too(gateway, deepgram, path):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    deepgram.reply(200, json=HEARD)

    answer = await gateway.http.post(path, files={"file": ("tone.wav", TONE)}, data={"model": "deepgram/nova-3"})

    assert answer.status_code == 200, answer.text


async def test_the_connections_own_address_counts_before_the_environments(gateway, deepgram):
    async with serving(ScriptedUpstream()) as own:
        data = {"baseUrl": f"{own.url}/v1/"}
        await gateway.add_connection("deepgram", {"api_key": "dg-key"}, provider_specific_data=data)
        own.reply(200, json=HEARD)

        answer = await send(gateway)

        assert answer.status_code == 200
        assert [request.path for request in own.requests] == ["/v1/listen"]
    assert not deepgram.requests


SRT = """1
00:00:00,000 --> 00:00:00,900
Hello there.

2
00:00:01,000 --> 01:01:01,250
Bye.
"""
VTT = """WEBVTT

00:00:00.000 --> 00:00:00.900
Hello there.

00:00:01.000 --> 01:01:01.250
Bye.
"""


@pytest.mark.parametrize(
    ("answer_format", "mime", "body"),
    [
        pytest.param("text", "text/plain", "Hello there. Bye.\n", id="text"),
        pytest.param("srt", "application/x-subrip", SRT, id="srt"),
        pytest.param("vtt", "text/vtt", VTT, id="vtt"),
        pytest.param("json", "application/json", '{"text":"Hello there. Bye."}', id="json"),
    ],
)
async def test_the_answer_has_the_format_that_was_asked_for(gateway, deepgram, answer_format, mime, body):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    deepgram.reply(200, json=HEARD)

    answer = await send(gateway, response_format=answer_format)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(mime)
    assert answer.text == body


async def test_a_verbose_answer_has_words_and_segments_with_their_times(gateway, deepgram):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    deepgram.reply(200, json=HEARD)

    answer = (await send(gateway, response_format="verbose_json")).json()

    assert (answer["task"], answer["text"], answer["language"], answer["duration"]) == (
        "transcribe",
        "Hello there. Bye.",
        "en",
        1.0,
    )
    assert [(word["word"], word["start"]) for word in answer["words"]] == [
        ("Hello", 0.0),
        ("there.", 0.5),
        ("Bye.", 1.0),
    ]
    assert [(s["id"], s["text"], s["end"]) for s in answer["segments"]] == [
        (0, "Hello there.", 0.9),
        (1, "Bye.", 3661.25),
    ]


async def test_captions_are_cut_from_words_where_there_are_no_sentences(gateway, deepgram):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    words = [{"word": f"w{n}", "start": n * 1.0, "end": n + 0.5} for n in range(25)]
    channel = {"alternatives": [{"transcript": " ".join(word["word"] for word in words), "words": words}]}
    deepgram.reply(200, json={"results": {"channels": [channel]}})

    captions = (await send(gateway, response_format="srt")).text

    assert re.findall(r"^\d+$", captions, re.MULTILINE) == ["1", "2", "3"]
    assert "00:00:20,000 --> 00:00:24,500" in captions


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"language": "de"}, {"language": "de"}, id="language"),
        pytest.param({"keyterm": "OmniRoute"}, {"keyterm": "OmniRoute"}, id="own-option"),
        pytest.param({"callback": "http://127.0.0.1:9/", "temperature": "0.2"}, {}, id="what-is-not-its-own"),
    ],
)
async def test_options_of_the_form_go_on_where_they_are_known(gateway, deepgram, fields, query):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    deepgram.reply(200, json=HEARD)

    assert (await send(gateway, **fields)).status_code == 200

    asked = deepgram.requests[0].query
    assert query.items() <= asked.items()
    assert not {"callback", "temperature", "response_format", "file"} & asked.keys()


@pytest.mark.parametrize(
    ("name", "mime", "sent"),
    [
        ("speech.mp3", "application/octet-stream", "audio/mpeg"),
        ("speech.webm", "video/webm", "audio/webm"),
        ("speech.OGG", "text/plain", "audio/ogg"),
        ("speech", "audio/flac", "audio/flac"),
        ("speech.xyz", "", "application/octet-stream"),
    ],
)
async def test_the_recordings_type_is_what_the_client_says_or_its_name_tells(gateway, deepgram, name, mime, sent):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    deepgram.reply(200, json=HEARD)

    await send(gateway, name=name, mime=mime or None)

    assert deepgram.requests[0].headers["content-type"] == sent


async def test_a_recording_of_many_megabytes_arrives_whole(gateway, deepgram):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    deepgram.reply(200, json=HEARD)
    recording = TONE[:44] + bytes(range(256)) * 32 * 1024

    assert (await send(gateway, recording=recording)).status_code == 200

    assert deepgram.requests[0].body == recording


# The official client ------------------------------------------------------------------------------------------


@pytest.fixture
async def client(gateway):
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="sk-any", max_retries=0) as sdk:
        yield sdk


async def test_the_official_client_transcribes(gateway, deepgram, client):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    for _ in range(3):
        deepgram.reply(200, json=HEARD)
    file = ("tone.wav", TONE)

    plain = await client.audio.transcriptions.create(model="deepgram/nova-3", file=file)
    verbose = await client.audio.transcriptions.create(
        model="deepgram/nova-3", file=file, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    captions = await client.audio.transcriptions.create(model="deepgram/nova-3", file=file, response_format="srt")

    assert plain.text == "Hello there. Bye."
    assert [word.word for word in verbose.words] == ["Hello", "there.", "Bye."]
    assert verbose.segments[1].text == "Bye."
    assert captions == SRT


async def test_the_official_client_understands_refusals(gateway, deepgram, client):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    deepgram.reply(429, json={"err_code": "TOO_MANY_REQUESTS", "err_msg": "Slow down."}, headers={"retry-after": "9"})

    with pytest.raises(openai.RateLimitError, match=r"Slow down\.") as caught:
        await client.audio.transcriptions.create(model="deepgram/nova-3", file=("tone.wav", TONE))

    assert caught.value.response.headers["retry-after"] == "9"
    with pytest.raises(openai.NotFoundError, match="deepgrim/nova-3"):
        await client.audio.transcriptions.create(model="deepgrim/nova-3", file=("tone.wav", TONE))


# What goes wrong ----------------------------------------------------------------------------------------------


async def test_every_wrong_field_is_named_at_once(gateway):
    answer = await send(gateway, recording=None, model="", response_format="mp3", temperature="warm")

    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    for field in ("file", "model", "response_format", "temperature"):
        assert field in message


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        pytest.param(
            json.dumps({"model": "deepgram/nova-3"}).encode(), {"content-type": "application/json"}, id="json"
        ),
        pytest.param(b"", {}, id="nothing"),
        pytest.param(b"--x\r\nnonsense", {"content-type": "multipart/form-data; boundary=x"}, id="broken-form"),
        pytest.param(b"--x--", {"content-type": "multipart/form-data"}, id="no-boundary"),
    ],
)
async def test_what_is_no_form_is_refused_in_the_shape_that_clients_read(gateway, content, headers):
    answer = await gateway.http.post(ENDPOINT, content=content, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert "type" in answer.json()["error"]


async def test_an_empty_recording_is_refused(gateway):
    answer = await send(gateway, recording=b"")

    assert answer.status_code == 400
    assert "empty" in answer.json()["error"]["message"]


async def test_a_recording_over_the_limit_is_refused(tmp_path):
    async with running(tmp_path / "data", initial_password=None, max_body_bytes=1024 * 1024) as gateway:
        answer = await send(gateway, recording=b"x" * 2 * 1024 * 1024)

    assert answer.status_code == 413
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, 400), (401, 502), (402, 402), (403, 403), (413, 413), (429, 429), (500, 502), (503, 503)],
)
async def test_the_only_connections_refusal_is_told_in_its_words(gateway, deepgram, status, expected):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})
    deepgram.reply(status, json={"err_code": "CODE", "err_msg": "In Deepgram's words.", "request_id": "r"})

    answer = await send(gateway)

    assert answer.status_code in (expected, 429 if expected == 402 else expected)
    assert answer.json()["error"]["message"] == "In Deepgram's words."
    assert "dg-key" not in answer.text
    record = await last_record(gateway)
    assert record.status == answer.status_code
    assert record.error_code


async def test_the_next_connection_transcribes_where_the_first_cannot(gateway, deepgram):
    await gateway.add_connection("deepgram", {"api_key": "dg-1"}, name="one")
    await gateway.add_connection("deepgram", {"api_key": "dg-2"}, name="two")
    deepgram.reply(429, json={"err_msg": "Slow down."})
    deepgram.reply(200, json=HEARD)

    answer = await send(gateway)

    assert answer.json() == {"text": "Hello there. Bye."}
    assert [request.headers["authorization"] for request in deepgram.requests] == ["Token dg-1", "Token dg-2"]
    assert (await last_record(gateway)).attempt == 2


async def test_a_provider_that_hangs_up_is_told_as_such(gateway):
    async with raw_server(drops()) as broken:
        data = {"baseUrl": broken.url}
        await gateway.add_connection("deepgram", {"api_key": "dg-key"}, provider_specific_data=data)

        answer = await send(gateway)

    assert answer.status_code == 502
    assert "127.0.0.1" not in answer.text


async def test_a_model_that_talks_does_not_transcribe(gateway):
    answer = await send(gateway, model="echo/echo")

    assert answer.status_code == 404
    assert "does not transcribe" in answer.json()["error"]["message"]


async def test_a_model_that_transcribes_does_not_talk(gateway, deepgram):
    await gateway.add_connection("deepgram", {"api_key": "dg-key"})

    body = {"model": "deepgram/nova-3", "messages": [{"role": "user", "content": "hi"}]}
    answer = await gateway.http.post("/v1/chat/completions", json=body)

    assert answer.status_code == 404
    assert "not a model to talk with" in answer.json()["error"]["message"]
    assert not deepgram.requests


async def test_without_a_connection_the_answer_says_what_to_do(gateway):
    answer = await send(gateway)

    assert answer.status_code == 404
    assert "Providers" in answer.json()["error"]["message"]
