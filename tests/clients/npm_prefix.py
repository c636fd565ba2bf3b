"""Where the client programs live: an npm prefix of their own, filled once and kept between runs.

`OMNIROUTE_CLIENTS_DIR` names the folder; by default it is `.nox/clients-npm` in the checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

# Exact versions, since each of these programs changes its requests from one release to the next: a red test
# should mean that the gateway changed. Raise them on purpose, and see what moved.
VERSIONS = {
    "@anthropic-ai/claude-code": "2.1.330",
    "@openai/codex": "0.169.0",
    "@google/gemini-cli": "0.61.0",
}
INSTALL_TIMEOUT_S = 900


class NpmMissing(Exception):
    """There is no npm on the PATH, and the programs are not installed yet."""


def installed() -> Path:
    """The folder with the programs' executables; installs what is missing or of another version.

    Errors: `NpmMissing`; `subprocess.CalledProcessError` when npm fails, with npm's words on standard error.
    """
    prefix = Path(os.environ.get("OMNIROUTE_CLIENTS_DIR") or CHECKOUT / ".nox" / "clients-npm").absolute()
    if any(_version(prefix, package) != version for package, version in VERSIONS.items()):
        _install(prefix)
    return prefix / "node_modules" / ".bin"


def _version(prefix: Path, package: str) -> str | None:
    manifest = prefix / "node_modules" / package / "package.json"
    return str(json.loads(manifest.read_text())["version"]) if manifest.exists() else None


def _install(prefix: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NpmMissing("the clients session installs programs from npm: install Node.js 20 or newer first")
    prefix.mkdir(parents=True, exist_ok=True)
    # Without a package.json of its own, npm would climb to one in a folder above.
    (prefix / "package.json").write_text('{"private": true}\n')
    wanted = [f"{package}@{version}" for package, version in VERSIONS.items()]
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    subprocess.run([npm, "install", *quiet, *wanted], cwd=prefix, check=True, timeout=INSTALL_TIMEOUT_S)
