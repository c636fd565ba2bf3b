"""Thinking from turn to turn: what its maker signed comes back to its maker, and to nobody else."""

from __future__ import annotations

from typing import Any

from conformance.rows import PLAIN, Meeting, Table, without
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.sealing import ENVELOPE
from omniroute_hooks.testing import SPEAKERS, Heard, Say, Tokens
from omniroute_hooks.testing.samples import ASKS
from omniroute_hooks.testing.scripted import whole
from omniroute_hooks.testing.wire import dumps

Json = Any
thinking = Table("Thinking from turn to turn")

SEAL = "c2VhbGVkIGJ5IGl0cyBtYWtlciBhbG9uZQ=="
CALLS = [("call_1", "get_weather", {"city": "Chur"}), ("call_2", "run_shell", {})]
THOUGHT = Say(
    thinking="Two things are due.", signature=SEAL, tool_calls=CALLS, usage=Tokens(20, output=30, reasoning=25)
)
WORDLESS = Say(signature=SEAL, tool_calls=CALLS, usage=Tokens(20, output=30, reasoning=25))
WHOLE = (False,)  # the streamed half of this is shown with the vendors' own libraries


def history(caller: str, answer: Json) -> list[Json]:
    """The answer as the caller's next request repeats it, and the results of its two calls."""
    if caller == OPENAI_CHAT:
        results = [{"role": "tool", "tool_call_id": id_, "content": "fine"} for id_, _, _ in CALLS]
        return [answer["choices"][0]["message"], *results]
    if caller == OPENAI_RESPONSES:
        results = [{"type": "function_call_output", "call_id": id_, "output": "fine"} for id_, _, _ in CALLS]
        return [*answer["output"], *results]
    if caller == ANTHROPIC:
        blocks = [{"type": "tool_result", "tool_use_id": id_, "content": "fine"} for id_, _, _ in CALLS]
        return [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": blocks}]
    parts = [{"functionResponse": {"id": id_, "name": name, "response": {"output": "fine"}}} for id_, name, _ in CALLS]
    return [answer["candidates"][0]["content"], {"role": "user", "parts": parts}]


PLACE = {OPENAI_CHAT: "messages", OPENAI_RESPONSES: "input", ANTHROPIC: "messages", GEMINI: "contents"}


async def _second_turn(meeting: Meeting, maker: str, other: str, model: str) -> Json:
    """What the provider of the dialect ``other`` is asked when the caller goes on at its ``model`` with what
    ``maker``, which has been told what to say, has answered."""
    ask = meeting.ask(
        system="Think first.", turns=ASKS["thinks"].turns, tools=ASKS["tools"].tools, thinks=True, max_tokens=4096
    )
    body = meeting.body_of(ask)
    first = await meeting.send(body, maker)
    assert first.status_code == 200, first.text
    place = PLACE[meeting.caller.id]
    body[place] = [*body[place], *history(meeting.caller.id, first.json())]
    speaker, upstream = SPEAKERS[other], meeting.house.upstream(other)
    upstream.requests.clear()
    upstream.otherwise(lambda request: whole(200, speaker.answer(PLAIN)))
    second = await meeting.send(body, model)
    assert meeting.hear(second) == Heard(text="Yes."), second.text
    [request] = upstream.requests
    again = speaker.read_request(request.json)
    assert list(again.turns[1].calls) == CALLS
    assert [(result.id, result.text) for result in again.turns[2].results] == [("call_1", "fine"), ("call_2", "fine")]
    return request.json


async def _back(meeting: Meeting) -> Json:
    """The second turn, at the maker itself."""
    model = meeting.house.replaying(meeting.provider.id)
    return await _second_turn(meeting, model, meeting.provider.id, model)


@thinking.row("signed thinking goes back to its maker", ways=WHOLE)
async def back_to_its_maker(meeting: Meeting) -> str:
    meeting.says(THOUGHT)
    asked = dumps(await _back(meeting))
    assert ENVELOPE not in asked
    assert THOUGHT.thinking in asked or meeting.provider.id == GEMINI, "the words are lost"
    return "carry" if SEAL in asked else "drop"


@thinking.row("thinking goes back to a provider of which nothing is known", ways=WHOLE, providers=(OPENAI_CHAT,))
async def back_to_a_stranger(meeting: Meeting) -> str:
    meeting.says(THOUGHT)
    asked = dumps(await _second_turn(meeting, meeting.model, meeting.provider.id, meeting.model))
    assert (SEAL in asked) == (THOUGHT.thinking in asked)
    assert ENVELOPE not in asked
    return "carry" if SEAL in asked else "drop"


@thinking.row("sealed thinking without words goes back to its maker", ways=WHOLE)
async def wordless_back_to_its_maker(meeting: Meeting) -> str:
    meeting.says(WORDLESS)
    asked = dumps(await _back(meeting))
    assert ENVELOPE not in asked
    return "carry" if SEAL in asked else "drop"


@thinking.row("redacted thinking goes back to its maker", ways=WHOLE, providers=(ANTHROPIC,))
async def redacted_back_to_its_maker(meeting: Meeting) -> str:
    answer = meeting.provider.answer(THOUGHT)
    answer["content"].insert(0, {"type": "redacted_thinking", "data": f"{SEAL}redacted"})
    meeting.replies(200, answer)
    asked = await _back(meeting)
    blocks = asked["messages"][1]["content"]
    assert [block["type"] for block in blocks] == ["redacted_thinking", "thinking", "tool_use", "tool_use"]
    assert (blocks[0]["data"], blocks[1]["signature"]) == (f"{SEAL}redacted", SEAL)
    return "carry"


@thinking.row("a signature is kept from providers of other dialects", ways=WHOLE)
async def kept_from_other_dialects(meeting: Meeting) -> str:
    for other in without(meeting.provider.id):
        meeting.says(THOUGHT)
        maker = meeting.house.replaying(meeting.provider.id)
        asked = dumps(await _second_turn(meeting, maker, other, meeting.house.replaying(other)))
        assert SEAL not in asked
        assert ENVELOPE not in asked
    return "carry"


@thinking.row("a signature is kept from another provider of the dialect", ways=WHOLE, same=False)
async def kept_from_neighbours(meeting: Meeting) -> str:
    meeting.says(THOUGHT)
    maker, neighbour = meeting.house.replaying(meeting.provider.id), meeting.house.neighbour(meeting.provider.id)
    asked = dumps(await _second_turn(meeting, maker, meeting.provider.id, neighbour))
    assert SEAL not in asked
    assert ENVELOPE not in asked
    return "carry"


ROWS = thinking.rows
