"""Every fault over every caller's dialect, whole and streamed: a whole answer or a clean error, and healthy after."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from faults.behaviours import SAY
from faults.catalogue import FAULTS
from faults.ends import DIALECTS, End
from faults.fault import Fault
from faults.house import KEY, House, Visit
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing import SPEAKERS, Heard, Say
from omniroute_hooks.testing.wire import loads

Got = tuple[httpx.Response, bytes]
pytestmark = pytest.mark.asyncio(loop_scope="session")
WITHIN_S = 3.0  # whatever happens; the deadlines of the catalogue are a tenth of it
HINT_SLACK_S = 2.0
WORD = {OPENAI_CHAT: "code", OPENAI_RESPONSES: "code", ANTHROPIC: "type", GEMINI: "status"}

CELLS = [
    pytest.param(fault, caller, stream, id=f"{fault.slug}-{caller}-{'streamed' if stream else 'whole'}")
    for fault in FAULTS
    for caller in DIALECTS
    for stream in (False, True)
]


@pytest.mark.parametrize(("fault", "caller", "stream"), CELLS)
async def test_a_fault_ends_in_a_whole_answer_or_a_clean_error(
    house: House, fault: Fault, caller: str, stream: bool
) -> None:
    async with house.visit(fault) as visit:
        await _alone(visit, caller, stream)
        await _once_more(visit, caller, stream)
        house.gateway.kernel.resilience.reset()
        visit.stand.does(fault.behaviour)
        await _in_a_combo(visit, caller, stream)
        await house.settled()
        await _healthy_afterwards(visit, caller, stream)


async def _alone(visit: Visit, caller: str, stream: bool) -> None:
    fault = visit.fault
    end = fault.alone.of(stream, caller == fault.dialect)

    got = await _ask(visit, caller, visit.alone, stream)

    error = check(got, caller, stream, end, fault.said)
    if error is not None:
        assert fault.told in error
        assert "127.0.0.1" not in error
    if error is not None and not (end.begun and stream):
        hint = got[0].headers.get("retry-after")
        if fault.hint_s is None:
            assert hint is None
        else:
            assert hint is not None
            assert fault.hint_s - HINT_SLACK_S <= int(hint) <= fault.hint_s + 1
    assert len(visit.stand.turns) == asked(fault, end, stream)


async def _once_more(visit: Visit, caller: str, stream: bool) -> None:
    """A provider that rests is not asked."""
    if visit.fault.rests and visit.fault.alone.of(stream, caller == visit.fault.dialect).kind is not None:
        before = len(visit.stand.turns)
        got = await _ask(visit, caller, visit.alone, stream)
        check(got, caller, stream, End("rate"), SAY)
        assert int(got[0].headers["retry-after"]) >= 1
        assert len(visit.stand.turns) == before


async def _in_a_combo(visit: Visit, caller: str, stream: bool) -> None:
    fault, house = visit.fault, visit.house
    end = fault.combo.of(stream, caller == fault.dialect)
    alone = fault.alone.of(stream, caller == fault.dialect)

    got = await _ask(visit, caller, visit.combo, stream)

    own = alone.kind is None or end.kind is not None
    check(got, caller, stream, end, fault.said if own else fault.sound)
    assert len(visit.stand.turns) <= asked(fault, alone, stream)
    asked_others = [turn.model for turn in house.sound.turns]
    if alone.kind is not None and end.kind is None:
        assert asked_others == [fault.others[-1].partition("/")[2]]
    elif not end.begun:
        assert asked_others == []


async def _healthy_afterwards(visit: Visit, caller: str, stream: bool) -> None:
    await visit.lift()

    got = await _ask(visit, caller, visit.model, stream)
    await visit.house.settled()
    health = await visit.house.gateway.http.get("/api/monitoring/health")

    check(got, caller, stream, End(), SAY)
    assert got[0].headers["x-omniroute-provider"] == visit.provider
    assert health.status_code == 200
    shown = health.json()
    assert shown["lockouts"] == []
    assert shown["providerBreakers"] == []
    assert shown["queue"] == {"queued": 0, "running": 0}


async def _ask(visit: Visit, caller: str, model: str, stream: bool) -> Got:
    async with asyncio.timeout(WITHIN_S):
        return await visit.house.ask(caller, model, stream)


def asked(fault: Fault, end: End, stream: bool) -> int:
    """How often the provider may be asked for one call: never again, once a word is out."""
    return 1 if stream and (end.begun or end.garbled) else fault.asked


def check(got: Got, caller: str, stream: bool, end: End, say: Say) -> str | None:
    """Holds an answer against the end that it should have come to, and the words that were to be said; its error."""
    (response, content), speaker = got, SPEAKERS[caller]
    assert KEY.encode() not in content
    kind = response.headers["content-type"]
    if end.kind is not None and not (end.begun and stream):
        assert response.status_code == end.told.http_status(caller), content
        assert kind == "application/json"
        body = loads(content)
        assert end.told.word(caller) in (None, body["error"][WORD[caller]])
        return speaker.read_error(response.status_code, body)
    assert response.status_code == 200, content
    assert kind.startswith("text/event-stream" if stream else "application/json")
    if end.garbled:
        with pytest.raises(AssertionError, match="not JSON"):
            speaker.read_stream(content)
        return None
    heard = speaker.read_stream(content) if stream else speaker.read_answer(loads(content))
    if end.kind is None:
        assert heard == Heard(text=say.text, tool_calls=say.tool_calls, stop=say.stop), heard
        return None
    assert heard.stop is None, "a cut answer must not look whole"
    assert heard.usage is None
    assert say.text.startswith(heard.text)
    assert heard.error
    return heard.error
