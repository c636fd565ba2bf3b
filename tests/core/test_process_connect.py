"""The program's own commands: setting up client programs, and the commands that plugins bring."""

import stat
from pathlib import Path

import every_hook
import pytest
from process_kit import install, starting

KEY = "sk-omni-" + "a1B2" * 11


@pytest.fixture
def run(tmp_path):
    """Runs ``omniroute <arguments>`` at a home of its own, with the plugin of every hook; gives code and words."""
    path = install(tmp_path / "site", "every_hook", Path(every_hook.__file__).read_text())
    home = tmp_path / "home"
    home.mkdir()

    async def run_(*arguments):
        async with starting(home, *arguments, PYTHONPATH=path) as program:
            code = await program.exit_code()
        assert "Traceback" not in program.text
        return code, program.text

    run_.file = home / ".loudtool" / "settings.txt"
    run_.home = home
    return run_


def configure(run, text="volume 11\n", mode=0o640):
    run.file.parent.mkdir(exist_ok=True)
    run.file.write_text(text)
    run.file.chmod(mode)


def copies(run):
    return [path for path in run.file.parent.iterdir() if path != run.file]


async def test_the_programs_that_can_be_set_up_are_listed(run):
    run.file.parent.mkdir()

    code, said = await run("connect")

    assert code == 0
    assert "loudtool         Loud Tool (found)" in said
    assert "astray           Astray (not found)" in said


async def test_a_program_is_set_up_and_its_old_file_kept(run):
    configure(run)

    code, said = await run("connect", "loudtool", "--key", KEY, "--model", "cc/some-model", "--url", "http://h:1/v1/")

    assert code == 0
    assert run.file.read_text() == f"volume 11\ngateway http://h:1 {KEY} cc/some-model\n"
    assert stat.S_IMODE(run.file.stat().st_mode) == 0o640
    [copy] = copies(run)
    assert copy.read_text() == "volume 11\n"
    assert str(copy) in said
    assert "+gateway http://h:1 " in said
    assert KEY not in said  # it may stand in a terminal's history for ever


async def test_a_program_without_a_file_gets_one_that_nobody_else_can_read(run):
    code, _ = await run("connect", "loudtool", "--key", KEY)

    assert code == 0
    assert run.file.read_text() == f"gateway http://localhost:20128 {KEY}\n"
    assert stat.S_IMODE(run.file.stat().st_mode) == 0o600
    assert copies(run) == []


async def test_a_dry_run_shows_and_changes_nothing(run):
    configure(run)

    code, said = await run("connect", "loudtool", "--dry-run")

    assert code == 0
    assert "+gateway http://localhost:20128" in said
    assert run.file.read_text() == "volume 11\n"
    assert copies(run) == []


async def test_what_is_set_up_already_is_left_alone(run):
    configure(run)
    await run("connect", "loudtool")

    code, said = await run("connect", "loudtool")

    assert code == 0
    assert "Nothing is to be changed" in said
    assert len(copies(run)) == 1


@pytest.mark.parametrize(("before", "after"), [("volume 11\n", "volume 11\n"), ("", None)])
async def test_a_program_is_taken_back(run, before, after):
    configure(run, before)
    await run("connect", "loudtool")

    code, _ = await run("disconnect", "loudtool")

    assert code == 0
    assert (run.file.read_text() if run.file.exists() else None) == after


@pytest.mark.parametrize("linked", ["file", "folder"])
async def test_nothing_behind_a_symbolic_link_is_touched(run, tmp_path, linked):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "settings.txt").write_text("volume 11\n")
    if linked == "folder":
        run.file.parent.symlink_to(shared)
    else:
        run.file.parent.mkdir()
        run.file.symlink_to(shared / "settings.txt")

    code, said = await run("connect", "loudtool")

    assert code == 1
    assert "symbolic link" in said
    assert [path.read_text() for path in shared.iterdir()] == ["volume 11\n"]


async def test_a_file_outside_the_home_is_refused(run):
    code, said = await run("connect", "astray")

    assert code == 1
    assert "not in your home folder" in said
    assert not (run.home.parent / "elsewhere.txt").exists()


async def test_a_misspelt_program_is_guessed_at(run):
    code, said = await run("connect", "loudtol")

    assert code == 1
    assert "Did you mean loudtool?" in said


async def test_an_address_that_is_none_is_refused(run):
    code, said = await run("connect", "loudtool", "--url", "nonsense")

    assert code == 1
    assert "--url nonsense" in said
    assert not run.file.exists()


async def test_a_command_of_a_plugin_is_one_of_the_programs_own(run):
    assert await run("every-hook", "quiet") == (0, "QUIET")
    code, said = await run("--help")
    assert code == 0
    for command in ("every-hook", "connect", "disconnect", "plugins", "serve"):
        assert command in said


async def test_a_plugin_is_listed_with_what_it_brings(run):
    code, said = await run("plugins")

    assert code == 0
    assert "active    every-hook (every-hook 1.0)" in said
    assert "client_tools: loudtool astray" in said
