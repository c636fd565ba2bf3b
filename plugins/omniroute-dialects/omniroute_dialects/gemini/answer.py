"""A whole answer, in both directions."""

from __future__ import annotations

import hashlib
from typing import Any

from attrs import evolve
from omniroute_hooks import GEMINI, Answer, Reply, Stop, UpstreamError
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.events import Failed, Finished, Signal, Stopped
from omniroute_hooks.jsonio import dumps

from . import stops
from .chunks import UNREADABLE, ChunkReader
from .grounding import grounding_of
from .parts_out import PartsWriter
from .usage import write_usage

Json = dict[str, Any]

_NAMED = {"candidates", "usageMetadata", "modelVersion", "responseId", "createTime"}
_NAMED_OF_CANDIDATE = {"content", "finishReason", "index", "citationMetadata"}


def parse_answer(value: Any) -> Answer:
    """A provider's whole answer, or all pieces of a stream in one array.

    Errors: what a failure inside a 200 means; `UpstreamError` for an answer that is none.
    """
    chunks = value if isinstance(value, list) else [value]
    reader = ChunkReader()
    signals: list[Signal] = []
    for chunk in chunks:
        reader.chunk(chunk, signals)
    reader.close(signals)
    last = _last_candidate(chunks)
    if not any(isinstance(signal, Stopped) for signal in signals):
        if last is None or not last.get("content"):
            _raise_failure(signals)
            raise UpstreamError("The provider's answer is empty.")
        signals.append(Stopped(Stop("other")))  # all of it is here; only the reason is not told
    # Calls without ids get one from the answer's own id, or from its content: alike for the same answer,
    # and different for another turn of the conversation.
    machine = BlockMachine(hashlib.sha256(_bytes(value)).hexdigest()[:16])
    events = machine.feed(signals) + machine.end()
    end = events[-1] if events else None
    if isinstance(end, Failed):
        raise end.error
    if not isinstance(end, Finished):
        raise UpstreamError(UNREADABLE)
    extra = _extra(chunks, last)
    return evolve(end.answer, ext={GEMINI: extra}) if extra else end.answer


def render_answer(answer: Answer, reply: Reply) -> Json:
    """A caller's whole answer."""
    writer = PartsWriter(reply)
    parts = writer.all(answer.parts)
    out: Json = {}
    if not answer.parts and answer.stop.reason == "filtered":
        out["promptFeedback"] = {"blockReason": stops.block_reason(answer.stop)}
    else:
        out["candidates"] = [finished_candidate(answer, parts or [{"text": ""}])]
    if answer.usage is not None:
        out["usageMetadata"] = write_usage(answer.usage)
    out["modelVersion"] = reply.model
    out["responseId"] = reply.reply_id
    return out


def finished_candidate(answer: Answer, parts: list[Json]) -> Json:
    """The one candidate of an answer, or of its stream's last piece."""
    candidate: Json = {
        "content": {"parts": parts, "role": "model"},
        "finishReason": stops.finish_reason(answer.stop),
        "index": 0,
    }
    grounding = grounding_of(answer.parts)
    if grounding is not None:
        candidate["groundingMetadata"] = grounding
    return candidate | ((answer.ext.get(GEMINI) or {}).get("candidate") or {})


def _extra(chunks: list[Any], last: Json | None) -> Json:
    """What the conversation has no name for."""
    out: Json = {}
    if last is not None:
        candidate = {name: value for name, value in last.items() if name not in _NAMED_OF_CANDIDATE}
        if candidate:
            out["candidate"] = candidate
    top = chunks[-1] if isinstance(chunks[-1], dict) else {}
    return out | {name: value for name, value in top.items() if name not in _NAMED and name != "candidate"}


def _last_candidate(chunks: list[Any]) -> Json | None:
    for chunk in reversed(chunks):
        if isinstance(chunk, dict) and isinstance(inner := chunk.get("response"), dict):
            chunk = inner
        candidates = chunk.get("candidates") if isinstance(chunk, dict) else None
        if isinstance(candidates, list) and candidates and isinstance(candidates[0], dict):
            return candidates[0]
    return None


def _raise_failure(signals: list[Signal]) -> None:
    machine = BlockMachine()
    for event in machine.feed(signals):
        if isinstance(event, Failed):
            raise event.error


def _bytes(value: Any) -> bytes:
    try:
        return dumps(value)
    except (ValueError, RecursionError):
        return repr(type(value)).encode()
