"""What a strict client makes of a stream of OpenAI's Responses dialect.

Every rule of the vendor's own accumulator is checked here, and that what was streamed is what the items and
the final response say: some clients read the one, some the other.

Source: the vendor's API reference, "Streaming events"; `openai-python`, ``lib/streaming/responses``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from ..expectations import array, equal, mapping, must, number, one_of, present, text
from ..neutral import Heard
from ..wire import events
from .openai_responses_heard import check_item, check_response, read_answer

Json = Any


@define
class _Part:
    """A content or summary part: what was streamed of it."""

    kind: str
    text: str = ""
    told: bool = False  # its text's done event has come
    done: bool = False


@define
class _Item:
    """An output item in the making."""

    id: str
    kind: str
    parts: dict[tuple[str, int], _Part] = field(factory=dict)
    arguments: str = ""
    told: bool = False
    finished: dict[str, Json] | None = None


@define
class _Stream:
    response: dict[str, Json] | None = None
    items: list[_Item] = field(factory=list)
    heard: Heard | None = None


def read_stream(data: bytes) -> Heard:
    """What the events say. Errors: `AssertionError` on the first that breaks a rule."""
    stream = _Stream()
    for place, event in enumerate(events(data)):
        body = event.json
        kind = text(body, "type", filled=True)
        must(event.name == kind, f"event {event.name!r} has data of type {kind!r}")
        equal(body, "sequence_number", place)
        must(stream.heard is None, f"{kind} comes after the end")
        must(place > 0 or kind in ("response.created", "error"), f"{kind} comes before response.created")
        if kind in _LIFE:
            _life(stream, kind, body)
        elif kind == "error":
            present(body, "code", "param")
            stream.heard = _broken(stream, text(body, "message", filled=True))
        elif kind == "response.output_item.added":
            _added(stream, body)
        elif kind == "response.output_item.done":
            _done(_item(stream, body["output_index"], body["item"]["id"]), mapping(body, "item"))
        else:
            must(kind in _WITHIN, f"{kind} is no event that was asked for")
            _WITHIN[kind](_item(stream, number(body, "output_index"), text(body, "item_id")), body)
    if stream.heard is None:
        raise AssertionError("there is no response.completed, response.incomplete or response.failed")
    return stream.heard


_LIFE = {
    "response.created": "in_progress",
    "response.in_progress": "in_progress",
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}


def _life(stream: _Stream, kind: str, body: Mapping[str, Json]) -> None:
    response = mapping(body, "response")
    check_response(response, (_LIFE[kind],))
    if kind == "response.created":
        must(stream.response is None, "response.created comes twice")
        stream.response = response
    known = stream.response
    must(known is not None and known["id"] == response["id"], "the response's id changes within the stream")
    if _LIFE[kind] == "in_progress":
        must(response["output"] == [], "output must be empty at the beginning")
        must(not stream.items, f"{kind} comes after items")
        return
    if kind == "response.failed":
        error = mapping(response, "error")
        text(error, "code", filled=True)
        stream.heard = _broken(stream, text(error, "message", filled=True))
        return
    must(response["error"] is None, f"{kind} has an error")
    open_items = [item.id for item in stream.items if item.finished is None]
    must(not open_items, f"items {open_items} are still open at the end")
    must(
        response["output"] == [item.finished for item in stream.items],
        "the final response's output is not what output_item.done said",
    )
    stream.heard = read_answer(response)


def _broken(stream: _Stream, message: str) -> Heard:
    parts = [(item.kind, part.text) for item in stream.items for part in item.parts.values()]
    return Heard(
        text="".join(words for kind, words in parts if kind == "message"),
        thinking="".join(words for kind, words in parts if kind == "reasoning"),
        stop=None,
        usage=None,
        error=message,
    )


def _added(stream: _Stream, body: Mapping[str, Json]) -> None:
    must(number(body, "output_index") == len(stream.items), "output_index must rise by one")
    must(all(item.finished is not None for item in stream.items), "an item begins while another is open")
    item = mapping(body, "item")
    kind = one_of(item, "type", ("message", "reasoning", "function_call"))
    if kind == "message":
        equal(item, "content", [])
        equal(item, "role", "assistant")
    elif kind == "reasoning":
        equal(item, "summary", [])
    else:
        equal(item, "arguments", "")
        text(item, "call_id", filled=True)
        text(item, "name", filled=True)
    if kind != "reasoning":
        equal(item, "status", "in_progress")
    stream.items.append(_Item(text(item, "id", filled=True), kind))


def _item(stream: _Stream, index: int, item_id: str) -> _Item:
    must(index < len(stream.items), f"item {index} has not been added")
    item = stream.items[index]
    must(item.finished is None, f"item {index} is already done")
    must(item.id == item_id, f"item {index} is {item.id!r}, not {item_id!r}")
    return item


def _done(item: _Item, final: dict[str, Json]) -> None:
    check_item(final)
    must(final["type"] == item.kind, "an item's type changes")
    loose = [key for key, part in item.parts.items() if not part.done]
    must(not loose, f"parts {loose} are still open when their item is done")
    if item.kind == "message":
        shown = [(p["type"], p["text"] if p["type"] == "output_text" else p["refusal"]) for p in final["content"]]
        must(shown == _streamed(item, "content"), "the finished message is not what was streamed")
    elif item.kind == "reasoning":
        summary = [(p["type"], p["text"]) for p in final["summary"]]
        must(summary == _streamed(item, "summary"), "the finished summary is not what was streamed")
    else:
        must(item.told, "function_call_arguments.done is missing")
        must(final["arguments"] == item.arguments, "the finished arguments are not what was streamed")
    item.finished = final


def _streamed(item: _Item, group: str) -> list[tuple[str, str]]:
    return [(part.kind, part.text) for key, part in sorted(item.parts.items()) if key[0] == group]


# Events within an item ---------------------------------------------------------------------------


def _part(item: _Item, group: str, body: Mapping[str, Json]) -> _Part:
    key = (group, number(body, f"{group}_index"))
    must(key in item.parts, f"{group} part {key[1]} has not been added")
    part = item.parts[key]
    must(not part.done, f"{group} part {key[1]} is already done")
    return part


def _part_added(group: str, kinds: Mapping[str, str]) -> Callable[[_Item, Mapping[str, Json]], None]:
    def added(item: _Item, body: Mapping[str, Json]) -> None:
        must(item.kind == ("message" if group == "content" else "reasoning"), f"a {item.kind} has no {group} parts")
        index = number(body, f"{group}_index")
        must(index == sum(key[0] == group for key in item.parts), f"{group}_index must rise by one")
        part = mapping(body, "part")
        kind = one_of(part, "type", tuple(kinds))
        equal(part, kinds[kind], "")
        if kind == "output_text":
            array(part, "annotations")
        item.parts[(group, index)] = _Part(kind)

    return added


def _part_done(group: str) -> Callable[[_Item, Mapping[str, Json]], None]:
    def done(item: _Item, body: Mapping[str, Json]) -> None:
        part = _part(item, group, body)
        must(part.told, "a part is done before its text is")
        final = mapping(body, "part")
        equal(final, "type", part.kind)
        equal(final, "refusal" if part.kind == "refusal" else "text", part.text)
        part.done = True

    return done


def _delta(group: str, kind: str) -> Callable[[_Item, Mapping[str, Json]], None]:
    def delta(item: _Item, body: Mapping[str, Json]) -> None:
        part = _part(item, group, body)
        must(part.kind == kind and not part.told, f"a delta of {kind} does not fit here")
        part.text += text(body, "delta", filled=True)
        if kind == "output_text":
            array(body, "logprobs")

    return delta


def _text_done(group: str, kind: str) -> Callable[[_Item, Mapping[str, Json]], None]:
    def done(item: _Item, body: Mapping[str, Json]) -> None:
        part = _part(item, group, body)
        must(part.kind == kind and not part.told, f"the end of {kind} does not fit here")
        equal(body, "refusal" if kind == "refusal" else "text", part.text)
        part.told = True

    return done


def _annotated(item: _Item, body: Mapping[str, Json]) -> None:
    _part(item, "content", body)
    number(body, "annotation_index")
    mapping(body, "annotation")


def _arguments_delta(item: _Item, body: Mapping[str, Json]) -> None:
    must(item.kind == "function_call" and not item.told, "arguments do not fit here")
    item.arguments += text(body, "delta", filled=True)


def _arguments_done(item: _Item, body: Mapping[str, Json]) -> None:
    must(item.kind == "function_call" and not item.told, "the end of arguments does not fit here")
    final = text(body, "arguments", filled=True)
    # A call without arguments may say "{}" at once, and a backend that sends no deltas says all of it here.
    must(item.arguments in ("", final), "the finished arguments are not what was streamed")
    item.arguments = final
    item.told = True


_WITHIN: Mapping[str, Callable[[_Item, Mapping[str, Json]], None]] = {
    "response.content_part.added": _part_added("content", {"output_text": "text", "refusal": "refusal"}),
    "response.content_part.done": _part_done("content"),
    "response.output_text.delta": _delta("content", "output_text"),
    "response.output_text.done": _text_done("content", "output_text"),
    "response.output_text.annotation.added": _annotated,
    "response.refusal.delta": _delta("content", "refusal"),
    "response.refusal.done": _text_done("content", "refusal"),
    "response.function_call_arguments.delta": _arguments_delta,
    "response.function_call_arguments.done": _arguments_done,
    "response.reasoning_summary_part.added": _part_added("summary", {"summary_text": "text"}),
    "response.reasoning_summary_part.done": _part_done("summary"),
    "response.reasoning_summary_text.delta": _delta("summary", "summary_text"),
    "response.reasoning_summary_text.done": _text_done("summary", "summary_text"),
}
