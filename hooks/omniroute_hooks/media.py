"""Values of the endpoints that are not conversations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


@frozen
class Transcription:
    """A recording to be written down. ``audio`` raw bytes, ``mime`` such as ``audio/wav``.

    ``language`` ISO-639-1; ``fields`` other form fields as the caller sent them.
    """

    model: str
    audio: bytes = field(repr=False)
    filename: str
    mime: str
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    word_times: bool = False
    fields: Mapping[str, str] = {}


@frozen
class Word:
    """One word with its time in seconds from the start."""

    text: str
    start_s: float
    end_s: float


@frozen
class Segment:
    """A sentence or so, with its time in seconds from the start."""

    text: str
    start_s: float
    end_s: float


@frozen
class Transcript:
    """What was said. ``duration_s`` is the recording's length, which some vendors bill by."""

    text: str
    language: str | None = None
    duration_s: float | None = None
    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()
    ext: Mapping[str, Any] = {}
