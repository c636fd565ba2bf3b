"""Names: what the caller wrote as a model, and whom that means.

In this order: the user's alias (exact, then patterns), a combo (also ``combo/<name>``),
``prefix/model``, a bare model id that connected providers serve. A prefix is a hard
constraint: it never means another provider, unless a fallback chain of the user's names
that very model. docs/routing.md tells it to users.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from attrs import evolve, field, frozen
from omniroute_hooks import BadRequest, GatewayError, LoginExpired, Model, ModelNotFound, NotFound, Provider

from .combos import EXPLICIT, MAX_DEPTH, MAX_LEAVES, PLAIN, Chain, Combo, ComboConfig, Step
from .lines import Line, Roster
from .snapshot import Snapshot

MAX_REMEMBERED_NAME = 300
MOST_STEPS = 1000  # looked at for one name
MOST_NOTES = 200


@frozen(eq=False)
class Choice:
    """One model of one provider, with the connections that may serve it. ``usd_per_1m`` is a blended price."""

    provider: Provider
    model: str
    spec: Model | None
    roster: Roster
    usd_per_1m: float | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """The connections, in the user's order."""
        return self.roster.lines


@frozen(eq=False)
class Member:
    """A place in a group. ``key`` names it in what is remembered, ``path`` is for people, ``asked`` the name that
    the user wrote there."""

    node: Choice | Group
    key: str
    path: str = ""
    weight: float = 1.0
    asked: str = ""


@frozen(eq=False)
class Group:
    """Several choices: a combo, a fallback chain, or the providers that serve a bare name.

    ``strategy`` None: the members in their order. ``config`` holds for the candidates under it.
    """

    key: str
    members: tuple[Member, ...]
    combo: str | None = None
    strategy: str | None = None
    config: ComboConfig = PLAIN
    usd_per_1m: float | None = field(init=False)

    @usd_per_1m.default
    def _cheapest(self) -> float | None:
        prices = [m.node.usd_per_1m for m in self.members if m.node.usd_per_1m is not None]
        return min(prices, default=None)


@frozen
class Note:
    """A part of the plan that cannot be called at all, and why."""

    path: str
    name: str
    reason: str


@frozen(eq=False)
class Plan:
    """Whom a name means. ``by`` says in a word how it was read.

    ``chain`` comes after everything in ``root``. ``combo`` and ``config`` are those of the combo that was asked for.
    """

    by: str
    root: Choice | Group
    combo: str | None = None
    config: ComboConfig = PLAIN
    chain: Group | None = None
    notes: tuple[Note, ...] = ()
    groups: bool = field(init=False)

    @groups.default
    def _groups(self) -> bool:
        return self.chain is not None or isinstance(self.root, Group)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All choices, in the user's order."""
        return (*_leaves(self.root), *(_leaves(self.chain) if self.chain is not None else ()))


def resolve(snapshot: Snapshot, name: str) -> Plan:
    """Whom ``name`` means. The plan is remembered, so that the next one costs a look-up.

    Errors: `ModelNotFound`, `LoginExpired`: they say what is missing and what to do.
    """
    plan = snapshot.plans.get(name)
    if plan is None:
        plan = _plan(snapshot, name)
        if len(name) <= MAX_REMEMBERED_NAME:
            snapshot.plans.put(name, plan)
    return plan


def combo_plan(snapshot: Snapshot, name: str) -> Plan:
    """The plan of the combo of this name, whatever aliases say. Errors: as `resolve`."""
    combo = snapshot.combo(name)
    if combo is None:
        raise _unknown(snapshot, EXPLICIT + name.removeprefix(EXPLICIT))
    building = _Building(snapshot)
    try:
        root = building.node(combo.name, "", snapshot.combo_defaults, ())
    except _Known as exc:
        raise exc.error from None
    config = snapshot.combo_defaults.under(combo.settings)
    return Plan("combo", root, combo.name, config, None, tuple(building.notes[:MOST_NOTES]))


