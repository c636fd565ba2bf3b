"""Answers for callers, whole and as streams, read with the vendor's own client library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import openai
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omniroute_dialects.names import fit
from omniroute_dialects.openai_responses import DIALECT
from omniroute_hooks import (
    ANTHROPIC,
    GEMINI,
    Answer,
    Blob,
    BrokenStream,
    Citation,
    Conversation,
    GatewayError,
    Image,
    Opaque,
    RateLimited,
    Refusal,
    Seal,
    Stop,
    Text,
    Thinking,
    ToolCall,
    Unavailable,
    Usage,
)
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.conversation import Part
from omniroute_hooks.events import (
    Begin,
    Broke,
    Cited,
    Ended,
    Failed,
    Sealed,
    Signal,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UsageSeen,
    WholePart,
)
from openai.types.responses import Response, ResponseStreamEvent
from openai_responses_kit import answer_of, events_of, parse, reply, streamed
from pydantic import TypeAdapter

STRICT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
USAGE = Usage(input_fresh=3, cache_read=2, cache_write_5m=1, output_visible=4, reasoning=6)
ASKED_FOR: dict[str, Any] = {
    "instructions": "Be brief.",
    "tools": [
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False},
        {"type": "custom", "name": "apply_patch", "format": {"type": "text"}},
        {"type": "local_shell"},
        {"type": "shell"},
        {"type": "apply_patch"},
        {"type": "tool_search", "execution": "client"},
        {"type": "namespace", "name": "crm", "description": "d", "tools": [{"type": "function", "name": "get"}]},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "temperature": 0.5,
    "top_p": 0.9,
    "text": {"verbosity": "low"},
    "reasoning": {"effort": "high"},
    "truncation": "auto",
    "metadata": {"a": "b"},
    "store": True,
    "max_output_tokens": 100,
}
CALLER = parse(**ASKED_FOR)
CITED = Text("ab", (Citation(url="https://a", title="A", start=0, end=2), Citation(title="doc", cited_text="x")))

PARTS: dict[str, Sequence[Part]] = {
    "nothing": [],
    "text": [Text("Hello\n 🌍")],
    "texts": [Text("a"), Text("b"), CITED],
    "refusal": [Text("hm"), Refusal("I won't.")],
    "thoughts": [Thinking("hm", Seal("s", ANTHROPIC, "a", "m")), Text("so"), Thinking("again"), Text("then")],
    "own thoughts": [Thinking("hm", Seal("E", "openai-responses", "p", "m"), id="rs_1")],
    "hidden thoughts": [Thinking("", Seal("s", ANTHROPIC, "a", "m"), redacted=True), Text("so")],
    "thoughts that only sign": [Thinking("", Seal("s", GEMINI, "g", "m")), Text("so")],
    "call": [Text("ok"), ToolCall("t1", "f", '{"a":1}')],
    "calls": [ToolCall("t1", "f", '{"a":1}'), ToolCall("t2", "f", ""), ToolCall("t2", "f", "{}")],
    "freeform call": [ToolCall("t1", "apply_patch", "*** Begin", "custom")],
    "freeform call of others": [ToolCall("t1", "apply_patch", '{"input": "*** Begin"}')],
    "shell calls": [
        ToolCall("t1", "local_shell", '{"command":["ls"]}'),
        ToolCall("t2", "shell", '{"commands":["ls"]}'),
    ],
    "shell call without sense": [ToolCall("t1", "local_shell", '{"cmd": 1')],
    "search for tools": [ToolCall("t1", "tool_search", '{"query":"x"}')],
    "namespace": [ToolCall("t1", "crm__get", "{}"), ToolCall("t2", "get", "{}", namespace="crm")],
    "sealed": [
        Text("a", seal=Seal("s", GEMINI, "g", "m")),
        ToolCall("t1", "f", "{}", seal=Seal("s", GEMINI, "g", "m")),
    ],
    "image": [Image(Blob(mime="image/webp", data="AAAA"))],
    "image by address": [Image(Blob(url="https://a/b.png"))],
    "hosted": [
        Opaque(
            "openai-responses",
            "web_search_call",
            {
                "type": "web_search_call",
                "id": "ws_1",
                "status": "completed",
                "action": {"type": "search", "query": "q"},
            },
        )
    ],
    "others' hosted": [Opaque(ANTHROPIC, "server_tool_use", {"x": 1}, "searched"), Opaque(ANTHROPIC, "odd", {})],
}
EACH = pytest.mark.parametrize("parts", [pytest.param(p, id=name) for name, p in PARTS.items()])


def answer(parts: Sequence[Part], stop: Any = "end", usage: Usage | None = USAGE) -> Answer:
    return Answer(tuple(parts), Stop(stop), usage, "msg_upstream", "their-model", 1)


def said(value: Any) -> Any:
    """A model of the client library as plain JSON, without what was not there."""
    return orjson.loads(value.model_dump_json(exclude_unset=True))


@EACH
def test_a_whole_answer_keeps_the_vendors_types(parts: Sequence[Part]):
    body = DIALECT.render_answer(answer(parts), reply(CALLER))
    Response.model_validate(orjson.loads(orjson.dumps(body)), strict=True)
    assert (body["model"], body["status"], body["id"]) == ("x/gpt", "completed", "resp_r1")
    assert body["created_at"] == 1_700_000_000


@EACH
def test_a_streams_events_keep_the_vendors_types(parts: Sequence[Part]):
    for event in events_of(streamed(answer(parts), reply(CALLER))):
        STRICT.validate_python(event)


@EACH
def test_a_stream_ends_with_what_a_whole_answer_is(parts: Sequence[Part]):
    last = events_of(streamed(answer(parts), reply(CALLER)))[-1]
    assert last["response"] == DIALECT.render_answer(answer(parts), reply(CALLER))


@EACH
def test_b28_b29_items_are_the_same_wherever_they_are_told(parts: Sequence[Part]):
    events = events_of(streamed(answer(parts), reply(CALLER)))
    added = [
        (e["output_index"], e["item"]["type"], e["item"]["id"]) for e in events if e["type"].endswith("item.added")
    ]
    done = [(e["output_index"], e["item"]) for e in events if e["type"].endswith("item.done")]
    assert [item for _, item in done] == events[-1]["response"]["output"]
    assert [index for index, _ in done] == list(range(len(done)))
    assert added == [(index, item["type"], item["id"]) for index, item in done]
    assert len({item["id"] for _, item in done}) == len(done)


async def _accumulated(stream: bytes, cut: int = 0) -> tuple[Any, list[Any]]:
    """What the vendor's library makes of a stream, and the events it gave on the way."""

    async def chunks() -> Any:
        for start in range(0, len(stream), cut or len(stream)):
            yield stream[start : start + (cut or len(stream))]

    def canned(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=chunks())

    async with httpx.AsyncClient(transport=httpx.MockTransport(canned)) as http:
        client = openai.AsyncOpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0)
        async with client.responses.stream(model="x/gpt", input="hi") as events:
            seen = [event async for event in events]
            return await events.get_final_response(), seen


