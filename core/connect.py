"""``omniroute connect`` and ``omniroute disconnect``: the gateway in a client program's own configuration.

What is to change comes from the tool's plugin; it is shown here, and written with a copy of every file beside it.
Nothing outside the user's home is touched, and nothing behind a symbolic link: that file may be shared.
"""

from __future__ import annotations

import difflib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
from omniroute_hooks import ClientTool, FileEdit, GatewayAddress

from core.access.api_keys import mask_api_key
from core.plugins import registry as plugins
from core.settings import Settings, SettingsError, load_settings

NO_KEY = "sk-omniroute"  # clients refuse to start without any


@click.command("connect")
@click.argument("tool", required=False)
@click.option("--url", help="The gateway's address (BASE_URL, else http://localhost:20128).")
@click.option("--key", default=NO_KEY, help="An API key of the gateway; any word will do while it requires none.")
@click.option("--model", default="", help="The model that the program shall use.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
def connect(tool: str | None, url: str | None, key: str, model: str, dry_run: bool) -> None:
    """Set up a client program to use this gateway. Without TOOL, list the programs."""
    settings = _settings()
    tools = _tools(settings)
    if tool is None:
        _list(tools)
        return
    chosen = _chosen(tools, tool)
    address = GatewayAddress(_base_url(url or settings.base_url), key, model)
    edits = _asked(chosen, lambda: chosen.connect(Path.home(), address))
    _apply(edits, key, dry_run, f"{chosen.name} uses the gateway at {address.base_url} now.")


@click.command("disconnect")
@click.argument("tool")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
def disconnect(tool: str, dry_run: bool) -> None:
    """Take this gateway out of a client program's configuration again."""
    chosen = _chosen(_tools(_settings()), tool)
    edits = _asked(chosen, lambda: chosen.disconnect(Path.home()))
    _apply(edits, "", dry_run, f"{chosen.name} no longer uses the gateway.")


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as exc:
        raise click.ClickException(str(exc)) from exc


def _tools(settings: Settings) -> dict[str, ClientTool]:
    return dict(plugins.build(settings.disabled_plugins, settings.provider_override).client_tools)


def _list(tools: dict[str, ClientTool]) -> None:
    if not tools:
        click.echo("No installed plugin sets up a client program.")
    for tool in tools.values():
        try:
            found = "found" if tool.is_installed(Path.home()) else "not found"
        except Exception as exc:  # a plugin's mistake costs only its own line
            found = f"unknown ({type(exc).__name__})"
        click.echo(f"{tool.id:<16} {tool.name} ({found})")


def _chosen(tools: dict[str, ClientTool], wanted: str) -> ClientTool:
    if wanted in tools:
        return tools[wanted]
    near = difflib.get_close_matches(wanted, tools, n=1)
    hint = f" Did you mean {near[0]}?" if near else f" Known: {', '.join(sorted(tools)) or 'none'}."
    raise click.ClickException(f"No installed plugin sets up {wanted!r}.{hint}")


def _base_url(text: str) -> str:
    """Without a version segment and a slash at its end, as tools expect it."""
    bare = text.rstrip("/").removesuffix("/v1").rstrip("/")
    parts = urlsplit(bare)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.ClickException(f"--url {text}: use an address such as http://localhost:20128.")
    return bare


def _asked(tool: ClientTool, ask: Callable[[], Sequence[FileEdit]]) -> Sequence[FileEdit]:
    try:
        return tuple(ask())
    except Exception as exc:
        raise click.ClickException(f"The plugin for {tool.name} cannot read its configuration: {exc}") from exc


def _apply(edits: Sequence[FileEdit], key: str, dry_run: bool, done: str) -> None:
    """Shows the edits, checks all of them, and then makes them."""
    home = Path.home()
    for edit in edits:
        refuse_unsafe(edit.path, home)
    changes = [edit for edit in edits if _read(edit.path) != edit.text]
    for edit in changes:
        click.echo(shown(edit, key), nl=False)
    if not changes:
        click.echo("Nothing is to be changed.")
    elif dry_run:
        click.echo("Nothing was changed: this was a dry run.")
    else:
        for edit in changes:
            copy = write(edit)
            if copy is not None:
                click.echo(f"The old file is kept as {copy}")
        click.echo(done)


def refuse_unsafe(path: Path, home: Path) -> None:
    """Errors: `click.ClickException` for a path outside ``home``, or one that leads through a symbolic link."""
    if not path.is_absolute() or ".." in path.parts or not path.is_relative_to(home):
        raise click.ClickException(f"{path} is not in your home folder. Nothing was changed.")
    step = home
    for part in path.relative_to(home).parts:
        step = step / part
        if step.is_symlink():
            raise click.ClickException(
                f"{step} is a symbolic link. Nothing was changed; edit the file that it points to by hand."
            )
    if path.exists() and not path.is_file():
        raise click.ClickException(f"{path} is no file. Nothing was changed.")


def shown(edit: FileEdit, key: str) -> str:
    """The edit as a unified diff, with the key hidden."""
    old = (_read(edit.path) or "").splitlines(keepends=True)
    new = (edit.text or "").splitlines(keepends=True)
    lines = difflib.unified_diff(old, new, str(edit.path), "removed" if edit.text is None else str(edit.path))
    text = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    return text.replace(key, mask_api_key(key)) if key and key != NO_KEY else text


def write(edit: FileEdit) -> Path | None:
    """Makes one edit, whole or not at all; the path of the copy of the old file, where there was one."""
    path = edit.path
    copy: Path | None = None
    mode = 0o600  # it holds a key
    if path.exists():
        mode = stat.S_IMODE(path.stat().st_mode)
        copy = _free(path.with_name(f"{path.name}.before-omniroute-{time.strftime('%Y%m%d-%H%M%S')}"))
        _put(copy, path.read_bytes(), mode)
    if edit.text is None:
        path.unlink(missing_ok=True)
        return copy
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _put(path, edit.text.encode(), mode)
    return copy


def _put(path: Path, data: bytes, mode: int) -> None:
    """Replaces a file in one step: a program that starts in this moment reads the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _free(path: Path) -> Path:
    names = (path if n == 1 else path.with_name(f"{path.name}-{n}") for n in range(1, 1000))
    return next(name for name in names if not name.exists())


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise click.ClickException(f"{path} cannot be read ({exc}). Nothing was changed.") from exc
