"""A provider's stream as signals.

Keys of parts: ``TEXT`` for what is shown, ``("r", n)`` for reasoning, running numbers for calls. Providers
repeat ids and names, leave out indexes, send arguments as objects and finish more than once: see the tests
named after the bug catalogue.
"""

from __future__ import annotations

from typing import Any

import orjson
from omniroute_hooks import (
    BrokenStream,
    SseDecoder,
    Stop,
)
from omniroute_hooks.events import (
    Begin,
    Broke,
    Cited,
    Sealed,
    Signal,
    Stopped,
    Terminal,
    TextDelta,
    TextRun,
    ThinkingDelta,
    ToolDelta,
    WholePart,
)
from omniroute_hooks.jsonio import loads_upstream
from omniroute_hooks.sse import parse_frame

from ..surrogates import Halves
from .answer_in import arguments_text, citations_of, created_s, images_of, pieces_of, seal_of
from .call_pieces import CallsInPieces
from .chunk_signals import NO_JSON, UNREADABLE, Counts, ending, no_object
from .errors_in import error_of, holds_error
from .plain_body import PlainBody
from .repeats import Mould
from .think_tags import ThinkTags
from .thought_pieces import ThoughtPieces
from .thoughts import shown_thought

TEXT = "text"
SHORT_RUN = 4  # frames; to look for a run of fewer is not worth it
MOST_SHORT_RUNS = 3  # in a row, until nobody looks any more
_ODD = ("reasoning_details", "refusal", "annotations", "images", "function_call", "extra_content")


