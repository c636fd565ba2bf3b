"""Names: what the caller wrote as a model, and whom that means.

In this order: the user's alias, ``prefix/model``, a bare model id that some
connected provider serves. A prefix is a hard constraint: it never means another
provider.
"""

from __future__ import annotations

import difflib

from attrs import frozen
from omniroute_hooks import LoginExpired, Model, ModelNotFound, Provider

from .snapshot import Line, Snapshot

MAX_ALIAS_STEPS = 8


@frozen
class Choice:
    """One model of one provider, with the connections that may serve it."""

    provider: Provider
    model: str
    spec: Model | None
    lines: tuple[Line, ...]


@frozen
class Plan:
    """The choices for a name, in order. ``by`` says in a word how the name was read."""

    by: str
    choices: tuple[Choice, ...]


def resolve(snapshot: Snapshot, name: str) -> Plan:
    """Whom ``name`` means.

    Errors: `ModelNotFound`, `LoginExpired`: they say what is missing and what to do.
    """
    by = "name"
    for _ in range(MAX_ALIAS_STEPS):
        target = snapshot.aliases.get(name)
        if target is None or target == name:
            break
        name, by = target, "alias"
    prefix, slash, model = name.partition("/")
    provider = snapshot.by_prefix.get(prefix) if slash else None
    if provider is not None and model:
        return Plan(by, (_choice(snapshot, provider, model),))
    found = snapshot.bare.get(name)
    if found is not None:
        return Plan("bare name" if by == "name" else by, (_choice(snapshot, *found),))
    raise ModelNotFound(_unknown(snapshot, name, prefix if slash else None))


def _choice(snapshot: Snapshot, provider: Provider, model: str) -> Choice:
    lines = snapshot.lines.get(provider.id, ())
    if not lines:
        name = provider.name or provider.id
        if provider.id in snapshot.expired:
            raise LoginExpired(f"The login at {name} has expired. Log in again under Providers.")
        raise ModelNotFound(f"{name} has no active connection. Add one, or enable one, under Providers.")
    spec = provider.model(model)
    if spec is None and not provider.any_model:
        near = _near(model, [m.id for m in provider.models])
        raise ModelNotFound(f"{provider.name or provider.id} has no model {model!r}.{near}")
    return Choice(provider, model, spec, lines)


def _unknown(snapshot: Snapshot, name: str, prefix: str | None) -> str:
    if prefix is not None and prefix not in snapshot.by_prefix and snapshot.by_prefix:
        known = _near(prefix, list(snapshot.by_prefix))
        return f"No provider has the prefix {prefix!r}, and no model is named {name!r}.{known}"
    return f"No connected provider has a model named {name!r}.{_near(name, [e.id for e in snapshot.listed])}"


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word[:200], known[:5000], n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else ""
