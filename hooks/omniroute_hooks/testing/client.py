"""A strict client: asks a gateway in one dialect over HTTP, and tells what it understood."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from attrs import evolve

from .expectations import must
from .neutral import Ask, Heard
from .speaker import Speaker
from .wire import loads

TIMEOUT_S = 20.0


async def converse(
    url: str,
    speaker: Speaker,
    ask: Ask,
    *,
    key: str = "",
    model: str | None = None,
    headers: Mapping[str, str] = {},
) -> Heard:
    """Sends ``ask`` to the gateway at ``url`` as a client of this dialect; ``model`` overrides the one asked for.

    A failure is heard as ``error``, its message, with neither stop nor usage.
    Errors: `AssertionError` where the answer is not one that every client of the dialect could read.
    """
    asked = ask if model is None else evolve(ask, model=model)
    shown = speaker.headers(key) if key else {}
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http:
        response = await http.post(
            url + speaker.path(asked), json=speaker.request_of(asked), headers={**shown, **headers}
        )
    kind = response.headers.get("content-type", "")
    if response.status_code != 200:
        must(kind.startswith("application/json"), f"an error of type {kind!r}: {response.text[:200]}")
        message = speaker.read_error(response.status_code, loads(response.content))
        return Heard(stop=None, usage=None, error=message)
    if asked.stream:
        must(kind.startswith("text/event-stream"), f"a stream of type {kind!r}")
        return speaker.read_stream(response.content)
    must(kind.startswith("application/json"), f"an answer of type {kind!r}")
    return speaker.read_answer(loads(response.content))
