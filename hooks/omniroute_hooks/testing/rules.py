"""The contract's rules for declarations that are data: providers, logins, sources, tools, jobs and the rest.

Each function takes one declaration and raises `AssertionError` with what is wrong. Rules for strategies and
dialects, which compute, have modules of their own.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from .. import (
    ApiKey,
    AuthFlow,
    BadRequest,
    Cache,
    ClientTool,
    Connection,
    Conversation,
    FileImport,
    GatewayAddress,
    GatewayError,
    Job,
    Model,
    Mount,
    NoAuth,
    NodeType,
    OAuth,
    OAuthCode,
    Observer,
    Price,
    Provider,
    QuotaSource,
    StateStore,
    Target,
    Text,
    Turn,
)
from ..answers import whole_answer
from ..events import Signal
from ..services import FileEdit
from .expectations import must

WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # ids and prefixes: they stand in URLs, names and settings
GENERATE_S = 10.0


def word(value: object, what: str) -> None:
    """An id or a prefix."""
    must(
        isinstance(value, str) and WORD.fullmatch(value),
        f"{what} {value!r} must be lower-case letters, digits, '.', '_' or '-', and begin with a letter or digit",
    )


def address(value: str, what: str, *, local: bool = False) -> None:
    """An http(s) address without a slash, query or fragment at its end."""
    parts = urlsplit(value)
    must(parts.scheme in ("http", "https") and parts.hostname, f"{what} {value!r} is no http(s) address")
    must(not value.endswith("/") and value == value.strip(), f"{what} {value!r} must not end in a slash or space")
    must(not parts.query and not parts.fragment, f"{what} {value!r} must have no query and no fragment")
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    must(loopback if local else True, f"{what} {value!r} must be on this machine")


def provider(item: Provider) -> None:
    """A provider's own data."""
    word(item.id, "the provider id")
    word(item.prefix, "the prefix")
    must(isinstance(item.auth, ApiKey | OAuth | NoAuth), f"auth is a {type(item.auth).__name__}")
    if isinstance(item.auth, ApiKey):
        shown = item.auth.headers({"api_key": "k-1"})
        must(any("k-1" in value for value in shown.values()), "the API key reaches no header")
    if item.base_url:
        address(item.base_url, "the base URL")
    else:
        must(item.generate or item.transcribe, "there is no base URL")
    must(item.dialect or item.generate or item.transcribe, "it names no dialect and has no function of its own")
    ids = [model.id for model in item.models]
    must(len(ids) == len(set(ids)), f"models are declared twice: {sorted({i for i in ids if ids.count(i) > 1})}")
    must(item.any_model or ids, "it lets no model through and declares none")
    for model in item.models:
        _model(model)
    for name, value in item.headers.items():
        must(isinstance(value, str) and f"{name}{value}".isprintable(), f"the header {name!r} is no line of text")
    for link in (item.website, item.terms):
        must(link is None or link.startswith("https://"), f"{link!r} is no https address")


def _model(model: Model) -> None:
    must(model.id and model.id == model.id.strip(), f"the model id {model.id!r} is empty or padded")
    for name in ("context", "max_output"):
        size = getattr(model, name)
        must(size is None or size > 0, f"{model.id}: {name} is {size}")
    must(
        model.context is None or model.max_output is None or model.max_output <= model.context,
        f"{model.id}: max_output is larger than its context",
    )
    tiers = [price.above_input_tokens for price in model.price]
    must(len(tiers) == len(set(tiers)), f"{model.id}: two prices for the same tier")
    for price in model.price:
        _price(model.id, price)
    if model.thinks and model.thinks.max_budget is not None:
        must(model.thinks.min_budget <= model.thinks.max_budget, f"{model.id}: its thinking budgets cross")


def _price(model: str, price: Price) -> None:
    for name in Price.__attrs_attrs__:
        value = getattr(price, name.name)
        must(value is None or value >= 0, f"{model}: {name.name} is {value}")


def failure_rules(item: Provider) -> None:
    """Rules that can match something, and mean something."""
    for rule in item.failures:
        must(issubclass(rule.error, GatewayError), f"{rule.error!r} is no GatewayError")
        must(rule.status or rule.code or rule.text, "a rule without a condition would match every answer")
        must(rule.status is None or 100 <= rule.status <= 599, f"{rule.status} is no HTTP status")
        if rule.text is not None:
            try:
                found = re.compile(rule.text, re.IGNORECASE)
            except re.error as exc:
                raise AssertionError(f"the rule's text {rule.text!r} is no regular expression: {exc}") from exc
            must(not found.search(""), f"the rule's text {rule.text!r} matches anything at all")


def generates(item: Provider) -> None:
    """A provider that answers by itself gives a whole answer."""
    if item.generate is None:
        return
    model = item.models[0].id if item.models else "any"
    conversation = Conversation(model=model, turns=(Turn("user", (Text("Hello."),)),), dialect="openai-chat")
    connection = Connection("c-1", item.id, "test", {})
    target = Target(item, model, connection, item.base_url, item.model(model))
    generate = item.generate

    async def collect() -> list[Signal]:
        async with asyncio.timeout(GENERATE_S):
            return [signal async for signal in generate(conversation, target)]

    answer = whole_answer(asyncio.run(collect()))
    must(answer.parts, "its answer is empty")


