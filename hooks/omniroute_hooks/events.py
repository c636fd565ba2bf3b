"""What a provider's stream is made of, before and after it has been put in order.

A dialect's decoder turns wire events into *signals*: what the provider said, in
whatever order it said it. `omniroute_hooks.blocks.BlockMachine` turns signals
into *events*, whose order is always legal: one `Started`, then blocks one after
another (`BlockOpened`, `BlockDelta`*, `BlockClosed`), then exactly one
`Finished` or `Failed`. Encoders only ever see events, so none of them needs to
know what providers get wrong.

Nobody changes one of them. Those that a stream has by the hundred are not frozen all the same: attrs needs more than
twice as long to make a frozen one.
"""

from __future__ import annotations

from typing import Literal

from attrs import define, frozen

from .conversation import Answer, Citation, Part, Seal, Stop, Usage
from .errors import GatewayError

Key = int | str  # the decoder's own name for a part; equal keys are the same part

# Signals: decoder -> machine -------------------------------------------------


@frozen
class Begin:
    """The provider has accepted the request. Repeats are ignored."""

    id: str | None = None
    model: str | None = None
    created_s: int | None = None


@define
class TextDelta:
    """More of a text part. ``refusal`` marks words that decline."""

    key: Key
    text: str
    refusal: bool = False


@define
class TextRun:
    """Text deltas that came together, none of them empty. ``literals`` are the same as JSON strings, in the provider's
    own spelling."""

    key: Key
    texts: list[str]
    literals: list[bytes]


@define
class ThinkingDelta:
    """More reasoning. An empty ``text`` opens the part. ``id`` where the dialect names reasoning items."""

    key: Key
    text: str = ""
    id: str | None = None


@define
class ToolDelta:
    """More of a tool call. ``id`` and ``name`` count once, however often they come, and may come late.

    ``arguments`` is the next piece of JSON text. ``whole`` replaces what came so far (a "done" payload).
    """

    key: Key
    arguments: str = ""
    id: str | None = None
    name: str | None = None
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None
    whole: bool = False
    seal: Seal | None = None


@frozen
class Sealed:
    """The signature of the part ``key`` (text, thinking or tool call). Opens a thinking part if there is none."""

    key: Key
    seal: Seal
    redacted: bool = False


@frozen
class Cited:
    """A citation on the text part ``key``."""

    key: Key
    citation: Citation


@frozen
class WholePart:
    """A part that comes in one piece: an image, a server tool's call or result, redacted thinking."""

    key: Key
    part: Part


@frozen
class Ended:
    """The part ``key`` is complete. Optional: a part also ends when the next one begins."""

    key: Key


@frozen
class UsageSeen:
    """Counts so far, cumulative: the last one wins, zeros included."""

    usage: Usage


@frozen
class Stopped:
    """The provider said why it stopped. The stream may still bring usage."""

    stop: Stop


@frozen
class Terminal:
    """The dialect's own end mark has come: nothing after it counts."""


@frozen
class Broke:
    """The provider reported a failure inside the stream, or the stream is not what it should be."""

    error: GatewayError


Signal = (
    Begin
    | TextDelta
    | TextRun
    | ThinkingDelta
    | ToolDelta
    | Sealed
    | Cited
    | WholePart
    | Ended
    | UsageSeen
    | Stopped
    | Terminal
    | Broke
)

# Events: machine -> encoder --------------------------------------------------

BlockKind = Literal["text", "thinking", "tool", "refusal", "whole"]


@frozen
class Started:
    """First, exactly once."""

    id: str | None
    model: str | None
    created_s: int | None
    usage: Usage | None  # what is known of the input by now


@frozen
class BlockOpened:
    """Block ``index`` (0, 1, 2… without gaps) begins. ``part`` has its id, name and kind but no content,
    except for kind "whole", where it is complete."""

    index: int
    kind: BlockKind
    part: Part


@define
class BlockDelta:
    """More of the open block: text, thinking, or JSON text of a call's arguments. Never empty."""

    index: int
    kind: BlockKind
    text: str


@define
class BlockRun:
    """Deltas of the open text block that came together, for encoders that take them (`Dialect.takes_runs`).
    ``literals`` are the same texts as JSON strings."""

    index: int
    texts: list[str]
    literals: list[bytes]


@frozen
class BlockCited:
    """A citation on the open text block."""

    index: int
    citation: Citation


@frozen
class BlockClosed:
    """The open block ends; ``part`` is all of it, seal included."""

    index: int
    kind: BlockKind
    part: Part


@frozen
class Finished:
    """Last, exactly once, when the answer is whole. ``answer`` is what a caller without a stream would get."""

    answer: Answer


@frozen
class Failed:
    """Last instead of `Finished`. ``partial`` is what had come by then (its stop reason means nothing)."""

    error: GatewayError
    partial: Answer


Event = Started | BlockOpened | BlockDelta | BlockRun | BlockCited | BlockClosed | Finished | Failed