@EACH
async def test_the_vendors_library_puts_the_stream_together(parts: Sequence[Part]):
    stream = streamed(answer(parts), reply(CALLER))
    final, seen = await _accumulated(stream)
    expected = DIALECT.render_answer(answer(parts), reply(CALLER))
    assert [i.id for i in final.output] == [i["id"] for i in expected["output"]]
    texts = "".join(p.text for p in parts if isinstance(p, Text))
    if texts:
        assert final.output_text.startswith(texts)
    assert seen[0].type == "response.created"
    assert seen[-1].type == "response.completed"


async def test_deltas_add_up_in_the_vendors_library():
    parts = [Text("one"), Text("two"), ToolCall("t1", "f", '{"a":1}'), ToolCall("t2", "f", "")]
    _, seen = await _accumulated(streamed(answer(parts), reply(CALLER)), cut=7)
    texts = [e.snapshot for e in seen if e.type == "response.output_text.delta"]
    arguments = [e.snapshot for e in seen if e.type == "response.function_call_arguments.delta"]
    assert (texts, arguments) == (["one", "two"], ['{"a":1}', "{}"])


@pytest.mark.parametrize("name", sorted(PARTS))
def test_another_gateway_of_this_dialect_reads_the_same(name: str):
    parts = PARTS[name]
    again = answer_of(streamed(answer(parts), reply(CALLER)))
    assert [
        p.text for p in again.parts if isinstance(p, Text) and p.text in [q.text for q in parts if isinstance(q, Text)]
    ] == [p.text for p in parts if isinstance(p, Text)]
    assert len([p for p in again.parts if isinstance(p, ToolCall)]) == len(
        [p for p in parts if isinstance(p, ToolCall)]
    )
    assert again.usage == Usage(input_fresh=3, cache_read=2, cache_write_other=1, output_visible=4, reasoning=6)


# what is in the object -----------------------------------------------------------------


def test_every_response_object_repeats_the_request():
    for event in events_of(streamed(answer([Text("a")]), reply(CALLER))):
        if "response" not in event:
            continue
        response = event["response"]
        for name in set(ASKED_FOR) - {"text", "reasoning"}:
            assert response[name] == ASKED_FOR[name]
        assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
        assert response["reasoning"] == {"effort": "high", "summary": None}


