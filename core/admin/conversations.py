"""/api/sessions: the conversations of the last hour, and the account that each of them stays with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from quart import Blueprint, Response, request

from core.gateway.choosing.affinity import Conversation
from core.gateway.naming.snapshot import Line

from .guard import session
from .web import answer, kernel, wrong

views = Blueprint("conversations", __name__)
SHOWN = 200
MOST_SHOWN = 10_000


@views.get("/api/sessions")
@session
async def listed() -> Response:
    """``count`` of all that this process remembers; ``sessions`` the latest of them, ``?limit=`` at most.

    Times are unix milliseconds. ``byApiKey`` counts by the id of the caller's key; "none" are those without one.
    """
    known = list(kernel().router.affinity.conversations())
    keys = Counter(each.api_key_id or "none" for each in known)
    latest = known[-_limit() :][::-1]
    wanted = {each.kept.connection_id for each in latest}
    rosters = kernel().snapshot.rosters.values()
    lines = {id_: roster.by_id[id_] for roster in rosters for id_ in wanted & roster.by_id.keys()}
    return answer({"count": len(known), "sessions": [_shown(each, lines) for each in latest], "byApiKey": dict(keys)})


def _limit() -> int:
    text = request.args.get("limit", str(SHOWN))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_SHOWN):
        raise wrong("limit", f"must be from 1 to {MOST_SHOWN}")
    return int(text)


def _shown(conversation: Conversation, lines: Mapping[str, Line]) -> dict[str, Any]:
    resilience = kernel().resilience
    line = lines.get(conversation.kept.connection_id)  # None: it was removed or switched off since
    return {
        "sessionId": conversation.session_id,
        "createdAt": round(resilience.wall_time(conversation.began_s) * 1000),
        "lastActive": round(resilience.wall_time(conversation.last_s) * 1000),
        "ageMs": round((resilience.clock() - conversation.began_s) * 1000),
        "requestCount": conversation.requests,
        "apiKeyId": conversation.api_key_id,
        "connectionId": conversation.kept.connection_id,
        "connectionName": None if line is None else line.connection.name,
        "provider": None if line is None else line.provider.id,
    }
