"""Writes docs/conformance.md and docs/translation.md: ``python -m tests.conformance.report``.

It runs the matrix and puts down what came of each cell. Both files are a function of the tables in this folder and
of the run, so a run without failures always writes the same.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import pytest  # noqa: E402
from conformance.house import DIALECTS  # noqa: E402
from conformance.limits import LIMITS, Limit, limit_of, policy_of  # noqa: E402
from conformance.matrix_rows import ROWS  # noqa: E402
from conformance.rows import Row  # noqa: E402
from conformance.rows_failures import TOLD  # noqa: E402
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES  # noqa: E402

CONFORMANCE = ROOT / "docs" / "conformance.md"
TRANSLATION = ROOT / "docs" / "translation.md"
Cell = tuple[str, str, str]  # row, caller, provider
LETTERS = {OPENAI_CHAT: "C", OPENAI_RESPONSES: "R", ANTHROPIC: "A", GEMINI: "G"}
NAMES = {OPENAI_CHAT: "Chat", OPENAI_RESPONSES: "Responses", ANTHROPIC: "Anthropic", GEMINI: "Gemini"}
MARKS = {"carry": "✓", "emulate": "≈", "drop": "−", "refuse": "400"}
GENERATED = "<!-- Written by `python -m tests.conformance.report`; a test fails when it is out of date. -->\n"
PAIRS = [(caller, provider) for caller in DIALECTS for provider in DIALECTS]


HOW_TO_READ = """\
# Conformance

Every row is tried over HTTP through a running gateway, whole and streamed, by a strict client of each dialect
against a scripted provider of each. Columns are caller·provider: **C** OpenAI Chat Completions, **R** OpenAI
Responses, **A** Anthropic Messages, **G** Google Gemini.

✓ all of it arrives · ≈ the same effect by other means · − left out · 400 refused by name · blank: there are no
words for it, or nobody could tell. Numbers lead to the reasons below.
"""
LOSSES = """\
# Translation

A request is parsed into one conversation model and rendered for whoever answers it; answers take the same way
back. Within one dialect nothing is translated: the caller's bytes go to the provider with the model's name
changed, and the provider's bytes come back. [conformance.md](conformance.md) shows each pair at work.

## What a pair cannot carry

Decided once, for each pair; everything that is not in this table is carried. What is noted, the request's trace
tells of. "All" are all pairs of different dialects.

| What | From callers of | To providers of | Is | Because |
|---|---|---|---|---|"""
RULES = """
## Streams

Whatever a provider sends becomes events in the one legal order: started, blocks one after another, finished or
failed. A block opens before its first piece and closes once. Pieces of parallel calls that alternate are held back
until their turn; a call is opened when its name is known; ids that are missing are made, and none is given twice
in an answer. A stream without its provider's end is a failure, and is told as one: nobody gets a made-up end. What
a provider says after its end does not count. Counts are cumulative, and the last one wins.

## Thinking

Signatures and encrypted reasoning go back to the provider and model that made them, byte for byte, and to nobody
else. Through callers of another dialect they travel in a tagged envelope, in whatever place that dialect's clients
send back. A bare value of the caller's own dialect names no maker, and goes to providers of that dialect.

## Errors

The provider's own words are kept, in the caller's envelope. Hints of when to come back, in headers, bodies and
words, become `Retry-After`. Statuses:

