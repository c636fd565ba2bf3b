"""Writes docs/faults.md: ``python -m tests.faults.report``.

It runs the catalogue and puts down what came of each fault. The file is a function of the tables in this folder and
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
from faults.catalogue import FAULTS  # noqa: E402
from faults.ends import DIALECTS, KINDS, End, Ends  # noqa: E402
from faults.fault import Fault  # noqa: E402
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES  # noqa: E402

FILE = ROOT / "docs" / "faults.md"
NAMES = {OPENAI_CHAT: "Chat", OPENAI_RESPONSES: "Responses", ANTHROPIC: "Anthropic", GEMINI: "Gemini"}

HEAD = """\
<!-- Written by `python -m tests.faults.report`; a test fails when it is out of date. -->

# Faults

What callers get when a provider is ill. Every row is tried over HTTP through a running gateway, by a strict client of
each of the four dialects, whole and streamed: from a combo of that provider alone, and from one with a healthy
provider behind it. Then the fault is lifted, and the same gateway answers through the same provider; no request, slot,
task or connection is left over.

- **Alone** and **in a combo** say what the caller gets; the table at the end has the statuses. "Begun": callers of
  streams have read the first words by then; they get an error event of their dialect and no end, and everybody else
  gets the status.
- **Asked** is how many requests one call costs the provider; once where an answer was begun. Unless a dash stands under
  **rests**, it is left alone after that for as long as `Retry-After` tells callers, and the next call does not ask it.
- Providers speak Chat unless another dialect is named. Deadlines are those of the provider's combo.
"""


def report(failed: Collection[str] = ()) -> str:
    """The catalogue. ``failed`` are the names of the faults of which a test did not pass."""
    cells = len(FAULTS) * len(DIALECTS) * 2
    lines = [HEAD, f"{len(FAULTS)} faults, {cells} cells, {len(failed)} faults with a failing one.", ""]
    for group, faults in groupby(FAULTS, key=lambda fault: fault.group):
        lines += [f"## {group}", "", "| Fault | The provider | Alone | In a combo | Asked | Rests |", "|---" * 6 + "|"]
        lines += [_row(fault, fault.name in failed) for fault in faults]
        lines.append("")
    lines += ["## Statuses", "", "| | Chat, Responses | Anthropic | Gemini |", "|---|---|---|---|"]
    used = {end.kind for fault in FAULTS for ends in (fault.alone, fault.combo) for end in _each(ends)}
    for kind, told in KINDS.items():
        if kind in used:
            code = f" `{told.code}`" if told.code else ""
            openai, anthropic, gemini = told.statuses
            cells_ = (f"{openai}{code}", f"{anthropic} `{told.type}`", f"{gemini} `{told.status}`")
            lines.append(f"| {told.words} | " + " | ".join(cells_) + " |")
    return "\n".join([*lines, ""])


def _row(fault: Fault, fails: bool) -> str:
    does = fault.does
    if fault.dialect != OPENAI_CHAT:
        does = f"{NAMES[fault.dialect]}: {does}"
    name = f"{fault.name} **fails**" if fails else fault.name
    rests = "–" if not fault.rests else "untold" if fault.hint_s is None else _span(fault.hint_s)
    asked = "not at all" if fault.asked == 0 else "once" if fault.asked == 1 else "twice"
    return "| " + " | ".join((name, does, _words(fault.alone), _words(fault.combo), asked, rests)) + " |"


def _words(ends: Ends) -> str:
    if ends.whole == ends.stream == ends.passed:
        return _end(ends.whole)
    out = [_end(ends.whole) if ends.whole == ends.stream else _both(ends)]
    if ends.passed != ends.stream:
        out.append(f"its own dialect, streamed: {_end(ends.passed)}")
    return "; ".join(out)


def _both(ends: Ends) -> str:
    whole, stream = ends.whole, ends.stream
    if whole.kind is not None and whole.kind == stream.kind and stream.begun:
        return f"{whole.told.words}, begun"
    return f"whole: {_end(whole)}; streamed: {_end(stream)}"


def _end(end: End) -> str:
    if end.garbled:
        return "as the provider sent it"
    if end.kind is None:
        return "the answer"
    return f"{end.told.words}, begun" if end.begun else end.told.words


def _each(ends: Ends) -> tuple[End, ...]:
    return (ends.whole, ends.stream, ends.passed)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 7200 else f"{seconds / 3600:g} h"


class _Outcomes:
    """Collects the faults of which a test fails."""

    def __init__(self) -> None:
        self.failed: set[str] = set()
        self._names: dict[str, str] = {}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if "fault" in params:
            self._names[item.nodeid] = params["fault"].name

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid in self._names:
            self.failed.add(self._names[report.nodeid])


def main() -> int:
    """Runs the catalogue and writes the file; 1 where a cell fails."""
    outcomes = _Outcomes()
    code = pytest.main(["-q", "--no-header", str(ROOT / "tests/faults/test_faults.py")], plugins=[outcomes])
    FILE.write_text(report(outcomes.failed))
    print(f"{FILE.relative_to(ROOT)} is written.")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