class ChatDecoder(SseDecoder):
    """Frames in, signals out; see `omniroute_hooks.SseDecoder`."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = False
        self._said = False
        self._stopped = False
        self._calls = CallsInPieces()
        self._counts = Counts()
        self._thoughts = ThoughtPieces()
        self._think: ThinkTags | None = ThinkTags()
        self._halves: Halves | None = None  # only JSON that orjson refuses can hold half a character
        self._body = PlainBody()  # an answer may turn out to be no stream
        self._mould = Mould()
        self._short_runs = 0
        self._plain = False  # whether text goes through as it comes: no tags, no half characters

    def feed(self, chunk: bytes) -> list[Signal]:
        """Signals of all frames that are whole by now."""
        try:
            chunk = self._body.sift(chunk)
            if not chunk:
                return []
            data = self._splitter.whole(chunk)
            return self._frames(self._splitter.feed(chunk)) if data is None else self._read(data)
        except BrokenStream as exc:
            return [Broke(exc)]

    def _read(self, data: bytes) -> list[Signal]:
        """Whole frames with lines that end in LF: most of them are like the one before, and are taken together."""
        out: list[Signal] = []
        mould, start, length = self._mould, 0, len(data)
        while start < length:
            end = data.find(b"\n\n", start)
            end = length if end < 0 else end
            if self._plain and mould.fits(data, start, end):
                if end < length and self._short_runs < MOST_SHORT_RUNS:
                    texts, literals, behind = mould.run(data, start)
                    self._short_runs = self._short_runs + 1 if len(texts) < SHORT_RUN else 0
                    if texts:
                        out.append(TextRun(TEXT, texts, literals))
                        start = behind
                        continue
                elif text := mould.text(data, start, end):
                    out.append(TextDelta(TEXT, text))
                    start = end + 2
                    continue
            self._raw(data[start:end], out)
            start = end + 2
        return out

    def end(self) -> list[Signal]:
        """Signals of a last frame without a blank line, and of an answer that was no stream at all."""
        if self._body.body is not None:
            return self._body.signals()
        out = super().end()
        self._flush(out)
        return out

    def _frames(self, raws: list[bytes]) -> list[Signal]:
        out: list[Signal] = []
        for raw in raws:
            self._raw(raw, out)
        return out

    def _raw(self, raw: bytes, out: list[Signal]) -> None:
        if raw.startswith(b"data: ") and b"\n" not in raw and b"\r" not in raw:
            before = len(out)
            self.frame("", raw[6:], out)
            self._plain = self._begun and self._think is None and self._halves is None
            if self._plain and len(out) == before + 1 and type(last := out[-1]) is TextDelta:
                self._mould.learn(raw, last.text)
        elif (frame := parse_frame(raw)) is not None:
            self.frame(frame.event, frame.data, out)

    def frame(self, event: str, data: bytes, out: list[Signal]) -> None:
        """What one chunk says."""
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            if data.strip() == b"[DONE]":
                self._done(out)
                return
            self._halves = self._halves or Halves()
            try:
                chunk = loads_upstream(data) if data.strip() else {}
            except (ValueError, RecursionError):
                out.append(Broke(BrokenStream(NO_JSON)))
                return
        try:
            self._chunk(chunk, out)
            if event == "error" and chunk and not (out and isinstance(out[-1], Broke)):
                out.append(Broke(error_of(chunk)))
        except (TypeError, ValueError, AttributeError, LookupError, RecursionError):
            out.append(Broke(BrokenStream(UNREADABLE)))

    def _chunk(self, chunk: Any, out: list[Signal]) -> None:
        if type(chunk) is not dict:
            out.append(no_object(chunk))
            return
        choices = chunk.get("choices")
        usage = chunk.get("usage")
        if type(choices) is list and choices:
            if not self._begun:
                self._begin(chunk, out)
            for choice in choices:
                # A caller who wants several choices gets them untranslated; here only the first counts.
                if type(choice) is not dict or choice.get("index"):
                    continue
                delta = choice.get("delta")
                if type(delta) is dict:
                    self._delta(delta, out)
                elif not self._said and type(choice.get("message")) is dict:
                    self._delta(choice["message"], out)
                elif type(choice.get("text")) is str and choice["text"]:
                    self._text(choice["text"], out)
                if choice.get("error"):
                    out.append(Broke(error_of(choice)))
                if choice.get("finish_reason") is not None and not chunk.get("error"):
                    self._finish(choice, out)
                usage = usage or choice.get("usage")
            if "error" in chunk:
                self._without_choices(chunk, out)
        else:
            self._without_choices(chunk, out)
        if usage or "x_groq" in chunk:
            self._count(chunk, out)

    def _without_choices(self, chunk: dict[str, Any], out: list[Signal]) -> None:
        if holds_error(chunk):
            out.append(Broke(error_of(chunk)))

    def _begin(self, chunk: dict[str, Any], out: list[Signal]) -> None:
        self._begun = True
        answer_id, model = chunk.get("id"), chunk.get("model")
        out.append(
            Begin(
                answer_id if isinstance(answer_id, str) and answer_id else None,
                model if isinstance(model, str) and model else None,
                created_s(chunk.get("created")),
            )
        )

    def _delta(self, delta: dict[str, Any], out: list[Signal]) -> None:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought:
            self._thought(delta, out)
        content = delta.get("content")
        if content:
            if type(content) is str:
                if self._think is None and self._halves is None:
                    self._said = True
                    out.append(TextDelta(TEXT, content))
                else:
                    self._text(content, out)
            else:
                for inside, piece in pieces_of(content):
                    if inside:
                        self._said = True
                        out.append(ThinkingDelta(self._thoughts.key, piece))
                    else:
                        self._text(piece, out)
        calls = delta.get("tool_calls")
        if calls:
            for call in calls if type(calls) is list else ():
                if type(call) is dict:
                    self._call(call, out)
        if len(delta) > 1 or not (content or thought or calls):
            for name in _ODD:
                if delta.get(name):
                    self._odd(delta, bool(thought), out)
                    break

    def _text(self, text: str, out: list[Signal]) -> None:
        self._said = True
        if self._halves is not None:
            text = self._halves.join(TEXT, text)
        if self._think is None:
            if text:
                out.append(TextDelta(TEXT, text))
            return
        for inside, piece in self._think.feed(text):
            out.append(ThinkingDelta("tag", piece) if inside else TextDelta(TEXT, piece))
        if self._think.plain:
            self._think = None

    def _thought(self, delta: dict[str, Any], out: list[Signal]) -> None:
        text = shown_thought(delta)
        if text:
            self._said = True
            self._flush(out)  # whoever has a field for reasoning sends no tags
            if self._halves is not None:
                text = self._halves.join("r", text)
            out.append(ThinkingDelta(self._thoughts.key, text))

    def _call(self, call: dict[str, Any], out: list[Signal]) -> None:
        inner = call.get("function")
        if type(inner) is dict and len(inner) == 1 and not call.get("id") and self._halves is None:
            known = self._calls.at(call.get("index"))  # a later fragment, as nearly all are
            text = inner.get("arguments")
            if known is not None and known.name and known.id and type(text) is str and "extra_content" not in call:
                self._calls.last = known
                known.pieces.append(text)
                out.append(ToolDelta(known.key, text))
                return
        custom = call.get("custom")
        inner = custom if type(custom) is dict else inner
        if type(inner) is not dict:
            inner = call
        call_id, name = call.get("id"), inner.get("name")
        call_id = call_id if type(call_id) is str else ""
        name = name if type(name) is str else ""
        arguments = inner.get("input" if inner is custom else "arguments")
        text = arguments if type(arguments) is str else arguments_text(arguments)
        known = self._calls.find(call.get("index"), call_id, name)
        if self._halves is not None:
            text = self._halves.join(known.key, text)
        self._said = True
        if self._think is not None:
            self._flush(out)
        if text:
            known.pieces.append(text)
        seal = seal_of(call) if "extra_content" in call else None
        if known.id and known.name and seal is None:
            out.append(ToolDelta(known.key, text))
            return
        known.id, known.name = known.id or call_id, known.name or name
        if inner is custom or call.get("type") == "custom":
            known.kind = "custom"
        kind = known.kind or "function"
        out.append(ToolDelta(known.key, text, call_id or None, name or None, kind, seal=seal))  # type: ignore[arg-type]

    def _odd(self, delta: dict[str, Any], shown: bool, out: list[Signal]) -> None:
        """Fields that few chunks have."""
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self._said = True
            out.append(TextDelta(TEXT, refusal, refusal=True))
        details = delta.get("reasoning_details")
        if isinstance(details, list):
            for detail in details:
                if isinstance(detail, dict):
                    before = len(out)
                    self._thoughts.read(detail, shown, out)
                    self._said = self._said or len(out) > before
        out.extend(Cited(TEXT, citation) for citation in citations_of(delta.get("annotations")))
        for position, image in enumerate(images_of(delta.get("images"))):
            self._said = True
            out.append(WholePart(f"image{position}", image))
        legacy = delta.get("function_call")
        if isinstance(legacy, dict):
            self._call({"index": 0, "function": legacy}, out)
        seal = seal_of(delta)
        if seal is not None:
            self._said = True
            out.append(Sealed(TEXT, seal))

    def _finish(self, choice: dict[str, Any], out: list[Signal]) -> None:
        end = ending(choice)
        if end is not None:
            out.append(end)
            self._stopped = self._stopped or isinstance(end, Stopped)  # some repeat the reason in every chunk

    def _count(self, chunk: dict[str, Any], out: list[Signal]) -> None:
        counted = self._counts.read(chunk)
        if counted is not None:
            out.append(counted)

    def _done(self, out: list[Signal]) -> None:
        self._flush(out)
        if not self._stopped and self._said and self._calls.whole:
            # No reason was given, but the end mark has come and nothing is cut: the answer is whole.
            out.append(Stopped(Stop("other")))
        out.append(Terminal())

    def _flush(self, out: list[Signal]) -> None:
        """What was held back because it might have been part of a tag."""
        if self._think is not None:
            for inside, piece in self._think.end():
                out.append(ThinkingDelta("tag", piece) if inside else TextDelta(TEXT, piece))
            self._think = None
