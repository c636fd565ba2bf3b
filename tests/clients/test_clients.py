"""Each client finishes its task through the gateway, whatever dialect the model behind it speaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_process import PREFIX, gateway_before
from programs import CLAUDE, CODEX, CODEX_BUILTIN, CODEX_UNKNOWN, GEMINI, Finished, Program, Site, run
from scripted.anthropic_messages import ANTHROPIC_MESSAGES
from scripted.gemini_generate import GEMINI_GENERATE
from scripted.openai_chat import OPENAI_CHAT
from scripted.openai_responses import OPENAI_RESPONSES
from scripted.plan import Plan
from scripted.server import ScriptedModel, serving
from scripted.wire import Wire
from task import Task

UPSTREAM_KEY = "sk-upstream-scripted"
CLIENTS = (CLAUDE, CODEX, GEMINI)
WIRES = (ANTHROPIC_MESSAGES, OPENAI_CHAT, OPENAI_RESPONSES, GEMINI_GENERATE)
EVERY_PAIR = [pytest.param(program, wire, id=f"{program.name}-{wire.name}") for program in CLIENTS for wire in WIRES]
UNKNOWN_MODEL = pytest.param(CODEX_UNKNOWN, OPENAI_RESPONSES, id="codex-unknown-model")


async def finish(
    program: Program, wire: Wire, plan: Plan, task: Task, executables: Path
) -> tuple[Finished, ScriptedModel]:
    """Do `plan` with a fresh gateway between `program` and a scripted model of `wire`."""
    folder = task.work.parent
    async with serving(wire, plan, UPSTREAM_KEY) as model, gateway_before(model, folder / "gateway") as gateway:
        site = Site(folder / "home", task.work, gateway.url, gateway.key, f"{PREFIX}/{program.model}")
        finished = await run(program, site, task.prompt, executables)
    assert model.faults == []
    assert finished.code == 0, finished.stderr
    assert {turn.model for turn in model.turns} == {program.model}
    return finished, model


@pytest.mark.parametrize(("program", "wire"), EVERY_PAIR)
async def test_client_runs_a_shell_command_through_the_gateway(
    program: Program, wire: Wire, task: Task, executables: Path
) -> None:
    finished, model = await finish(program, wire, task.shell_plan, task, executables)

    assert task.token in model.turns[-1].results[0]
    assert task.token in finished.stdout


@pytest.mark.parametrize(("program", "wire"), [*EVERY_PAIR, UNKNOWN_MODEL])
async def test_client_edits_a_file_between_two_commands_through_the_gateway(
    program: Program, wire: Wire, task: Task, executables: Path
) -> None:
    finished, model = await finish(program, wire, task.edit_plan, task, executables)

    assert task.note == "first\n2nd\nthird\n"
    assert task.token in model.turns[-1].results[0]
    assert "2ND" in model.turns[-1].results[-1]
    assert task.token in finished.stdout
    assert "2ND" in finished.stdout


async def test_codex_is_told_at_once_that_there_are_no_websockets(task: Task, executables: Path) -> None:
    finished, _ = await finish(CODEX_BUILTIN, OPENAI_RESPONSES, task.shell_plan, task, executables)

    assert task.token in finished.stdout
    assert "Reconnecting" not in finished.stderr