def owner_of(snapshot: Snapshot, word: str) -> Provider:
    """The provider of an address of its own. ``word`` is its prefix, id or name. Errors: `NotFound`."""
    provider = snapshot.by_word.get(word) or snapshot.by_word.get(word.lower())
    if provider is None:
        raise NotFound(f"There is no provider {word[:100]!r}.{snapshot.near_prefix.words(word)}")
    return provider


def dedicated(snapshot: Snapshot, word: str, model: str) -> str:
    """The name to resolve for a request to the address of one provider, by a ``word`` as for `owner_of`.

    An alias of the user's is followed first; a missing prefix is added. What comes out means this provider, and
    nobody else, unless a fallback chain of the user's names that very model.
    Errors: `NotFound` for an unknown provider, `BadRequest` for a model of another one; as `resolve`.
    """
    provider = owner_of(snapshot, word)
    name = _within(snapshot, provider, snapshot.names.follow(model)[0])
    plan = resolve(snapshot, name)
    root = plan.root
    # The user may have given this very name to something else.
    if plan.by != "name" and not (isinstance(root, Choice) and root.provider is provider):
        raise _not_of(provider, model, "By your aliases and combos it means something else. ")
    return name


def serves(snapshot: Snapshot, provider: Provider, name: str) -> bool:
    """Whether a listed name is a model of this provider, written with its prefix, and no other name for it."""
    return (
        name.startswith(provider.prefix + "/")
        and name not in snapshot.combos
        and snapshot.names.follow(name)[0] == name
    )


def _within(snapshot: Snapshot, provider: Provider, target: str) -> str:
    head, slash, rest = target.partition("/")
    if not slash:
        return f"{provider.prefix}/{target}"
    if head in (provider.prefix, provider.id) and rest:
        return f"{provider.prefix}/{rest}"
    other = snapshot.by_prefix.get(head) or snapshot.providers.get(head)
    if other is None or target in snapshot.specs[provider.id]:  # a model's id may hold slashes itself
        return f"{provider.prefix}/{target}"
    raise _not_of(provider, target, f"It is one of {other.name or other.id}. ")


def _not_of(provider: Provider, model: str, why: str) -> BadRequest:
    own = provider.name or provider.id
    return BadRequest(f"Model {model[:200]!r} does not belong to {own}. {why}Expected prefix: {provider.prefix}/")


def step_problem(snapshot: Snapshot, step: Step) -> str | None:
    """Why nobody can be called by a step of a combo or a chain; None where somebody can."""
    try:
        _Building(snapshot).step(step, step.name, snapshot.combo_defaults, ())
    except _Known as exc:
        return exc.error.message
    except ModelNotFound as exc:
        return exc.message
    return None


# plans ------------------------------------------------------------------------------------------------------


def _plan(snapshot: Snapshot, name: str) -> Plan:
    target, aliased = snapshot.names.follow(name)
    combo = snapshot.combo(target)
    building = _Building(snapshot)
    explicit = combo is None and not aliased and _prefixed(snapshot, target) is not None
    chain = _chain_for(snapshot, (name, target), explicit)
    try:
        root: Choice | Group | None = building.node(target, "", snapshot.combo_defaults, ())
    except _Known as exc:  # a name of somebody who cannot be called now
        if chain is None:
            raise exc.error from None
        root = None
        building.notes.append(Note("", name, exc.error.message))
    by = "alias" if aliased else "combo" if combo is not None else "name" if explicit else "bare name"
    after = building.chain(chain, target) if chain is not None else None
    if root is None:
        if after is None:
            raise ModelNotFound(building.notes[0].reason)
        root, after = after, None
    config = snapshot.combo_defaults.under(combo.settings) if combo is not None else PLAIN
    notes = tuple(building.notes[:MOST_NOTES])
    return Plan(by, root, None if combo is None else combo.name, config, after, notes)


def _chain_for(snapshot: Snapshot, names: tuple[str, str], explicit: bool) -> Chain | None:
    """The user's first chain that lists the model; else, unless a prefix binds, the first that is for all."""
    for chain in snapshot.chains:
        if any(name in chain.models for name in names):
            return chain
    return None if explicit else next((chain for chain in snapshot.chains if chain.applies_to == "all"), None)


