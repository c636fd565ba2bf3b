"""Words, turns, calls and counts: requests and answers that every dialect has words for."""

from __future__ import annotations

from attrs import evolve
from conformance.house import DIALECTS
from conformance.rows import PLAIN, Check, Meeting, Row, Table, without
from omniroute_hooks import GEMINI, OPENAI_RESPONSES
from omniroute_hooks.testing import Ask, Heard, Say, Tokens, assistant, user
from omniroute_hooks.testing.matrix import ask_for, expected
from omniroute_hooks.testing.samples import ASKS, SAYS, SHELL, WEATHER
from omniroute_hooks.testing.wire import dumps, loads

requests = Table("Requests")
answers = Table("Answers")

PARALLEL = [(f"call_{n}", "get_weather", {"city": city}) for n, city in enumerate(("Bern", "Thun", "Chur"))]
MORE_ASKS = {
    "a call and its result": Ask(
        turns=(
            user("Who am I?"),
            assistant("", [("call_1", "run_shell", {"command": "whoami"})]),
            user(results=[("call_1", "run_shell", "root")]),
        ),
        tools=(SHELL,),
    ),
    "parallel calls and their results": Ask(
        turns=(
            user("The weather?"),
            assistant("I look.", PARALLEL),
            user(results=[(id_, name, f"{args['city']}: fog") for id_, name, args in PARALLEL]),
        ),
        tools=(WEATHER,),
    ),
    "tools that may not be called": Ask(turns=(user("No tools now."),), tools=(WEATHER,), tool_choice="none"),
    "long history": Ask(
        turns=tuple((user, assistant)[n % 2](f"Turn {n}: {'é🙂' * n}") for n in range(31)), max_tokens=200
    ),
    "call ids of other vendors": Ask(
        turns=(
            user("The weather?"),
            assistant("", [("toolu_01A9xK", "get_weather", {}), ("fc_68af", "run_shell", {})]),
            user(results=[("toolu_01A9xK", "get_weather", "fog"), ("fc_68af", "run_shell", "")]),
        ),
        tools=(WEATHER, SHELL),
    ),
}
ASK_TITLES = {
    "hello": "system text",
    "history": "several turns, temperature",
    "tools": "tools, results with words between",
    "forced": "one tool forced",
    "any": "some tool forced",
    "thinks": "asked to think",
}


def _asked(ask: Ask) -> Check:
    async def check(meeting: Meeting) -> str:
        meeting.says(PLAIN)
        heard = await meeting.talk(evolve(ask, model=meeting.model, stream=meeting.stream))
        assert heard == Heard(text="Yes.")
        understood = meeting.provider.read_request(meeting.asked())
        assert understood == ask
        assert understood.thinks == ask.thinks
        return "carry"

    return check


for _name, _ask in ASKS.items():
    requests.rows.append(Row(requests.group, ASK_TITLES[_name], _asked(_ask)))
for _name, _ask in MORE_ASKS.items():
    requests.rows.append(Row(requests.group, _name, _asked(_ask)))

MORE_SAYS = {
    "parallel": Say(text="I look.", tool_calls=PARALLEL),
    "empty": Say(usage=Tokens(12, output=0)),
    "thinking-then-calls": Say(
        thinking="Three cities.", text="I look.", tool_calls=PARALLEL, usage=Tokens(9, output=40, reasoning=12)
    ),
    "deep": Say(tool_calls=[("call_1", "run_shell", {"command": {"a": [{"b": [[], {}, "", 0, False, None, -1.5]}]}})]),
    "blank": Say(text=" \n "),
}
SAY_TITLES = {
    "text": "text that looks like a stream's frames",
    "one-letter": "one letter",
    "call": "one call",
    "text-then-calls": "text, then two calls",
    "call-without-arguments": "a call without arguments",
    "thinking": "thinking",
    "signed-thinking": "signed thinking before a call",
    "length": "cut by the length limit",
    "filtered": "stopped by a filter",
    "cached": "usage: read from the cache, reasoning",
    "cache-written": "usage: written to the cache",
    "parallel": "three calls at once",
    "empty": "nothing at all",
    "thinking-then-calls": "thinking, text and calls",
    "deep": "arguments with every kind of value",
    "blank": "blank text",
}


