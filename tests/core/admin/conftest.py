"""The control plane on a real port over a real store, with plugins and outside servers that the tests script."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from attrs import define, field
from hypercorn.asyncio import serve
from hypercorn.config import Config
from omniroute_hooks import (
    ApiKey,
    BadRequest,
    DeviceCode,
    DeviceLogin,
    FileImport,
    LoginExpired,
    Model,
    ModelSource,
    NoAuth,
    NodeType,
    OAuth,
    OAuthCode,
    Provider,
    QuotaSource,
    QuotaWindow,
    Strategy,
    Tokens,
    UpstreamError,
)
from quart import Quart, request

from core.admin.app import build
from core.admin.setup import ensure_setup
from core.kernel import Kernel
from core.plugins.discovery import PluginRecord
from core.plugins.registry import Registry
from core.settings import Settings

PASSWORD = "a password of the tests"
RESETS = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serves an ASGI application on a free port of this machine; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.graceful_timeout = 2
    config.errorlog = None
    stop = asyncio.Event()
    port = socket.socket(fileno=int(config.bind[0].removeprefix("fd://")))
    address = f"http://127.0.0.1:{port.getsockname()[1]}"
    port.detach()
    task = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield address
    finally:
        stop.set()
        await task


@define
class Outside:
    """A provider and its login server, scripted: ``answers`` by path, one list each; what was asked is kept."""

    url: str = ""
    answers: dict[str, list[tuple[int, Any]]] = field(factory=dict)
    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = field(factory=list)
    gates: dict[str, asyncio.Event] = field(factory=dict)
    arrived: asyncio.Event = field(factory=asyncio.Event)

    def reply(self, path: str, body: Any, status: int = 200) -> None:
        self.answers.setdefault(path, []).append((status, body))

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for asked, body, _ in self.asked if asked == path]

    def headers(self, path: str) -> list[dict[str, str]]:
        return [headers for asked, _, headers in self.asked if asked == path]

    def app(self) -> Quart:
        app = Quart("outside")

        @app.route("/<path:path>", methods=["GET", "POST"])
        async def answer(path: str) -> Any:
            path = "/" + path
            data = (await request.get_data()).decode()
            self.asked.append((path, {k: v[0] for k, v in parse_qs(data).items()}, dict(request.headers)))
            self.arrived.set()
            if path in self.gates:
                await self.gates[path].wait()
            waiting = self.answers.get(path)
            if not waiting:
                return {"error": "nothing scripted"}, 500
            status, body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return body, status

        return app


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    script = Outside()
    async with serving(script.app()) as url:
        script.url = url
        yield script


async def _list_models(connection, base_url, http):
    """A model source as plugins write them."""
    headers = {
        "Authorization": f"Bearer {connection.credential.get('api_key', connection.credential.get('access_token'))}"
    }
    answer = await http.get(f"{base_url}/models", headers=headers)
    if answer.status_code == 401:
        raise LoginExpired("The provider refuses this credential.", upstream_status=401)
    if answer.status_code != 200:
        raise UpstreamError(f"HTTP {answer.status_code}.", upstream_status=answer.status_code)
    return [Model(item["id"], context=item.get("context")) for item in answer.json()["data"]]


def _tidy(typed: str) -> str:
    if not typed.startswith("http"):
        raise BadRequest("Begin the address with http:// or https://.")
    return typed.rstrip("/").removesuffix("/messages")


def scripted_registry(url: str, loopback: str = "http://localhost:0/callback") -> Registry:
    """Plugins of all kinds that the control plane deals with, all of them pointing at ``url``."""
    acme = Provider(
        id="acme",
        prefix="ac",
        name="Acme",
        base_url=f"{url}/acme",
        dialect="plain",
        auth=ApiKey(),
        models=(Model("acme-1", "Acme One", context=1000),),
    )
    club = Provider(
        id="club",
        prefix="cl",
        name="Club",
        base_url=f"{url}/club",
        dialect="plain",
        auth=OAuth(),
        models=(Model("club-1"),),
    )
    mute = Provider(id="mute", prefix="mu", name="Mute", base_url=f"{url}/mute", dialect="plain", auth=ApiKey())
    free = Provider(id="free", prefix="fr", name="Free", base_url=f"{url}/free", dialect="plain", auth=NoAuth())

    async def identify(tokens, answer, http):
        return Tokens(
            tokens.credential, tokens.expires_at_s, answer.get("email"), answer.get("name"), answer.get("data", {})
        )

    async def begin_device(http):
        told = (await http.post(f"{url}/device")).json()
        return DeviceCode(told["user_code"], f"{url}/enter", told["interval"], 600.0, {"device": told["device_code"]})

    async def poll_device(code, http):
        told = (await http.post(f"{url}/device/token", data={"device": code.secret["device"]})).json()
        if told.get("error") == "pending":
            return None
        if "error" in told:
            raise LoginExpired("The user said no.")
        return Tokens({"access_token": told["access_token"]}, email=told.get("email"))

    def read_file(home: Path):
        file = home / ".clubtool" / "login.json"
        return Tokens({"access_token": file.read_text().strip()}, name="From file") if file.exists() else None

    async def read_quota(connection, http):
        told = (await http.get(f"{url}/quota", headers={"Authorization": connection.credential["access_token"]})).json()
        return [
            QuotaWindow("5h", told["used"], 100, "percent", RESETS),
            QuotaWindow("week", 1, 1000, "requests", None, "big"),
        ]

    return Registry(
        records=(
            PluginRecord("good", "omniroute-good", "1.2", "good", "active", "", {"providers": ("acme",)}),
            PluginRecord("bad", "omniroute-bad", "0.1", "bad", "broken", "It cannot be imported."),
        ),
        providers={p.id: p for p in (acme, club, mute, free)},
        by_prefix={p.prefix: p for p in (acme, club, mute, free)},
        node_types={
            "plain-compatible": NodeType(
                id="plain-compatible",
                name="Plain",
                dialects={"chat": "plain", "responses": "other"},
                base_url=_tidy,
                default_base_url=f"{url}/node",
                default=True,
            ),
            "quiet-compatible": NodeType(id="quiet-compatible", name="Quiet", dialects={None: "plain"}),
        },
        auth_flows={
            "club": (
                OAuthCode(
                    provider="club",
                    authorize_url=f"{url}/authorize",
                    token_url=f"{url}/token",
                    client_id="id-1",
                    scopes=("a", "b"),
                    loopback=loopback,
                    paste=f"{url}/show-code",
                    identify=identify,
                ),
                DeviceLogin(provider="club", begin=begin_device, poll=poll_device),
                FileImport(provider="club", read=read_file, describes="the login of clubtool in ~/.clubtool"),
            )
        },
        model_sources={
            "acme": ModelSource(provider="acme", list_models=_list_models),
            "club": ModelSource(provider="club", list_models=_list_models),
            "plain-compatible": ModelSource(provider="plain-compatible", list_models=_list_models),
        },
        quota_sources={"club": QuotaSource(provider="club", read=read_quota)},
        strategies={
            "fill-first": Strategy(id="fill-first", name="", description="", order=lambda items, round_: list(items))
        },
    )


class Gateway:
    """A served control plane, and a browser of its user's."""

    def __init__(self, kernel: Kernel, app: Quart, url: str, client: httpx.AsyncClient, link: str | None) -> None:
        self.kernel = kernel
        self.app = app
        self.url = url
        self.client = client
        self.link = link

    async def ask(self, method: str, path: str, json: Any = None, expect: int | None = None, **more: Any) -> Any:
        """The JSON answer; with ``expect``, after a look at the status."""
        answer = await self.client.request(method, path, json=json, **more)
        if expect is not None:
            assert answer.status_code == expect, answer.text
        return answer.json()

    async def log_in(self, password: str = PASSWORD) -> None:
        answer = await self.client.post("/api/auth/login", json={"password": password})
        assert answer.status_code == 200, answer.text

    async def enter(self) -> None:
        """A session without a password."""
        self.client.cookies.set("auth_token", await self.kernel.sessions.create())

    def browser(self, **more: Any) -> httpx.AsyncClient:
        """Another client, without a session."""
        return httpx.AsyncClient(base_url=self.url, trust_env=False, verify=False, timeout=20, **more)


