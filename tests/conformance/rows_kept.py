"""What only the provider that keeps it knows: earlier answers, files, caches, containers. A request that names such a
thing goes to a provider of its own dialect, and to nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from conformance.rich import Query, Words, user
from conformance.rows import PLAIN, SCRIBES, Meeting, Table, without
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing import Heard

Json = Any
Change = Callable[[dict[str, Json]], None]
kept = Table("Kept by the provider")
HELLO = (user(Words("Read what you have.")),)
LOOK = (("look", {"type": "object", "properties": {}}),)
FILE_URI = "https://generativelanguage.googleapis.com/v1beta/files/file-k7"


async def _named(meeting: Meeting, change: Change, field: str, value: str = "kept-k7") -> str:
    """What becomes of the name ``value`` of something, which the caller has in ``field``."""
    meeting.says(PLAIN)
    body = SCRIBES[meeting.caller.id].write(Query(turns=HELLO, tools=LOOK))
    change(body)
    response = await meeting.send(body)
    if response.status_code == 400:
        assert not meeting.upstream.requests, "the provider has been asked, and the caller is refused"
        assert field in str(meeting.hear(response).error)
        return "refuse"
    assert meeting.hear(response) == Heard(text="Yes.")
    return "carry" if value in json.dumps(meeting.asked()) else "drop"


def _with(**fields: Json) -> Change:
    return lambda body: body.update(fields)


@kept.row("an answer kept by the provider (previous_response_id)", callers=(OPENAI_RESPONSES,))
async def answer(meeting: Meeting) -> str:
    return await _named(meeting, _with(previous_response_id="resp_kept-k7"), "previous_response_id")


@kept.row("a conversation kept by the provider (conversation)", callers=(OPENAI_RESPONSES,))
async def conversation(meeting: Meeting) -> str:
    return await _named(meeting, _with(conversation={"id": "conv_kept-k7"}), "conversation")


@kept.row("a prompt kept by the provider (prompt)", callers=(OPENAI_RESPONSES,))
async def prompt(meeting: Meeting) -> str:
    return await _named(meeting, _with(prompt={"id": "pmpt_kept-k7"}), "prompt")


@kept.row("an item kept by the provider (item_reference)", callers=(OPENAI_RESPONSES,))
async def item(meeting: Meeting) -> str:
    def refer(body: dict[str, Json]) -> None:
        body["input"].insert(0, {"type": "item_reference", "id": "msg_kept-k7"})

    return await _named(meeting, refer, "input[0].id")


@kept.row("a history that only its maker can read (compaction)", callers=(OPENAI_RESPONSES,))
async def compaction(meeting: Meeting) -> str:
    def compacted(body: dict[str, Json]) -> None:
        body["input"].insert(0, {"type": "compaction", "encrypted_content": "kept-k7"})

    return await _named(meeting, compacted, "input[0]")


@kept.row("a prompt cache kept by the provider (cachedContent)", callers=(GEMINI,))
async def cache(meeting: Meeting) -> str:
    return await _named(meeting, _with(cachedContent="cachedContents/kept-k7"), "cachedContent")


@kept.row("a container kept by the provider", callers=(OPENAI_RESPONSES, ANTHROPIC))
async def container(meeting: Meeting) -> str:
    if meeting.caller.id == ANTHROPIC:
        return await _named(meeting, _with(container="container_kept-k7"), "container")

    def run(body: dict[str, Json]) -> None:
        body["tools"].append({"type": "code_interpreter", "container": "cntr_kept-k7"})

    return await _named(meeting, run, "tools[1].container")


@kept.row("tools of servers that the provider calls (mcp_servers)", callers=(ANTHROPIC,))
async def servers(meeting: Meeting) -> str:
    server = {"type": "url", "url": "https://mcp.example/kept-k7", "name": "docs"}
    return await _named(meeting, _with(mcp_servers=[server]), "mcp_servers")


@kept.row("a search in files kept by the provider", callers=(OPENAI_RESPONSES, GEMINI))
async def search(meeting: Meeting) -> str:
    if meeting.caller.id == GEMINI:
        tool: dict[str, Json] = {"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/kept-k7"]}}
        field = "tools[1].fileSearch.fileSearchStoreNames"
    else:
        tool = {"type": "file_search", "vector_store_ids": ["vs_kept-k7"]}
        field = "tools[1].vector_store_ids"
    return await _named(meeting, lambda body: body["tools"].append(tool), field)


@kept.row("a file kept by the provider")
async def file(meeting: Meeting) -> str:
    part: dict[str, Json] = {
        OPENAI_CHAT: {"type": "file", "file": {"file_id": "file-kept-k7"}},
        OPENAI_RESPONSES: {"type": "input_file", "file_id": "file-kept-k7"},
        ANTHROPIC: {"type": "document", "source": {"type": "file", "file_id": "file_kept-k7"}},
        GEMINI: {"fileData": {"mimeType": "application/pdf", "fileUri": f"{FILE_URI}-kept-k7"}},
    }[meeting.caller.id]
    return await _part(meeting, part)


@kept.row("an image kept by the provider", callers=without(OPENAI_CHAT))
async def image(meeting: Meeting) -> str:
    part: dict[str, Json] = {
        OPENAI_RESPONSES: {"type": "input_image", "file_id": "file-kept-k7", "detail": "auto"},
        ANTHROPIC: {"type": "image", "source": {"type": "file", "file_id": "file_kept-k7"}},
        GEMINI: {"fileData": {"mimeType": "image/png", "fileUri": f"{FILE_URI}-kept-k7"}},
    }[meeting.caller.id]
    return await _part(meeting, part)


async def _part(meeting: Meeting, part: dict[str, Json]) -> str:
    """``part`` before the user's words."""
    words = "Read what you have."

    def add(body: dict[str, Json]) -> None:
        dialect = meeting.caller.id
        if dialect == GEMINI:
            body["contents"][0]["parts"].insert(0, part)
        elif dialect == OPENAI_RESPONSES:
            body["input"][0]["content"] = [part, {"type": "input_text", "text": words}]
        else:
            body["messages"][0]["content"] = [part, {"type": "text", "text": words}]

    named = "fileUri" if meeting.caller.id == GEMINI else "file"
    return await _named(meeting, add, named)


@kept.row("whether the provider keeps the answer (store)", callers=without(ANTHROPIC))
async def store(meeting: Meeting) -> str:
    return await _named(meeting, _with(store=True), "store", '"store": true')


ROWS = kept.rows
