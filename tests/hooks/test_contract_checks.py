"""The contract checks notice what breaks the contract. That good plugins pass them, `test_every_plugin` shows."""

from __future__ import annotations

import json
import re
import sys
import time
from types import ModuleType, SimpleNamespace

import omniroute_dialects.anthropic as anthropic_plugin
import pytest
from attrs import evolve
from omniroute_hooks import (
    Answer,
    ApiKey,
    BadRequest,
    Cache,
    ClientTool,
    FailureRule,
    FileEdit,
    FileImport,
    Job,
    Model,
    ModelSource,
    Mount,
    NodeType,
    OAuth,
    OAuthCode,
    Observer,
    Passed,
    Price,
    Provider,
    QuotaSource,
    QuotaWindow,
    RateLimited,
    StateStore,
    Stop,
    Strategy,
    Thinks,
    Tokens,
    hookimpl,
)
from omniroute_hooks.events import Stopped, TextDelta
from omniroute_hooks.testing.contract import check, checks, find_plugin
from omniroute_hooks.testing.stillness import watching

GOOD = Provider(
    id="good", prefix="gd", base_url="https://api.example.com/v1", dialect="openai-chat", models=(Model("m"),)
)
CODE = OAuthCode(
    provider="good",
    authorize_url="https://example.com/authorize",
    token_url="https://example.com/token",
    client_id="c",
    loopback="http://127.0.0.1:1455/callback",
)
ORDERED = Strategy(id="ordered", name="Ordered", description="As given.", order=lambda candidates, round_: candidates)


async def nothing(*args):
    return None


async def one_text(conversation, target):
    yield TextDelta(0, "hi")


def files(*edits):
    return lambda home, *address: [FileEdit(home / name, text) for name, text in edits]


def writing(home, address):
    return [FileEdit(home / ".tool.json", json.dumps({"url": address.base_url, "key": address.api_key}))]


def appending(home, address):
    path = home / ".tool"
    old = path.read_text() if path.exists() else ""
    return [FileEdit(path, f"{old}{address.base_url}\n")]


TOOL = ClientTool(
    id="tool", name="Tool", is_installed=lambda home: False, connect=writing, disconnect=files((".tool.json", None))
)


def test_good_declarations_pass():
    check(
        {
            "omniroute_providers": [GOOD],
            "omniroute_auth_flows": [CODE],
            "omniroute_strategies": [ORDERED],
            "omniroute_client_tools": [TOOL],
            "omniroute_node_types": [NodeType(id="node", name="Node", dialects={None: "openai-chat"})],
            "omniroute_quota_sources": [QuotaSource(provider="good", read=nothing)],
            "omniroute_model_sources": [ModelSource(provider="good", list_models=nothing)],
            "omniroute_caches": [Cache(id="none", name="None", get=nothing, put=nothing)],
            "omniroute_state_stores": [StateStore(id="redis", scheme="redis", open=nothing)],
            "omniroute_observers": [Observer(id="deaf", finished=nothing)],
            "omniroute_jobs": [Job(id="idle", every_s=60, run=nothing)],
            "omniroute_blueprints": [Mount(blueprint=SimpleNamespace(name="page"))],
        }
    )


def priced(**price):
    return evolve(GOOD, models=(Model("m", price=(Price(**price),)),))