Opened = Callable[..., contextlib.AbstractAsyncContextManager[Gateway]]


@pytest.fixture
def opened(tmp_path: Path, outside: Outside) -> Opened:
    """Opens a gateway over the data of this test; several may be open at once."""

    @contextlib.asynccontextmanager
    async def open_(registry: Registry | None = None, **settings: Any) -> AsyncIterator[Gateway]:
        registry = registry or scripted_registry(outside.url)
        kernel = await Kernel.open(Settings(data_dir=tmp_path / "data", **settings), registry)
        try:
            link = await ensure_setup(kernel)
            app = build(lambda: kernel, registry)
            async with (
                serving(app) as url,
                httpx.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=20) as client,
            ):
                yield Gateway(kernel, app, url, client, link)
        finally:
            await kernel.aclose()

    return open_


@pytest.fixture
async def gateway(opened: Opened) -> AsyncIterator[Gateway]:
    """A gateway and a browser that is logged in; no password, since hashing one takes its time."""
    async with opened() as gateway:
        await gateway.enter()
        yield gateway


@pytest.fixture
def registry_for() -> Callable[..., Registry]:
    return scripted_registry


@pytest.fixture
def query_of() -> Callable[[str], dict[str, str]]:
    """The query of an address."""
    return lambda url: {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
