"""A provider's stream, as signals.

Parts are known by ``output_index`` and ``content_index``: some backends change the item's id with every event.
What a backend says only once, in a ``done`` event or in the final object, is taken from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from omniroute_hooks import BrokenStream, SseDecoder
from omniroute_hooks.events import (
    Broke,
    Cited,
    Signal,
    Terminal,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
)
from omniroute_hooks.jsonio import loads_upstream

from ..surrogates import Halves
from .answer_in import begin_of, ending, failure_of, output_signals
from .citations import read_annotation
from .errors import stream_error
from .item_signals import GAP, PARTS_PER_ITEM, item_signals, text_of

Json = Mapping[str, Any]
_CALLS = ("function_call", "custom_tool_call")


class Decoder(SseDecoder):
    """Decoder of one answer's events."""

    # Only events about the whole answer hold a ``response``; quotes inside text are escaped.
    marks = (b'"response"', b'"error"', b'"detail"', b"event: error")

    def __init__(self, watch: bool = False) -> None:
        super().__init__(watch)
        self._keys: dict[int, int] = {}  # output index -> key of the item that is there now
        self._by_id: dict[str, int] = {}
        self._shared = False  # whether several items were given one index
        self._key = 0  # the item of the last event
        self._count = 0
        self._who: dict[int, tuple[str, str]] = {}
        self._closed: set[int] = set()
        self._heard: set[int] = set()  # texts of which deltas came
        self._thought: set[int] = set()
        self._cited: set[int] = set()
        self._section: dict[int, tuple[str, int]] = {}  # the part of the reasoning that came last
        self._anything = False
        self._here: tuple[Any, Any] | None = None  # place and part of the text that is being said
        self._here_key = 0
        self._halved = False  # whether characters may be cut in two: only what the strict parser refused
        self._halves = Halves()
        self._known: dict[str, Callable[[Json, list[Signal]], None]] = {
            "response.output_text.delta": self._text,
            "response.function_call_arguments.delta": self._arguments,
            "response.reasoning_summary_text.delta": self._summary,
            "response.reasoning_text.delta": self._thoughts,
            "response.custom_tool_call_input.delta": self._input,
            "response.refusal.delta": self._refusal,
            "response.output_text.done": self._text_done,
            "response.refusal.done": self._refusal_done,
            "response.output_text.annotation.added": self._annotation,
            "response.function_call_arguments.done": self._arguments_done,
            "response.custom_tool_call_input.done": self._input_done,
            "response.output_item.added": self._added,
            "response.output_item.done": self._done,
        }
        self._lifecycle: dict[str, Callable[[Json, list[Signal]], None]] = {
            "response.created": self._begun,
            "response.in_progress": self._begun,
            "response.queued": self._begun,
            "response.completed": self._finished,
            "response.incomplete": self._finished,
            "response.done": self._finished,
            "response.failed": self._failed,
            "response.cancelled": self._failed,
            "error": self._error,
        }

    def frame(self, event: str, data: bytes, out: list[Signal]) -> None:
        """One event. Unknown types are passed over."""
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            if data.strip() == b"[DONE]":
                return
            try:
                value = loads_upstream(data)
            except (ValueError, RecursionError):
                out.append(Broke(BrokenStream("The provider's stream holds data that is not JSON.")))
                return
            self._halved, self._here = True, None
        if not isinstance(value, dict):
            out.append(Broke(BrokenStream("The provider's stream holds data that is no event.")))
            return
        kind = value.get("type")
        if not isinstance(kind, str):
            kind = event
        handle = None if self._watch else self._known.get(kind)
        if handle is None:
            handle = self._lifecycle.get(kind)
        if handle is not None:
            handle(value, out)
        elif value.get("error") or (not kind and "detail" in value):
            self._error(value, out)

    # where an event belongs ---------------------------------------------------

    def _item(self, value: Json) -> int:
        """The key of the item that this event is about."""
        place = value.get("output_index")
        key = self._keys.get(place) if type(place) is int else None
        if key is None or self._shared:
            named = self._by_id.get(text_of(value.get("item_id")))
            if named is not None:
                key = named
            elif key is None:
                key = self._new(place) if type(place) is int or not self._count else self._key
        self._key = key
        return key

    def _new(self, place: Any) -> int:
        key = self._count * PARTS_PER_ITEM
        self._count += 1
        if type(place) is int:
            self._keys[place] = key
        return key

    def _part(self, value: Json) -> int:
        number = value.get("content_index")
        if type(number) is int and 0 <= number < PARTS_PER_ITEM:
            return self._item(value) + number
        return self._item(value)

    def _enter(self, value: Json, item: Json) -> int:
        """The key of the item that is added or done here: an index may be used a second time."""
        who = (text_of(item.get("type")), text_of(item.get("call_id")) or text_of(item.get("id")))
        place = value.get("output_index")
        key = self._by_id.get(who[1]) if who[1] else None
        if key is None:
            key = self._keys.get(place) if type(place) is int else None
            there = None if key is None else self._who.get(key)
            # Ids may change on the way, types do not; an item that is done makes room for another.
            other = there is not None and (there[0] != who[0] or (who[0] in _CALLS and who[1] != there[1]))
            if key is None or other or key in self._closed:
                self._shared = self._shared or (key is not None and key not in self._closed)
                key = self._new(place)
        self._here = None
        self._who[key] = who
        for name in ("id", "call_id"):
            if text_of(item.get(name)):
                self._by_id[item[name]] = key
        self._key = key
        return key

    # deltas -------------------------------------------------------------------

    def _text(self, value: Json, out: list[Signal]) -> None:
        delta = value.get("delta")
        here = (value.get("output_index"), value.get("content_index"))
        if here == self._here and isinstance(delta, str) and delta:  # as nearly always
            out.append(TextDelta(self._here_key, delta))
            return
        key = self._words(value, False, out)
        if key is not None and type(here[0]) is int and not self._shared and not self._halved:
            self._here, self._here_key = here, key

    def _refusal(self, value: Json, out: list[Signal]) -> None:
        self._words(value, True, out)

    def _words(self, value: Json, refusal: bool, out: list[Signal]) -> int | None:
        """The key under which something was said."""
        delta = text_of(value.get("delta"))
        key = self._part(value)
        if not delta or self._key in self._closed:
            return None
        self._heard.add(key)
        self._anything = True
        out.append(TextDelta(key, self._joined(key, delta), refusal))
        return key

    def _joined(self, key: int, delta: str) -> str:
        return self._halves.join(key, delta) if self._halved else delta

    def _arguments(self, value: Json, out: list[Signal]) -> None:
        self._more(value, "function", out)

    def _input(self, value: Json, out: list[Signal]) -> None:
        self._more(value, "custom", out)

    def _more(self, value: Json, kind: Any, out: list[Signal]) -> None:
        delta = value.get("delta")
        if isinstance(delta, str) and delta:
            key = self._item(value)
            if key not in self._closed:
                self._anything = True
                out.append(ToolDelta(key, self._joined(key, delta), kind=kind))

    def _summary(self, value: Json, out: list[Signal]) -> None:
        self._think("summary", value.get("summary_index"), value, out)

    def _thoughts(self, value: Json, out: list[Signal]) -> None:
        self._think("content", 0, value, out)

    def _think(self, kind: str, number: Any, value: Json, out: list[Signal]) -> None:
        delta = value.get("delta")
        if not isinstance(delta, str) or not delta:
            return
        key = self._item(value)
        if key in self._closed:
            return
        here = (kind, number if isinstance(number, int) else 0)
        before = self._section.get(key)
        if before is None:
            self._thought.add(key)
            self._anything = True
            out.append(ThinkingDelta(key, "", text_of(value.get("item_id")) or None))
        elif before[0] != kind:
            return  # the same thoughts a second time: in full, and as a summary
        elif before != here:
            delta = GAP + delta
        self._section[key] = here
        out.append(ThinkingDelta(key, self._joined(key, delta)))

    # what is complete -----------------------------------------------------------

    def _text_done(self, value: Json, out: list[Signal]) -> None:
        self._words_done(value, text_of(value.get("text")), False, out)

    def _refusal_done(self, value: Json, out: list[Signal]) -> None:
        self._words_done(value, text_of(value.get("refusal")), True, out)

    def _words_done(self, value: Json, words: str, refusal: bool, out: list[Signal]) -> None:
        key = self._part(value)
        if words and key not in self._heard and self._key not in self._closed:
            self._heard.add(key)
            self._anything = True
            out.append(TextDelta(key, words, refusal))

    def _annotation(self, value: Json, out: list[Signal]) -> None:
        citation = read_annotation(value.get("annotation"))
        key = self._part(value)
        if citation is not None and self._key not in self._closed:
            self._cited.add(key)
            self._anything = True
            out.append(Cited(key, citation))

    def _arguments_done(self, value: Json, out: list[Signal]) -> None:
        self._whole(value, value.get("arguments"), "function", out)

    def _input_done(self, value: Json, out: list[Signal]) -> None:
        self._whole(value, value.get("input"), "custom", out)

    def _whole(self, value: Json, given: Any, kind: Any, out: list[Signal]) -> None:
        key = self._item(value)
        if key not in self._closed:
            self._anything = True
            out.append(ToolDelta(key, text_of(given), name=text_of(value.get("name")) or None, kind=kind, whole=True))

    def _added(self, value: Json, out: list[Signal]) -> None:
        item = value.get("item")
        if not isinstance(item, dict):
            return
        key = self._enter(value, item)
        kind = item.get("type")
        if kind in _CALLS and key not in self._closed:
            self._anything = True
            out.append(
                ToolDelta(
                    key,
                    "",
                    text_of(item.get("call_id")) or text_of(item.get("id")) or None,
                    text_of(item.get("name")) or None,
                    "custom" if kind == "custom_tool_call" else "function",
                    text_of(item.get("namespace")) or None,
                )
            )

    def _done(self, value: Json, out: list[Signal]) -> None:
        item = value.get("item")
        if not isinstance(item, dict):
            return
        key = self._enter(value, item)
        if key not in self._closed:
            self._closed.add(key)
            self._anything = True
            item_signals(item, key, self._heard, self._thought, self._cited, out)

    # the answer as a whole --------------------------------------------------------

    def _begun(self, value: Json, out: list[Signal]) -> None:
        out.append(begin_of(_response(value)))

    def _finished(self, value: Json, out: list[Signal]) -> None:
        response = _response(value)
        if response.get("error") or response.get("status") in ("failed", "cancelled"):
            out.append(Broke(failure_of(response)))
            return
        out.append(begin_of(response))
        if not self._anything and not self._watch:
            output_signals(response, out)
        kind = text_of(value.get("type"))
        if "status" not in response and kind in ("response.completed", "response.incomplete"):
            response = {**response, "status": kind.removeprefix("response.")}
        out += ending(response)
        out.append(Terminal())

    def _failed(self, value: Json, out: list[Signal]) -> None:
        response = _response(value)
        out.append(Broke(failure_of(response) if response.get("error") or "status" in response else _error_of(value)))

    def _error(self, value: Json, out: list[Signal]) -> None:
        out.append(Broke(_error_of(value)))


def _response(value: Json) -> Json:
    response = value.get("response")
    return response if isinstance(response, dict) else {}


def _error_of(value: Json) -> Any:
    if value.get("error"):
        return stream_error(value)
    return stream_error({name: v for name, v in value.items() if name != "type"})
