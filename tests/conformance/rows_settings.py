"""What the caller wants of the answer: its form, its length, its end, how hard to think, which tools."""

from __future__ import annotations

import json

from conformance.gist import gist
from conformance.rich import Query, Said, Words, assistant, user
from conformance.rows import SCRIBES, Meeting, Table, without
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing import Heard, Say

settings = Table("Settings")
HELLO = (user(Words("A list of three cities, please.")),)
SCHEMA = {
    "type": "object",
    "properties": {"cities": {"type": "array", "items": {"type": "string"}}},
    "required": ["cities"],
    "additionalProperties": False,
}
TOOLS = (("look", {"type": "object", "properties": {}}), ("shout", {"type": "object", "properties": {}}))
JSON_ANSWER = Say(text='{"cities": ["Bern", "Zürich", "Genève"]}')


@settings.row("an answer of a schema")
async def schema(meeting: Meeting) -> str:
    meeting.says(JSON_ANSWER)
    seen = await _posed(meeting, Query(turns=HELLO, schema=SCHEMA), JSON_ANSWER)
    if seen is None:
        return "refuse"
    if seen.schema == SCHEMA:
        return "carry"
    return "emulate" if "cities" in json.dumps(meeting.asked()).replace("list of three cities", "") else "drop"


@settings.row("an answer in JSON", callers=without(ANTHROPIC))
async def any_json(meeting: Meeting) -> str:
    seen = await _posed(meeting, Query(turns=HELLO, schema={}), JSON_ANSWER)
    if seen is None:
        return "refuse"
    if seen.schema == {}:
        return "carry"
    return "emulate" if "JSON" in json.dumps(meeting.asked()) else "drop"


async def _posed(meeting: Meeting, query: Query, say: Say) -> Query | None:
    meeting.says(say)
    response = await meeting.send(SCRIBES[meeting.caller.id].write(query))
    if response.status_code == 400:
        assert not meeting.upstream.requests
        return None
    assert meeting.hear(response) == Heard(text=say.text)
    return SCRIBES[meeting.provider.id].read(meeting.asked())


@settings.row("stop sequences", callers=without(OPENAI_RESPONSES))
async def stop(meeting: Meeting) -> str:
    return await _stops(meeting, ("END", "STOP\n"))


@settings.row("a blank stop sequence", callers=without(OPENAI_RESPONSES, ANTHROPIC))
async def blank_stop(meeting: Meeting) -> str:
    return await _stops(meeting, ("\n\n\n",))


@settings.row("more stop sequences than usual", callers=(ANTHROPIC, GEMINI))
async def many_stops(meeting: Meeting) -> str:
    return await _stops(meeting, ("A", "B", "C", "D", "E"))


async def _stops(meeting: Meeting, stops: tuple[str, ...]) -> str:
    seen = await meeting.pose(Query(turns=HELLO, stop=stops))
    if seen is None:
        return "refuse"
    if seen.stop == stops:
        return "carry"
    assert seen.stop == stops[: len(seen.stop)]
    left_out = stops[len(seen.stop)]
    meeting.says(Say(text=f"zzz {left_out[:-1]} zzz{left_out}zzz{left_out}"))
    response = await meeting.send(SCRIBES[meeting.caller.id].write(Query(turns=HELLO, stop=stops)))
    heard = meeting.hear(response)
    assert heard.stop == "end"
    if meeting.caller.id == ANTHROPIC:
        assert gist(ANTHROPIC, response.content, meeting.stream).matched == left_out
    return "emulate" if heard.text == f"zzz {left_out[:-1]} zzz" else "drop"


@settings.row("a length limit")
async def limit(meeting: Meeting) -> str:
    seen = await meeting.pose(Query(turns=HELLO, limit=77))
    assert seen is not None
    assert seen.limit == 77
    return "carry"


@settings.row("no length limit", callers=without(ANTHROPIC))
async def no_limit(meeting: Meeting) -> str:
    seen = await meeting.pose(Query(turns=HELLO, limit=None))
    assert seen is not None
    if seen.limit is None:
        return "carry"
    assert seen.limit >= 4096
    return "emulate"


@settings.row("temperature")
async def temperature(meeting: Meeting) -> str:
    seen = await meeting.pose(Query(turns=HELLO, temperature=0.25))
    assert seen is not None
    return "carry" if seen.temperature == 0.25 else "drop"


@settings.row("temperature above 1", callers=without(ANTHROPIC))
async def hot(meeting: Meeting) -> str:
    seen = await meeting.pose(Query(turns=HELLO, temperature=1.5))
    assert seen is not None
    if seen.temperature == 1.5:
        return "carry"
    assert seen.temperature == 1
    return "emulate"


@settings.row("effort: high", callers=(OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GEMINI))
async def effort(meeting: Meeting) -> str:
    seen = await meeting.pose(Query(turns=HELLO, effort="high", limit=60_000))
    assert seen is not None
    if seen.effort == "high":
        return "carry"
    if seen.budget is None:
        return "drop"
    assert seen.budget == 24576
    return "emulate"


