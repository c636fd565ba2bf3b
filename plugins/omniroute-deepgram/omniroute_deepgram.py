"""Deepgram: recordings written down.

Source: https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded and /docs/errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from omniroute_hooks import (
    ERROR_BY_STATUS,
    ApiKey,
    BadRequest,
    GatewayError,
    Http,
    Model,
    ModelNotFound,
    Price,
    Provider,
    Segment,
    Target,
    Transcript,
    Transcription,
    UpstreamError,
    UpstreamTimeout,
    Word,
    hookimpl,
    retry_after_s,
)
from omniroute_hooks.jsonio import loads_upstream

Json = Any

# Form fields that go on as they came. A list, because others would reach out from Deepgram to addresses that a
# caller names ("callback"), or change the answer's shape.
_FORWARDED = (
    "punctuate",
    "numerals",
    "profanity_filter",
    "filler_words",
    "dictation",
    "measurements",
    "redact",
    "keyterm",
    "keywords",
    "tag",
)

_ERRORS: Mapping[int, type[GatewayError]] = {**ERROR_BY_STATUS, 400: BadRequest, 415: BadRequest, 422: BadRequest}


async def transcribe(request: Transcription, target: Target, http: Http) -> Transcript:
    """POST {base}/listen with the recording as the body.

    Errors: `BadRequest` (no audio), `ModelNotFound`, `LoginExpired`, `QuotaExhausted`, `RateLimited` with what
    Retry-After says, `UpstreamTimeout`, `UpstreamError`.
    """
    try:
        answer = await http.post(
            f"{target.base_url.rstrip('/')}/listen",
            params=_query(request, target.model),
            content=request.audio,
            headers={
                "Content-Type": _mime(request.mime),
                "Accept": "application/json",
                **target.provider.auth.headers(target.connection.credential),
            },
        )
    except httpx.TimeoutException as exc:
        raise UpstreamTimeout("Deepgram did not answer in time.") from exc
    except httpx.HTTPError as exc:
        raise UpstreamError("Deepgram cannot be reached.") from exc
    if answer.status_code != 200:
        raise _failure(answer)
    try:
        return _transcript(loads_upstream(answer.content), request)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as exc:
        raise UpstreamError("Deepgram's answer cannot be read.") from exc


def _query(request: Transcription, model: str) -> dict[str, str]:
    query = {name: request.fields[name] for name in _FORWARDED if name in request.fields}
    query |= {"model": model, "smart_format": "true", "paragraphs": "true"}
    # Without either, Deepgram takes everything for English.
    return query | ({"language": request.language} if request.language else {"detect_language": "true"})


def _mime(mime: str) -> str:
    """Video files are taken for their sound, but only under an audio type."""
    return mime.replace("video/", "audio/", 1) if mime.startswith("video/") else mime or "application/octet-stream"


def _transcript(answer: Json, request: Transcription) -> Transcript:
    channel = answer["results"]["channels"][0]
    best = channel["alternatives"][0]
    metadata = answer.get("metadata") or {}
    return Transcript(
        text=best["transcript"],
        language=request.language or channel.get("detected_language"),
        duration_s=metadata.get("duration"),
        words=tuple(
            Word(word.get("punctuated_word") or word["word"], word["start"], word["end"])
            for word in best.get("words") or ()
        ),
        segments=_segments(best, answer["results"]),
        ext={"deepgram": {"request_id": metadata.get("request_id"), "confidence": best.get("confidence")}},
    )


def _segments(best: Mapping[str, Json], results: Mapping[str, Json]) -> tuple[Segment, ...]:
    """Sentences where the answer has paragraphs, else utterances (what lies between two pauses)."""
    paragraphs: Sequence[Json] = (best.get("paragraphs") or {}).get("paragraphs") or ()
    sentences = [sentence for paragraph in paragraphs for sentence in paragraph.get("sentences") or ()]
    if sentences:
        return tuple(Segment(s["text"], s["start"], s["end"]) for s in sentences)
    return tuple(Segment(u["transcript"], u["start"], u["end"]) for u in results.get("utterances") or ())


def _failure(answer: httpx.Response) -> GatewayError:
    """Deepgram's refusal. Bodies are {err_code, err_msg} or, from its newer parts, {category, message, details}."""
    try:
        body = loads_upstream(answer.content)
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {}
    code = str(body.get("err_code") or body.get("category") or "") or None
    words = str(body.get("err_msg") or body.get("message") or "") or f"Deepgram answers with HTTP {answer.status_code}."
    kind = _ERRORS.get(answer.status_code, UpstreamError)
    if kind is BadRequest and "model" in words.lower() and "no such" in words.lower():
        kind = ModelNotFound  # "No such model/language/tier combination found." comes as a 400
    return kind(
        words,
        retry_after_s=retry_after_s(answer.headers, words),
        upstream_status=answer.status_code,
        upstream_code=code,
    )


def _model(model_id: str, name: str, usd_per_minute: float | None = None) -> Model:
    price = () if usd_per_minute is None else (Price(usd_per_minute=usd_per_minute),)
    return Model(model_id, name, kind="transcription", input=("audio",), tools=False, price=price)


DEEPGRAM = Provider(
    id="deepgram",
    prefix="deepgram",
    name="Deepgram",
    base_url="https://api.deepgram.com/v1",
    auth=ApiKey(header="Authorization", scheme="Token"),
    models=(
        _model("nova-3", "Nova 3", 0.0043),
        _model("nova-2", "Nova 2", 0.0043),
        _model("whisper-large", "Whisper Large"),
    ),
    transcribe=transcribe,
    website="https://console.deepgram.com",
    terms="https://deepgram.com/terms",
)


@hookimpl
def omniroute_providers() -> list[Provider]:
    return [DEEPGRAM]
