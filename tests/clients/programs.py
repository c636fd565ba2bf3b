"""The client programs: how each is pointed at an address and given a task without a person, a login or a network.

Every run gets a home folder of its own and an environment made from nothing, so that no setting of the machine's
user takes part. Proxy variables lead to a port where nobody listens: what a program tries to send anywhere but to
loopback (update checks, telemetry, plugin lists) fails at once and never leaves the machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen
from scripted.anthropic_messages import ANTHROPIC_MESSAGES
from scripted.gemini_generate import GEMINI_GENERATE
from scripted.openai_responses import OPENAI_RESPONSES
from scripted.wire import Wire

TASK_TIMEOUT_S = 120
NOWHERE = "http://127.0.0.1:9"  # the discard port


@frozen
class Site:
    """Where and as whom a program works: its folders, the address it calls, its key and the model's name."""

    home: Path
    work: Path
    base_url: str
    key: str
    model: str


@frozen
class Invocation:
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


@frozen
class Program:
    """A client program. ``speaks`` is its own dialect; ``aim`` writes its configuration and gives its command line.

    ``vendor_path`` is what its base URL ends in where a vendor is called directly. To the gateway the bare address
    is given, as the user guide does. ``model`` is a model's bare id; by it some programs choose their tools.
    """

    name: str
    speaks: Wire
    vendor_path: str
    model: str
    aim: Callable[[Site, str], Invocation]


@frozen
class Finished:
    code: int
    stdout: str
    stderr: str


async def run(program: Program, site: Site, task: str, executables: Path) -> Finished:
    """Have `program` do `task` at `site`, and wait for its end.

    Errors: `TimeoutError` after `TASK_TIMEOUT_S`; the program and all it started are killed then.
    """
    environment = _surroundings(site)
    invocation = program.aim(site, task)
    process = await asyncio.create_subprocess_exec(
        executables / program.name,
        *invocation.arguments,
        cwd=site.work,
        env=environment | dict(invocation.environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(TASK_TIMEOUT_S):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return Finished(process.returncode or 0, stdout.decode(), stderr.decode())


def _surroundings(site: Site) -> dict[str, str]:
    """Make the home folder, and give the environment that every program gets."""
    node = shutil.which("node")
    path = os.environ.get("PATH", os.defpath)
    temporary = site.home / "tmp"
    temporary.mkdir(parents=True)
    return {
        "PATH": f"{Path(node).parent}{os.pathsep}{path}" if node else path,
        "HOME": str(site.home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "http_proxy": NOWHERE,
        "https_proxy": NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def _aim_claude(site: Site, task: str) -> Invocation:
    # https://code.claude.com/docs/en/settings#environment-variables
    environment = {
        "CLAUDE_CONFIG_DIR": str(site.home / ".claude"),
        "ANTHROPIC_BASE_URL": site.base_url,
        "ANTHROPIC_API_KEY": site.key,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": site.model,  # for side calls, whose default no scripted model serves
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    # Tools by name, since the switch that allows everything refuses to work for root. The task comes first: a list
    # option would swallow it.
    allowed = ("--allowedTools", "Bash", "Read", "Edit", "Write")
    return Invocation(("-p", task, "--model", site.model, *allowed), environment)


def _aim_codex(site: Site, task: str) -> Invocation:
    # https://developers.openai.com/codex/config-reference
    lines = (
        'model_provider = "gateway"',
        "check_for_update_on_startup = false",
        "[model_providers.gateway]",
        'name = "gateway"',
        f"base_url = {json.dumps(site.base_url)}",
        'env_key = "GATEWAY_KEY"',
        'wire_api = "responses"',
    )
    return _codex(site, task, lines, {"GATEWAY_KEY": site.key})


def _aim_codex_builtin(site: Site, task: str) -> Invocation:
    lines = (f"openai_base_url = {json.dumps(site.base_url)}", "check_for_update_on_startup = false")
    return _codex(site, task, lines, {"CODEX_API_KEY": site.key})


def _codex(site: Site, task: str, lines: tuple[str, ...], key: Mapping[str, str]) -> Invocation:
    folder = site.home / ".codex"
    folder.mkdir(exist_ok=True)
    features = ("[features]", "plugins = false", "[analytics]", "enabled = false")
    (folder / "config.toml").write_text("\n".join((*lines, *features)) + "\n")
    switches = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
    return Invocation(("exec", *switches, "--model", site.model, task), {"CODEX_HOME": str(folder), **key})


def _aim_gemini(site: Site, task: str) -> Invocation:
    # https://geminicli.com/docs/reference/configuration
    folder = site.home / ".gemini"
    folder.mkdir(exist_ok=True)
    settings = {
        # A base URL alone makes the program choose a way to log in that it then calls invalid.
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    environment = {"GOOGLE_GEMINI_BASE_URL": site.base_url, "GEMINI_API_KEY": site.key}
    return Invocation(("-p", task, "--model", site.model, "--yolo", "--skip-trust"), environment)


CLAUDE = Program("claude", ANTHROPIC_MESSAGES, vendor_path="", model="scripted-1", aim=_aim_claude)
# A model that Codex knows, also behind a prefix, gets the freeform tool for patches; any other goes without.
CODEX = Program("codex", OPENAI_RESPONSES, vendor_path="/v1", model="gpt-5.5", aim=_aim_codex)
CODEX_UNKNOWN = Program("codex", OPENAI_RESPONSES, vendor_path="/v1", model="scripted-1", aim=_aim_codex)
# Codex with its built-in provider, which tries a websocket before it posts.
CODEX_BUILTIN = Program("codex", OPENAI_RESPONSES, vendor_path="/v1", model="gpt-5.5", aim=_aim_codex_builtin)
GEMINI = Program("gemini", GEMINI_GENERATE, vendor_path="", model="scripted-1", aim=_aim_gemini)