def test_what_was_not_asked_has_the_vendors_defaults():
    body = DIALECT.render_answer(answer([Text("a")]), reply())
    assert (body["tools"], body["tool_choice"], body["parallel_tool_calls"]) == ([], "auto", True)
    assert (body["instructions"], body["metadata"], body["truncation"]) == (None, {}, "disabled")


def test_b119_usage_has_both_detail_objects():
    assert DIALECT.render_answer(answer([]), reply())["usage"] == {
        "input_tokens": 6,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 6},
        "total_tokens": 16,
    }
    assert DIALECT.render_answer(answer([], usage=None), reply())["usage"] is None


@pytest.mark.parametrize(
    ("stop", "status", "reason"),
    [
        ("end", "completed", None),
        ("stop_string", "completed", None),
        ("other", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("context_full", "incomplete", "max_output_tokens"),
        ("filtered", "incomplete", "content_filter"),
        ("pause", "incomplete", "max_messages"),
        ("malformed_call", "failed", None),
    ],
)
def test_b23_every_answer_has_exactly_one_end(stop: str, status: str, reason: str | None):
    events = events_of(streamed(answer([Text("par")], stop), reply()))
    ends = [e for e in events if e["type"] in ("response.completed", "response.incomplete", "response.failed")]
    assert [e["type"] for e in ends] == [f"response.{status}"]
    assert ends[0] is events[-1]
    response = ends[0]["response"]
    assert response["status"] == status
    assert response["incomplete_details"] == (reason and {"reason": reason})
    assert (response["error"] is not None) == (status == "failed")
    assert response["output"][0]["content"][0]["text"] == "par"


@pytest.mark.parametrize(
    "last", [Text("par"), ToolCall("t", "f", '{"a'), ToolCall("t", "local_shell", '{"command":["a"]}')]
)
def test_b19_the_item_that_was_cut_is_incomplete(last: Part):
    events = events_of(streamed(answer([ToolCall("s", "f", "{}"), last], "length"), reply(CALLER)))
    items = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    assert [i["status"] for i in items] == ["completed", "incomplete"]


# calls -----------------------------------------------------------------------------------


def items_of(*parts: Part, caller: Conversation = CALLER) -> list[dict[str, Any]]:
    return list(DIALECT.render_answer(answer(parts, "tool"), reply(caller))["output"])


@pytest.mark.parametrize("arguments", ['{"input":"*** Begin"}', '"*** Begin"', "*** Begin"])
def test_b51_freeform_input_is_unwrapped(arguments: str):
    (item,) = items_of(ToolCall("t", "apply_patch", arguments), caller=parse(tools=ASKED_FOR["tools"][:2]))
    assert (item["type"], item["name"], item["input"], item["call_id"]) == (
        "custom_tool_call",
        "apply_patch",
        "*** Begin",
        "t",
    )


def test_b51_freeform_input_comes_in_one_piece_once_it_is_known():
    machine = BlockMachine("r1")
    encoder = DIALECT.encoder(reply(CALLER))
    pieces = ['{"in', 'put": "***', ' Begin"}']
    data = encoder.encode(machine.feed([ToolDelta(0, "", "t", "apply_patch")]))
    for piece in pieces:
        data += encoder.encode(machine.feed([ToolDelta(0, piece)]))
    data += encoder.encode(machine.feed([TextDelta(1, "done")])) + encoder.encode(machine.fail(BrokenStream("cut")))
    deltas = [e["delta"] for e in events_of(data) if e["type"] == "response.custom_tool_call_input.delta"]
    assert deltas in ([], ["*** Begin"])
    assert b'{\\"in' not in data.split(b"response.failed")[0]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            ToolCall("t", "local_shell", '{"command":"ls -l","timeout_ms":5.0,"working_directory":"/a","x":1}'),
            {
                "type": "local_shell_call",
                "action": {
                    "type": "exec",
                    "command": ["bash", "-lc", "ls -l"],
                    "env": {},
                    "working_directory": "/a",
                    "timeout_ms": 5,
                },
            },
        ),
        (
            ToolCall("t", "shell", '{"commands":["a","b"],"timeout_ms":7}'),
            {"type": "shell_call", "action": {"commands": ["a", "b"], "timeout_ms": 7}},
        ),
        (
            ToolCall("t", "tool_search", '{"query":"x"}'),
            {"type": "tool_search_call", "arguments": {"query": "x"}, "execution": "client"},
        ),
        (
            ToolCall("t", "local_shell", '{"command":[]}'),
            {"type": "function_call", "name": "local_shell", "arguments": '{"command":[]}'},
        ),
        (ToolCall("t", "crm__get", "{}"), {"type": "function_call", "name": "get", "namespace": "crm"}),
        (ToolCall("t", "get", "{}"), {"type": "function_call", "name": "get", "namespace": "crm"}),
        (ToolCall("t", "unheard_of", "{}"), {"type": "function_call", "name": "unheard_of"}),
        (ToolCall("t" * 90, "f", "{}"), {"type": "function_call", "name": "f"}),
    ],
)
def test_calls_become_the_items_that_the_callers_tools_bring_about(call: ToolCall, expected: dict[str, Any]):
    (item,) = items_of(call)
    assert {name: item.get(name) for name in expected} == expected
    assert len(item["call_id"]) <= 64
    assert item["id"].startswith(("fc_", "ctc_", "lsh_", "sh_", "tsc_"))


