"""A plugin that implements every hook there is, each with something small enough to be seen working.

Its provider says what it is told, in capitals, in a wire format of its own: ``{"say": …}`` in, ``{"said": …}`` out.
``SEEN`` holds what its functions were told, for tests in the same process.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from omniroute_hooks import (
    Answer,
    ApiKey,
    Asked,
    BadRequest,
    Cache,
    ClientTool,
    Connection,
    Conversation,
    DeviceCode,
    DeviceLogin,
    Dialect,
    Endpoint,
    FileEdit,
    GatewayAddress,
    GatewayError,
    Job,
    Model,
    ModelSource,
    Mount,
    NodeType,
    OAuth,
    Observer,
    Passed,
    Peek,
    Provider,
    QuotaSource,
    QuotaWindow,
    Rendered,
    Reply,
    Sampling,
    StateStore,
    Stop,
    Strategy,
    Target,
    Text,
    Tokens,
    Turn,
    UpstreamError,
    Usage,
    hookimpl,
)
from omniroute_hooks.dialect import SseDecoder
from omniroute_hooks.events import (
    Begin,
    BlockDelta,
    Event,
    Failed,
    Finished,
    Signal,
    Stopped,
    Terminal,
    TextDelta,
    UsageSeen,
)
from omniroute_hooks.jsonio import dumps, loads_upstream
from quart import Blueprint

SEEN: dict[str, list[Any]] = defaultdict(list)
KEPT: dict[str, bytes] = {}
COUNTS = Usage(input_fresh=2, output_visible=3)

# A provider without a network, and one with a login --------------------------------------------------------------


async def generate(conversation: Conversation, target: Target) -> AsyncIterator[Signal]:
    SEEN["generate"].append(_said(conversation))
    yield Begin(model=target.model)
    yield TextDelta("t", _said(conversation).upper())
    yield UsageSeen(COUNTS)
    yield Stopped(Stop("end"))
    yield Terminal()


LOUD = Provider(id="loud", prefix="loud", name="Loud", auth=ApiKey(), models=(Model("voice"),), generate=generate)
CLUB = Provider(
    id="club", prefix="club", name="Club", base_url="http://127.0.0.1:9", dialect="shout", auth=OAuth(), models=()
)


@hookimpl
def omniroute_providers() -> Iterable[Provider]:
    return [LOUD, CLUB]


async def _begin(http: Any) -> DeviceCode:
    return DeviceCode("ABCD", "https://club.example/enter", 0.0, 600.0, {"device": "d-1"})


async def _poll(code: DeviceCode, http: Any) -> Tokens | None:
    SEEN["polled"].append(code.secret["device"])
    return Tokens({"access_token": "at-1"}, email="me@club.example") if len(SEEN["polled"]) > 1 else None


@hookimpl
def omniroute_auth_flows() -> Iterable[DeviceLogin]:
    return [DeviceLogin(provider="club", begin=_begin, poll=_poll)]


async def _models(connection: Connection, base_url: str, http: Any) -> Sequence[Model]:
    return [Model("listed-1", "Listed", context=1000)]


@hookimpl
def omniroute_model_sources() -> Iterable[ModelSource]:
    return [ModelSource(provider="club", list_models=_models)]


async def _quota(connection: Connection, http: Any) -> Sequence[QuotaWindow]:
    return [QuotaWindow("day", 4, 10, "requests")]


@hookimpl
def omniroute_quota_sources() -> Iterable[QuotaSource]:
    return [QuotaSource(provider="club", read=_quota)]


# A dialect, and nodes that speak it ------------------------------------------------------------------------------


def _said(conversation: Conversation) -> str:
    return "".join(part.text for part in conversation.turns[-1].parts if isinstance(part, Text))


def peek(body: Mapping[str, Any], asked: Asked) -> Peek:
    if not isinstance(body.get("model"), str):
        raise BadRequest("model: is required")
    return Peek(body["model"], body.get("stream") is True)


def parse_request(body: Mapping[str, Any], asked: Asked) -> Conversation:
    turns = (Turn("user", (Text(str(body.get("say", ""))),)),)
    sampling = Sampling(temperature=body.get("temperature"))
    return Conversation(str(body.get("model")), turns, "shout", sampling=sampling)


def render_request(conversation: Conversation, target: Target, stream: bool) -> Rendered:
    return Rendered("/shout", {"model": target.model, "say": _said(conversation), "stream": stream})


def pass_request(raw: bytes, body: Mapping[str, Any], target: Target, stream: bool) -> Passed:
    return Passed("/shout", dumps({**body, "model": target.model}))


def parse_answer(value: Any) -> Answer:
    return Answer((Text(value["said"]),), Stop("end"), COUNTS)


def render_answer(answer: Answer, reply: Reply) -> dict[str, Any]:
    return {"said": "".join(part.text for part in answer.parts if isinstance(part, Text)), "model": reply.model}


class Decoder(SseDecoder):
    marks = (b'"end"', b'"wrong"')

    def frame(self, event: str, data: bytes, out: list[Signal]) -> None:
        value = loads_upstream(data)
        if "word" in value:
            out.append(TextDelta("t", value["word"]))
        if value.get("end"):
            out += [UsageSeen(COUNTS), Stopped(Stop("end")), Terminal()]


class Encoder:
    def __init__(self, reply: Reply) -> None:
        self._model = reply.model

    def encode(self, events: Iterable[Event]) -> bytes:
        out = b""
        for event in events:
            if isinstance(event, BlockDelta):
                out += b"data: " + dumps({"word": event.text}) + b"\n\n"
            elif isinstance(event, Finished):
                out += b"data: " + dumps({"end": True}) + b"\n\n"
            elif isinstance(event, Failed):
                out += b"data: " + dumps({"wrong": event.error.message}) + b"\n\n"
        return out


def render_error(error: GatewayError, request_id: str) -> tuple[int, dict[str, Any]]:
    return error.status, {"wrong": error.message, "request": request_id}


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    return UpstreamError(body.decode("utf-8", "replace")[:200] or f"status {status}", upstream_status=status)


SHOUT = Dialect(
    id="shout",
    name="Shouting",
    endpoints=(Endpoint("POST", "/v1/shout", "generate"),),
    peek=peek,
    parse_request=parse_request,
    render_request=render_request,
    pass_request=pass_request,
    parse_answer=parse_answer,
    render_answer=render_answer,
    decoder=Decoder,
    encoder=Encoder,
    render_error=render_error,
    parse_error=parse_error,
)


@hookimpl
def omniroute_dialects() -> Iterable[Dialect]:
    return [SHOUT]


@hookimpl
def omniroute_node_types() -> Iterable[NodeType]:
    return [NodeType(id="shout-compatible", name="Shouting", dialects={None: "shout"})]


# What stands beside a request ------------------------------------------------------------------------------------


@hookimpl
def omniroute_strategies() -> Iterable[Strategy]:
    return [
        Strategy(
            id="last-first",
            name="Last first",
            description="The other way round.",
            order=lambda candidates, round_: list(reversed(candidates)),
        )
    ]


async def _get(key: str) -> bytes | None:
    SEEN["asked-cache"].append(key)
    if SEEN["cache-trouble"]:
        raise SEEN["cache-trouble"][0]
    return KEPT.get(key)


async def _put(key: str, value: bytes, ttl_s: float) -> None:
    KEPT[key] = value
    SEEN["kept"].append((key, ttl_s))


@hookimpl
def omniroute_caches() -> Iterable[Cache]:
    return [Cache(id="notebook", name="A notebook", get=_get, put=_put)]


class Shelf:
    """A state store that notes what is done with it, and may be broken."""

    def __init__(self, url: str) -> None:
        self._values: dict[str, bytes] = {}
        self._broken = url.endswith("broken")

    async def get(self, key: str) -> bytes | None:
        return None if self._broken else self._values.get(key)

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        self._values[key] = value

    async def delete(self, key: str) -> None:
        self._values.pop(key, None)

    async def add(self, key: str, delta: float, ttl_s: float) -> float:
        return delta

    async def scan(self, prefix: str) -> Mapping[str, bytes]:
        return {key: value for key, value in self._values.items() if key.startswith(prefix)}

    async def acquire(self, key: str, owner: str, ttl_s: float) -> bool:
        return True

    async def release(self, key: str, owner: str) -> None:
        return None

    async def aclose(self) -> None:
        SEEN["state"].append("closed")


async def _open(url: str) -> Shelf:
    SEEN["state"].append(f"opened {url}")
    return Shelf(url)


@hookimpl
def omniroute_state_stores() -> Iterable[StateStore]:
    return [StateStore(id="shelf", scheme="shelf", open=_open)]


async def _finished(finish: Any) -> None:
    SEEN["finished"].append(finish)


@hookimpl
def omniroute_observers() -> Iterable[Observer]:
    return [Observer(id="onlooker", finished=_finished)]


async def _run(http: Any) -> None:
    SEEN["runs"].append(http)


@hookimpl
def omniroute_jobs() -> Iterable[Job]:
    return [Job(id="every-moment", every_s=0.1, run=_run)]


def _mount(access: Any) -> Mount:
    views = Blueprint(f"every-hook-{access}", __name__)

    @views.get(f"/every-hook/{access}")
    async def page() -> dict[str, str]:
        return {"access": access}

    return Mount(blueprint=views, access=access)


@hookimpl
def omniroute_blueprints() -> Iterable[Mount]:
    return [_mount(access) for access in ("public", "key", "session")]


# The program -----------------------------------------------------------------------------------------------------


@click.command("every-hook")
@click.argument("word")
def command(word: str) -> None:
    """Say a word loudly."""
    click.echo(word.upper())


@hookimpl
def omniroute_commands() -> Iterable[click.Command]:
    return [command]


def _file(home: Path) -> Path:
    return home / ".loudtool" / "settings.txt"


def _connect(home: Path, address: GatewayAddress) -> Sequence[FileEdit]:
    path = _file(home)
    kept = [
        line for line in (path.read_text() if path.exists() else "").splitlines() if not line.startswith("gateway ")
    ]
    line = f"gateway {address.base_url} {address.api_key} {address.model}".rstrip()
    return [FileEdit(path, "\n".join([*kept, line]) + "\n")]


def _disconnect(home: Path) -> Sequence[FileEdit]:
    path = _file(home)
    if not path.exists():
        return []
    kept = [line for line in path.read_text().splitlines() if not line.startswith("gateway ")]
    return [FileEdit(path, "\n".join(kept) + "\n" if kept else None)]


@hookimpl
def omniroute_client_tools() -> Iterable[ClientTool]:
    return [
        ClientTool(
            id="loudtool",
            name="Loud Tool",
            is_installed=lambda home: _file(home).parent.exists(),
            connect=_connect,
            disconnect=_disconnect,
        ),
        ClientTool(
            id="astray",
            name="Astray",
            is_installed=lambda home: False,
            connect=lambda home, address: [FileEdit(home.parent / "elsewhere.txt", "x")],
            disconnect=lambda home: [],
        ),
    ]