class _Known(Exception):
    """Nobody can be called, though it is clear who is meant."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.message)
        self.error = error


class _Building:
    """One plan in the making. Parts that cannot be called are left out and noted."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._leaves = self._steps = 0
        self.notes: list[Note] = []

    def node(self, name: str, path: str, above: ComboConfig, way: tuple[str, ...]) -> Choice | Group:
        """What a name means that no alias changes any more. Errors: `_Known`, `ModelNotFound`."""
        snapshot = self._snapshot
        combo = snapshot.combo(name)
        if combo is not None:
            return self._combo(combo, path, above, way)
        found = _prefixed(snapshot, name)
        if found is not None:
            return self._leaf(_choice(snapshot, *found))
        serving = snapshot.bare.get(name)
        if serving is None:
            raise _unknown(snapshot, name)
        if len(serving) == 1:
            return self._leaf(_choice(snapshot, serving[0], name))
        members = tuple(
            Member(self._leaf(_choice(snapshot, each, name)), f"bare:{name}:{each.id}", path, 1.0, name)
            for each in serving
        )
        return Group(f"bare:{name}", members, config=above if way else PLAIN)

    def chain(self, chain: Chain, asked: str) -> Group | None:
        """The chain's other members, beginning behind the one that was asked for and going round."""
        models = chain.models
        if asked in models:
            place = models.index(asked)
            models = (*models[place + 1 :], *models[:place])
        steps = tuple(Step(model) for model in models if model != asked)
        members = self._members(f"chain:{chain.name}", chain.name, steps, PLAIN, ())
        return Group(f"chain:{chain.name}", members) if members else None

    def _combo(self, combo: Combo, path: str, above: ComboConfig, way: tuple[str, ...]) -> Group:
        if combo.name in way:
            raise _Known(ModelNotFound(f"The combo {combo.name!r} leads back to itself."))
        if len(way) >= MAX_DEPTH:
            raise _Known(ModelNotFound(f"The combo {combo.name!r} lies more than {MAX_DEPTH} levels deep."))
        here = f"{path} › {combo.name}" if path else combo.name
        weights = tuple(step.weight for step in combo.steps)
        config = evolve(above.under(combo.settings), weights=weights)
        noted = len(self.notes)
        members = self._members(f"combo:{combo.id}", here, combo.steps, config, (*way, combo.name))
        if not members:
            raise _Known(_nobody_left(combo, self.notes[noted:]))
        # What a combo says of its order is not for the combos within it.
        strategy = combo.settings.strategy or self._snapshot.combo_defaults.strategy
        return Group(f"combo:{combo.id}", members, combo.name, strategy, evolve(config, strategy=strategy))

    def _members(
        self, key: str, path: str, steps: tuple[Step, ...], config: ComboConfig, way: tuple[str, ...]
    ) -> tuple[Member, ...]:
        members = []
        for number, step in enumerate(steps, 1):
            here = f"{path} › {number}"
            try:
                node = self.step(step, here, config, way)
            except _Known as exc:
                self.notes.append(Note(here, step.name, exc.error.message))
            except ModelNotFound as exc:
                self.notes.append(Note(here, step.name, exc.message))
            else:
                members.append(Member(node, f"{key}#{step.key}", here, step.weight, step.name))
        return tuple(members)

    def step(self, step: Step, path: str, config: ComboConfig, way: tuple[str, ...]) -> Choice | Group:
        """What one step means. Errors: as `node`."""
        self._steps += 1
        if self._leaves >= MAX_LEAVES or self._steps > MOST_STEPS:
            raise _Known(ModelNotFound(f"Only {MAX_LEAVES} models in all are tried for one name."))
        node = self.node(self._snapshot.names.exactly(step.name), path, config, way)
        return node if step.connection_id is None else _only(node, step.connection_id)

    def _leaf(self, made: Choice) -> Choice:
        self._leaves += 1
        return made


