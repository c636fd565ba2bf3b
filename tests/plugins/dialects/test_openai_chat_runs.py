"""Frames that differ in their text alone are translated many at a time; nobody may be able to tell."""

import json

import pytest
from omniroute_dialects import anthropic, gemini, openai_chat
from omniroute_dialects.openai_chat.decoder import ChatDecoder
from omniroute_hooks import Asked, Conversation, Reply, Text, Turn
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.events import Failed, TextRun


def _piece(text: str, **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    value = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    return b"data: " + json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def events(signals: list) -> list:
    """What callers would be told. Failures are equal where they say the same."""
    told = BlockMachine().feed(signals)
    return [(event.error.message, event.partial) if isinstance(event, Failed) else event for event in told]


ODD_TEXTS = ['a "quote"', "back\\slash", "line\nend", "a\n\nb", '},"finish_reason":null}]}', "é 漢 😀", "\x00", "}]}"]


@pytest.mark.parametrize("odd", ODD_TEXTS)
@pytest.mark.parametrize("place", [0, 1, 7, 19])
def test_many_frames_at_once_say_what_they_say_one_by_one(odd: str, place: int) -> None:
    texts = [f" word{number}" for number in range(20)]
    texts[place] = odd
    frames = [_piece(text) for text in texts]
    together, apart = ChatDecoder(), ChatDecoder()

    at_once = [*together.feed(b"".join(frames)), *together.feed(_piece("!")), *together.end()]
    one_by_one = [signal for frame in [*frames, _piece("!")] for signal in apart.feed(frame)] + apart.end()

    assert any(isinstance(signal, TextRun) for signal in at_once)
    assert BlockMachine().feed(at_once) == BlockMachine().feed(one_by_one)


@pytest.mark.parametrize(
    "other",
    [
        _piece(""),
        _piece("x", usage={"prompt_tokens": 1}),
        _piece("x").replace(b'"content":"x"', b'"content":"x","refusal":"no"'),
        _piece("x").replace(b'"x"', b'"x","y"'),
        _piece("x").replace(b'"x"', b'["x"]'),
        _piece("x").replace(b'"x"', b'"\\ud83d"'),
        _piece("x").replace(b'"x"', b'"\xff"'),
        b": a comment\n\n",
        b"data: [DONE]\n\n",
    ],
)
def test_a_frame_that_is_not_like_the_others_is_read_for_itself(other: bytes) -> None:
    frames = [_piece(f" word{number}") for number in range(9)]
    frames.insert(5, other)
    together, apart = ChatDecoder(), ChatDecoder()

    at_once = [*together.feed(b"".join(frames)), *together.end()]
    one_by_one = [signal for frame in frames for signal in apart.feed(frame)] + apart.end()

    assert events(at_once) == events(one_by_one)


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "openai-chat"])
def test_a_run_is_written_as_its_texts_would_be(dialect: str) -> None:
    caller = {"anthropic": anthropic, "gemini": gemini, "openai-chat": openai_chat}[dialect].DIALECT
    frames = [_piece(text) for text in (" a", " b\n", ' "c"', " é", " d", " e\u2028", " f", " g")]
    generate = next(endpoint for endpoint in caller.endpoints if endpoint.operation == "generate")
    conversation = Conversation(model="m", turns=(Turn("user", (Text("hi"),)),), dialect=dialect)
    reply = Reply(conversation, "m", "r", 1, Asked(generate))

    def written(runs: bool) -> bytes:
        machine, encoder = BlockMachine(runs=runs), caller.encoder(reply)
        return encoder.encode(machine.feed(ChatDecoder().feed(b"".join(frames))))

    assert caller.takes_runs
    assert written(True).replace(b"\xc3\xa9", b"\\u00e9") == written(False).replace(b"\xc3\xa9", b"\\u00e9")
