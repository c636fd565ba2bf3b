"""Finding plugins: entry points of the group ``omniroute``, in a defined order, each one isolated.

Nothing a plugin does at import or in a hook can cost more than itself. Whatever is
wrong becomes a `PluginRecord` with a reason that its author can act on.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from types import ModuleType
from typing import Any, Literal

import importlib_metadata
import pluggy
from attrs import field, frozen
from omniroute_hooks import __version__ as contract_version
from omniroute_hooks import specs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

GROUP = "omniroute"
CONTRACT = "omniroute-hooks"
log = logging.getLogger("omniroute.plugins")

State = Literal["active", "disabled", "refused", "broken"]
HOOKS = tuple(name for name in vars(specs) if name.startswith("omniroute_"))


@frozen
class PluginRecord:
    """One entry point and what became of it. ``reason`` is empty for active plugins; ``brings`` counts what it
    declares, by hook."""

    name: str
    distribution: str
    version: str
    module: str
    state: State
    reason: str = ""
    brings: dict[str, tuple[str, ...]] = field(factory=dict)


@frozen
class Loaded:
    """A plugin that could be imported, with everything its hooks returned: hook name -> declarations."""

    record: PluginRecord
    declared: dict[str, tuple[Any, ...]]


def find() -> list[importlib_metadata.EntryPoint]:
    """All entry points of the group, by distribution and name: the order in which plugins count."""
    found = importlib_metadata.entry_points(group=GROUP)
    unique = {(_distribution(ep), ep.name): ep for ep in found}
    return [unique[key] for key in sorted(unique)]


def load(
    entry_points: Sequence[importlib_metadata.EntryPoint],
    disabled: Collection[str],
    check: Callable[[str, Any], str | None],
) -> tuple[list[Loaded], list[PluginRecord]]:
    """Imports and asks every plugin that is not disabled.

    ``disabled`` holds names of entry points or distributions: those are never imported. ``check(hook,
    declaration)`` gives a complaint about one declaration, or None. Returns the good ones, and the
    records of the others.
    """
    good: list[Loaded] = []
    bad: list[PluginRecord] = []
    unwanted = {canonicalize_name(name) for name in disabled}
    names: set[str] = set()
    for ep in entry_points:
        distribution = _distribution(ep)
        version = ep.dist.version if ep.dist is not None else ""

        def record(
            state: State, reason: str, ep: Any = ep, distribution: str = distribution, version: str = version
        ) -> PluginRecord:
            return PluginRecord(ep.name, distribution, version, ep.value, state, reason)

        if {canonicalize_name(ep.name), distribution} & unwanted:
            bad.append(record("disabled", "Switched off by configuration."))
            continue
        refusal = _contract_refusal(ep)
        if refusal:
            bad.append(record("refused", refusal))
            continue
        if ep.name in names:
            bad.append(record("refused", f"Another distribution already brings a plugin named {ep.name!r}."))
            continue
        try:
            declared = _ask(ep, check)
        except PluginProblem as exc:
            bad.append(record("broken", str(exc)))
            continue
        except (Exception, SystemExit) as exc:  # a plugin may raise anything at all
            log.debug("A plugin failed to load.", exc_info=True)
            bad.append(record("broken", f"It cannot be imported: {type(exc).__name__}: {exc}"))
            continue
        names.add(ep.name)
        brings = {hook.removeprefix("omniroute_"): tuple(map(describe, items)) for hook, items in declared.items()}
        active = PluginRecord(ep.name, distribution, version, ep.value, "active", "", brings)
        good.append(Loaded(active, declared))
    return good, bad


class PluginProblem(Exception):
    """Why a plugin cannot be used, in words for its author."""


def describe(declaration: Any) -> str:
    """A declaration's own name for lists."""
    for name in ("id", "name", "provider"):
        value = getattr(declaration, name, None)
        if isinstance(value, str):
            return value
    blueprint = getattr(declaration, "blueprint", None)
    return str(getattr(blueprint, "name", type(declaration).__name__))


def _distribution(ep: importlib_metadata.EntryPoint) -> str:
    return canonicalize_name(ep.dist.name) if ep.dist is not None else ""


def _contract_refusal(ep: importlib_metadata.EntryPoint) -> str:
    """Whether the plugin was written for another contract: its own requirement says so."""
    for line in (ep.dist.requires if ep.dist is not None else None) or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) != CONTRACT or (
            requirement.marker and not requirement.marker.evaluate()
        ):
            continue
        if not requirement.specifier.contains(contract_version, prereleases=True):
            return (
                f"It needs {CONTRACT}{requirement.specifier}, and {contract_version} is installed. "
                f"Update OmniRoute, or install a version of the plugin for {contract_version}."
            )
    return ""


def _ask(ep: importlib_metadata.EntryPoint, check: Callable[[str, Any], str | None]) -> dict[str, tuple[Any, ...]]:
    """Imports a plugin and calls its hooks."""
    plugin = ep.load()
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    _check_names(plugin, manager)
    try:
        manager.register(plugin, name=ep.name)
    except pluggy.PluginValidationError as exc:
        raise PluginProblem(f"A hook does not fit its specification: {exc}") from exc
    declared: dict[str, tuple[Any, ...]] = {}
    for hook in HOOKS:
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            try:
                items = implementation.function()
            except Exception as exc:
                raise PluginProblem(f"{hook} raised {type(exc).__name__}: {exc}") from exc
            declared[hook] = declared.get(hook, ()) + _checked(hook, items, check)
    return declared


def _checked(hook: str, items: Any, check: Callable[[str, Any], str | None]) -> tuple[Any, ...]:
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise PluginProblem(f"{hook} must return a list, not {type(items).__name__}.")
    out = tuple(items)
    for item in out:
        complaint = check(hook, item)
        if complaint:
            raise PluginProblem(f"{hook}: {complaint}")
    return out


def _check_names(plugin: Any, manager: pluggy.PluginManager) -> None:
    """A misspelt hook, or one without its marker, would otherwise be ignored in silence."""
    marker = f"{specs.PROJECT}_impl"
    for name in dir(plugin):
        value = getattr(plugin, name, None)
        marked = callable(value) and hasattr(value, marker)
        if marked and name not in HOOKS:
            near = difflib.get_close_matches(name, HOOKS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise PluginProblem(f"There is no hook named {name}.{hint}")
        if not marked and name in HOOKS and callable(value) and not isinstance(value, ModuleType):
            raise PluginProblem(f"{name} is not marked with @hookimpl.")