def _only(node: Choice | Group, connection_id: str) -> Choice:
    """The one connection that the step asks for."""
    for each in _leaves(node):
        if connection_id in each.roster.by_id:
            return evolve(each, roster=each.roster.only((connection_id,)))
    raise _Known(ModelNotFound("The connection that this step asks for is not there, or is switched off."))


def _choice(snapshot: Snapshot, provider: Provider, model: str) -> Choice:
    """A model of a provider. Errors: `_Known`."""
    roster = snapshot.rosters.get(provider.id)
    if roster is None:
        raise _Known(_not_connected(snapshot, provider))
    spec = snapshot.spec(provider, model)
    if spec is None and not provider.any_model:
        near = snapshot.near.words(f"{provider.prefix}/{model}")
        raise _Known(ModelNotFound(f"{provider.name or provider.id} has no model {model[:200]!r}.{near}"))
    return Choice(provider, model, spec, roster, blended_price(spec))


def blended_price(spec: Model | None) -> float | None:
    """US dollars per million tokens where three of four are input, as in conversations; None where unknown."""
    if spec is None or not spec.price:
        return None
    price = min(spec.price, key=lambda p: p.above_input_tokens)
    if price.input_usd_per_1m is None or price.output_usd_per_1m is None:
        return None
    return (3 * price.input_usd_per_1m + price.output_usd_per_1m) / 4


def allowed_members(group: Group, models: Collection[str]) -> Group:
    """A chain with those members that a caller may use who is limited to ``models``."""
    return evolve(group, members=tuple(member for member in group.members if member.asked in models))


def _leaves(node: Choice | Group) -> Iterator[Choice]:
    if isinstance(node, Choice):
        yield node
    else:
        for member in node.members:
            yield from _leaves(member.node)


def _prefixed(snapshot: Snapshot, name: str) -> tuple[Provider, str] | None:
    prefix, slash, model = name.partition("/")
    provider = snapshot.by_prefix.get(prefix) if slash else None
    return (provider, model) if provider is not None and model else None


# what is missing --------------------------------------------------------------------------------------------


def _not_connected(snapshot: Snapshot, provider: Provider) -> GatewayError:
    name = provider.name or provider.id
    if provider.id in snapshot.expired:
        return LoginExpired(f"The login at {name} has expired. Log in again under Providers.")
    if provider.id in snapshot.settings.get("blockedProviders", ()):
        return ModelNotFound(f"{name} is blocked in the settings.")
    return ModelNotFound(f"{name} has no active connection. Add one, or enable one, under Providers.")


def _nobody_left(combo: Combo, notes: list[Note]) -> GatewayError:
    if not combo.steps:
        return ModelNotFound(f"The combo {combo.name!r} has no models. Add one under Combos.")
    told = " ".join(f"{note.path} ({note.name}): {note.reason}" for note in notes[:10])
    return ModelNotFound(f"The combo {combo.name!r} has no model that can be called. {told}")


def _unknown(snapshot: Snapshot, name: str) -> Exception:
    for provider in snapshot.providers.values():
        if provider.id not in snapshot.lines and name in snapshot.specs[provider.id]:
            return _Known(_not_connected(snapshot, provider))
    prefix, slash, _ = name.partition("/")
    shown = name[:200]
    if name.removeprefix(EXPLICIT) in snapshot.combos.switched_off:
        return ModelNotFound(f"The combo {shown.removeprefix(EXPLICIT)!r} is switched off.")
    if name.startswith(EXPLICIT):
        return ModelNotFound(f"There is no combo {shown[len(EXPLICIT) :]!r}.")
    if slash and prefix not in snapshot.by_prefix and snapshot.by_prefix:
        known = snapshot.near_prefix.words(prefix)
        return ModelNotFound(f"No provider has the prefix {prefix[:100]!r}, and no model is named {shown!r}.{known}")
    return ModelNotFound(f"No connected provider has a model named {shown!r}.{snapshot.near.words(name)}")