BROKEN = {
    "provider-id": ("providers", evolve(GOOD, id="Good One"), "the provider id"),
    "prefix-with-slash": ("providers", evolve(GOOD, prefix="a/b"), "the prefix"),
    "prefix-empty": ("providers", evolve(GOOD, prefix=""), "the prefix"),
    "no-address": ("providers", evolve(GOOD, base_url=""), "no base URL"),
    "address-with-slash": ("providers", evolve(GOOD, base_url="https://x.example/"), "end in a slash"),
    "address-with-query": ("providers", evolve(GOOD, base_url="https://x.example/v1?key=1"), "no query"),
    "address-of-no-web": ("providers", evolve(GOOD, base_url="ftp://x.example"), "no http"),
    "no-dialect": ("providers", evolve(GOOD, dialect=""), "names no dialect"),
    "unknown-dialect": ("providers", evolve(GOOD, dialect="klingon"), "klingon"),
    "model-twice": ("providers", evolve(GOOD, models=(Model("m"), Model("m"))), "declared twice: .'m'"),
    "model-padded": ("providers", evolve(GOOD, models=(Model(" m"),)), "padded"),
    "no-model-at-all": ("providers", evolve(GOOD, models=(), any_model=False), "no model"),
    "model-without-room": ("providers", evolve(GOOD, models=(Model("m", context=0),)), "context is 0"),
    "model-output-over-context": ("providers", evolve(GOOD, models=(Model("m", context=5, max_output=6),)), "larger"),
    "model-budgets-cross": (
        "providers",
        evolve(GOOD, models=(Model("m", thinks=Thinks("budget", min_budget=9, max_budget=8)),)),
        "cross",
    ),
    "price-below-zero": ("providers", priced(output_usd_per_1m=-0.1), "output_usd_per_1m is -0.1"),
    "price-tier-twice": (
        "providers",
        evolve(GOOD, models=(Model("m", price=(Price(1.0), Price(2.0))),)),
        "same tier",
    ),
    "key-goes-nowhere": (
        "providers",
        evolve(GOOD, auth=type("Mute", (ApiKey,), {"headers": lambda self, credential: {}})()),
        "reaches no header",
    ),
    "header-of-two-lines": ("providers", evolve(GOOD, headers={"X-A": "b\r\nX-C: d"}), "no line of text"),
    "terms-no-link": ("providers", evolve(GOOD, terms="see website"), "no https"),
    "rule-without-condition": ("providers", evolve(GOOD, failures=(FailureRule(RateLimited),)), "without a condition"),
    "rule-bad-regex": ("providers", evolve(GOOD, failures=(FailureRule(RateLimited, text="(x"),)), "no regular"),
    "rule-matches-all": ("providers", evolve(GOOD, failures=(FailureRule(RateLimited, text="x*"),)), "anything"),
    "rule-bad-status": ("providers", evolve(GOOD, failures=(FailureRule(RateLimited, status=42),)), "no HTTP status"),
    "rule-no-error": ("providers", evolve(GOOD, failures=(FailureRule(ValueError, status=429),)), "no GatewayError"),
    "generates-half": ("providers", evolve(GOOD, generate=one_text), "stopped before its end"),
    "oauth-without-flow": ("providers", evolve(GOOD, auth=OAuth()), "no AuthFlow"),
    "flow-for-nobody": ("auth_flows", evolve(CODE, provider="who"), "'who', which nobody declares"),
    "flow-in-the-clear": ("auth_flows", evolve(CODE, token_url="http://example.com/token"), "no https"),
    "flow-without-return": ("auth_flows", evolve(CODE, loopback=None), "neither loopback nor paste"),
    "flow-returns-elsewhere": ("auth_flows", evolve(CODE, loopback="http://example.com:1455/callback"), "this machine"),
    "import-invents": (
        "auth_flows",
        FileImport(provider="good", read=lambda home: Tokens({"access_token": "x"}), describes="x"),
        "empty home",
    ),
    "import-writes": (
        "auth_flows",
        FileImport(provider="good", read=lambda home: [(home / "x").write_text(""), None][1], describes="x"),
        "only read",
    ),
    "models-for-nobody": ("model_sources", ModelSource(provider="who", list_models=nothing), "'who'"),
    "quota-for-nobody": ("quota_sources", QuotaSource(provider="who", read=nothing), "'who'"),
    "quota-from-nowhere": ("quota_sources", QuotaSource(provider="good"), "neither read nor from_headers"),
    "quota-invents": (
        "quota_sources",
        QuotaSource(provider="good", from_headers=lambda headers: [QuotaWindow("w", 0, 1, "tokens")]),
        "must be None",
    ),
    "quota-all-the-time": ("quota_sources", QuotaSource(provider="good", read=nothing, min_interval_s=0), "above 0"),
    "node-without-dialect": ("node_types", NodeType(id="n", name="N", dialects={}), "no dialect"),
    "node-unknown-dialect": ("node_types", NodeType(id="n", name="N", dialects={None: "klingon"}), "klingon"),
    "node-keeps-slash": (
        "node_types",
        NodeType(id="n", name="N", dialects={None: "gemini"}, base_url=lambda typed: typed),
        "end in a slash",
    ),
    "strategy-loses": ("strategies", evolve(ORDERED, order=lambda c, r: list(c)[:1]), "it makes"),
    "strategy-doubles": ("strategies", evolve(ORDERED, order=lambda c, r: [*c, *list(c)[:1]]), "it makes"),
    "strategy-sorts-in-place": (
        "strategies",
        evolve(ORDERED, order=lambda c, r: (c.reverse(), c)[1]),
        "changes the list",
    ),
    "strategy-throws-own-dice": (
        "strategies",
        evolve(ORDERED, order=lambda c, r: sorted(c, key=lambda x: hash((x.key, time.perf_counter_ns())))),
        "same seed",
    ),
    "strategy-trips-over-none": ("strategies", evolve(ORDERED, order=lambda c, r: [c[0], *c[1:]]), "list index"),
    "strategy-levels": ("strategies", evolve(ORDERED, levels=("planets",)), "levels"),
    "strategy-nameless": ("strategies", evolve(ORDERED, description=""), "name or description"),
    "cache-invents": ("caches", Cache(id="c", name="C", get=lambda key: answer(b"x"), put=nothing), "nobody put"),
    "store-scheme": ("state_stores", StateStore(id="s", scheme="redis://", open=nothing), "no URL scheme"),
    "observer-id": ("observers", Observer(id="", finished=nothing), "observer's id"),
    "job-all-the-time": ("jobs", Job(id="j", every_s=0, run=nothing), "too often"),
    "mount-for-nobody-knows-whom": ("blueprints", Mount(blueprint=SimpleNamespace(name="p"), access="all"), "access"),
    "mount-no-blueprint": ("blueprints", Mount(blueprint=object()), "no Quart blueprint"),
    "command-no-click": ("commands", print, "no click command"),
    "tool-outside-home": ("client_tools", evolve(TOOL, connect=files(("/etc/tool", "x"))), "outside the home"),
    "tool-writes-nothing": ("client_tools", evolve(TOOL, connect=files()), "writes the address nowhere"),
    "tool-writes-twice": ("client_tools", evolve(TOOL, connect=appending), "twice is not the same"),
    "tool-leaves-key": ("client_tools", evolve(TOOL, disconnect=files()), "still in .tool.json"),
    "tool-always-there": ("client_tools", evolve(TOOL, is_installed=lambda home: True), "empty home"),
}


