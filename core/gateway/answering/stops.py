"""Stop strings that a provider does not take: the answer is cut at them on its way through.

Only what a rendered request had to leave out (`Rendered.cut_at`) is looked for, in the words of an answer and never in
reasoning or in the arguments of calls; without such strings nothing of this is on anybody's path. A string may be
spread over pieces of a stream and over texts that follow each other. The string that is complete first counts, and of
two that are complete at once the longer one, as if the model had stopped when it wrote its last character.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from attrs import evolve, frozen
from omniroute_hooks import Answer, Citation, FieldProblem, Part, Stop, Text, Unsupported, Usage
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.events import (
    BlockCited,
    BlockClosed,
    BlockDelta,
    BlockOpened,
    Event,
    Failed,
    Finished,
    Signal,
    Started,
)

from ..telling.estimate import completed
from .speaking import chars_of

MOST_CHARS = 10_000  # of all strings together: each takes memory for as long as the answer lasts


class Stops:
    """Finds the first of several strings in a text that comes in pieces, in one pass over each piece.

    An automaton (Aho and Corasick, 1975): a state stands for the longest end of the text so far that begins one of
    the strings. 0 is the first state. Errors: `Unsupported` above `MOST_CHARS`.
    """

    def __init__(self, strings: Iterable[str]) -> None:
        words = [word for word in dict.fromkeys(strings) if word]
        if sum(map(len, words)) > MOST_CHARS:
            problem = f"only {MOST_CHARS} characters of stop strings can be looked for at this model's provider"
            raise Unsupported(f"stop: {problem}", details=[FieldProblem("stop", problem)])
        self._next: list[dict[str, int]] = [{}]
        self._depth = [0]
        self._word: list[str | None] = [None]
        for word in words:
            self._add(word)
        self._fall = self._falls()
        self._begins = re.compile("[" + "".join(re.escape(word[0]) for word in words) + "]") if words else None

    def _add(self, word: str) -> None:
        state = 0
        for char in word:
            if char not in self._next[state]:
                self._next[state][char] = len(self._next)
                self._next.append({})
                self._depth.append(self._depth[state] + 1)
                self._word.append(None)
            state = self._next[state][char]
        self._word[state] = word

    def _falls(self) -> list[int]:
        """For each state the next shorter one that the same text ends in."""
        falls = [0] * len(self._next)
        queue = deque(self._next[0].values())
        while queue:
            state = queue.popleft()
            for char, follower in self._next[state].items():
                fall = falls[state]
                while fall and char not in self._next[fall]:
                    fall = falls[fall]
                falls[follower] = self._next[fall].get(char, 0)
                if self._word[follower] is None:
                    self._word[follower] = self._word[falls[follower]]
                queue.append(follower)
        return falls

    def held(self, state: int) -> int:
        """How many characters at the end of the text so far may be the beginning of a string."""
        return self._depth[state]

    def scan(self, state: int, text: str) -> tuple[int, int, str | None]:
        """The state after ``text``, or after the character that completes a string; how far that is; the string."""
        at, end = 0, len(text)
        while at < end:
            if not state:
                begin = self._begins.search(text, at) if self._begins is not None else None
                if begin is None:
                    break
                at = begin.start()
            char = text[at]
            while state and char not in self._next[state]:
                state = self._fall[state]
            state = self._next[state].get(char, 0)
            at += 1
            word = self._word[state]
            if word is not None:
                return state, at, word
        return state, end, None


@frozen
class Cut:
    """What cuts one attempt's answer. ``input_tokens`` is what its request has, by an estimate."""

    stops: Stops
    input_tokens: int

    def answer(self, answer: Answer) -> Answer:
        """A whole answer, cut."""
        return cut_answer(answer, self.stops)

    def machine(self, answer_id: str) -> BlockMachine:
        """What puts a stream in order, and cuts it."""
        return CuttingMachine(answer_id, self.stops, self.input_tokens)


def cut_answer(answer: Answer, stops: Stops) -> Answer:
    """The answer up to the first stop string; what was counted stays, since it was written."""
    state = 0
    for position, part in enumerate(answer.parts):
        if not isinstance(part, Text):
            state = 0
            continue
        state, end, word = stops.scan(state, part.text)
        if word is None:
            continue
        kept: list[Part] = [
            *answer.parts[:position],
            Text(part.text[:end], part.citations, seal=part.seal, ext=part.ext),
        ]
        left = len(word)
        while left:
            last = kept.pop()
            assert isinstance(last, Text)  # the string stands in texts that follow each other
            if len(last.text) > left:
                kept.append(_clipped(last, len(last.text) - left))
            left -= min(left, len(last.text))
        return evolve(answer, parts=tuple(kept), stop=Stop("stop_string", None, word))
    return answer