| The provider answers | which means | Chat, Responses | Anthropic | Gemini |
|---|---|---|---|---|"""


def cells(row: Row) -> list[Cell]:
    """The pairs that can come into this row at all."""
    return [(row.title, caller, provider) for caller, provider in PAIRS if row.covers(caller, provider)]


def conformance(failed: Collection[Cell] = ()) -> str:
    """The matrix. ``failed`` are the cells whose test did not pass."""
    every = [cell for row in ROWS for cell in cells(row)]
    exercised = sum(len(cells(row)) * len(row.ways) for row in ROWS)
    notes = list(dict.fromkeys(limit.why for cell in every if (limit := limit_of(*cell))))
    counts = f"{len(ROWS)} rows, {len(every)} cells, {exercised} runs, {len(failed)} of them failing."
    lines = [GENERATED, HOW_TO_READ, counts, ""]
    for group, rows in groupby(ROWS, key=lambda row: row.group):
        lines += [
            f"## {group}",
            "",
            "| | " + " | ".join(f"{LETTERS[caller]}·{LETTERS[provider]}" for caller, provider in PAIRS) + " |",
            "|---" * (len(PAIRS) + 1) + "|",
        ]
        lines += ["| " + " | ".join([_title(row), *_marks(row, notes, failed)]) + " |" for row in rows]
        lines.append("")
    lines += ["## Reasons", "", *(f"{number}. {why}" for number, why in enumerate(notes, 1)), ""]
    return "\n".join(lines)


def _title(row: Row) -> str:
    way = "" if len(row.ways) == 2 else " (streamed)" if row.ways[0] else " (whole)"
    return row.title + way


def _marks(row: Row, notes: list[str], failed: Collection[Cell]) -> list[str]:
    out = []
    for caller, provider in PAIRS:
        cell = (row.title, caller, provider)
        limit = limit_of(*cell)
        if not row.covers(caller, provider):
            out.append("")
        elif cell in failed:
            out.append("**fails**")
        else:
            number = f"<sup>{notes.index(limit.why) + 1}</sup>" if limit else ""
            out.append(MARKS[policy_of(*cell)] + number)
    return out


WORDS = {
    "emulate": "by other means",
    "drop": "left out",
    "refuse": "refused with a 400 that names the field",
    "carry": "carried",
}
KINDS = {
    400: "the request is wrong",
    401: "the provider refuses our credential",
    402: "no credit or quota is left",
    403: "the account may not",
    404: "no such model",
    413: "the body is too large",
    429: "too many requests",
    500: "it failed",
    503: "it is too busy",
    504: "it took too long",
    529: "it is overloaded",
}


def translation() -> str:
    """What translation between dialects means, and every loss."""
    errors = [f"| {status} | {KINDS[status]} | {told[0]} | {told[1]} | {told[2]} |" for status, told in TOLD.items()]
    return "\n".join([GENERATED, LOSSES, *map(_limit_line, LIMITS), RULES, *errors, ""])


def _limit_line(limit: Limit) -> str:
    [row] = [row for row in ROWS if row.title == limit.row]
    pairs = [(c, p) for _, c, p in cells(row) if limit_of(row.title, c, p) is limit]
    callers, providers = ([d for d in DIALECTS if any(pair[end] == d for pair in pairs)] for end in (0, 1))
    how = WORDS[limit.policy] + ("; noted" if limit.noted else "")
    return f"| {limit.row} | {_names(callers)} | {_names(providers)} | {how} | {limit.why} |"


def _names(dialects: list[str]) -> str:
    return "all" if len(dialects) == len(DIALECTS) else ", ".join(NAMES[dialect] for dialect in dialects)


class _Outcomes:
    """Collects the cells whose test fails."""

    def __init__(self) -> None:
        self.failed: set[Cell] = set()
        self._cells: dict[str, Cell] = {}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if "row" in params:
            self._cells[item.nodeid] = (params["row"].title, params["caller"], params["provider"])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid in self._cells:
            self.failed.add(self._cells[report.nodeid])


def main() -> int:
    """Runs the matrix and writes the files; 1 where a cell fails."""
    outcomes = _Outcomes()
    code = pytest.main(["-q", "--no-header", str(ROOT / "tests/conformance/test_matrix.py")], plugins=[outcomes])
    CONFORMANCE.write_text(conformance(outcomes.failed))
    TRANSLATION.write_text(translation())
    print(f"{CONFORMANCE.relative_to(ROOT)} and {TRANSLATION.relative_to(ROOT)} are written.")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
