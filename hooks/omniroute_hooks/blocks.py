"""The block state machine: any provider's signals in, legal events out.

One engine for every endpoint and every pair of dialects. It opens a block before
its first delta, keeps one block open at a time, holds back parts that a provider
interleaves until their turn, waits for a tool's name, closes each block once and
ends the answer once. What it has seen is also the whole answer, so a caller
without a stream is served by the same code.

Source: facts of broken streams in docs/translation.md (double starts, lost
first deltas, merged calls, missing ends).
"""

from __future__ import annotations

from collections.abc import Iterable

from .conversation import (
    Answer,
    Citation,
    Part,
    Refusal,
    Seal,
    Stop,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from .errors import BrokenStream, GatewayError
from .events import (
    Begin,
    BlockCited,
    BlockClosed,
    BlockDelta,
    BlockKind,
    BlockOpened,
    BlockRun,
    Broke,
    Cited,
    Ended,
    Event,
    Failed,
    Finished,
    Key,
    Sealed,
    Signal,
    Started,
    Stopped,
    Terminal,
    TextDelta,
    TextRun,
    ThinkingDelta,
    ToolDelta,
    UsageSeen,
    WholePart,
)

_SLOT = {"text": 0, "refusal": 1, "thinking": 2, "tool": 3, "whole": 4}


class _Block:
    """A part in the making."""

    __slots__ = (
        "call_id",
        "citations",
        "ended",
        "id",
        "index",
        "kind",
        "name",
        "namespace",
        "part",
        "pieces",
        "redacted",
        "seal",
        "tool_kind",
    )

    def __init__(self, kind: BlockKind) -> None:
        self.kind: BlockKind = kind
        self.index = -1  # no index until it opens
        self.ended = False
        self.pieces: list[str] = []
        self.id: str | None = None
        self.call_id: str | None = None
        self.name = ""
        self.namespace: str | None = None
        self.tool_kind: str = "function"
        self.seal: Seal | None = None
        self.redacted = False
        self.citations: list[Citation] = []
        self.part: Part | None = None

    def build(self, content: bool) -> Part:
        """The part as it stands; without content, its bare beginning."""
        text = "".join(self.pieces) if content else ""
        if self.kind == "text":
            return Text(text, citations=tuple(self.citations) if content else (), seal=self.seal if content else None)
        if self.kind == "refusal":
            return Refusal(text)
        if self.kind == "thinking":
            return Thinking(text, seal=self.seal if content else None, redacted=self.redacted, id=self.id)
        if self.kind == "tool":
            return ToolCall(
                self.call_id or "",
                self.name,
                text,
                kind="custom" if self.tool_kind == "custom" else "function",
                namespace=self.namespace,
                seal=self.seal,
            )
        assert self.part is not None  # "whole" blocks are made with their part
        return self.part


class BlockMachine:
    """Feed it signals; it gives events. Call `end` when `complete`, or when the upstream closes.

    ``answer_id`` (unique per request) makes the ids of calls that come without one. ``runs``: whether texts that came
    together are told together, as `BlockRun`.
    """

    def __init__(self, answer_id: str | None = None, runs: bool = False) -> None:
        self._answer_id = answer_id
        self._runs = runs
        self._begin = Begin()
        self._started = False
        self._over = False
        self._blocks: dict[tuple[int, Key], _Block] = {}
        self._queue: list[_Block] = []  # seen, not yet closed; the first is the open one
        self._done: list[Part] = []
        self._count = 0
        self._calls = 0
        self._call_ids: set[str] = set()
        self._usage: Usage | None = None
        self._stop: Stop | None = None
        self._terminal = False
        self._last_text = _Block("text")  # the text block that grew last, and its key
        self._last_key: Key = ""

    @property
    def started(self) -> bool:
        """Whether anything has been said to the caller."""
        return self._started

    @property
    def complete(self) -> bool:
        """Whether the dialect's own end mark has come; the upstream's socket need not close for it."""
        return self._terminal

    @property
    def over(self) -> bool:
        """Whether `Finished` or `Failed` is out."""
        return self._over

    @property
    def usage(self) -> Usage | None:
        """The last counts seen."""
        return self._usage

    def feed(self, signals: Iterable[Signal]) -> list[Event]:
        """Events for these signals, in order. After the end, nothing."""
        out: list[Event] = []
        for signal in signals:
            if self._over or self._terminal:
                break
            kind = type(signal)
            if kind is TextDelta:
                last = self._last_text
                if last.index >= 0 and not last.ended and signal.key == self._last_key and not signal.refusal:  # type: ignore[union-attr]
                    text: str = signal.text  # type: ignore[union-attr]
                    if text:  # nearly every signal of a stream is this one
                        last.pieces.append(text)
                        out.append(BlockDelta(last.index, "text", text))
                    continue
                self._text(signal, out)  # type: ignore[arg-type]
            elif kind is TextRun:
                self._run(signal, out)  # type: ignore[arg-type]
            elif kind is ToolDelta:
                self._tool(signal, out)  # type: ignore[arg-type]
            elif kind is ThinkingDelta:
                self._thinking(signal, out)  # type: ignore[arg-type]
            else:
                self._rest(signal, out)
        return out

    def end(self) -> list[Event]:
        """The upstream has closed: the end of a whole answer, or the report of a cut one."""
        if self._over:
            return []
        if self._stop is None:
            return self.fail(BrokenStream("The provider's answer stopped before its end."))
        out: list[Event] = []
        self._start(out)
        for block in self._queue:
            block.ended = True
        self._pump(out)
        self._over = True
        out.append(Finished(self.answer()))
        return out

    def fail(self, error: GatewayError) -> list[Event]:
        """Ends the answer with a failure; open blocks stay unclosed, since their content is not whole."""
        if self._over:
            return []
        self._over = True
        return [Failed(error, self.answer())]

    def spoken(self) -> tuple[tuple[Part, ...], Part | None]:
        """What events have told so far: the parts that are closed, and the open one as far as it has come."""
        head = self._queue[0] if self._queue else None
        return tuple(self._done), head.build(content=True) if head is not None and head.index >= 0 else None

    def answer(self) -> Answer:
        """All that has come so far, as one value."""
        waiting = (b for b in self._queue if b.kind != "tool" or b.name)
        parts = [*self._done, *(block.build(content=True) for block in waiting)]
        called = any(isinstance(p, ToolCall) for p in parts)
        return Answer(
            parts=tuple(parts),
            stop=settle_stop(self._stop or Stop("other"), called),
            usage=self._usage,
            id=self._begin.id,
            model=self._begin.model,
            created_s=self._begin.created_s,
        )

    # one method per signal ---------------------------------------------------

    def _rest(self, signal: Signal, out: list[Event]) -> None:
        if isinstance(signal, Begin):
            if not self._started:
                self._begin = signal
                self._start(out)
        elif isinstance(signal, UsageSeen):
            self._usage = signal.usage
        elif isinstance(signal, Sealed):
            self._sealed(signal, out)
        elif isinstance(signal, Ended):
            for slot in _SLOT.values():
                block = self._blocks.get((slot, signal.key))
                if block is not None:
                    block.ended = True
            self._pump(out)
        elif isinstance(signal, WholePart):
            block = self._block("whole", signal.key)
            block.part = signal.part
            block.ended = True
            self._pump(out)
        elif isinstance(signal, Cited):
            self._cited(signal, out)
        elif isinstance(signal, Stopped):
            if self._stop is None or _rank(signal.stop) <= _rank(self._stop):
                self._stop = signal.stop
        elif isinstance(signal, Terminal):
            self._terminal = True
        elif isinstance(signal, Broke):
            out.extend(self.fail(signal.error))

    def _text(self, signal: TextDelta, out: list[Event]) -> None:
        kind: BlockKind = "refusal" if signal.refusal else "text"
        block = self._blocks.get((_SLOT[kind], signal.key))
        if not signal.text and (block is None or block.ended):
            return  # an empty first delta opens nothing: some callers refuse empty text blocks
        if block is None or block.ended:
            block = self._block(kind, signal.key)
        if kind == "text":
            self._last_text, self._last_key = block, signal.key
        self._append(block, signal.text, out)

    def _run(self, signal: TextRun, out: list[Event]) -> None:
        texts, literals = signal.texts, signal.literals
        last = self._last_text
        if last.index < 0 or last.ended or signal.key != self._last_key:
            self._text(TextDelta(signal.key, texts[0]), out)
            texts, literals = texts[1:], literals[1:]
            last = self._last_text
            if last.index < 0:  # its turn has not come yet
                last.pieces += texts
                return
        last.pieces += texts
        if not self._runs:
            out += [BlockDelta(last.index, "text", text) for text in texts]
        elif texts:
            out.append(BlockRun(last.index, texts, literals))

    def _thinking(self, signal: ThinkingDelta, out: list[Event]) -> None:
        block = self._block("thinking", signal.key)
        if block.redacted and signal.text:  # what is hidden has no words: these are another part's
            block.ended = True
            block = self._block("thinking", signal.key)
        if signal.id and block.id is None:
            block.id = signal.id
        self._append(block, signal.text, out)

    def _tool(self, signal: ToolDelta, out: list[Event]) -> None:
        block = self._block("tool", signal.key)
        if signal.id and block.call_id is None:
            block.call_id = signal.id
        if signal.name and not block.name:
            block.name = signal.name
        if signal.seal and block.seal is None:
            block.seal = signal.seal
        block.namespace = block.namespace or signal.namespace
        if signal.kind == "custom":
            block.tool_kind = "custom"
        text = signal.arguments
        if signal.whole and block.index < 0:
            block.pieces.clear()  # nobody has heard them yet
        elif signal.whole:
            have = "".join(block.pieces)
            text = text[len(have) :] if text.startswith(have) else ""
        self._append(block, text, out)

    def _cited(self, signal: Cited, out: list[Event]) -> None:
        block = self._blocks.get((_SLOT["text"], signal.key)) or self._block("text", signal.key)
        block.citations.append(signal.citation)
        if block.index < 0:
            self._pump(out)
        elif block in self._queue:
            out.append(BlockCited(block.index, signal.citation))
        else:  # too late to say so, but the whole answer has it; a new text without words would be worse
            self._done[block.index] = block.build(content=True)

    def _sealed(self, signal: Sealed, out: list[Event]) -> None:
        for slot in (_SLOT["thinking"], _SLOT["tool"], _SLOT["text"]):
            block = self._blocks.get((slot, signal.key))
            if block is not None and not block.ended:
                block.seal = signal.seal
                return
        block = self._block("thinking", signal.key)
        block.seal = signal.seal
        block.redacted = signal.redacted
        self._pump(out)

    # the queue: its head may be open, the others wait -----------------------

    def _block(self, kind: BlockKind, key: Key) -> _Block:
        name = (_SLOT[kind], key)
        block = self._blocks.get(name)
        if block is None or block.ended:
            block = _Block(kind)
            self._blocks[name] = block
            self._queue.append(block)
        return block

    def _append(self, block: _Block, text: str, out: list[Event]) -> None:
        if text:
            block.pieces.append(text)
        if block.index < 0:
            self._pump(out)
        elif text:
            out.append(BlockDelta(block.index, block.kind, text))

    def _pump(self, out: list[Event]) -> None:
        """Opens and closes from the head of the queue as far as that is certain.

        Text and reasoning end when another part begins. A call ends only when the provider says so,
        since the pieces of parallel calls may alternate.
        """
        queue = self._queue
        while queue:
            head = queue[0]
            if head.index < 0:
                if head.kind == "tool" and not head.name:
                    if not head.ended:
                        return  # some providers send the name in a later piece
                    queue.pop(0)  # a call that never got a name: nobody could run it
                    continue
                self._open(head, out)
            if not head.ended:
                if len(queue) == 1 or head.kind == "tool":
                    return
                head.ended = True
            queue.pop(0)
            part = head.build(content=True)
            self._done.append(part)
            out.append(BlockClosed(head.index, head.kind, part))

    def _open(self, block: _Block, out: list[Event]) -> None:
        self._start(out)
        block.index = self._count
        self._count += 1
        if block.kind == "tool":
            self._calls += 1
            made = f"call_{self._begin.id or self._answer_id or ''}_{self._calls}"
            block.call_id = distinct_id(block.call_id or made, self._call_ids)
        out.append(BlockOpened(block.index, block.kind, block.build(content=False)))
        if block.kind != "whole" and block.pieces:
            out.append(BlockDelta(block.index, block.kind, "".join(block.pieces)))
        out.extend(BlockCited(block.index, citation) for citation in block.citations)

    def _start(self, out: list[Event]) -> None:
        if not self._started:
            self._started = True
            out.append(Started(self._begin.id, self._begin.model, self._begin.created_s, self._usage))


_RANK = {"length": 0, "context_full": 0, "filtered": 1, "malformed_call": 1, "tool": 2, "stop_string": 3, "pause": 3}


def _rank(stop: Stop) -> int:
    return _RANK.get(stop.reason, 4)


def settle_stop(stop: Stop, called: bool) -> Stop:
    """The stop reason that fits what came: length beats everything, calls beat a plain end.

    Source: facts/dialects 2.10, "Precedence when signals clash".
    """
    if called and stop.reason in ("end", "other"):
        return Stop("tool", stop.raw, stop.matched)
    if not called and stop.reason == "tool":
        return Stop("end", stop.raw, stop.matched)
    return stop


def distinct_id(call_id: str, seen: set[str]) -> str:
    """``call_id``, or a longer one where it is taken; notes it as taken."""
    name, number = call_id, 1
    while name in seen:
        number += 1
        name = f"{call_id}_{number}"
    seen.add(name)
    return name