async def answer(value):
    return value


@pytest.mark.parametrize(("hook", "item", "complaint"), BROKEN.values(), ids=BROKEN)
def test_a_broken_declaration_is_told_what_is_wrong(hook, item, complaint):
    declared = {"omniroute_providers": [GOOD]}
    declared[f"omniroute_{hook}"] = [item]

    with pytest.raises(AssertionError, match=complaint):
        check(declared)


@pytest.mark.parametrize(
    ("hook", "items"),
    [
        ("providers", [GOOD, evolve(GOOD, id="other")]),
        ("providers", [GOOD, evolve(GOOD, prefix="other")]),
        ("strategies", [ORDERED, ORDERED]),
        ("jobs", [Job(id="j", every_s=9, run=nothing), Job(id="j", every_s=8, run=nothing)]),
    ],
)
def test_names_are_declared_once(hook, items):
    with pytest.raises(AssertionError, match="declared twice"):
        check({f"omniroute_{hook}": items})


def test_all_complaints_come_together():
    with pytest.raises(AssertionError) as caught:
        check({"omniroute_providers": [evolve(GOOD, prefix="/", dialect="klingon")]})

    assert "the prefix" in str(caught.value)
    assert "klingon" in str(caught.value)


# Dialects ----------------------------------------------------------------------------------------

[DIALECT] = anthropic_plugin.omniroute_dialects()


def test_the_dialect_that_is_broken_below_is_good():
    check({"omniroute_dialects": [DIALECT]})


class Chunkwise:
    """A decoder that takes each piece of the network's for a whole event."""

    def __init__(self, watch):
        self.watch = watch

    def feed(self, chunk):
        whole = DIALECT.decoder(self.watch)
        return [*whole.feed(chunk), *whole.end()]

    def end(self):
        return []


class Wrapping:
    """A decoder that changes what another one says."""

    def __init__(self, watch, change):
        self.inner, self.change = DIALECT.decoder(watch), change

    def feed(self, chunk):
        return self.change(self.inner.feed(chunk))

    def end(self):
        return self.change(self.inner.end())


class Lossy:
    """An encoder that loses every other call."""

    def __init__(self, reply):
        self.inner, self.count = DIALECT.encoder(reply), 0

    def encode(self, events):
        self.count += 1
        made = self.inner.encode(events)
        return made if self.count % 7 else b""


def losing_temperature(conversation, target, stream):
    rendered = DIALECT.render_request(conversation, target, stream)
    return evolve(rendered, body={k: v for k, v in rendered.body.items() if k != "temperature"})


def reprinting(raw, body, target, stream):
    return Passed("/messages", json.dumps({**body, "model": target.model}).encode())


def in_place(body, asked):
    conversation = DIALECT.parse_request(body, asked)
    body.pop("model")
    return conversation


def raising(*args):
    raise KeyError("id")


