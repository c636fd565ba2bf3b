"""A speaker: one dialect as scripted providers and strict clients speak it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import frozen

from .neutral import Ask, Heard, Say

Json = Any


class Scripted(Protocol):
    """The part of `ScriptedUpstream` that a speaker needs."""

    def reply(self, status: int = 200, *, json: Json, headers: Mapping[str, str] = {}) -> None: ...
    def stream(self, chunks: list[bytes], *, headers: Mapping[str, str] = {}) -> None: ...


@frozen(kw_only=True)
class Speaker:
    """Functions over wire bodies, written by hand from the vendors' references.

    As the provider: ``answer(say)`` the whole JSON answer (the error body where it says an error),
    ``chunks(say)`` the streamed one, one event each, ``error_body(status, message)``, and
    ``read_request(body)`` which gives back the `Ask` that a request makes.
    As the client: ``request_of(ask)``, ``path(ask)`` with its query, ``headers(key)``, and what a strict
    client makes of the answer: ``read_answer(json)``, ``read_stream(bytes)``,
    ``read_error(status, json)`` which gives its message.
    Readers raise `AssertionError` on anything that a client or a provider might refuse.
    """

    id: str
    answer: Callable[[Say], dict[str, Json]]
    chunks: Callable[[Say], list[bytes]]
    error_body: Callable[[int, str], dict[str, Json]]
    read_request: Callable[[Json], Ask]
    request_of: Callable[[Ask], dict[str, Json]]
    path: Callable[[Ask], str]
    headers: Callable[[str], dict[str, str]]
    read_answer: Callable[[Json], Heard]
    read_stream: Callable[[bytes], Heard]
    read_error: Callable[[int, Json], str]

    def play(self, upstream: Scripted, say: Say, stream: bool) -> None:
        """Puts ``say`` on ``upstream``'s script, as the answer to one request."""
        if stream:
            upstream.stream(self.chunks(say), headers={"Content-Type": "text/event-stream"})
        else:
            upstream.reply(say.error[0] if say.error else 200, json=self.answer(say))