@settings.row("a budget for thinking", callers=(ANTHROPIC, GEMINI))
async def budget(meeting: Meeting) -> str:
    seen = await meeting.pose(Query(turns=HELLO, budget=8192, limit=60_000))
    assert seen is not None
    if seen.budget == 8192:
        return "carry"
    if seen.effort is None:
        return "drop"
    assert seen.effort == "medium"
    return "emulate"


@settings.row("one tool forced, by name")
async def forced(meeting: Meeting) -> str:
    seen = await meeting.pose(Query(turns=HELLO, tools=TOOLS, choice="shout"))
    assert seen is not None
    assert seen.choice == "shout"
    assert [name for name, _ in seen.tools] == ["look", "shout"]
    return "carry"


@settings.row("one call at a time", callers=without(GEMINI))
async def one_by_one(meeting: Meeting) -> str:
    seen = await meeting.pose(Query(turns=HELLO, tools=TOOLS, parallel=False))
    assert seen is not None
    return "carry" if seen.parallel is False else "drop"


@settings.row("several system texts")
async def systems(meeting: Meeting) -> str:
    texts = ("Be terse.", "Be kind.\n- always")
    seen = await meeting.pose(Query(turns=HELLO, system=texts))
    assert seen is not None
    assert "\n\n".join(seen.system) == "\n\n".join(texts)
    return "carry"


@settings.row("system text in mid conversation", callers=(OPENAI_CHAT, OPENAI_RESPONSES))
async def system_within(meeting: Meeting) -> str:
    late = Said("system", (Words("From now on, be kind."),))
    turns = (user(Words("One.")), assistant(Words("Two.")), late, user(Words("Three.")))
    seen = await meeting.pose(Query(turns=turns))
    if seen is None:
        return "refuse"
    if seen.turns == turns:
        return "carry"
    last = seen.turns[-1]
    assert last.role == "user"
    words = "".join(bit.text for bit in last.bits if isinstance(bit, Words))
    assert "From now on, be kind." in words
    assert words.index("From now on") < words.index("Three.")
    return "emulate"


@settings.row("several answers at once (n)", callers=(OPENAI_CHAT, GEMINI))
async def several(meeting: Meeting) -> str:
    extra = {"n": 2} if meeting.caller.id == OPENAI_CHAT else {"generationConfig": {"candidateCount": 2}}
    return await _extra(meeting, extra, ("n", "candidateCount"), 2)


@settings.row("log probabilities", callers=(OPENAI_CHAT, GEMINI))
async def logprobs(meeting: Meeting) -> str:
    chat, gemini = {"logprobs": True}, {"generationConfig": {"responseLogprobs": True}}
    return await _extra(
        meeting, chat if meeting.caller.id == OPENAI_CHAT else gemini, ("logprobs", "responseLogprobs"), True
    )


@settings.row("who asks (user)", callers=without(GEMINI))
async def user_id(meeting: Meeting) -> str:
    extra = {"metadata": {"user_id": "u-17"}} if meeting.caller.id == ANTHROPIC else {"user": "u-17"}
    return await _extra(meeting, extra, ("user", "user_id", "safety_identifier"), "u-17")


@settings.row("a field nobody knows")
async def unknown(meeting: Meeting) -> str:
    return await _extra(meeting, {"x_unknown": {"a": [1]}}, ("x_unknown",), {"a": [1]})


@settings.row("marks for the prompt cache", callers=(ANTHROPIC,))
async def cache_marks(meeting: Meeting) -> str:
    meeting.says(Say(text="Yes."))
    body = SCRIBES[ANTHROPIC].write(Query(turns=HELLO, system=("Long.",)))
    body["system"][0]["cache_control"] = {"type": "ephemeral"}
    seen = meeting.understood(await meeting.send(body))
    assert seen is not None
    asked = json.dumps(meeting.asked())
    return "carry" if "cache_control" in asked or "prompt_cache_breakpoint" in asked else "drop"


async def _extra(meeting: Meeting, extra: dict[str, object], names: tuple[str, ...], value: object) -> str:
    """What becomes of a field that not all have."""
    meeting.says(Say(text="Yes."))
    body = SCRIBES[meeting.caller.id].write(Query(turns=HELLO))
    for name, inner in extra.items():
        body[name] = {**body[name], **inner} if isinstance(inner, dict) and name in body else inner  # type: ignore[dict-item]
    response = await meeting.send(body)
    if response.status_code == 400:
        assert not meeting.upstream.requests
        complaint = str(meeting.hear(response).error)
        assert any(name in complaint for name in extra) or any(name in complaint for name in names), complaint
        return "refuse"
    meeting.hear(response)
    asked = meeting.asked()
    found = [holder[name] for holder in _holders(asked) for name in names if name in holder]
    if value in found:
        return "carry"
    return "emulate" if found else "drop"


def _holders(value: object) -> list[dict[str, object]]:
    if isinstance(value, dict):
        return [value, *(holder for inner in value.values() for holder in _holders(inner))]
    return [holder for inner in value for holder in _holders(inner)] if isinstance(value, list) else []


ROWS = settings.rows
