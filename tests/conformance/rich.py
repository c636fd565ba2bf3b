"""Requests with everything in them: what the kit's own `Ask` is too plain for.

Scribes write such a request as a client of each dialect does, and read it back from what a provider of each
dialect is asked, by hand and without a line of the translation under test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from attrs import evolve, frozen

Json = Any


@frozen
class Words:
    text: str


@frozen
class Picture:
    """``data`` is base64; or there is a ``url``."""

    mime: str = ""
    data: str = ""
    url: str = ""


@frozen
class Paper:
    """A document: base64 ``data``, or plain ``text``."""

    mime: str
    data: str = ""
    text: str = ""
    title: str = ""


@frozen
class Sound:
    mime: str
    data: str


@frozen
class Called:
    id: str
    name: str
    args: Mapping[str, Json]
    seal: str | None = None


@frozen
class Given:
    """What a tool gave back."""

    id: str
    parts: tuple[Bit, ...]
    error: bool = False
    name: str = ""


@frozen
class Thought:
    text: str
    seal: str | None = None


Bit = Words | Picture | Paper | Sound | Called | Given | Thought


@frozen
class Said:
    role: Literal["user", "assistant", "system"]
    bits: tuple[Bit, ...]


@frozen(kw_only=True)
class Query:
    """A request. ``choice`` is "auto", "any", "none" or a tool's name; ``schema`` asks for an answer of that form,
    and an empty one for any JSON object. ``effort`` is how hard to think, ``budget`` the same in tokens."""

    turns: tuple[Said, ...]
    system: tuple[str, ...] = ()
    tools: tuple[tuple[str, Mapping[str, Json]], ...] = ()
    choice: str | None = None
    parallel: bool | None = None
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Json] | None = None
    limit: int | None = 1024
    temperature: float | None = None
    effort: str | None = None
    budget: int | None = None


@frozen
class Scribe:
    """``write`` makes a client's body without model and stream; ``read`` understands a provider's."""

    write: Callable[[Query], dict[str, Json]]
    read: Callable[[Json], Query]


def user(*bits: Bit) -> Said:
    return Said("user", bits)


def assistant(*bits: Bit) -> Said:
    return Said("assistant", bits)


def gathered(turns: Iterable[Said]) -> tuple[Said, ...]:
    """Neighbouring turns of one role as one, neighbouring words as one."""
    out: list[Said] = []
    for turn in turns:
        if out and out[-1].role == turn.role:
            out[-1] = evolve(out[-1], bits=out[-1].bits + turn.bits)
        else:
            out.append(turn)
    return tuple(evolve(turn, bits=_joined(turn.bits)) for turn in out)


def _joined(bits: Iterable[Bit]) -> tuple[Bit, ...]:
    out: list[Bit] = []
    for bit in bits:
        if isinstance(bit, Words) and out and isinstance(out[-1], Words):
            out[-1] = Words(f"{out[-1].text}\n{bit.text}")
        else:
            out.append(bit)
    return tuple(out)


def data_url(mime: str, data: str) -> str:
    return f"data:{mime};base64,{data}"


def picture_at(url: str) -> Picture:
    """The picture of a URL, which may hold it."""
    mime, found, data = url.removeprefix("data:").partition(";base64,")
    return Picture(mime, data) if found else Picture(url=url)


def paper_at(url: str, title: str) -> Paper:
    """The document of a data URL."""
    mime, found, data = url.removeprefix("data:").partition(";base64,")
    assert found, f"a document that is no data URL: {url[:60]}"
    return Paper(mime, data, title=title)
