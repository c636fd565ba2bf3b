"""A gateway whose subscription provider is a scripted one, and a user who logs in there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from omniroute_hooks.testing import serving
from running import Running, running
from scripted_subscription import Subscription


@pytest.fixture
async def vendor() -> AsyncIterator[Subscription]:
    async with serving(Subscription()) as server:
        yield server


Opened = Callable[[], AbstractAsyncContextManager[Running]]


@pytest.fixture
def opened(tmp_path: Path, vendor: Subscription) -> Opened:
    """Opens a gateway over the data of this test; several may be open at once, as workers are."""
    environ = {
        "OMNIROUTE_CC_BASE_URL": f"{vendor.url}/v1",
        "OMNIROUTE_CC_TOKEN_URL": f"{vendor.url}/v1/oauth/token",
        "OMNIROUTE_CC_AUTHORIZE_URL": f"{vendor.url}/oauth/authorize",
    }

    @contextlib.asynccontextmanager
    async def open_() -> AsyncIterator[Running]:
        async with running(tmp_path / "data", initial_password=None, environ=environ) as gateway:
            gateway.http.cookies.set("auth_token", await gateway.kernel.sessions.create())
            yield gateway

    return open_


@pytest.fixture
async def gateway(opened: Opened) -> AsyncIterator[Running]:
    async with opened() as instance:
        yield instance


async def agree(auth_url: str) -> str:
    """The user's browser at the vendor's page; gives the address that it is sent to."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as browser:
        answer = await browser.get(auth_url)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


@pytest.fixture
def log_in() -> Callable[[Running], Any]:
    """Logs in by pasting; gives the connection as the management interface shows it."""

    async def log_in_(gateway: Running) -> dict[str, Any]:
        begun = (await gateway.http.get("/api/oauth/cc/authorize")).json()
        came = httpx.URL(await agree(begun["authUrl"])).params
        pasted = {"code": f"{came['code']}#{came['state']}"}
        answer = await gateway.http.post("/api/oauth/cc/exchange", json=pasted)
        assert answer.status_code == 200, answer.text
        return answer.json()["connection"]

    return log_in_
