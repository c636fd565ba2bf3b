"""A provider's whole answer as an `Answer`, and the pieces of a message that the stream decoder reads too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omniroute_hooks import (
    OPENAI_CHAT,
    Answer,
    Audio,
    Blob,
    Citation,
    GatewayError,
    Image,
    Part,
    Refusal,
    Seal,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UpstreamError,
)
from omniroute_hooks.answers import distinct_calls
from omniroute_hooks.blocks import settle_stop
from omniroute_hooks.conversation import NO_EXT
from omniroute_hooks.jsonio import dumps

from ..blobs import blob_of_url
from .errors_in import error_of, holds_error
from .stops import read_stop
from .think_tags import split_think
from .thoughts import read_thoughts
from .usage import find_usage, read_usage

_KEPT = ("system_fingerprint", "service_tier", "provider", "citations", "search_results")


def parse_answer(value: Any) -> Answer:
    """The answer in ``value``. Errors: a `GatewayError` where it holds a failure or no answer at all."""
    if isinstance(value, list) and value and isinstance(value[0], dict) and holds_error(value[0]):
        raise error_of(value[0])
    if not isinstance(value, dict):
        raise UpstreamError("The provider's answer cannot be read: it is no JSON object.")
    if holds_error(value):
        raise error_of(value)
    choice = _first_choice(value)
    if choice is None:
        raise UpstreamError("The provider's answer holds no choice.")
    if choice.get("error"):
        raise error_of(choice)
    stop = read_stop(choice)
    if isinstance(stop, GatewayError):
        raise stop
    message = choice.get("message")
    if not isinstance(message, dict):
        message = choice.get("delta")
    if not isinstance(message, dict):
        text = choice.get("text")
        if not isinstance(text, str):
            raise UpstreamError("The provider's answer holds no message.")
        message = {"content": text}
    answer_id = _word(value.get("id"))
    parts = distinct_calls(_parts(message, answer_id), answer_id)
    called = any(isinstance(part, ToolCall) for part in parts)
    usage = find_usage(value)
    extra = {name: value[name] for name in _KEPT if value.get(name) is not None}
    if choice.get("logprobs"):
        extra["logprobs"] = choice["logprobs"]
    return Answer(
        parts=parts,
        stop=settle_stop(stop or Stop("other"), called),
        usage=None if usage is None else read_usage(usage),
        id=_word(value.get("id")),
        model=_word(value.get("model")),
        created_s=created_s(value.get("created")),
        ext={OPENAI_CHAT: extra} if extra else NO_EXT,
    )


def created_s(value: Any) -> int | None:
    """Unix seconds; some write them with decimals."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        return None
    return int(value)


def pieces_of(content: Any) -> Iterator[tuple[bool, str]]:
    """(is reasoning, text) of a content that came as an array of parts."""
    if not isinstance(content, list):
        return
    for item in content:
        if isinstance(item, str):
            yield False, item
        elif isinstance(item, dict):
            inner = item.get("thinking")
            if isinstance(inner, list):
                for _, text in pieces_of(inner):
                    yield True, text
            elif isinstance(inner, str):
                yield True, inner
            elif isinstance(item.get("text"), str):
                yield item.get("type") in ("reasoning", "thinking"), item["text"]


def citations_of(annotations: Any) -> Iterator[Citation]:
    """The web addresses an answer names."""
    if not isinstance(annotations, list):
        return
    for item in annotations:
        where = item.get("url_citation") if isinstance(item, dict) else None
        if isinstance(where, dict) and isinstance(where.get("url"), str):
            yield Citation(
                url=where["url"],
                title=_word(where.get("title")),
                cited_text=_word(where.get("content")),
                start=_place(where.get("start_index")),
                end=_place(where.get("end_index")),
                ext={OPENAI_CHAT: item},
            )


def images_of(value: Any) -> Iterator[Image]:
    """Pictures that some providers put beside the text."""
    if not isinstance(value, list):
        return
    for item in value:
        where = item.get("image_url") if isinstance(item, dict) else None
        url = where.get("url") if isinstance(where, dict) else where
        if isinstance(url, str) and url:
            yield Image(blob_of_url(url))


def seal_of(holder: Mapping[str, Any]) -> Seal | None:
    """The signature of a call or text, as its maker wrote it."""
    extra = holder.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    value = google.get("thought_signature") if isinstance(google, dict) else None
    return Seal(value, OPENAI_CHAT) if isinstance(value, str) and value else None


def arguments_text(value: Any) -> str:
    """A call's arguments as JSON text; some providers send the object itself."""
    if isinstance(value, str):
        return value
    return "" if value is None else dumps(value).decode()


def _parts(message: Mapping[str, Any], answer_id: str | None) -> Iterator[Part]:
    thoughts = read_thoughts(message)
    yield from thoughts
    content = message.get("content")
    text = ""
    if isinstance(content, str):
        text = content
        if not thoughts:
            thought, text = split_think(content)
            if thought:
                yield Thinking(thought)
    else:
        for inside, piece in pieces_of(content):
            if inside:
                yield Thinking(piece)
            else:
                text += piece
    seal = seal_of(message)
    citations = tuple(citations_of(message.get("annotations")))
    if text or seal or citations:
        yield Text(text, citations, seal=seal)
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        yield Refusal(refusal)
    yield from images_of(message.get("images"))
    audio = message.get("audio")
    if isinstance(audio, dict) and isinstance(audio.get("data"), str):
        yield Audio(Blob(data=audio["data"]), ext={OPENAI_CHAT: audio})
    yield from _calls(message, answer_id)


def _calls(message: Mapping[str, Any], answer_id: str | None) -> Iterator[ToolCall]:
    raw = message.get("tool_calls")
    legacy = message.get("function_call")
    calls = raw if isinstance(raw, list) else []
    if not calls and isinstance(legacy, dict):
        calls = [{"function": legacy}]
    for position, call in enumerate(calls, 1):
        if not isinstance(call, dict):
            continue
        custom = call.get("custom")
        inner = custom if isinstance(custom, dict) else call.get("function")
        if not isinstance(inner, dict):
            inner = call
        name = inner.get("name")
        if not isinstance(name, str) or not name:
            continue  # a call without a name: nobody could run it
        call_id = _word(call.get("id")) or f"call_{answer_id or ''}_{position}"
        arguments = arguments_text(inner.get("input" if inner is custom else "arguments"))
        kind = "custom" if inner is custom else "function"
        yield ToolCall(call_id, name, arguments, kind, seal=seal_of(call))  # type: ignore[arg-type]


def _first_choice(value: Mapping[str, Any]) -> dict[str, Any] | None:
    choices = value.get("choices")
    if not isinstance(choices, list):
        return None
    found = [choice for choice in choices if isinstance(choice, dict)]
    return next((choice for choice in found if choice.get("index") == 0), found[0] if found else None)


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _place(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
