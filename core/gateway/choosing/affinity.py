"""Affinity: a conversation stays with the account that answered it last, for that account's prompt cache.

A preference, never a pin: it moves a connection to the front of its provider's, and only
while that connection may be called.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from attrs import define, frozen
from omniroute_hooks import Peek

from ..bounded import Bounded

if TYPE_CHECKING:
    from .picks import Pick

Json = Any
HEADERS = ("x-session-id", "x_session_id")
EXTERNAL = "ext:"
MAX_ID = 64
MOST_CONVERSATIONS = 20_000
KEPT_S = 3600.0  # no vendor's prompt cache lives longer
MOST_LOOKED_AT = 32
MOST_TEXT = 4096  # characters of the beginning that tell one conversation from another

# Under these names the dialects keep what is said before the first message, and the messages.
_SYSTEM = ("system", "instructions", "systemInstruction", "system_instruction")
_MESSAGES = ("messages", "input", "contents")
_RULING_ROLES = ("system", "developer")
_ASKING_ROLES = ("user", *_RULING_ROLES)
# Moves from message to message, or is the same in all of them.
_NO_WORDS = frozenset({"type", "role", "id", "status", "cache_control", "cacheControl"})


@frozen
class Session:
    """A conversation. ``id`` is what callers are shown, ``key`` belongs to one API key.

    ``continues`` is False where nothing but equal words tells it from others, and no answer was given yet: there is
    no cache to keep, and many conversations may begin with the same words.
    """

    id: str
    key: str
    continues: bool = True


@frozen
class Kept:
    """Who served a conversation last. ``trail`` as in `core.gateway.choosing.choose.Pick`."""

    connection_id: str
    trail: tuple[str, ...] = ()


@define
class Conversation:
    """A remembered conversation, as it stands. Times are seconds of the clock that was passed in."""

    session_id: str
    api_key_id: str | None
    kept: Kept
    began_s: float
    last_s: float
    requests: int


def session_of(
    headers: Mapping[str, str], peek: Peek, body: Mapping[str, Json], api_key_id: str | None = None
) -> Session | None:
    """Which conversation a request belongs to: what the caller says, else the mark of its client program, else
    16 hexadecimal digits made of its first words. None where it has none.

    Header names in lower case. Never raises, whatever the body holds.
    """
    for name in HEADERS:
        said = _cleaned(headers.get(name))
        if said:
            return _session(EXTERNAL + said, api_key_id)
    marked = _cleaned(peek.session, 200)
    if marked:
        return _session(marked, api_key_id)
    words, continues = _beginning(body)
    if not words:
        return None
    digest = blake2b(digest_size=8)
    digest.update((api_key_id or "").encode())
    for text in words:
        digest.update(b"\0" + text.encode("utf-8", "surrogatepass"))
    return _session(digest.hexdigest(), api_key_id, continues)


def _session(id_: str, api_key_id: str | None, continues: bool = True) -> Session:
    return Session(id_, f"{api_key_id or ''}|{id_}", continues)


def _cleaned(text: str | None, most: int = MAX_ID) -> str:
    """What can be shown in a header and in a list."""
    if not text:
        return ""
    return "".join(c for c in text[: 4 * most] if c.isascii() and c.isprintable()).strip()[:most].strip()


def _beginning(body: Mapping[str, Json]) -> tuple[list[str], bool]:
    """The first system words and the first of the user's, and whether an answer has been given since."""
    words: list[str] = []
    for name in _SYSTEM:
        if body.get(name):
            words += _texts(body[name])
            break
    messages = next((body[name] for name in _MESSAGES if body.get(name)), None)
    if isinstance(messages, str):
        return [*words, messages[:MOST_TEXT]], False
    if not isinstance(messages, list):
        return words, False
    asked = False
    for message in messages[:MOST_LOOKED_AT]:
        role = message.get("role") if isinstance(message, dict) else None
        if asked:
            if role not in _ASKING_ROLES:  # an answer, or a call that the model made
                return words, True
            continue
        said = _texts(message)
        words += said
        asked = bool(said) and role not in _RULING_ROLES
    return words, False


def _texts(value: Json) -> list[str]:
    """The words in a piece of a body, up to a number of characters."""
    found: list[str] = []
    left = MOST_TEXT
    waiting: list[Json] = [value]
    steps = 0
    while waiting and left > 0 and steps < 200:
        steps += 1
        one = waiting.pop()
        if isinstance(one, str):
            if one:
                found.append(one[:left])
                left -= len(one)
        elif isinstance(one, list):
            waiting.extend(reversed(one[:50]))
        elif isinstance(one, dict):
            waiting.extend(part for name, part in reversed(one.items()) if name not in _NO_WORDS)
    return found


class Affinity:
    """Remembers who served which conversation, for an hour, and a bounded number of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST_CONVERSATIONS) -> None:
        self._clock = clock
        self._known: Bounded[str, Conversation] = Bounded(most)

    def kept(self, session: Session | None) -> Kept | None:
        """Whom to prefer for this request."""
        if session is None or not session.continues:
            return None
        known = self._known.get(session.key)
        if known is None:
            return None
        if self._clock() - known.last_s > KEPT_S:
            self._known.drop(session.key)
            return None
        return known.kept

    def served(self, session: Session | None, pick: Pick, api_key_id: str | None = None) -> None:
        """``pick`` has answered."""
        if session is None:
            return
        now_s = self._clock()
        kept = Kept(pick.line.connection.id, pick.trail)
        known = self._known.get(session.key)
        if known is None or now_s - known.last_s > KEPT_S:
            known = Conversation(session.id, api_key_id, kept, now_s, now_s, requests=0)
        known.kept = kept
        known.last_s = now_s
        known.requests += 1
        self._known.put(session.key, known)

    def conversations(self) -> Iterator[Conversation]:
        """Those of the last hour, the latest at the end."""
        now_s = self._clock()
        return (known for _, known in self._known.items() if now_s - known.last_s <= KEPT_S)
