"""Transcription: a multipart upload in, the words of a recording out.

``POST /v1/audio/transcriptions`` as the common SDKs send it; answers as json, text,
srt, vtt or verbose_json.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx
from attrs import evolve
from omniroute_hooks import (
    BadRequest,
    FieldProblem,
    GatewayError,
    ModelNotFound,
    Overloaded,
    Segment,
    Transcript,
    Transcription,
    UpstreamError,
)
from omniroute_hooks.jsonio import dumps
from quart import Blueprint, Response, request
from werkzeug.datastructures import FileStorage

from core.access.callers import admit, check_model

from ..choosing.picks import Pick
from ..naming.resolve import dedicated, resolve
from ..telling.trace import Attempt, Trace, request_id
from .call import transport_failure
from .queue import final_error
from .run import attempt_at

if TYPE_CHECKING:
    from ..intake.front import Front

FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_OWN = "/audio/transcriptions"
PATHS = tuple(version + _OWN for version in ("/v1", "", "/api/v1"))
_MIMES = {
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "mp4": "audio/mp4",
    "mpeg": "audio/mpeg",
    "mpga": "audio/mpeg",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "webm": "audio/webm",
}


def blueprint(front: Front) -> Blueprint:
    """The endpoint, for `Front`."""
    views = Blueprint("transcribe", __name__)

    async def transcribe(word: str | None = None) -> Response:
        return await Transcriber(front, word).serve()

    for path in PATHS:
        version = path.removesuffix(_OWN)
        for rule in (path, f"{version}/providers/<word>{_OWN}"):
            views.add_url_rule(rule, rule, transcribe, methods=["POST"])
    return views


class Transcriber:
    """One upload. ``word``: for the provider at whose own address it came."""

    def __init__(self, front: Front, word: str | None = None) -> None:
        self._front = front
        self._word = word
        self._trace = Trace(request_id(), endpoint=PATHS[0], dialect="transcription")

    async def serve(self) -> Response:
        """The answer, or the failure in the dialect of this endpoint's callers."""
        try:
            transcript, form = await self._answer()
            body, mime = render(transcript, form)
            self._trace.status = 200
            response = Response(body, 200, content_type=mime)
        except GatewayError as exc:
            self._trace.error = exc
            response = self._front.error_response(exc, self._trace.id)
            self._trace.status = response.status_code
        response.headers["x-request-id"] = self._trace.id
        self._front.settlement.settle(self._trace)
        return response

    async def _answer(self) -> tuple[Transcript, str]:
        front, snapshot = self._front, self._front.kernel.snapshot
        if front.kernel.draining:
            raise Overloaded("The gateway is shutting down.", retry_after_s=5)
        scope = request.scope
        key = admit(scope, scope["headers"], snapshot.keys, snapshot.require_api_key, front.own_host, time.time())
        self._trace.api_key_id = key.id if key is not None else None
        wanted, answer_format = await _read()
        name = wanted.model if self._word is None else dedicated(snapshot, self._word, wanted.model)
        self._trace.requested_model = name
        check_model(key, name)
        plan = resolve(snapshot, name)
        self._trace.resolved_by, self._trace.combo = plan.by, plan.combo
        allowed = key.allowed_connections if key is not None else ()
        failures: list[GatewayError] = []
        for pick in front.router.chooser.picks(snapshot, plan, allowed, rests=front.router.rests):
            began = time.perf_counter()
            attempt = attempt_at(pick)
            self._trace.attempts.append(attempt)
            try:
                transcript = await self._ask(pick, wanted, attempt)
            except GatewayError as exc:
                failures.append(exc)
                _note(attempt, exc)
                if exc.blames == "caller":
                    raise
                continue
            finally:
                attempt.ms = (time.perf_counter() - began) * 1000
            attempt.outcome, attempt.status = "answered", 200
            return transcript, answer_format
        raise final_error(failures, self._trace.attempts)

    async def _ask(self, pick: Pick, wanted: Transcription, attempt: Attempt) -> Transcript:
        self._trace.provider, self._trace.model = pick.choice.provider.id, pick.choice.model
        self._trace.connection_id = pick.line.connection.id
        function = pick.choice.provider.transcribe
        if function is None:
            raise ModelNotFound(f"{pick.name} does not transcribe.")
        provider = pick.choice.provider
        key = (provider.id, provider.auth.auth_type, pick.line.connection.id, pick.choice.model)
        async with self._front.kernel.resilience.slot(*key, self._trace.id) as passage:
            attempt.asked = True
            try:
                transcript = await function(
                    evolve(wanted, model=pick.choice.model), pick.target(), self._front.kernel.http
                )
            except httpx.TransportError as exc:
                error: GatewayError = transport_failure(exc)
                passage.failed(error)
                raise error from exc
            except (KeyError, TypeError, ValueError) as exc:
                error = UpstreamError("The provider's answer cannot be read.")
                passage.failed(error)
                raise error from exc
            except GatewayError as exc:
                passage.failed(exc)
                raise
            passage.succeeded()
            return transcript


