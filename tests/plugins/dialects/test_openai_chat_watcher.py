"""The watched stream must tell what the decoded one tells: counts, the end, a failure."""

import json

import pytest
from omniroute_dialects.openai_chat.decoder import ChatDecoder
from omniroute_dialects.openai_chat.watcher import MOST_PASSED_OVER, ChatWatcher
from omniroute_hooks import RateLimited
from omniroute_hooks.events import Broke, Stopped, Terminal, UsageSeen

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def chunk(text: str | None, finish: str | None = None, spaced: bool = False, **more: object) -> bytes:
    value = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], **more}
    return b"data: " + json.dumps(value, separators=None if spaced else (",", ":")).encode() + b"\n\n"


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
COUNTED = event({"choices": [], "usage": USAGE})
STREAMS = {
    "usual": chunk("a") + chunk("b") + chunk(None, "stop") + COUNTED + DONE,
    "spaced": chunk("a", spaced=True) + chunk("b", spaced=True) + chunk(None, "stop", spaced=True) + COUNTED + DONE,
    "counts-first": COUNTED + chunk("a") + chunk("b") + chunk(None, "stop") + DONE,
    "counts-in-each": chunk("a", usage={"prompt_tokens": 1}) + chunk("b", usage=USAGE) + DONE,
    "no-reason": chunk("a") + DONE,
    "no-end-mark": chunk("a") + chunk(None, "length"),
    "cut": chunk("a") + chunk("b"),
    "no-reason-field": event({"choices": [{"delta": {"content": "a"}}]}) * 3 + COUNTED + DONE,
    "counts-in-the-choice": event({"choices": [{"delta": {}, "finish_reason": "stop", "usage": USAGE}]}) + DONE,
    "groq": chunk("a") + chunk(None, "stop", x_groq={"usage": USAGE}) + DONE,
    "failure": chunk("a") + event({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}),
    "failure-by-name": chunk("a") + b'event: error\ndata: {"message":"it broke"}\n\n',
    "filtered": chunk("a") + chunk(None, "content_filter") + DONE,
    "no-json": chunk("a") + b'data: {"usage":{\n\n' + DONE,
    "crlf": (chunk("a") + chunk(None, "stop") + COUNTED + DONE).replace(b"\n", b"\r\n"),
    "json-body": b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":'
    + json.dumps(USAGE).encode()
    + b"}",
    "half-a-character": chunk("\ud83d") + chunk("\ude00") + chunk(None, "stop") + COUNTED + DONE,
}


def gist(signals: list) -> list:
    """The last counts, the reason, the end and the failure, as far as there are any."""
    usage = [signal.usage for signal in signals if isinstance(signal, UsageSeen)][-1:]
    stops = [signal.stop.reason for signal in signals if isinstance(signal, Stopped)][-1:]
    failures = [(type(signal.error), signal.error.message) for signal in signals if isinstance(signal, Broke)][:1]
    return [*usage, *stops, *failures, any(isinstance(signal, Terminal) for signal in signals)]


def told(decoder: ChatDecoder | ChatWatcher, stream: bytes, size: int) -> list:
    signals: list = []
    for at in range(0, len(stream), size):
        signals += decoder.feed(stream[at : at + size])
    return gist([*signals, *decoder.end()])


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
@pytest.mark.parametrize("name", STREAMS)
def test_watching_tells_what_decoding_tells(name: str, size: int) -> None:
    assert told(ChatWatcher(), STREAMS[name], size) == told(ChatDecoder(), STREAMS[name], size)


def test_counts_that_only_stood_at_the_beginning_are_found_in_the_end():
    watcher = ChatWatcher()
    stream = COUNTED + chunk("a") * 50 + chunk(None, "stop") + DONE

    signals = [*watcher.feed(stream), *watcher.end()]

    assert [signal.usage.output_visible for signal in signals if isinstance(signal, UsageSeen)] == [3]


def test_what_is_passed_over_is_bounded_and_searched_before_it_is_let_go():
    watcher = ChatWatcher()
    many = chunk("x" * 1000) * 200

    signals = list(watcher.feed(COUNTED + chunk("a")))
    for _ in range(10):
        signals += watcher.feed(many)
        assert watcher.passed_over_bytes <= MOST_PASSED_OVER
    signals += [*watcher.feed(chunk(None, "stop") + DONE), *watcher.end()]

    assert [signal.usage.input_fresh for signal in signals if isinstance(signal, UsageSeen)] == [7]


def test_a_failure_keeps_its_class():
    failures = [s.error for s in ChatWatcher().feed(STREAMS["failure"]) if isinstance(s, Broke)]

    assert [type(error) for error in failures] == [RateLimited]
