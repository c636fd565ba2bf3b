"""A fault: what is wrong with a provider, and what the caller is to get, from it alone and from a combo."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen
from faults.behaviours import SAY, answers
from faults.ends import ANSWER, Ends, ends
from faults.stand import Behaviour
from omniroute_hooks import OPENAI_CHAT
from omniroute_hooks.testing import Say

WELL = answers()
SOON_MS = 80  # a deadline that is meant to pass
GUESS_S = 3.0  # how long somebody rests who said nothing of it
LARGE, SMALL = "sound/large", "sound/small"


class Place(Enum):
    """Where the provider is asked."""

    STAND = "at its address"
    UNKNOWN_NAME = "at a host that no name service knows"
    REFUSING = "at a port where nobody listens"
    UNTRUSTED = "over TLS, with a certificate that nobody vouches for"
    NO_TLS = "over TLS, where plain HTTP is spoken"
    STUCK_TLS = "over TLS, whose handshake never ends"


@frozen(kw_only=True)
class Fault:
    """``does`` says for people what the provider does, and ``behaviour`` does it.

    ``alone`` and ``combo``: what callers get of a combo of this provider alone, and of one with ``others`` behind it.
    ``said`` is what it has to say, ``sound`` what the others say. ``asked``: how many requests one call costs the
    provider; ``rests``: whether it is left alone after that. ``hint_s``: what the caller is told of when to come back;
    None: nothing. ``told``: words of the provider's that reach the caller. ``limits``: the deadlines of the provider's
    part of the combo, in milliseconds. ``stream_only``: it streams whatever it is asked.
    """

    group: str
    name: str
    does: str
    behaviour: Behaviour = WELL
    alone: Ends = field(converter=ends)
    combo: Ends = field(default=ANSWER, converter=ends)
    asked: int = 1
    rests: bool = True
    hint_s: float | None = GUESS_S
    told: str = ""
    dialect: str = OPENAI_CHAT
    limits: Mapping[str, int] = {}
    stream_only: bool = False
    at: Place = Place.STAND
    others: tuple[str, ...] = (LARGE,)
    said: Say = SAY
    sound: Say = SAY

    @property
    def slug(self) -> str:
        """The name without blanks and signs."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name.lower()).split())
