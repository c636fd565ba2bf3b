"""What a strict client makes of a ``response`` object of OpenAI's Responses dialect.

Source: the vendor's API reference, "The response object", and the required fields of its Python SDK's types.
"""

from __future__ import annotations

from typing import Any

from ..expectations import array, equal, mapping, must, number, one_of, present, text
from ..neutral import Call, Heard, StopWord, Tokens
from ..wire import loads

Json = Any


def read_answer(body: Json) -> Heard:
    """What a whole ``response`` says."""
    status = check_response(body, ("completed", "incomplete"))
    stop: StopWord = "end"
    if status == "incomplete":
        reason = one_of(mapping(body, "incomplete_details"), "reason", ("max_output_tokens", "content_filter"))
        stop = "length" if reason == "max_output_tokens" else "filtered"
    else:
        must(body["incomplete_details"] is None, "a completed response has incomplete_details")
    said, thought, calls, seal = "", "", [], None
    ids = set()
    for item in array(body, "output"):
        must(item.get("id") not in ids, f"two items have the id {item.get('id')!r}")
        ids.add(check_item(item))
        if item["type"] == "message":
            for part in item["content"]:
                said += part["text"] if part["type"] == "output_text" else part["refusal"]
        elif item["type"] == "reasoning":
            parts = item["summary"] or item.get("content") or []
            thought += "".join(part["text"] for part in parts)
            seal = seal or item.get("encrypted_content")
        else:
            args = loads(item["arguments"])
            must(isinstance(args, dict), "arguments must be the JSON text of an object")
            calls.append(Call(item["call_id"], item["name"], args))
    if calls and stop == "end":
        stop = "tool"
    return Heard(
        text=said,
        thinking=thought,
        tool_calls=calls,
        stop=stop,
        usage=read_usage(mapping(body, "usage")),
        signature=seal,
        model=body["model"],
        id=body["id"],
    )


def check_response(body: Json, statuses: tuple[str, ...]) -> str:
    """The shape of a response at any time of its life; gives its status."""
    equal(body, "object", "response")
    must(text(body, "id").startswith("resp_"), "a response's id begins with resp_")
    must(number(body, "created_at", least=1) < 10**11, "created_at is in seconds")
    text(body, "model", filled=True)
    array(body, "output")
    array(body, "tools")
    present(body, "error", "incomplete_details", "instructions", "metadata", "temperature", "top_p", "tool_choice")
    must(isinstance(body.get("parallel_tool_calls"), bool), "parallel_tool_calls must be true or false")
    return one_of(body, "status", statuses)


def check_item(item: Json) -> str:
    """The shape of a finished output item; gives its id."""
    kind = one_of(item, "type", ("message", "reasoning", "function_call"))
    prefix = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_"}[kind]
    item_id = text(item, "id", filled=True)
    must(item_id.startswith(prefix), f"the id {item_id!r} of a {kind} must begin with {prefix}")
    must(len(item_id) <= 64, "an item's id is longer than 64")
    if kind == "message":
        equal(item, "role", "assistant")
        one_of(item, "status", ("completed", "incomplete"))
        for part in array(item, "content"):
            if one_of(part, "type", ("output_text", "refusal")) == "output_text":
                text(part, "text")
                array(part, "annotations")
            else:
                text(part, "refusal")
    elif kind == "reasoning":
        for part in array(item, "summary"):
            equal(part, "type", "summary_text")
            text(part, "text")
        must(item.get("status", "") is not None, "status must be left out of reasoning rather than null")
    else:
        one_of(item, "status", ("completed", "incomplete"))
        must(len(text(item, "call_id", filled=True)) <= 64, "call_id is longer than 64")
        text(item, "name", filled=True)
        text(item, "arguments", filled=True)
    return item_id


def read_usage(usage: Json) -> Tokens:
    """Counts that add up, with both detail objects, which strict clients demand."""
    inside = mapping(usage, "input_tokens_details")
    tokens = Tokens(
        input=number(usage, "input_tokens"),
        cached=number(inside, "cached_tokens"),
        written=inside.get("cache_write_tokens", 0),
        output=number(usage, "output_tokens"),
        reasoning=number(mapping(usage, "output_tokens_details"), "reasoning_tokens"),
    )
    must(number(usage, "total_tokens") == tokens.input + tokens.output, "total_tokens does not add up")
    must(tokens.cached + tokens.written <= tokens.input, "more is cached than was read")
    must(tokens.reasoning <= tokens.output, "more was reasoned than was written")
    return tokens
