"""Each client with a scripted model of its own dialect and no gateway between: what the other tests rest on."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import CLAUDE, CODEX, CODEX_BUILTIN, CODEX_UNKNOWN, GEMINI, Program, Site, run
from scripted.server import serving
from task import Task

KEY = "sk-direct"
PROGRAMS = [
    pytest.param(CLAUDE, id="claude"),
    pytest.param(CODEX, id="codex"),
    pytest.param(CODEX_UNKNOWN, id="codex-unknown-model"),
    pytest.param(CODEX_BUILTIN, id="codex-builtin"),
    pytest.param(GEMINI, id="gemini"),
]


@pytest.mark.parametrize("program", PROGRAMS)
async def test_client_runs_shell_commands_and_edits_a_file(
    program: Program, task: Task, executables: Path, tmp_path: Path
) -> None:
    async with serving(program.speaks, task.edit_plan, KEY) as model:
        base_url = model.root_url + program.vendor_path
        site = Site(tmp_path / "home", task.work, base_url, KEY, f"scripted/{program.model}")
        finished = await run(program, site, task.prompt, executables)

    print(model.turns[-1].results if model.turns else None, finished)
    assert model.faults == []
    assert finished.code == 0, finished.stderr
    assert task.token in finished.stdout
    assert task.note == "first\n2nd\nthird\n"
    assert task.token in model.turns[-1].results[0]
    assert "2ND" in model.turns[-1].results[-1]
    assert {turn.model for turn in model.turns} == {site.model}