def _note(attempt: Attempt, error: GatewayError) -> None:
    attempt.outcome = "failed" if attempt.asked else "skipped"
    attempt.reason, attempt.blames, attempt.code = error.message, error.blames, error.code
    attempt.status = error.upstream_status
    attempt.retry_at_s = None if error.retry_after_s is None else time.time() + error.retry_after_s


async def _read() -> tuple[Transcription, str]:
    """The upload and the format of the answer. Errors: `BadRequest` with every wrong field."""
    if not (request.content_type or "").startswith("multipart/form-data"):
        raise BadRequest("Send the recording as multipart/form-data with the fields file and model.")
    form, files = await request.form, await request.files
    problems: list[FieldProblem] = []
    upload: FileStorage | None = files.get("file")
    audio = upload.read() if upload is not None else b""
    if upload is None:
        problems.append(FieldProblem("file", "is required"))
    elif not audio:
        problems.append(FieldProblem("file", "is empty"))
    model = form.get("model", "").strip()
    if not model:
        problems.append(FieldProblem("model", "is required"))
    answer_format = form.get("response_format", "json")
    if answer_format not in FORMATS:
        problems.append(FieldProblem("response_format", "must be one of " + ", ".join(FORMATS)))
    temperature: float | None = None
    if "temperature" in form:
        try:
            temperature = float(form["temperature"])
        except ValueError:
            problems.append(FieldProblem("temperature", "must be a number"))
    if problems:
        raise BadRequest.of(problems)
    assert upload is not None
    name = upload.filename or "audio"
    mime = upload.mimetype or ""
    if not mime.startswith(("audio/", "video/")):
        mime = _MIMES.get(name.rpartition(".")[2].lower(), "application/octet-stream")
    known = {"model", "language", "prompt", "response_format", "temperature", "timestamp_granularities[]"}
    granularities = form.getlist("timestamp_granularities[]")
    return (
        Transcription(
            model=model,
            audio=audio,
            filename=name,
            mime=mime,
            language=form.get("language") or None,
            prompt=form.get("prompt") or None,
            temperature=temperature,
            word_times="word" in granularities or answer_format in ("srt", "vtt", "verbose_json"),
            fields={k: v for k, v in form.items() if k not in known},
        ),
        answer_format,
    )


def render(transcript: Transcript, answer_format: str) -> tuple[str | bytes, str]:
    """Body and content type of an answer."""
    if answer_format == "text":
        return transcript.text + "\n", "text/plain; charset=utf-8"
    if answer_format == "srt":
        return _captions(lines_of(transcript), ",", numbered=True), "application/x-subrip; charset=utf-8"
    if answer_format == "vtt":
        return "WEBVTT\n\n" + _captions(lines_of(transcript), ".", numbered=False), "text/vtt; charset=utf-8"
    body: dict[str, Any] = {"text": transcript.text}
    if answer_format == "verbose_json":
        body |= {
            "task": "transcribe",
            "language": transcript.language,
            "duration": transcript.duration_s,
            "words": [{"word": w.text, "start": w.start_s, "end": w.end_s} for w in transcript.words],
            "segments": [
                {"id": i, "text": s.text, "start": s.start_s, "end": s.end_s}
                for i, s in enumerate(lines_of(transcript))
            ],
        }
    return dumps(body), "application/json"


WORDS_PER_LINE = 10


def lines_of(transcript: Transcript) -> Sequence[Segment]:
    """Segments for captions: the provider's, else the words ten at a time, else the whole."""
    if transcript.segments:
        return transcript.segments
    words = transcript.words
    if not words:
        return (Segment(transcript.text, 0.0, transcript.duration_s or 0.0),) if transcript.text else ()
    groups = [words[i : i + WORDS_PER_LINE] for i in range(0, len(words), WORDS_PER_LINE)]
    return [Segment(" ".join(w.text for w in group), group[0].start_s, group[-1].end_s) for group in groups]


def _captions(lines: Sequence[Segment], point: str, numbered: bool) -> str:
    out = []
    for number, line in enumerate(lines, 1):
        head = f"{number}\n" if numbered else ""
        out.append(f"{head}{_clock(line.start_s, point)} --> {_clock(line.end_s, point)}\n{line.text.strip()}\n")
    return "\n".join(out)


def _clock(seconds: float, point: str) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"
