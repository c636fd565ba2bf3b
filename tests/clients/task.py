"""The task every client has to finish: a shell command draws a random token, an edit and a second command follow.

The token is drawn by the command itself. Nothing but the file that it writes and the tool's result can hold it, so
a final answer with the token in it proves the whole way: call, command, result, answer.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from scripted.plan import EditFile, Plan, RunShell

DRAW = "od -An -N12 -tx1 /dev/urandom | tr -d ' \\n' | tee token.txt"


@frozen
class Task:
    """What is asked, what the model plans, and where its traces are found."""

    work: Path
    prompt: str
    shell_plan: Plan
    edit_plan: Plan

    @property
    def token(self) -> str:
        """What the command wrote: 24 hexadecimal digits. FileNotFoundError when it never ran."""
        return (self.work / "token.txt").read_text()

    @property
    def note(self) -> str:
        return (self.work / "note.txt").read_text()


def prepare(work: Path) -> Task:
    """A task in the new folder `work`."""
    work.mkdir()
    note = work / "note.txt"
    note.write_text("first\nsecond\nthird\n")
    draw = RunShell(DRAW)
    edit = EditFile(str(note), old="second", new="2nd")
    return Task(
        work=work,
        prompt="Follow your plan step by step, then say what its commands printed.",
        shell_plan=Plan((draw,)),
        edit_plan=Plan((draw, edit, RunShell("tr a-z A-Z < note.txt"))),
    )
