"""The built wheels, in an empty environment outside the checkout, as a user would install them.

Run by ``nox -s wheels``, which builds them first; OMNIROUTE_DIST names their folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
DIST = Path(os.environ.get("OMNIROUTE_DIST", ROOT / "dist"))
PASSWORD = "correct-horse-battery"


class Vendor(BaseHTTPRequestHandler):
    """A provider that answers everything with one chat completion."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "installed and well"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = json.dumps({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def vendor() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty virtual environment with `omniroute` and `omniroute-deepseek` from the wheels."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    install(folder, "omniroute", "omniroute-deepseek")
    return folder


def install(folder: Path, *what: str) -> None:
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "-q", "--find-links", DIST]
    subprocess.run([*pip, *what], check=True, cwd=folder)


def omniroute(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [folder / "venv/bin/omniroute", *words], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Served:
    """`hypercorn core.app:app` out of the environment."""

    def __init__(self, folder: Path, **environ: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        words = [folder / "venv/bin/hypercorn", "core.app:app", "--bind", self.url.removeprefix("http://")]
        own = {"PATH": os.environ["PATH"], "HOME": str(folder), "DATA_DIR": str(folder / "data"), **environ}
        self.process = subprocess.Popen(words, cwd=folder, env={**own, "INITIAL_PASSWORD": PASSWORD})
        self.cookie = ""

    def __enter__(self) -> Served:
        give_up = time.monotonic() + 30
        while True:
            try:
                self.ask("GET", "/v1/models")
                return self
            except urllib.error.URLError:
                assert time.monotonic() < give_up, "the gateway did not start"
                assert self.process.poll() is None
                time.sleep(0.1)

    def __exit__(self, *exc: object) -> None:
        self.process.terminate()
        self.process.wait(20)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"content-type": "application/json", "cookie": self.cookie}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            cookie = answer.headers.get("set-cookie")
            if cookie:
                self.cookie = cookie.partition(";")[0]
            return json.loads(answer.read())

    def connect(self, provider: str) -> None:
        self.ask("POST", "/api/auth/login", {"password": PASSWORD})
        self.ask("POST", "/api/providers", {"provider": provider, "name": "main", "apiKey": "sk-x"})


def test_exactly_what_is_installed_is_known(environment: Path, vendor: str) -> None:
    with Served(environment, OMNIROUTE_DEEPSEEK_BASE_URL=vendor) as gateway:
        gateway.connect("deepseek")
        plugins = gateway.ask("GET", "/api/plugins")["plugins"]
        models = [entry["id"] for entry in gateway.ask("GET", "/v1/models")["data"]]
        message = {"role": "user", "content": "hi"}
        chat = gateway.ask("POST", "/v1/chat/completions", {"model": models[0], "messages": [message]})

    assert {p["distribution"] for p in plugins} == {
        "omniroute-cost-optimized",
        "omniroute-deepseek",
        "omniroute-dialects",
        "omniroute-latency-aware",
        "omniroute-least-used",
        "omniroute-openai",
        "omniroute-p2c",
        "omniroute-priority",
        "omniroute-quota-aware",
        "omniroute-random",
        "omniroute-round-robin",
        "omniroute-weighted",
    }
    assert {p["state"] for p in plugins} == {"active"}
    assert models
    assert all(model.startswith("ds/") for model in models)
    assert chat["choices"][0]["message"]["content"] == "installed and well"


def test_a_copied_template_is_served_without_an_edit_anywhere(environment: Path, vendor: str, tmp_path: Path) -> None:
    copy = tmp_path / "omniroute-acme"
    shutil.copytree(
        ROOT / "plugins/_template", copy, ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
    )
    for path in [*copy.rglob("*.py"), *copy.rglob("*.toml"), *copy.rglob("*.md")]:
        path.write_text(re.sub("template", "acme", path.read_text()))
        if "template" in path.name:
            path.rename(path.with_name(path.name.replace("template", "acme")))
    install(environment, str(copy))

    assert "acme (omniroute-acme" in omniroute(environment, "plugins")
    with Served(environment, OMNIROUTE_ACME_BASE_URL=vendor) as gateway:
        gateway.connect("acme")
        models = [entry["id"] for entry in gateway.ask("GET", "/v1/models")["data"] if entry["id"].startswith("acme/")]
        message = {"role": "user", "content": "hi"}
        chat = gateway.ask("POST", "/v1/chat/completions", {"model": models[0], "messages": [message]})
    assert chat["choices"][0]["message"]["content"] == "installed and well"