class CuttingMachine(BlockMachine):
    """A machine whose answer ends at the first stop string. Words that may begin one wait until that is certain.

    ``input_tokens`` is what the request has by an estimate, for want of the provider's own counts, which come last and
    are not waited for.
    """

    def __init__(self, answer_id: str, stops: Stops, input_tokens: int) -> None:
        super().__init__(answer_id)
        self._stops = stops
        self._input_tokens = input_tokens
        self._state = 0
        self._waiting: list[Event] = []  # of texts that follow each other
        self._told: list[Part] = []  # whole parts that the caller has heard
        self._telling: int | None = None  # index of the text that it is hearing
        self._words: list[str] = []
        self._sources: list[Citation] = []
        self._at_start: Usage | None = None
        self._cut: Answer | None = None

    def feed(self, signals: Iterable[Signal]) -> list[Event]:
        """As `BlockMachine.feed`, up to a stop string; the upstream can be closed then."""
        return self._up_to_stop(super().feed(signals))

    def end(self) -> list[Event]:
        """As `BlockMachine.end`."""
        return self._up_to_stop(super().end())

    def spoken(self) -> tuple[tuple[Part, ...], Part | None]:
        """As `BlockMachine.spoken`, without the words that wait."""
        current = super().spoken()[1]
        if isinstance(current, Text):
            current = None if self._telling is None else Text("".join(self._words), tuple(self._sources))
        return tuple(self._told), current

    def answer(self) -> Answer:
        """As `BlockMachine.answer`, up to the stop string."""
        return super().answer() if self._cut is None else self._cut

    def _up_to_stop(self, events: list[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if isinstance(event, BlockDelta) and event.kind == "text":
                self._state, end, word = self._stops.scan(self._state, event.text)
                self._waiting.append(event if word is None else BlockDelta(event.index, "text", event.text[:end]))
                if word is not None:
                    self._finish(word, out)
                    break
                self._release(self._stops.held(self._state), out)
            elif isinstance(event, BlockOpened | BlockCited | BlockClosed) and _of_text(event):
                self._waiting.append(event)
                self._release(self._stops.held(self._state), out)
            else:
                if isinstance(event, Started):
                    self._at_start = event.usage
                elif not isinstance(event, Failed):  # another kind of block, or the end: what waits was no stop string
                    self._state = 0
                    self._tell(self._waiting, out)
                    self._waiting = []
                self._tell([event], out)
        return out

    def _release(self, hold: int, out: list[Event]) -> None:
        """Tells what waits, but for its last ``hold`` characters. A text is opened with its first word."""
        waiting = self._waiting
        at = len(waiting)
        while at:
            event = waiting[at - 1]
            if isinstance(event, BlockDelta):
                if not hold:
                    break
                if len(event.text) > hold:
                    border = len(event.text) - hold
                    parts = (event.text[:border], event.text[border:])
                    waiting[at - 1 : at] = [BlockDelta(event.index, "text", text) for text in parts]
                    break
                hold -= len(event.text)
            elif not isinstance(event, BlockOpened) and not hold:
                break
            at -= 1
        self._tell(waiting[:at], out)
        self._waiting = waiting[at:]

    def _tell(self, events: list[Event], out: list[Event]) -> None:
        for event in events:
            if isinstance(event, BlockOpened) and event.kind == "text":
                self._telling, self._words, self._sources = event.index, [], []
            elif isinstance(event, BlockDelta) and event.kind == "text":
                self._words.append(event.text)
            elif isinstance(event, BlockCited):
                self._sources.append(event.citation)
            elif isinstance(event, BlockClosed):
                self._telling = None
                self._told.append(event.part)
        out += events

    def _finish(self, word: str, out: list[Event]) -> None:
        self._release(len(word), out)
        self._waiting = []
        if self._telling is not None:
            text = "".join(self._words)
            part = _clipped(Text(text, tuple(self._sources)), len(text))
            self._tell([BlockClosed(self._telling, "text", part)], out)
        written = super().answer()
        self._usage = self._counted(written)
        self._cut = evolve(written, parts=tuple(self._told), stop=Stop("stop_string", None, word), usage=self._usage)
        self._over = True
        out.append(Finished(self._cut))

    def _counted(self, written: Answer) -> Usage:
        """What the provider has counted of this answer, else an estimate of what it wrote, marked as one."""
        counted = written.usage
        if counted is not None and counted is not self._at_start:
            return counted
        return completed(counted, self._input_tokens, chars_of(written.parts), whole=False)


def _of_text(event: BlockOpened | BlockCited | BlockClosed) -> bool:
    return isinstance(event, BlockCited) or event.kind == "text"


def _clipped(part: Text, length: int) -> Text:
    """The first ``length`` characters; a signature holds for the whole text only, and goes."""
    citations = tuple(
        evolve(citation, end=length) if citation.end is not None and citation.end > length else citation
        for citation in part.citations
        if citation.start is None or citation.start < length
    )
    return Text(part.text[:length], citations, ext=part.ext)