def auth_flow(item: AuthFlow, providers: Collection[str]) -> None:
    """A login for somebody, over safe addresses."""
    must(item.provider in providers, f"a login for the provider {item.provider!r}, which nobody declares")
    must(item.refresh_before_s >= 0, "refresh_before_s is negative")
    if isinstance(item, OAuthCode):
        for name in ("authorize_url", "token_url"):
            must(getattr(item, name).startswith("https://"), f"{name} is no https address")
        must(item.client_id, "client_id is empty")
        must(item.loopback or item.paste, "neither loopback nor paste says where the code arrives")
        if item.loopback:
            address(item.loopback, "loopback", local=True)
    elif isinstance(item, FileImport):
        with tempfile.TemporaryDirectory() as home:
            must(item.read(Path(home)) is None, "it finds a login in an empty home directory")
            must(not list(Path(home).iterdir()), "it writes while it should only read")


def source(provider_id: str, owners: Collection[str]) -> None:
    """A model or quota source belongs to somebody."""
    must(provider_id in owners, f"it is for {provider_id!r}, which nobody declares")


def quota_source(item: QuotaSource) -> None:
    """It can read from somewhere, and copes with headers that say nothing."""
    must(item.read or item.from_headers, "it has neither read nor from_headers")
    must(item.min_interval_s > 0, "min_interval_s must be above 0")
    if item.from_headers:
        for headers in ({}, {"content-type": "text/html"}):
            must(item.from_headers(headers) is None, f"from_headers({headers}) must be None")


def node_type(item: NodeType, dialects: Collection[str]) -> None:
    """A kind of node whose address is read sensibly."""
    word(item.id, "the node type")
    must(item.dialects, "it has no dialect")
    unknown = set(item.dialects.values()) - set(dialects)
    must(not unknown, f"it speaks {sorted(unknown)}, which no plugin brings")
    if item.default_base_url:
        address(item.default_base_url, "the default base URL")
    address(item.base_url("http://127.0.0.1:9/v1/"), "the base URL made of http://127.0.0.1:9/v1/")
    for nonsense in ("", " ", "nonsense", "ftp://x", "http://"):
        with suppress(BadRequest):  # which is what it is for
            must(isinstance(item.base_url(nonsense), str), f"base_url({nonsense!r}) is no text")


def cache(item: Cache) -> None:
    """It remembers, where it can be reached at all."""
    word(item.id, "the cache's id")

    async def roundtrip() -> None:
        try:
            before = await item.get("omniroute-contract-check")
        except Exception:
            return  # it needs a server; an error counts as a miss
        must(before is None, "it knows a key that nobody put")
        await item.put("omniroute-contract-check", b"value", 1.0)
        must(await item.get("omniroute-contract-check") in (b"value", None), "it gives back something else")

    asyncio.run(roundtrip())


def state_store(item: StateStore) -> None:
    """Its scheme can begin a URL."""
    word(item.id, "the state store's id")
    must(re.fullmatch(r"[a-z][a-z0-9+.-]*", item.scheme), f"{item.scheme!r} is no URL scheme")


def observer(item: Observer) -> None:
    """It has a name."""
    word(item.id, "the observer's id")


def job(item: Job) -> None:
    """It runs now and then, not all the time."""
    word(item.id, "the job's id")
    must(item.every_s >= 1, f"every {item.every_s} s is too often")


def mount(item: Mount) -> None:
    """It says who may reach it."""
    must(item.access in ("session", "key", "public"), f"access {item.access!r} is unknown")
    must(isinstance(getattr(item.blueprint, "name", None), str), "its blueprint is no Quart blueprint")


def client_tool(item: ClientTool) -> None:
    """Connecting is repeatable, stays within the home directory, and disconnecting takes everything out again."""
    word(item.id, "the client tool's id")
    gateway = GatewayAddress("http://127.0.0.1:20128", "sk-contract-check", "scripted/model-1")
    with tempfile.TemporaryDirectory() as made:
        home = Path(made).resolve()
        must(item.is_installed(home) is False, "it is installed in an empty home directory")
        _apply(home, list(item.connect(home, gateway)))
        first = _files(home)
        must(any(gateway.base_url in text for text in first.values()), "connecting writes the address nowhere")
        _apply(home, list(item.connect(home, gateway)))
        must(_files(home) == first, "connecting twice is not the same as once")
        _apply(home, list(item.disconnect(home)))
        for name, text in _files(home).items():
            must(gateway.api_key not in text, f"the key is still in {name} after disconnecting")
            must(gateway.base_url not in text, f"the address is still in {name} after disconnecting")


def _apply(home: Path, edits: list[FileEdit]) -> None:
    for edit in edits:
        must(edit.path.resolve().is_relative_to(home), f"{edit.path} is outside the home directory")
        if edit.text is None:
            edit.path.unlink(missing_ok=True)
        else:
            edit.path.parent.mkdir(parents=True, exist_ok=True)
            edit.path.write_text(edit.text, encoding="utf-8")


def _files(home: Path) -> dict[str, str]:
    return {
        str(path.relative_to(home)): path.read_text(encoding="utf-8")
        for path in sorted(home.rglob("*"))
        if path.is_file()
    }
