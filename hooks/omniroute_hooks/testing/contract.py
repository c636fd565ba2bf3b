"""The contract as checks: what any plugin can be held to without knowing it.

    from omniroute_hooks.testing.contract import check_plugin
    check_plugin("deepseek")  # an entry point's name, or a module's

`omniroute_hooks.testing.pytest_plugin` runs the same checks as one pytest item each.
"""

from __future__ import annotations

import difflib
import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import pluggy
from attrs import frozen

from .. import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES, Dialect, Provider, specs
from .expectations import must
from .stillness import watching

GROUP = "omniroute"
HOOKS = tuple(name for name in vars(specs) if name.startswith("omniroute_"))
QUICK_S = 0.25  # of this process's own time, so that a busy machine is no fault
Declared = Mapping[str, Sequence[Any]]
_KEPT = {OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GEMINI}  # dialects that OmniRoute itself always brings


@frozen
class Check:
    """One rule over one declaration. ``run`` raises `AssertionError` with what is wrong."""

    name: str
    run: Callable[[], None]


def find_plugin(name: str) -> Any:
    """The plugin behind an entry point of that name, or the module of that name.

    Errors: whatever importing it raises.
    """
    for point in entry_points(group=GROUP):
        if point.name == name:
            return point.load()
    return importlib.import_module(name)


def check_plugin(name: str) -> None:
    """Runs every check. Errors: one `AssertionError` that lists all that is wrong."""
    _run(checks(find_plugin(name)))


def check(declarations: Declared) -> None:
    """Runs the checks over declarations: hook name -> what it returned.

    Errors: one `AssertionError` that lists all that is wrong.
    """
    _run(list(declaration_checks(declarations)))


def checks(plugin: Any) -> list[Check]:
    """All checks over a plugin: of its hooks, and of what they declare."""
    out = [
        Check("hooks are known and marked", partial(_known_and_marked, plugin)),
        Check("hooks do no I/O and are quick", partial(_still_and_quick, plugin)),
        Check("hooks say the same twice", partial(_same_twice, plugin)),
    ]
    try:
        declared = ask(plugin)
    except Exception as exc:
        return [*out, Check("hooks return lists", partial(_raise, exc))]
    return [*out, *declaration_checks(declared)]


def ask(plugin: Any) -> dict[str, tuple[Any, ...]]:
    """What the plugin's hooks return: hook name -> declarations."""
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    manager.register(plugin)
    out: dict[str, tuple[Any, ...]] = {}
    for hook in HOOKS:
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            items = implementation.function()
            must(not isinstance(items, str | bytes), f"{hook} must return a list, not {type(items).__name__}")
            out[hook] = out.get(hook, ()) + tuple(items)
    return out


def declaration_checks(declared: Declared) -> Iterator[Check]:
    """The checks that fit these declarations."""
    from . import rules, strategy_rules  # not at the top: pytest loads this module's neighbours at every start

    def each(hook: str, *functions: Callable[..., None], **more: Any) -> Iterator[Check]:
        for item in declared.get(hook, ()):
            for function in functions:
                rule = (function.__doc__ or function.__name__).split("\n")[0].rstrip(".")
                yield Check(f"{hook.removeprefix('omniroute_')} {_name(item)}: {rule}", partial(function, item, **more))

    yield Check("ids are unique", partial(_unique, declared))
    dialects = _Ids("omniroute_dialects", "id", declared, _KEPT)
    providers = _Ids("omniroute_providers", "id", declared)
    owners = _Ids("omniroute_node_types", "id", declared, more=providers)
    yield from each("omniroute_providers", rules.provider, rules.failure_rules, rules.generates)
    yield from each("omniroute_providers", _speaks, dialects=dialects)
    yield from each("omniroute_providers", _has_login, declared=declared)
    yield from each("omniroute_node_types", rules.node_type, dialects=dialects)
    yield from each("omniroute_auth_flows", rules.auth_flow, providers=providers)
    yield from each("omniroute_model_sources", _owned, owners=owners)
    yield from each("omniroute_quota_sources", _owned, owners=providers)
    yield from each("omniroute_quota_sources", rules.quota_source)
    yield from each(
        "omniroute_strategies", strategy_rules.strategy, strategy_rules.loses_nobody, strategy_rules.repeats_itself
    )
    yield from each("omniroute_caches", rules.cache)
    yield from each("omniroute_state_stores", rules.state_store)
    yield from each("omniroute_observers", rules.observer)
    yield from each("omniroute_client_tools", rules.client_tool)
    yield from each("omniroute_blueprints", rules.mount)
    yield from each("omniroute_jobs", rules.job)
    yield from each("omniroute_commands", _command)
    if declared.get("omniroute_dialects"):
        from . import dialect_rules as d
        from .speakers import SPEAKERS

        yield from each("omniroute_dialects", d.endpoints, d.errors, d.decodes_nonsense, d.lists_models)
        said = (d.requests, d.passing, d.answers, d.streams)
        cut = (d.splits, d.truncated, d.watching, d.heartbeats, d.reads_errors)
        for item in declared["omniroute_dialects"]:
            if isinstance(item, Dialect) and item.id in SPEAKERS:
                yield from each_of(item, said + cut, SPEAKERS[item.id])


