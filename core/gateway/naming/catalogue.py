"""The catalogue: every name that callers may write as a model, for model lists; and names that are like another.

What is listed can be called: a combo of which nobody is left is not in the list.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from omniroute_hooks import Listed, Model, Provider

from .combos import MAX_DEPTH, own_name

if TYPE_CHECKING:
    from .snapshot import Snapshot

COMBO_OWNER = "combo"
ALIAS_OWNER = "alias"
MOST_COMPARED = 300


def listed(snapshot: Snapshot, created_s: int) -> tuple[Listed, ...]:
    """Combos in the user's order, exact aliases, then the models of all that can be called now."""
    reading = _Reading(snapshot)
    found: dict[str, Listed] = {}
    for name in snapshot.combos:
        spec = reading.asked(name)
        if spec is not None:
            found[name] = Listed(name, COMBO_OWNER, created_s, spec)
    for name in snapshot.aliases:
        spec = reading.asked(name)
        if spec is not None and name not in found:
            found[name] = Listed(name, ALIAS_OWNER, created_s, spec)
    plain = not (snapshot.aliases or snapshot.combos or snapshot.names.wildcards)
    for provider in _connected(snapshot):
        for model in provider.models:
            name = f"{provider.prefix}/{model.id}"
            if name not in found and (plain or reading.asked(name) is not None):
                found[name] = Listed(name, provider.name or provider.id, created_s, model)
    return tuple(found.values())


def _connected(snapshot: Snapshot) -> Iterator[Provider]:
    return (provider for provider in snapshot.providers.values() if provider.id in snapshot.lines)


class _Reading:
    """What names come to, each combo looked at once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._combos: dict[str, Model | None] = {}

    def asked(self, name: str) -> Model | None:
        """What can be said of a caller's name as a model; None where nobody can be called by it."""
        return self._spec(self._snapshot.names.follow(name)[0], ())

    def _spec(self, target: str, way: tuple[str, ...]) -> Model | None:
        snapshot = self._snapshot
        combo = own_name(snapshot.combos, target)
        if combo is not None:
            if combo in way or len(way) >= MAX_DEPTH:
                return None
            if combo not in self._combos:
                steps = snapshot.combos.steps(combo)
                specs = [self._step(step.name, step.connection_id, (*way, combo)) for step in steps]
                self._combos[combo] = _together(combo, [spec for spec in specs if spec is not None])
            return self._combos[combo]
        serving, model = self._serving(target)
        if not serving:
            return None
        known = snapshot.spec(serving[0], model)
        return known if known is not None or not serving[0].any_model else Model(model)

    def _serving(self, target: str) -> tuple[tuple[Provider, ...], str]:
        """Who can be called by a name that is no combo's, and the model's id there."""
        prefix, slash, model = target.partition("/")
        provider = self._snapshot.by_prefix.get(prefix) if slash and model else None
        if provider is None:
            return self._snapshot.bare.get(target, ()), target
        return (provider,) if provider.id in self._snapshot.lines else (), model

    def _step(self, name: str, connection_id: str | None, way: tuple[str, ...]) -> Model | None:
        target = self._snapshot.names.exactly(name)
        spec = self._spec(target, way)
        if spec is None or connection_id is None:
            return spec
        serving, _ = self._serving(target)
        known = any(connection_id in self._snapshot.rosters[provider.id].by_id for provider in serving)
        return spec if known else None


def _together(name: str, specs: Sequence[Model]) -> Model | None:
    """A combo as if it were a model: what one of its members can do, the combo can, since others are passed over."""
    if not specs:
        return None
    contexts, outputs = [spec.context for spec in specs], [spec.max_output for spec in specs]
    return Model(
        name,
        kind=specs[0].kind,
        context=max((c for c in contexts if c is not None), default=None) if None not in contexts else None,
        max_output=max((o for o in outputs if o is not None), default=None) if None not in outputs else None,
        input=tuple(dict.fromkeys(modality for spec in specs for modality in spec.input)),
        tools=any(spec.tools for spec in specs),
        thinks=next((spec.thinks for spec in specs if spec.thinks is not None), None),
    )


class Near:
    """Finds the known names that are most like another. Looks at those with the same first letter, up to a number:
    it is for people, and must not take the time of others."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_letter: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            known = self._by_letter.setdefault(name[:1].lower(), [])
            if len(known) < MOST_COMPARED:
                known.append(name)

    def words(self, name: str) -> str:
        """A question in words, with a blank before it; "" where nothing is near."""
        near = difflib.get_close_matches(name[:200], self._by_letter.get(name[:1].lower(), []), n=3, cutoff=0.6)
        return f" Did you mean {' or '.join(near)}?" if near else ""