BROKEN_DIALECTS = {
    "endpoint": ({"endpoints": (evolve(DIALECT.endpoints[0], path="/chat"),)}, "version segment"),
    "endpoints": ({"endpoints": ()}, "nothing can be generated"),
    "no-listing": ({"list_models": None}, "no list_models"),
    "header-case": ({"forwards": frozenset({"X-A"})}, "lower case"),
    "error-without-words": ({"render_error": lambda e, r: (500, {"type": "error"})}, "loses its message"),
    "error-that-is-none": ({"render_error": lambda e, r: (200, {"message": e.message})}, "status 200"),
    "error-of-nonsense": ({"parse_error": raising}, "KeyError"),
    "error-words-of-the-provider": ({"parse_error": lambda s, h, b: BadRequest("It failed.")}, "words are lost"),
    "decoder-of-nonsense": ({"decoder": lambda watch: Wrapping(watch, raising)}, "KeyError"),
    "request-field": ({"render_request": losing_temperature}, "arrives as"),
    "request-changed": ({"parse_request": in_place}, "KeyError|changes the body"),
    "passed-anew": ({"pass_request": reprinting}, "printed anew"),
    "answer-without-usage": (
        {"parse_answer": lambda body: evolve(DIALECT.parse_answer(body), usage=None)},
        "is heard as|must be",
    ),
    "answer-parts": (
        {"render_answer": lambda a, r: DIALECT.render_answer(Answer(a.parts[:1], Stop("end"), a.usage, a.id), r)},
        "is heard as|end_turn",
    ),
    "encoder": ({"encoder": Lossy}, "one by one|before|is heard|block"),
    "splits": ({"decoder": Chunkwise}, "byte by byte"),
    "truncated": (
        {"decoder": lambda watch: Wrapping(watch, lambda signals: [Stopped(Stop("end", "end_turn")), *signals])},
        "counts as finished|is heard|without",
    ),
    "blind-watcher": (
        {"decoder": lambda watch: Wrapping(watch, lambda signals: [] if watch else signals)},
        "it sees None",
    ),
    "heartbeat": ({"heartbeat": b"data: beat\n\n"}, "not JSON"),
}


@pytest.mark.parametrize(("fault", "complaint"), BROKEN_DIALECTS.values(), ids=BROKEN_DIALECTS)
def test_a_broken_dialect_is_told_what_is_wrong(fault, complaint):
    broken = ModuleType("broken_dialect")
    broken.omniroute_dialects = hookimpl(lambda: [evolve(DIALECT, **fault)])

    assert re.search(complaint, "\n".join(_complaints(broken)))


def _complaints(plugin):
    out = []
    for item in checks(plugin):
        try:
            item.run()
        except Exception as exc:
            out.append(f"{type(exc).__name__}: {exc}")
    return out


# Hooks -------------------------------------------------------------------------------------------


def plugin_of(**hooks):
    plugin = ModuleType("a_plugin")
    for name, hook in hooks.items():
        setattr(plugin, name, hook)
    return plugin


COUNT = iter(range(1000))


def burning():
    until = time.process_time() + 0.4
    while time.process_time() < until:
        pass
    return []


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [
        pytest.param(plugin_of(omniroute_provider=hookimpl(lambda: [])), "is omniroute_providers meant", id="misspelt"),
        pytest.param(plugin_of(omniroute_providers=lambda: []), "not marked", id="unmarked"),
        pytest.param(plugin_of(omniroute_jobs=hookimpl(burning)), "hooks take 0", id="slow"),
        pytest.param(
            plugin_of(omniroute_jobs=hookimpl(lambda: [Job(id=f"j{next(COUNT)}", every_s=9, run=nothing)])),
            "and then",
            id="another-each-time",
        ),
        pytest.param(plugin_of(omniroute_jobs=hookimpl(lambda: "jobs")), "must return a list", id="text"),
        pytest.param(plugin_of(omniroute_jobs=hookimpl(lambda: 1 / 0)), "ZeroDivisionError", id="raises"),
    ],
)
def test_a_hook_that_misbehaves_is_told_so(plugin, complaint):
    assert re.search(complaint, "\n".join(_complaints(plugin)))


def test_a_hook_that_reads_a_file_is_told_so(tmp_path):
    (tmp_path / "models.json").write_text("[]")
    plugin = plugin_of(omniroute_providers=hookimpl(lambda: json.loads((tmp_path / "models.json").read_text())))

    assert "models.json" in "\n".join(_complaints(plugin))


def test_a_hook_may_import_what_it_returns(tmp_path, monkeypatch):
    (tmp_path / "lazily_imported.py").write_text("VALUE = 1")
    monkeypatch.syspath_prepend(str(tmp_path))

    with watching() as seen:
        import lazily_imported

        assert lazily_imported.VALUE == 1

    assert seen == []
    del sys.modules["lazily_imported"]


def test_a_plugin_is_found_by_entry_point_or_module():
    assert find_plugin("dialect-anthropic") is anthropic_plugin
    assert find_plugin("omniroute_dialects.anthropic") is anthropic_plugin
    with pytest.raises(ModuleNotFoundError):
        find_plugin("omniroute_nobody_has_this")
