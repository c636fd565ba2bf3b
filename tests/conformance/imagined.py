"""Hypothesis strategies: requests, answers, and streams that have been tampered with."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import strategies as st
from omniroute_hooks.testing import Ask, Call, Result, Say, Tokens, ToolSpec, Turn

# No lone surrogates, which UTF-8 cannot hold, and not blank, which some vendors refuse.
words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40).filter(
    lambda text: text.strip() != "" and "\x00" not in text
)
_PLAIN = string.ascii_letters + string.digits + "_-"
ids = st.text(_PLAIN, min_size=1, max_size=40)
wild_ids = st.one_of(ids, st.text("ab:/.|é ", min_size=1, max_size=90).filter(lambda text: text.strip() != ""))
names = st.builds(str.__add__, st.sampled_from(string.ascii_letters + "_"), st.text(_PLAIN, max_size=30))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
arguments = st.dictionaries(words, values, max_size=3)
PARAMETERS = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}


@st.composite
def asks(draw: Any, call_ids: st.SearchStrategy[str] = ids) -> Ask:
    """A request with tools, calls and their results."""
    tools = tuple(
        ToolSpec(name, "What it does.", PARAMETERS) for name in draw(st.lists(names, max_size=3, unique=True))
    )
    fresh = iter(draw(st.lists(call_ids, min_size=12, max_size=12, unique=True)))
    turns = [Turn(role="user", text=draw(words))]
    for _ in range(draw(st.integers(0, 4))):
        count = draw(st.integers(0, 3)) if tools else 0
        calls = tuple(Call(next(fresh), draw(st.sampled_from(tools)).name, draw(arguments)) for _ in range(count))
        text = draw(words) if not calls else draw(st.one_of(st.just(""), words))
        turns.append(Turn(role="assistant", text=text, calls=calls))
        results = tuple(Result(call.id, call.name, draw(words)) for call in calls)
        said = draw(words) if not results else draw(st.one_of(st.just(""), words))
        turns.append(Turn(role="user", text=said, results=results))
    return Ask(
        system=draw(st.one_of(st.just(""), words)),
        turns=tuple(turns),
        tools=tools,
        tool_choice=draw(st.sampled_from([None, "any", "none", *(tool.name for tool in tools)])) if tools else None,
        max_tokens=draw(st.integers(16, 8000)),
        temperature=draw(st.sampled_from([None, 0, 0.5, 1])),
    )


@st.composite
def says(draw: Any) -> Say:
    """An answer."""
    made = draw(st.lists(ids, max_size=3, unique=True))
    calls = [(id_, draw(names), draw(arguments)) for id_ in made]
    fresh, cached, output, reasoning = (draw(st.integers(1, 5000)) for _ in range(4))
    thinking = draw(st.one_of(st.just(""), words))
    text = draw(words) if not calls else draw(st.one_of(st.just(""), words))
    return Say(
        text=text,
        thinking=thinking,
        tool_calls=calls,
        stop="tool" if calls else draw(st.sampled_from(["end", "length"])),
        usage=Tokens(fresh + cached, cached=cached, output=output + reasoning, reasoning=reasoning if thinking else 0),
    )


@st.composite
def tampered(draw: Any, chunks: list[bytes]) -> list[bytes]:
    """A provider's stream after an accident: events lost, doubled, swapped, cut, or with bytes changed."""
    out = list(chunks)
    for _ in range(draw(st.integers(1, 3))):
        if not out:
            break
        at = draw(st.integers(0, len(out) - 1))
        match draw(st.sampled_from(["lose", "double", "swap", "cut", "spoil", "foreign", "end"])):
            case "lose":
                del out[at]
            case "double":
                out.insert(at, out[at])
            case "swap":
                other = draw(st.integers(0, len(out) - 1))
                out[at], out[other] = out[other], out[at]
            case "cut":
                out[at] = out[at][: draw(st.integers(0, len(out[at])))]
            case "spoil":
                place = draw(st.integers(0, max(0, len(out[at]) - 1)))
                out[at] = out[at][:place] + draw(st.binary(max_size=3)) + out[at][place + 1 :]
            case "foreign":
                out.insert(at, draw(st.sampled_from(FOREIGN)))
            case "end":
                out = out[:at]
    return out


FOREIGN = [
    b"data: null\n\n",
    b"data: []\n\n",
    b"data: 7\n\n",
    b'data: {"type": 7, "choices": {}, "candidates": "x"}\n\n',
    b'data: {"choices": [{"index": 0, "delta": null, "finish_reason": 5}], "usage": []}\n\n',
    b'data: {"choices": [{"delta": {"tool_calls": [{"index": "a", "function": null}], "content": 5}}]}\n\n',
    b'data: {"type": "content_block_delta", "index": "x", "delta": {"type": "text_delta", "text": null}}\n\n',
    b'data: {"type": "content_block_start", "index": 99, "content_block": {"type": "brand_new"}}\n\n',
    b'data: {"type": "response.output_item.added", "output_index": -1, "item": null}\n\n',
    b'data: {"type": "response.output_text.delta", "delta": {"a": 1}}\n\n',
    b'data: {"candidates": [{"content": {"parts": [{"functionCall": {"name": 5, "args": []}}, null]}}]}\n\n',
    b'data: {"candidates": [{"content": null, "finishReason": 9}], "usageMetadata": "x"}\n\n',
    b'data: {"error": {"message": 7}}\n\n',
    b"data: " + b"[" * 5000 + b"\n\n",
    b"event: ping\n\n",
    b"data: [DONE]\n\n",
    b"\xff\xfe\n\n",
    b": comment\n\n",
    b"id: 1\nretry: 5\n\n",
]
