"""Tools that the provider runs itself, and the sources that its answer names."""

from __future__ import annotations

import json
from typing import Any

from conformance.gist import Gist, gist
from conformance.house import DIALECTS
from conformance.rich import Called, Query, Words, assistant, user
from conformance.rows import PLAIN, SCRIBES, Meeting, Table, without
from conformance.sourced import CITED, OUTPUT, QUERY, RUN, SEARCH, TEXT, TITLE, URL, Source, says, sources
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES

Json = Any
hosted = Table("Server-side tools and sources")
ASKED = (user(Words("How large is Bern?")),)
LOOK = (("look", {"type": "object", "properties": {}}),)
SEARCHES: dict[str, Json] = {
    OPENAI_RESPONSES: {"type": "web_search"},
    ANTHROPIC: {"type": "web_search_20250305", "name": "web_search"},
    GEMINI: {"googleSearch": {}},
}
RUNS: dict[str, Json] = {
    OPENAI_RESPONSES: {"type": "code_interpreter", "container": {"type": "auto"}},
    ANTHROPIC: {"type": "code_execution_20250825", "name": "code_execution"},
    GEMINI: {"codeExecution": {}},
}
READS: dict[str, Json] = {
    ANTHROPIC: {"type": "web_fetch_20250910", "name": "web_fetch"},
    GEMINI: {"urlContext": {}},
}
SEARCHERS = without(OPENAI_CHAT)


async def _offered(meeting: Meeting, tools: dict[str, Json], word: str, beside: bool = False) -> str:
    """What becomes of a tool that is the provider's to run, ``beside`` one of the caller's or alone."""
    meeting.says(PLAIN)
    body = SCRIBES[meeting.caller.id].write(Query(turns=ASKED, tools=LOOK if beside else ()))
    if meeting.caller.id == OPENAI_CHAT:
        body["web_search_options"] = {}
    else:
        body.setdefault("tools", []).append(tools[meeting.caller.id])
    response = await meeting.send(body)
    if response.status_code == 400:
        assert not meeting.upstream.requests
        complaint = str(meeting.hear(response).error)
        assert "tools" in complaint
        assert word in complaint
        return "refuse"
    assert meeting.hear(response).text == "Yes."
    asked = meeting.asked()
    found = asked.get("tools", [])
    if meeting.provider.id == OPENAI_CHAT:
        return "carry" if "web_search_options" in asked else "drop"
    [wanted] = tools[meeting.provider.id].values() if len(tools[meeting.provider.id]) == 1 else [None]
    known = [tool for tool in found if tool == tools[meeting.provider.id] or (wanted is not None and tool == wanted)]
    assert len(found) == len(known) + beside
    return "carry" if known else "drop"


@hosted.row("a web search is all there is to call")
async def search(meeting: Meeting) -> str:
    return await _offered(meeting, SEARCHES, "web_search")


@hosted.row("a web search beside a function")
async def search_beside(meeting: Meeting) -> str:
    return await _offered(meeting, SEARCHES, "web_search", beside=True)


@hosted.row("running code is all there is to call", callers=SEARCHERS)
async def run(meeting: Meeting) -> str:
    return await _offered(meeting, RUNS, "code_execution")


@hosted.row("reading web pages is all there is to call", callers=(ANTHROPIC, GEMINI))
async def read(meeting: Meeting) -> str:
    return await _offered(meeting, READS, "url_context")


async def _heard(meeting: Meeting) -> tuple[Gist, list[Source], str]:
    """The answer's gist and its sources, and all that was said."""
    response = await meeting.send(SCRIBES[meeting.caller.id].write(Query(turns=ASKED)))
    assert response.status_code == 200, response.text
    for call in ('"tool_calls"', '"function_call"', '"tool_use"', '"functionCall"'):
        assert call not in response.text, "the caller would run what has been run already"
    return gist(meeting.caller.id, response.content, meeting.stream), sources(meeting, response.content), response.text


@hosted.row("where the words come from (citations)")
async def cited(meeting: Meeting) -> str:
    says(meeting)
    found, [source], _ = await _heard(meeting)
    assert found.text == TEXT
    assert (source.url, source.title) == (URL, TITLE)
    if source.quoted == CITED:
        return "carry"
    assert source.quoted == TEXT
    return "emulate"


@hosted.row("a search that the provider made", providers=SEARCHERS)
async def searched(meeting: Meeting) -> str:
    says(meeting, did=SEARCH)
    found, [source], said = await _heard(meeting)
    assert found.text == TEXT, "what was searched is no part of the answer"
    assert (source.url, source.title) == (URL, TITLE)
    return "carry" if QUERY in said else "emulate"


@hosted.row("code that the provider ran", providers=SEARCHERS)
async def ran(meeting: Meeting) -> str:
    says(meeting, did=RUN, cited=False)
    found, _, said = await _heard(meeting)
    assert found.text.endswith(TEXT)
    if found.text == TEXT:
        return "carry" if OUTPUT in said else "drop"
    assert OUTPUT in found.text
    return "emulate"


@hosted.row("a search in the history", callers=(OPENAI_RESPONSES, ANTHROPIC))
async def search_before(meeting: Meeting) -> str:
    meeting.says(PLAIN)
    turns = (*ASKED, assistant(Words("133 000 people.")), user(Words("And Thun?")))
    body = SCRIBES[meeting.caller.id].write(Query(turns=turns))
    if meeting.caller.id == ANTHROPIC:
        call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": QUERY}}
        found = {"type": "web_search_result", "url": URL, "title": TITLE, "encrypted_content": "Eq8", "page_age": None}
        result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [found]}
        body["messages"][1]["content"][:0] = [call, result]
    else:
        action = {"type": "search", "query": QUERY}
        item = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": action}
        body["input"].insert(1, item)
    response = await meeting.send(body)
    assert meeting.hear(response).text == "Yes."
    asked = meeting.asked()
    if meeting.same:
        return "carry" if QUERY in json.dumps(asked) else "drop"
    seen = SCRIBES[meeting.provider.id].read(asked)
    assert [turn.role for turn in seen.turns] == ["user", "assistant", "user"]
    assert not any(isinstance(bit, Called) for turn in seen.turns for bit in turn.bits)
    words = "".join(bit.text for bit in seen.turns[1].bits if isinstance(bit, Words))
    assert "133 000 people." in words
    return "emulate" if QUERY in words else "drop"


ROWS = hosted.rows
assert set(SEARCHES) | {OPENAI_CHAT} == set(DIALECTS)