@pytest.mark.parametrize(
    ("arguments", "operation"),
    [
        ('{"type":"update_file","path":"a","diff":"@@"}', {"type": "update_file", "path": "a", "diff": "@@"}),
        ('{"type":"delete_file","path":"a","diff":"x"}', {"type": "delete_file", "path": "a"}),
    ],
)
def test_patches_become_patch_calls(arguments: str, operation: dict[str, Any]):
    caller = parse(tools=[{"type": "apply_patch"}])
    (item,) = items_of(ToolCall("t", "apply_patch", arguments), caller=caller)
    assert (item["type"], item["operation"]) == ("apply_patch_call", operation)


def test_b49_long_names_in_namespaces_find_back():
    tools = [{"type": "namespace", "name": "n" * 40, "tools": [{"type": "function", "name": "g" * 40}]}]
    flat = fit("n" * 40 + "__" + "g" * 40, "a-zA-Z0-9_-", 64)
    (item,) = items_of(ToolCall("t", flat, "{}"), caller=parse(tools=tools))
    assert (item["name"], item["namespace"]) == ("g" * 40, "n" * 40)


def test_two_calls_never_share_an_id():
    first, second = items_of(ToolCall("t", "f", "{}"), ToolCall("t", "f", "{}"))
    assert first["call_id"] == "t"
    assert second["call_id"] not in ("t", "")


@pytest.mark.parametrize("name", ["thoughts", "own thoughts", "hidden thoughts", "thoughts that only sign", "sealed"])
def test_b67_b81_seals_come_back_with_the_history(name: str):
    output = DIALECT.render_answer(answer(PARTS[name]), reply(CALLER))["output"]
    history = [{"role": "user", "content": "a"}]
    for item in output:  # the way a client keeps them: each call with its result, reasoning without its id
        history.append({k: v for k, v in item.items() if k != "id"})
        if item["type"] == "function_call":
            history.append({"type": "function_call_output", "call_id": item["call_id"], "output": ""})
    back = [p for turn in parse(input=history).turns for p in turn.parts]
    for part in PARTS[name]:
        seal = getattr(part, "seal", None)
        if seal is None:
            continue
        same = [p for p in back if type(p) is type(part) and getattr(p, "seal", None) is not None]
        assert any(p.seal.value == seal.value and p.seal.dialect == seal.dialect for p in same)  # type: ignore[union-attr]
        if isinstance(part, Thinking) and seal.dialect != "openai-responses":
            assert any(isinstance(p, Thinking) and (p.text, p.redacted) == (part.text, part.redacted) for p in same)


# failures ----------------------------------------------------------------------------------


def broken(signals: Sequence[Signal], error: GatewayError) -> list[dict[str, Any]]:
    machine, encoder = BlockMachine("r1"), DIALECT.encoder(reply(CALLER))
    return events_of(encoder.encode(machine.feed([*signals, Broke(error)])))


