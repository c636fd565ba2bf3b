"""The gateway as a target: started from an empty data directory and set up through its own management API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.bench import servers
from tests.bench.cpus import Cores

PASSWORD = "bench-password"
PREFIX = "bench"


def start(directory: Path, cores: Cores) -> servers.Server:
    """`hypercorn core.app:app`, one worker, API keys required; its data lives in `directory`."""
    variables = {
        # HOME and the working directory, so that no .env file of the developer's is read.
        "HOME": str(directory),
        "DATA_DIR": str(directory / "data"),
        "INITIAL_PASSWORD": PASSWORD,
        "REQUIRE_API_KEY": "true",
    }
    return servers.start_hypercorn("core.app:app", variables, cores, directory, directory / "gateway.log")


def set_up(server: servers.Server, upstream_port: int) -> str:
    """Log in, add the upstream as a node with one connection, and make an API key. Returns the key.

    Raises RuntimeError with the answer when a step is refused.
    """
    servers.wait_until(server, servers.Call("/v1/models"), lambda status: status < 500)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=30) as client:
        created(client, "/api/auth/login", {"password": PASSWORD})
        node = created(
            client,
            "/api/provider-nodes",
            {
                "name": "bench",
                "prefix": PREFIX,
                "type": "openai-compatible",
                "apiType": "chat",
                "baseUrl": f"http://127.0.0.1:{upstream_port}/v1",
            },
        )["node"]
        created(client, "/api/providers", {"provider": node["id"], "name": "bench", "apiKey": "sk-bench"})
        key: str = created(client, "/api/keys", {"name": "bench"})["key"]
    return key


def created(client: httpx.Client, path: str, body: dict[str, str]) -> Any:
    response = client.post(path, json=body)
    if not response.is_success:
        raise RuntimeError(f"POST {path} answered {response.status_code}: {response.text[:500]}")
    return response.json()
