"""Ends: what may come of a request, and what each dialect's callers then get to see."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES

DIALECTS = (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GEMINI)


@frozen
class Told:
    """What callers get of one kind of failure: the status by dialect, and the dialect's word for it.

    The word is the ``code`` of chat and responses (None: it says nothing of the kind), the ``type`` of anthropic,
    the ``status`` of gemini.
    """

    words: str
    statuses: tuple[int, int, int]  # of chat and responses, anthropic, gemini
    code: str | None
    type: str
    status: str

    def http_status(self, dialect: str) -> int:
        """The HTTP status that callers of this dialect get."""
        return self.statuses[max(0, DIALECTS.index(dialect) - 1)]

    def word(self, dialect: str) -> str | None:
        """The dialect's word for it; None where it has none of its own."""
        return {ANTHROPIC: self.type, GEMINI: self.status}.get(dialect, self.code)


KINDS: Mapping[str, Told] = {
    "rate": Told("rate limit", (429, 429, 429), "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    "billing": Told("no quota", (429, 402, 429), "insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED"),
    "overloaded": Told("overloaded", (503, 529, 503), None, "overloaded_error", "UNAVAILABLE"),
    "upstream": Told("provider's fault", (502, 500, 500), None, "api_error", "INTERNAL"),
    "timeout": Told("too slow", (504, 504, 504), None, "timeout_error", "DEADLINE_EXCEEDED"),
    "bad_request": Told("bad request", (400, 400, 400), None, "invalid_request_error", "INVALID_ARGUMENT"),
    "context_length": Told(
        "context too long", (400, 400, 400), "context_length_exceeded", "invalid_request_error", "INVALID_ARGUMENT"
    ),
    "filtered": Told("content refused", (400, 400, 400), "content_filter", "invalid_request_error", "INVALID_ARGUMENT"),
    "permission": Told("forbidden", (403, 403, 403), None, "permission_error", "PERMISSION_DENIED"),
    "not_found": Told("no such model", (404, 404, 404), None, "not_found_error", "NOT_FOUND"),
    "too_large": Told("body too large", (413, 413, 413), None, "request_too_large", "INVALID_ARGUMENT"),
}


@frozen
class End:
    """How a request ends: with the whole answer, where ``kind`` is None, or with a failure of that kind.

    ``begun``: callers of streams have read the first words by then, and are told by an event of their dialect.
    ``garbled``: the provider's bytes go through, and its dialect's clients fail.
    """

    kind: str | None = None
    begun: bool = False
    garbled: bool = False

    @property
    def told(self) -> Told:
        """What callers get of the failure."""
        assert self.kind is not None
        return KINDS[self.kind]


ANSWER = End()
GARBLED = End(garbled=True)


def error(kind: str) -> End:
    """A failure, before a word was said."""
    return End(kind)


def broken(kind: str) -> End:
    """A failure, after callers of streams have read the first words."""
    return End(kind, begun=True)


@frozen
class Ends:
    """The ends by how it was asked: whole, streamed, and streamed in the provider's own dialect, where bytes go
    through."""

    whole: End
    stream: End
    passed: End

    def of(self, stream: bool, same: bool) -> End:
        """The end of one cell."""
        return self.whole if not stream else self.passed if same else self.stream


def ends(whole: End | Ends, stream: End | None = None, passed: End | None = None) -> Ends:
    """All the ends; those that are left out are like the one before."""
    if isinstance(whole, Ends):
        return whole
    streamed = whole if stream is None else stream
    return Ends(whole, streamed, streamed if passed is None else passed)