@pytest.mark.parametrize(
    ("signals", "output"),
    [
        ([TextDelta(0, "half")], [("message", "half")]),
        ([ThinkingDelta(0, "hm")], [("reasoning", "hm")]),
        ([ToolDelta(0, '{"a', "t", "f")], [("function_call", '{"a')]),
        ([TextDelta(0, "whole"), ToolDelta(1, "", "t", "local_shell")], [("message", "whole")]),
    ],
)
def test_b24_a_broken_answer_fails_and_shows_what_had_come(signals: list[Signal], output: list[tuple[str, str]]):
    events = broken(signals, BrokenStream("cut"))
    for event in events:
        STRICT.validate_python(event)
    last = events[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"] == {"code": "server_error", "message": "cut"}
    shown = [
        (i["type"], i.get("arguments") or "".join(p["text"] for p in i.get("content") or i.get("summary") or ()))
        for i in last["response"]["output"]
    ]
    assert shown == output
    done = [e["item"]["type"] for e in events if e["type"] == "response.output_item.done"]
    assert "function_call" not in done


def test_a_failed_answer_tells_when_to_come_back():
    error = broken([TextDelta(0, "a")], RateLimited("Too fast.", retry_after_s=2.5))[-1]["response"]["error"]
    assert error == {"code": "rate_limit_exceeded", "message": "Too fast. Please try again in 2.5s."}


async def test_a_failed_answer_is_seen_by_the_vendors_library():
    machine, encoder = BlockMachine("r1"), DIALECT.encoder(reply())
    data = encoder.encode(machine.feed([TextDelta(0, "a"), Broke(Unavailable("Nobody left."))]))

    def canned(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    async with httpx.AsyncClient(transport=httpx.MockTransport(canned)) as http:
        client = openai.AsyncOpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0)
        async with client.responses.stream(model="x/gpt", input="hi") as events:
            seen = [event async for event in events]
    assert seen[-1].type == "response.failed"
    assert seen[-1].response.error is not None
    assert seen[-1].response.error.message == "Nobody left."


def test_a_stream_of_the_providers_own_bytes_ends_in_an_error_event():
    data = DIALECT.encoder(reply()).encode([Failed(BrokenStream("cut"), Answer((), Stop("other")))])
    (event,) = events_of(data)
    STRICT.validate_python(event)
    assert (event["type"], event["message"], event["error"]["message"]) == ("error", "cut", "cut")


def test_ids_of_the_vendor_stay_theirs():
    own = Answer((Thinking("hm", id="rs_abc"),), Stop("end"), None, "resp_theirs")
    body = DIALECT.render_answer(own, reply())
    assert (body["id"], body["output"][0]["id"]) == ("resp_theirs", "rs_abc")


def test_half_characters_do_not_break_the_stream():
    events = events_of(streamed(answer([Text("\ud83d a"), ToolCall("t", "f", '"\ud83d"')]), reply()))
    assert events[-1]["type"] == "response.completed"


# any order of anything ---------------------------------------------------------------------

_SEALS = st.none() | st.sampled_from([Seal("s", GEMINI, "g", "m"), Seal("E", "openai-responses", "p", "m")])
_WORDS = st.text(max_size=5)
_CALLS = st.sampled_from(["f", "apply_patch", "local_shell", "shell", "tool_search", "crm__get", "get", "unheard_of"])
_SIGNALS = st.one_of(
    st.builds(TextDelta, st.integers(0, 2), _WORDS, st.booleans()),
    st.builds(ThinkingDelta, st.integers(0, 2), _WORDS, st.none() | st.just("rs_1")),
    st.builds(
        ToolDelta,
        st.integers(0, 2),
        _WORDS | st.sampled_from(['{"command":["a"]}', '{"input":"x"}', "{}"]),
        st.none() | st.sampled_from(["t1", "t2"]),
        st.none() | _CALLS,
        st.sampled_from(["function", "custom"]),
        st.none() | st.just("crm"),
        st.booleans(),
        _SEALS,
    ),
    st.builds(Sealed, st.integers(0, 2), st.just(Seal("s", ANTHROPIC, "a", "m")), st.booleans()),
    st.builds(Cited, st.integers(0, 2), st.just(Citation(url="https://a"))),
    st.builds(Ended, st.integers(0, 2)),
    st.builds(WholePart, st.integers(3, 5), st.sampled_from([p for ps in PARTS.values() for p in ps])),
    st.builds(UsageSeen, st.just(USAGE)),
    st.builds(Stopped, st.builds(Stop, st.sampled_from(["end", "length", "filtered", "malformed_call"]))),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(_SIGNALS, max_size=12), st.booleans())
def test_any_signals_make_a_stream_that_the_vendors_library_takes(signals: list[Signal], breaks: bool):
    machine, encoder = BlockMachine("r1"), DIALECT.encoder(reply(CALLER))
    data = b"".join(encoder.encode(machine.feed([s])) for s in [Begin(), *signals])
    if breaks:
        data += encoder.encode(machine.fail(BrokenStream("cut")))
    data += encoder.encode(machine.end())
    for event in events_of(data):
        STRICT.validate_python(event)

    def canned(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    with httpx.Client(transport=httpx.MockTransport(canned)) as http:
        client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0)
        with client.responses.stream(model="x/gpt", input="hi") as events:
            kinds = [event.type for event in events]
    ends = {"response.completed", "response.incomplete", "response.failed"}
    assert [k for k in kinds if k in ends] == kinds[-1:]
