"""What goes into a part's ``thoughtSignature``, and what comes back out of it.

The slot is base64 to everybody: SDKs decode it on the way in and write it anew, in the other alphabet, on the
way out. A value of this dialect stands there bare. Anything else is an envelope of `omniroute_hooks.sealing`,
in base64 once more, with what belongs to it behind a "~": many clients of this dialect drop thoughts from
their history but keep the signatures of calls, so a call also carries the sealed reasoning that led to it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import orjson
from attrs import frozen
from omniroute_hooks import GEMINI, Seal, Thinking
from omniroute_hooks.jsonio import dumps
from omniroute_hooks.sealing import ENVELOPE, opens_for, unwrap, wrap

MARK = base64.b64encode(ENVELOPE.encode())[:6].decode()  # how every enveloped slot begins
DUMMY = "skip_thought_signature_validator"  # documented for calls that the vendor's model did not make

_TO_STANDARD = str.maketrans("-_", "+/")


@frozen
class Slot:
    """An opened slot. ``id`` and ``redacted`` are the thought's own.

    ``thoughts`` led to the call that carried them: each with the number of other parts between it and the call.
    """

    seal: Seal | None
    thoughts: tuple[tuple[Thinking, int], ...] = ()
    id: str | None = None
    redacted: bool = False


def fill(
    seal: Seal | None, *, thought: Thinking | None = None, thoughts: Sequence[tuple[Thinking, int]] = ()
) -> str | None:
    """The slot's text for an answer; None where there is nothing to carry.

    ``thought`` is the part that the seal belongs to, if that is a thought. ``thoughts``: see `Slot`.
    """
    if seal is not None and seal.dialect == GEMINI:
        return seal.value
    extra: dict[str, Any] = {}
    if thoughts:
        extra["thoughts"] = [
            [t.text, wrap(t.seal), t.id, t.redacted, back] for t, back in thoughts if t.seal is not None
        ]
    if thought is not None and thought.id is not None:
        extra["id"] = thought.id
    if thought is not None and thought.redacted:
        extra["redacted"] = True
    if seal is None and not extra:
        return None
    token = wrap(seal or Seal("", GEMINI)).encode()
    if extra:
        token += b"~" + dumps(extra)
    return base64.b64encode(token).decode()


def read(value: str) -> Slot:
    """What a caller sent back in the slot: an envelope of ours, or a value of this dialect."""
    if value.startswith(MARK):
        try:
            padded = value.translate(_TO_STANDARD).rstrip("=")
            token, _, extra = base64.b64decode(padded + "=" * (-len(padded) % 4)).decode().partition("~")
            if token.startswith(ENVELOPE):
                return _opened(token, orjson.loads(extra) if extra else {})
        except (ValueError, TypeError, AttributeError):
            pass  # damaged on the way: as good as a foreign value
    elif value.startswith(ENVELOPE):
        return Slot(unwrap(value, GEMINI))
    return Slot(Seal(value, GEMINI))


def _opened(token: str, extra: dict[str, Any]) -> Slot:
    seal = unwrap(token, GEMINI)
    thoughts = tuple(
        (Thinking(str(text), unwrap(str(inner), GEMINI), bool(redacted), _word(id)), int(back))
        for text, inner, id, redacted, back in extra.get("thoughts", ())
    )
    return Slot(seal if seal.value else None, thoughts, _word(extra.get("id")), bool(extra.get("redacted")))


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def bare(value: str, provider: str, model: str) -> str | None:
    """The slot as this target may see it: a value of its own; None for everybody else's."""
    seal = read(value).seal
    return seal.value if seal is not None and opens_for(seal, GEMINI, provider, model) else None
