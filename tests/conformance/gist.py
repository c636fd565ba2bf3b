"""The gist of an answer in each dialect: its words, the words it declines with, and its own reason to stop."""

from __future__ import annotations

from typing import Any, NamedTuple

from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing.wire import events, loads

Json = Any


class Gist(NamedTuple):
    text: str = ""
    refusal: str = ""
    stop: str = ""
    matched: str | None = None
    tokens: tuple[int, int] = (0, 0)  # in, out


def gist(dialect: str, content: bytes, stream: bool) -> Gist:
    """Of a whole answer, or of a stream's bytes. Errors: `AssertionError` where there is an error instead."""
    if not stream:
        return _READERS[dialect]([loads(content)], False)
    frames = [event.json for event in events(content) if event.data != "[DONE]"]
    for frame in frames:
        assert "error" not in frame or frame["error"] is None, frame
        assert frame.get("type") not in ("error", "response.failed"), frame
    return _READERS[dialect](frames, True)


def _chat(frames: list[Json], stream: bool) -> Gist:
    text, refusal, stop, tokens = "", "", "", (0, 0)
    for frame in frames:
        for choice in frame["choices"]:
            said = choice["delta" if stream else "message"]
            text += said.get("content") or ""
            refusal += said.get("refusal") or ""
            stop = choice["finish_reason"] or stop
        usage = frame.get("usage")
        if usage:
            tokens = (usage["prompt_tokens"], usage["completion_tokens"])
    return Gist(text, refusal, stop, None, tokens)


def _responses(frames: list[Json], stream: bool) -> Gist:
    response = frames[-1]["response"] if stream else frames[0]
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    said = "".join(part["text"] for part in parts if part["type"] == "output_text")
    refused = "".join(part["refusal"] for part in parts if part["type"] == "refusal")
    if stream:
        deltas = {name: "".join(f["delta"] for f in frames if f["type"] == name) for name in _DELTAS}
        assert (deltas[_DELTAS[0]], deltas[_DELTAS[1]]) == (said, refused)
    reason = (response.get("incomplete_details") or {}).get("reason")
    usage = response.get("usage") or {"input_tokens": 0, "output_tokens": 0}  # unknown counts are null
    return Gist(said, refused, reason or response["status"], None, (usage["input_tokens"], usage["output_tokens"]))


_DELTAS = ("response.output_text.delta", "response.refusal.delta")


def _messages(frames: list[Json], stream: bool) -> Gist:
    if not stream:
        [body] = frames
        text = "".join(block["text"] for block in body["content"] if block["type"] == "text")
        end, usage = body, body.get("usage") or {}
    else:
        deltas = [frame["delta"] for frame in frames if frame["type"] == "content_block_delta"]
        text = "".join(delta["text"] for delta in deltas if delta["type"] == "text_delta")
        [last] = [frame for frame in frames if frame["type"] == "message_delta"]
        end, usage = last["delta"], {**frames[0]["message"].get("usage", {}), **last.get("usage", {})}
    tokens = (usage.get("input_tokens", 0), usage.get("output_tokens", 0))
    return Gist(text, "", end["stop_reason"], end.get("stop_sequence"), tokens)


def _contents(frames: list[Json], stream: bool) -> Gist:
    text, stop = "", ""
    for frame in frames:
        for candidate in frame.get("candidates", ()):
            parts = candidate.get("content", {}).get("parts", ())
            text += "".join(part.get("text", "") for part in parts if not part.get("thought"))
            stop = candidate.get("finishReason", stop)
        stop = frame.get("promptFeedback", {}).get("blockReason", stop)
    usage = frames[-1].get("usageMetadata", {})
    return Gist(text, "", stop, None, (usage.get("promptTokenCount", 0), usage.get("candidatesTokenCount", 0)))


_READERS = {OPENAI_CHAT: _chat, OPENAI_RESPONSES: _responses, ANTHROPIC: _messages, GEMINI: _contents}
