"""What the project checks: nox -s tests | lint | types | bench | clients | wheels."""

import os
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint", "types"]
PYTHONS = ["3.11", "3.12", "3.13"]
ROOT = Path(__file__).parent
DISTRIBUTIONS = [ROOT, ROOT / "hooks", *sorted(p.parent for p in ROOT.glob("plugins/omniroute-*/pyproject.toml"))]


def install_everything(session: nox.Session) -> None:
    """All distributions of the workspace, editable, and what the tests need."""
    editable = [word for folder in DISTRIBUTIONS for word in ("-e", str(folder))]
    session.install(*editable, *nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "dev")[1:])


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The test suite on each Python."""
    install_everything(session)
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style."""
    session.install("ruff>=0.12")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict on the core and the contract."""
    install_everything(session)
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Speed as ratios within one run; see tests/bench/README.md."""
    install_everything(session)
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session
def clients(session: nox.Session) -> None:
    """The real client programs through the gateway; installs them from npm."""
    install_everything(session)
    session.run("pytest", "tests/clients", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Builds every distribution into dist/ and uses them in an empty environment outside the checkout."""
    session.install("build", "pytest")
    for folder in DISTRIBUTIONS:
        session.run("python", "-m", "build", "--wheel", "--outdir", str(ROOT / "dist"), str(folder))
    session.run(
        "pytest", "--noconftest", "-c", os.devnull, "--rootdir", "tests/wheels", "tests/wheels", *session.posargs
    )