def each_of(item: Dialect, functions: Sequence[Callable[..., None]], speaker: Any) -> Iterator[Check]:
    """Checks that compare a dialect with its speaker."""
    for function in functions:
        rule = (function.__doc__ or function.__name__).split("\n")[0].rstrip(".")
        yield Check(f"dialects {item.id}: {rule}", partial(function, item, speaker))


# Hooks -------------------------------------------------------------------------------------------


def _known_and_marked(plugin: Any) -> None:
    for name in dir(plugin):
        value = getattr(plugin, name, None)
        marked = callable(value) and hasattr(value, f"{specs.PROJECT}_impl")
        near = difflib.get_close_matches(name, HOOKS, n=1)
        must(not marked or name in HOOKS, f"there is no hook named {name}; is {', '.join(near)} meant?")
        if name in HOOKS and callable(value):
            must(marked, f"{name} is not marked with @hookimpl")


def _still_and_quick(plugin: Any) -> None:
    ask(plugin)  # a first time, since a hook may import what it returns
    before = time.process_time()
    with watching() as seen:
        ask(plugin)
    took = time.process_time() - before
    must(not seen, f"hooks reach out: {'; '.join(seen[:5])}")
    must(took < QUICK_S, f"hooks take {took:.2f} s")


def _same_twice(plugin: Any) -> None:
    first, second = ask(plugin), ask(plugin)
    for hook in first:
        one, other = [_name(i) for i in first[hook]], [_name(i) for i in second[hook]]
        must(one == other, f"{hook} returns {one} and then {other}")


# Declarations as a whole -------------------------------------------------------------------------

# Two plugins may well choose the same word for these; within one it is a mistake.
_UNIQUE = {**specs.UNIQUE, "omniroute_observers": ("id",), "omniroute_jobs": ("id",)}


def _unique(declared: Declared) -> None:
    for hook, fields in _UNIQUE.items():
        for field in fields:
            values = [getattr(item, field) for item in declared.get(hook, ())]
            twice = sorted({str(v) for v in values if values.count(v) > 1})
            must(not twice, f"{hook}: the {field} {', '.join(twice)} is declared twice")


class _Ids:
    """Ids that exist: those declared here, those known anyway, and only if need be those of installed plugins."""

    def __init__(
        self, hook: str, field: str, declared: Declared, known: set[str] | None = None, more: _Ids | None = None
    ) -> None:
        self._hook, self._field, self._more = hook, field, more
        self._known = {getattr(item, field) for item in declared.get(hook, ())} | (known or set())
        self._installed: set[str] | None = None

    def __contains__(self, value: object) -> bool:
        return value in self._known or value in self._of_others() or (self._more is not None and value in self._more)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known | self._of_others())

    def __len__(self) -> int:
        return len(self._known | self._of_others())

    def _of_others(self) -> set[str]:
        if self._installed is None:
            self._installed = set()
            for point in entry_points(group=GROUP):
                with suppress(Exception, SystemExit):  # somebody else's plugin may be broken
                    items = ask(point.load()).get(self._hook, ())
                    self._installed |= {getattr(item, self._field) for item in items}
        return self._installed


def _speaks(item: Provider, dialects: _Ids) -> None:
    """Its dialect exists."""
    must(not item.dialect or item.dialect in dialects, f"it speaks {item.dialect!r}, which no plugin brings")


def _has_login(item: Provider, declared: Declared) -> None:
    """There is a way to log in."""
    flows = {flow.provider for flow in declared.get("omniroute_auth_flows", ())}
    must(item.auth.auth_type != "oauth" or item.id in flows, "it wants a login, and no AuthFlow says how")


def _owned(item: Any, owners: _Ids) -> None:
    """It is for somebody."""
    must(item.provider in owners, f"it is for {item.provider!r}, which nobody declares")


def _command(item: Any) -> None:
    """It is a click command with a name."""
    must(callable(getattr(item, "main", None)) and getattr(item, "name", None), "it is no click command with a name")


def _name(item: Any) -> str:
    for name in ("id", "name", "provider"):
        value = getattr(item, name, None)
        if isinstance(value, str):
            return value
    return str(getattr(getattr(item, "blueprint", None), "name", type(item).__name__))


def _raise(exc: Exception) -> None:
    raise AssertionError(f"hooks cannot be asked: {type(exc).__name__}: {exc}") from exc


def _run(items: Sequence[Check]) -> None:
    wrong = []
    for item in items:
        try:
            item.run()
        except AssertionError as exc:
            wrong.append(f"{item.name}: {exc}")
        except Exception as exc:  # the plugin's own code may raise anything
            wrong.append(f"{item.name}: {type(exc).__name__}: {exc}")
    if wrong:
        raise AssertionError("\n".join(wrong))