def _said(say: Say) -> Check:
    async def check(meeting: Meeting) -> str:
        meeting.says(say)
        ask = evolve(ask_for(say), model=meeting.model, stream=meeting.stream)
        heard = await meeting.talk(ask)
        if heard == Heard(
            text=say.text, thinking=say.thinking, tool_calls=say.tool_calls, stop=say.stop, usage=say.usage
        ):
            return "carry"
        assert heard == expected(say, meeting.caller, meeting.provider)
        return "drop"

    return check


for _name, _say in {**SAYS, **MORE_SAYS}.items():
    able = without(GEMINI) if _say.usage.written else DIALECTS  # one vendor does not count what goes into a cache
    answers.rows.append(Row(answers.group, SAY_TITLES[_name], _said(_say), providers=able))


SEPARATED = Say(text="one\u2028two\u2029three\u0085four", tool_calls=[("call_1", "run_shell", {"command": "a\u2028b"})])
# The kit reads lines as Python does, like many clients; providers' own bytes are theirs to mind.
answers.rows.append(Row(answers.group, "line separators that end no line", _said(SEPARATED), same=False))


def _strange_ids(meeting: Meeting, change: dict[str, str | None]) -> Say:
    """Two calls whose ids the provider leaves out, or gives twice."""
    say = Say(tool_calls=[("call_1", "get_weather", {"city": "Bern"}), ("call_2", "get_weather", {"city": "Thun"})])

    def changed(value: object) -> object:
        if isinstance(value, dict):
            out = {}
            for name, inner in value.items():
                if name in ("id", "call_id") and inner in change:
                    if change[inner] is not None:
                        out[name] = change[inner]
                else:
                    out[name] = changed(inner)
            return out
        return [changed(inner) for inner in value] if isinstance(value, list) else value

    if meeting.stream:
        frames = []
        for chunk in meeting.provider.chunks(say):
            head, mark, data = chunk.partition(b"data: ")
            if data.strip()[:1] == b"{":
                data = dumps(changed(loads(data))).encode() + b"\n\n"
            frames.append(head + mark + data)
        meeting.plays(frames)
    else:
        meeting.replies(200, changed(meeting.provider.answer(say)))
    return say


async def _told_apart(meeting: Meeting, say: Say) -> str:
    """Calls get ids that differ, and that lead back."""
    heard = await meeting.talk(evolve(ASKS["tools"], model=meeting.model, stream=meeting.stream))
    assert [(call.name, call.args) for call in heard.tool_calls] == [(call.name, call.args) for call in say.tool_calls]
    first, second = (call.id for call in heard.tool_calls)
    assert first
    assert second
    assert first != second
    meeting.upstream.requests.clear()
    meeting.says(PLAIN)
    results = [(call.id, call.name, f"{n}: fog") for n, call in enumerate(heard.tool_calls)]
    turns = (user("The weather?"), assistant("", heard.tool_calls), user(results=results))
    await meeting.talk(meeting.ask(turns=turns, tools=(WEATHER,)))
    again = meeting.provider.read_request(meeting.asked())
    assert [(result.id, result.text) for result in again.turns[2].results] == [
        (call.id, f"{n}: fog") for n, call in enumerate(again.turns[1].calls)
    ]
    return "carry"


@answers.row("calls whose ids the provider does not give", same=False)
async def calls_without_ids(meeting: Meeting) -> str:
    return await _told_apart(meeting, _strange_ids(meeting, {"call_1": None, "call_2": None}))


# To Responses, a call of the same id is the same call.
@answers.row("two calls of one id", providers=without(OPENAI_RESPONSES), same=False)
async def calls_of_one_id(meeting: Meeting) -> str:
    return await _told_apart(meeting, _strange_ids(meeting, {"call_2": "call_1"}))


ROWS = [*requests.rows, *answers.rows]
